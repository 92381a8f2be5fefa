"""TLS: the handshake, and the connection behind it."""
