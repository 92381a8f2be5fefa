"""A connection without TLS: the socket itself."""

from __future__ import annotations

import socket


class PlainTransport(socket.socket):
    """A ``Transport`` that costs nothing beside its socket."""

    __slots__ = ()

    secure = more = wants_write = False
    record = 0

    @property
    def connection(self) -> socket.socket:
        return self

    @property
    def read_end(self) -> int:
        return self.fileno()

    @property
    def write_end(self) -> int:
        return self.fileno()


def take_over(sock: socket.socket) -> PlainTransport:
    """The same connection; ``sock`` is empty from now on. Does not block."""
    transport = PlainTransport(sock.family, sock.type, sock.proto, sock.detach())
    transport.setblocking(False)
    return transport
