"""Mixed traffic through one gateway for a long time, of which nothing may be left.

``python -m tests.soak`` runs for twenty minutes; ``test_soak.py`` runs a few rounds, always the same ones.
"""
