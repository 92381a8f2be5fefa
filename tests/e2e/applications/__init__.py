"""Applications on real frameworks, each a program of its own. All serve the same: see ``test_applications.py``."""
