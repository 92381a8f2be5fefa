"""Bytes and their meaning, sans-I/O: frames, masking, UTF-8, close codes, the two handshakes.

Nothing here uses a socket, a task or a clock. A peer's fault is a value (``Fault``, ``Refusal``). An exception means
that the gateway itself called this package wrongly.
"""
