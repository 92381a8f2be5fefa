"""Floods a real gateway that has few descriptors, while other clients must be served.

``python -m tests.flood`` runs each flood for ten seconds and prints how long the others waited; ``test_flood.py`` runs
each one until the others were served a few times.
"""
