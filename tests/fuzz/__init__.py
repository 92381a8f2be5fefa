"""Random input for everything that reads what a stranger wrote, twins and readings held to each other.

``python -m tests.fuzz`` goes on for as long as it is told; ``test_fuzz.py`` is the same for a moment, always alike.
"""
