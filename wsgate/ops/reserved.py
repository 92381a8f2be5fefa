"""The addresses of a gateway with workers: the parent reserves them, each worker listens on them.

Theory of operation
------------------- Every worker binds a TCP socket of its own with SO_REUSEPORT, and the kernel distributes the
connections among them. When a worker dies, its socket is closed, and new connections go to the other workers at once.
(If the parent kept the workers' sockets open instead, the connections in a dead worker's queue would not be lost, but
new connections would still be put into that queue, which no process serves.)

The parent binds the same address without listening, so it gets no connection. This reserves the address:

- With SO_REUSEPORT the kernel would silently allow another gateway of the same user on the address. The parent's first
  bind, without it, reports "address in use".
- The address stays reserved between the death of the last worker and its replacement.
- Port 0 is the same port for all workers.
- The name is resolved once, and the permission for the port is needed once.

Unix sockets have no SO_REUSEPORT, and a socket of the service manager listens already (``ops.inherited``): there all
workers accept from one queue.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from wsgate.net.binds import bound_address
from wsgate.ops.inherited import InheritedSockets
from wsgate.ops.listeners import (
    BlockingCall,
    ListenError,
    LookedUp,
    call_directly,
    close_listeners,
    open_reserved,
    reserve_listeners,
)
from wsgate.settings.model import Address, Listener


@dataclass(frozen=True, slots=True, eq=False)
class Reservation:
    """A reserved address and its socket. ``bind`` is as in the settings: its port may be 0."""

    bind: Address
    sock: socket.socket


class Reservations:
    """The addresses that a parent has reserved. Raises ``ListenError`` when one cannot be reserved.

    call_blocking: calls what may wait for the disk of a Unix socket's file
    inherited: the service manager's sockets, which need no reservation of their own
    """

    def __init__(
        self,
        listeners: Sequence[Listener],
        call_blocking: BlockingCall = call_directly,
        inherited: InheritedSockets | None = None,
    ) -> None:
        self._elsewhere = call_blocking
        self._inherited = inherited or InheritedSockets()
        self._held = self._reserve(listeners)

    @property
    def addresses(self) -> list[Address]:
        """The addresses on which the workers listen, in the order of the settings."""
        return [bound_address(reservation.sock) for reservation in self._held]

    def change(self, listeners: Sequence[Listener], looked_up: LookedUp = MappingProxyType({})) -> list[Reservation]:
        """Reserves the addresses of ``listeners`` and releases all others.

        looked_up: resolved names; missing ones are resolved here

        Returns the new reservations. Raises ``ListenError`` when one fails; nothing is changed then.
        """
        gone = list(self._held)
        held: list[Reservation | None] = []
        for listener in listeners:
            same = next((reservation for reservation in gone if reservation.bind == listener.bind), None)
            if same is not None:
                gone.remove(same)
            held.append(same)
        missing = [listener for listener, same in zip(listeners, held, strict=True) if same is None]
        new = self._reserve(missing, looked_up)
        close_listeners([reservation.sock for reservation in gone], self._elsewhere)
        fresh = iter(new)
        self._held = [next(fresh) if same is None else same for same in held]
        return new

    def inherit(self) -> Inheritance:
        """Passes the reservations to a worker. Called in the worker, right after the fork."""
        return Inheritance(Reservation(held.bind, socket.socket(fileno=held.sock.detach())) for held in self._held)

    def close_in_child(self) -> None:
        """Closes the sockets in a child that is no worker."""
        for reservation in self._held:
            reservation.sock.close()
        self._held = []

    def close(self) -> None:
        """Releases the addresses and removes the files of Unix sockets."""
        close_listeners([reservation.sock for reservation in self._held], self._elsewhere)
        self._held = []

    def _reserve(self, listeners: Sequence[Listener], looked_up: LookedUp = MappingProxyType({})) -> list[Reservation]:
        sockets = reserve_listeners(listeners, looked_up, self._elsewhere, self._inherited)
        return [Reservation(listener.bind, sock) for listener, sock in zip(listeners, sockets, strict=True)]


class Inheritance:
    """The reservations of a worker on which it does not listen yet."""

    def __init__(self, reservations: Iterable[Reservation]) -> None:
        self._waiting = list(reservations)
        self._lock = threading.Lock()  # a reload opens in a thread

    def change(self, listeners: Sequence[Listener], new: Iterable[Reservation]) -> None:
        """The parent has changed its reservations to those of ``listeners``: ``new`` are added, others are dropped."""
        wanted = {listener.bind for listener in listeners}
        with self._lock:
            for reservation in [waiting for waiting in self._waiting if waiting.bind not in wanted]:
                self._drop(reservation)
            self._waiting += new

    def open(self, listeners: Sequence[Listener]) -> list[socket.socket]:
        """Opens a listening socket for each. Raises ``ListenError`` when one fails; none is open then."""
        with self._lock:
            return self._open(listeners)

    def close(self) -> None:
        """Drops all reservations."""
        with self._lock:
            for reservation in list(self._waiting):
                self._drop(reservation)

    def _open(self, listeners: Sequence[Listener]) -> list[socket.socket]:
        opened: list[socket.socket] = []
        used: list[Reservation] = []
        try:
            for listener in listeners:
                fits = (held for held in self._waiting if held.bind == listener.bind and held not in used)
                reservation = next(fits, None)
                if reservation is None:  # a second reload has dropped it already
                    raise ListenError(f"cannot listen on {listener.bind}: it is no longer wanted")
                opened.append(open_reserved(listener, reservation.sock))
                used.append(reservation)
        except ListenError:
            close_listeners(opened)
            raise
        for reservation in used:
            self._drop(reservation)
        return opened

    def _drop(self, reservation: Reservation) -> None:
        self._waiting.remove(reservation)
        reservation.sock.close()
