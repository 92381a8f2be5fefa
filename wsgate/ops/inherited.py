"""Listening sockets that the service manager opened and passed on: socket activation, by the protocol of
sd_listen_fds(3), without its library.

A listener takes over the inherited socket with its own address, as in HAProxy and nginx. The manager keeps its own copy
of each. So the port is open before the gateway starts and while it restarts: who connects then waits in the queue.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import MutableMapping, Sequence

from wsgate.events.emit import emit
from wsgate.net.binds import bound_address
from wsgate.settings.model import Address

_FIRST = 3  # SD_LISTEN_FDS_START
_NAMES = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")


class InheritError(Exception):
    """An inherited descriptor is of no use as a listener; the message says which, and what to do."""


class InheritedSockets:
    """The inherited sockets. A listener gets a copy of one, so that a listener which a reload removes can come back."""

    def __init__(self, sockets: Sequence[socket.socket] = ()) -> None:
        self._sockets = {bound_address(sock): sock for sock in sockets}
        self._taken: set[Address] = set()

    @property
    def addresses(self) -> list[Address]:
        return list(self._sockets)

    @property
    def unused(self) -> list[Address]:
        """The addresses that no listener has taken."""
        return [address for address in self._sockets if address not in self._taken]

    def take(self, address: Address) -> socket.socket | None:
        """Returns a listening socket for this address, with an IP address or a path; ``None`` if none was inherited.

        The file of a Unix socket belongs to the service manager, which made it.
        """
        sock = self._sockets.get(address)
        if sock is None:
            return None
        self._taken.add(address)
        return sock.dup()

    def close(self) -> None:
        for sock in self._sockets.values():
            sock.close()


def inherit_sockets(environment: MutableMapping[str, str] = os.environ) -> InheritedSockets:
    """Takes the sockets that this process has inherited, and their variables out of the environment.

    Raises ``InheritError`` when one of them is no listening stream socket.
    """
    pid, count, names = (environment.pop(name, "") for name in _NAMES)
    if pid != str(os.getpid()) or not count.isdecimal():
        return InheritedSockets()  # none, or they were meant for another process
    labels = names.split(":")
    sockets: list[socket.socket] = []
    for place in range(int(count)):
        label = labels[place] if place < len(labels) and labels[place] else "unnamed"
        sockets.append(_inherit(_FIRST + place, label))
    return InheritedSockets(sockets)


def log_unused(inherited: InheritedSockets) -> None:
    """Warns of sockets that no listener has taken: who connects to them waits for ever."""
    for address in inherited.unused:
        emit(
            logging.WARNING,
            "socket not used",
            address=str(address),
            cure="no listener has this bind: add one, or take it out of the .socket unit",
        )


def is_listening(sock: socket.socket) -> bool:
    return bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))


def _inherit(descriptor: int, label: str) -> socket.socket:
    what = f"the service manager passed descriptor {descriptor} ({label})"
    try:
        sock = socket.socket(fileno=descriptor)
    except OSError:
        raise InheritError(f"{what}, which is no socket") from None
    if sock.type != socket.SOCK_STREAM or not is_listening(sock):
        sock.close()
        raise InheritError(f"{what}, which is no listening stream socket: use ListenStream= and Accept=no")
    if sock.family == socket.AF_UNIX and not isinstance(sock.getsockname(), str):
        sock.close()
        raise InheritError(f"{what}, an abstract Unix socket: give ListenStream= a path")
    sock.setblocking(False)
    sock.set_inheritable(False)
    return sock
