"""The addresses of a gateway with workers: reserved by the parent, listened on by each worker.

Theory of operation
-------------------
Every worker binds a TCP socket of its own with SO_REUSEPORT, and the kernel deals the connections out among them. When
a worker dies its socket goes, and the next connection finds another worker at once, however long a replacement takes.
(If the parent kept the workers' sockets open instead, nothing in a dead worker's queue would be lost, but whoever
connects would go on being dealt to a queue that nobody serves.)

The parent binds the same address and does not listen, so it gets no connection. That reserves it: SO_REUSEPORT would
let another gateway of the same user in beside us without a word; a first bind without it finds "address in use". It
keeps the address between the death of the last worker and its replacement. It makes port 0 one port for all. And the
address is looked up and permitted once.

Unix sockets know no SO_REUSEPORT: there the parent listens, and all workers accept from the one queue.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from wsgate.ops.listeners import (
    Elsewhere,
    ListenError,
    LookedUp,
    bound_address,
    close_listeners,
    here,
    open_reserved,
    reserve_listeners,
)
from wsgate.settings.model import Address, Listener


@dataclass(frozen=True, slots=True, eq=False)
class Reservation:
    """``bind`` is as in the settings: its port may be 0."""

    bind: Address
    sock: socket.socket


class Reserved:
    """The parent's. Raises ``ListenError`` where an address cannot be had.

    elsewhere: does what may wait for the disk of a Unix socket's file. Without it this is done here
    """

    def __init__(self, listeners: Sequence[Listener], elsewhere: Elsewhere = here) -> None:
        self._elsewhere = elsewhere
        self._held = self._reserve(listeners)

    @property
    def addresses(self) -> list[Address]:
        """Where the workers really listen, in the order of the settings."""
        return [bound_address(reservation.sock) for reservation in self._held]

    def change(self, listeners: Sequence[Listener], looked_up: LookedUp = MappingProxyType({})) -> list[Reservation]:
        """Hold what ``listeners`` want, and nothing else. Returns what is new. Raises ``ListenError``, unchanged.

        looked_up: where their names lead; what is not in there is looked up
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
        """In a worker, right after the fork: they are its own from now on."""
        return Inheritance(Reservation(held.bind, socket.socket(fileno=held.sock.detach())) for held in self._held)

    def forget(self) -> None:
        """In another child: its parent's addresses are none of its business."""
        for reservation in self._held:
            reservation.sock.close()
        self._held = []

    def close(self) -> None:
        """Give the addresses up; the files of Unix sockets go."""
        close_listeners([reservation.sock for reservation in self._held], self._elsewhere)
        self._held = []

    def _reserve(self, listeners: Sequence[Listener], looked_up: LookedUp = MappingProxyType({})) -> list[Reservation]:
        sockets = reserve_listeners(listeners, looked_up, self._elsewhere)
        return [Reservation(listener.bind, sock) for listener, sock in zip(listeners, sockets, strict=True)]


class Inheritance:
    """The worker's: what it may listen on and does not yet."""

    def __init__(self, reservations: Iterable[Reservation]) -> None:
        self._waiting = list(reservations)
        self._lock = threading.Lock()  # a reload opens in a thread

    def change(self, listeners: Sequence[Listener], new: Iterable[Reservation]) -> None:
        """What the parent holds has changed, to what ``listeners`` want."""
        wanted = {listener.bind for listener in listeners}
        with self._lock:
            for reservation in [waiting for waiting in self._waiting if waiting.bind not in wanted]:
                self._drop(reservation)
            self._waiting += new

    def open(self, listeners: Sequence[Listener]) -> list[socket.socket]:
        """A listening socket for each. Raises ``ListenError``, with none left open."""
        with self._lock:
            return self._open(listeners)

    def close(self) -> None:
        """Listen on nothing of it."""
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
                if reservation is None:  # a second reload was faster
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
