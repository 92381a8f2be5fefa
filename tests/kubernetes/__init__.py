"""The chart and the plain manifests, rendered by helm and kubectl and held to the schemas of Kubernetes.

``make kubernetes-check`` runs it: CI does not, because helm and kubectl are 200 MB. ``tests/deploy/test_kubernetes.py``
checks in CI what can be checked without them.
"""
