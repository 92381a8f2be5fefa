"""TLS: contexts and certificates, the handshake, and the connection behind it."""
