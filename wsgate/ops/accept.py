"""Accepting connections, whatever the system says about them.

An error of accept(2) is nearly always one connection's that was lost while it waited, and ends nothing else. Where
descriptors or memory are short, the connections wait in the kernel's queue.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import select
import socket
from collections.abc import Awaitable, Callable
from functools import partial

import trio

from wsgate.events.emit import emit
from wsgate.gate.handshake_limiter import HandshakeLimiter
from wsgate.net.io import RESOURCE_ERRNOS
from wsgate.net.plain import PlainTransport, take_over
from wsgate.ops.descriptors import Room
from wsgate.ops.listeners import bound_address
from wsgate.settings.model import Address, TcpAddress

_MOST_QUEUED = 4096  # net.core.somaxconn, which caps the kernel's queue, since Linux 5.4
_PAUSE = 0.1  # seconds to wait for descriptors or memory to come free; what trio's own accept loop waits
_SAY_AGAIN = 60.0  # seconds between two lines about the same trouble

# accept(2), "Error handling", and what other systems give: errors that wait on the new connection
_MAPPED = re.compile(r"::ffff:[0-9.]+")

_NAMES = (
    *("ECONNABORTED", "ECONNRESET", "EHOSTDOWN", "EHOSTUNREACH", "ENETDOWN", "ENETUNREACH"),
    *("ENONET", "ENOPROTOOPT", "EOPNOTSUPP", "EPERM", "EPROTO", "ETIMEDOUT"),
)
_OF_CONNECTION = frozenset(getattr(errno, name) for name in _NAMES if hasattr(errno, name))

Serve = Callable[[PlainTransport, Address], Awaitable[None]]


async def accept_forever(
    listener: socket.socket, serve: Serve, nursery: trio.Nursery, turns: HandshakeLimiter, room: Room | None = None
) -> None:
    """Start ``serve`` in ``nursery`` for every connection, as many in one go as there are ``turns``. Never ends by
    itself.

    Where there is no ``room`` for one more, or the system has no descriptors or memory, it says so once and goes on
    when there is: the waiting connections stay in the kernel's queue. When that is empty again, it says so too. An
    error that nobody knows is logged, at most once a minute, and it goes on.
    """
    trouble = _Trouble(listener, room)
    while True:
        if trouble.short:  # look again after the pause: only an empty queue ends it
            await trio.lowlevel.checkpoint()
        else:
            await trio.lowlevel.wait_readable(listener)
        await turns.wait_no_line()
        for _ in range(turns.limit):
            if room is not None and not room.has_place() and _somebody_waits(listener):
                trouble.out_of(errno.EMFILE)
                room.make_place(turns.limit)
                await room.wait_freed(_PAUSE)
                break
            try:
                sock, address = listener.accept()
            except (BlockingIOError, InterruptedError):
                trouble.is_over()  # not after the first connection that fits, or the two lines would alternate
                break
            except OSError as error:
                if error.errno in _OF_CONNECTION:
                    continue
                if error.errno in RESOURCE_ERRNOS:
                    trouble.out_of(error.errno)
                    if room is not None:
                        room.make_place(turns.limit)
                else:
                    trouble.unknown(error)
                await trio.sleep(_PAUSE)
                break
            _start(listener, sock, address, serve, nursery, room)
            trouble.accepted = True
        else:
            if not trouble.accepted:  # errors alone, as many as there are turns: no reason to spin
                await trio.sleep(_PAUSE)
        trouble.accepted = False


def accept_waiting(listener: socket.socket, serve: Serve, nursery: trio.Nursery, room: Room | None = None) -> None:
    """Before it is closed: take who waits in its queue. The kernel would reset them."""
    for _ in range(_MOST_QUEUED):
        try:
            sock, address = listener.accept()
        except OSError as error:
            if error.errno in _OF_CONNECTION:
                continue
            return  # the queue is empty, or there is no room for more
        _start(listener, sock, address, serve, nursery, room)


def _start(
    listener: socket.socket,
    sock: socket.socket,
    address: object,
    serve: Serve,
    nursery: trio.Nursery,
    room: Room | None,
) -> None:
    work = partial(serve, take_over(sock), _peer(listener, address))
    if room is None:
        nursery.start_soon(work)
    else:
        room.enter()
        nursery.start_soon(room.serve, work)


def _peer(listener: socket.socket, address: object) -> Address:
    if listener.family is socket.AF_UNIX:
        return bound_address(listener)  # a Unix socket's client has no address of its own
    if not isinstance(address, tuple):  # macOS, of a connection that is gone already
        return TcpAddress("0.0.0.0", 0)
    # a client of IPv4 on a dual-stack socket (RFC 4291 §2.5.5.2)
    host: str = address[0]
    # IPv4 on a dual-stack socket; ::ffff:0:102:304 (RFC 2765 §2.1) is another thing
    return TcpAddress(host.removeprefix("::ffff:") if _MAPPED.fullmatch(host) else host, address[1])


def _somebody_waits(listener: socket.socket) -> bool:
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    return bool(poll.poll(0))


class _Trouble:
    """What is said of one listener's.

    short: there are no descriptors or no memory, since the queue was last empty
    accepted: a connection, in this go
    """

    def __init__(self, listener: socket.socket, room: Room | None) -> None:
        self.short = False
        self.accepted = False
        self._address = str(bound_address(listener))
        self._room = room
        self._ended = 0
        self._said_short = False
        self._next_short = self._next_unknown = -1.0
        self._unknown = 0

    def out_of(self, number: int) -> None:
        if self.short:
            return
        self.short = True
        now = trio.current_time()
        if now < self._next_short:
            return
        self._next_short = now + _SAY_AGAIN
        self._said_short = True
        self._ended = 0 if self._room is None else self._room.ended
        emit(
            logging.ERROR,
            "out of resources",
            error=os.strerror(number),
            **({} if self._room is None else {"descriptors": self._room.describe()}),
            consequence="who connects waits in the kernel's queue until there is room",
            cure="raise LimitNOFILE or ulimit -n",
        )

    def is_over(self) -> None:
        self.short = False
        if self._said_short:
            self._said_short = False
            ended = 0 if self._room is None else self._room.ended - self._ended
            emit(logging.INFO, "accepting again", **({"ended_silent": ended} if ended else {}))

    def unknown(self, error: OSError) -> None:
        self._unknown += 1
        now = trio.current_time()
        if now < self._next_unknown:
            return
        self._next_unknown = now + _SAY_AGAIN
        emit(
            logging.ERROR,
            "accept failed",
            listener=self._address,
            error=f"{errno.errorcode.get(error.errno or 0, error.errno)}: {error.strerror or error}",
            times=self._unknown,
            consequence="it goes on accepting; please report this error",
        )
        self._unknown = 0
