"""Random input for everything that parses untrusted bytes; two implementations, or two parsers, are compared.

``python -m tests.fuzz`` runs for a given time; ``test_fuzz.py`` runs briefly, always with the same input.
"""
