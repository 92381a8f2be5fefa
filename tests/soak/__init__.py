"""Mixed traffic through one gateway for as long as one likes; nothing of it may stay behind.

``python -m tests.soak`` goes on for twenty minutes; ``test_soak.py`` is the same for a few rounds, always alike.
"""
