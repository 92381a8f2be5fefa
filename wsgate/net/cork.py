"""Holding back what is written until more follows at once, so that both leave in one segment (tcp(7), TCP_CORK).

Each segment costs the kernel some microseconds, and the peer a wake-up. If nothing follows, the kernel sends what it
has after 0.2 seconds. The end of the connection always lets go.
"""

from __future__ import annotations

import socket


def hold_back(sock: socket.socket) -> None:
    """Holds back what is written from now on."""
    _set(sock, 1)


def let_go(sock: socket.socket) -> None:
    """Sends what was held back, and holds back nothing any more."""
    _set(sock, 0)


def _set(sock: socket.socket, value: int) -> None:
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, value)
    except (OSError, AttributeError):  # a Unix socket, or a peer that is gone; another system than Linux
        return
