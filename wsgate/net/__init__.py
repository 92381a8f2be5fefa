"""Connections: ``transport`` is what a leg reads and writes, ``plain`` and ``tls`` are its kinds; ``io`` waits for them
before the data plane takes over."""
