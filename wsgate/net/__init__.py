"""Connections: a ``transport`` is what a leg reads and writes, ``plain`` and ``tls`` implement it, ``io`` waits for
transports before the data plane takes over."""
