"""A connection without TLS: the socket itself."""

from __future__ import annotations

import _socket
import socket
from collections.abc import Callable
from typing import Any

# The number of a socket's family; the attribute searches for the enum's member
_family: Callable[[socket.socket], int] = socket.SocketType.family.__get__


class PlainTransport(socket.socket):
    """A ``Transport`` that is its socket, so it costs no extra memory and no extra calls."""

    __slots__ = ()

    secure = more = wants_write = False
    tls_record = 0

    shutdown_unread = socket.socket.shutdown
    close = _socket.socket.close  # without the two calls for files that ``makefile`` would make of it

    @property
    def drains(self) -> bool:
        """A read of a Unix socket also ends at descriptors that came along (unix(7))."""
        return _family(self) != socket.AF_UNIX

    def look_for_more(self) -> None:
        """Without TLS nothing is held."""

    @property
    def connection(self) -> socket.socket:
        return self

    @property
    def read_end(self) -> int:
        return self.fileno()

    @property
    def write_end(self) -> int:
        return self.fileno()


def accept(listener: socket.socket, family: socket.AddressFamily) -> tuple[PlainTransport, Any]:
    """Accepts a connection. Returns its transport, and the address of its other end. Raises as accept(2) fails.

    Without the socket object that ``listener.accept`` would make first, which takes system calls of its own.

    family: of the listener; its attribute costs a search for the enum's member
    """
    fd, address = listener._accept()  # type: ignore[attr-defined]  # what ``socket.accept`` itself is made of
    transport = PlainTransport(family, socket.SOCK_STREAM, 0, fd)
    transport.setblocking(False)
    return transport, address


def take_over(sock: socket.socket) -> PlainTransport:
    """Returns a non-blocking transport for the connection of ``sock``; ``sock`` is detached from it."""
    transport = PlainTransport(sock.family, sock.type, sock.proto, sock.detach())
    transport.setblocking(False)
    return transport
