"""More of one thing than anybody takes, at a real gateway with few descriptors, while others want to be served.

``python -m tests.flood`` has each for ten seconds and says how long the others waited; ``test_flood.py`` has each until
they were served a few times.
"""
