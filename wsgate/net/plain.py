"""A connection without TLS: the socket itself."""

from __future__ import annotations

import socket


class PlainTransport(socket.socket):
    """A ``Transport`` that is its socket, so it costs no extra memory and no extra calls."""

    __slots__ = ()

    secure = more = wants_write = False
    tls_record = 0

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
    """Returns a non-blocking transport for the connection of ``sock``; ``sock`` is detached from it."""
    transport = PlainTransport(sock.family, sock.type, sock.proto, sock.detach())
    transport.setblocking(False)
    return transport
