"""Accepting connections, also after errors of accept(2).

Nearly every error of accept(2) belongs to one connection that was lost in the queue, and affects no other. When
descriptors or memory run out, connections wait in the kernel's queue.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import select
import socket
from collections.abc import Awaitable, Callable

import trio

from wsgate.events.emit import emit
from wsgate.gate.handshake_limiter import HandshakeLimiter
from wsgate.net.binds import bound_address
from wsgate.net.io import RESOURCE_ERRNOS
from wsgate.net.plain import PlainTransport, accept
from wsgate.ops.descriptors import DescriptorLimit
from wsgate.settings.model import Address, TcpAddress

_MOST_QUEUED = 4096  # net.core.somaxconn, which caps the kernel's queue, since Linux 5.4
_PAUSE = 0.1  # seconds to wait for free descriptors or memory, as in trio's own accept loop
_SAY_AGAIN = 60.0  # seconds between two log lines about the same problem

_MAPPED = re.compile(r"::ffff:[0-9.]+")

# Errors of the new connection: accept(2), "Error handling", and those of other systems
_NAMES = (
    *("ECONNABORTED", "ECONNRESET", "EHOSTDOWN", "EHOSTUNREACH", "ENETDOWN", "ENETUNREACH"),
    *("ENONET", "ENOPROTOOPT", "EOPNOTSUPP", "EPERM", "EPROTO", "ETIMEDOUT"),
)
_OF_CONNECTION = frozenset(getattr(errno, name) for name in _NAMES if hasattr(errno, name))

Serve = Callable[[PlainTransport, Address], Awaitable[None]]


async def accept_forever(
    listener: socket.socket,
    serve: Serve,
    nursery: trio.Nursery,
    limiter: HandshakeLimiter,
    room: DescriptorLimit | None = None,
) -> None:
    """Starts ``serve`` in ``nursery`` for every connection, until cancelled.

    limiter: limits how many connections are accepted at once
    room: says whether there are descriptors for one more; ``None``: not checked

    Without room, or when the system has no descriptors or memory, this logs it once, and goes on when there are some:
    connections wait in the kernel's queue. It also logs when the queue is empty again. Other errors are logged at most
    once a minute.
    """
    problems = _AcceptProblems(listener, room)
    family = listener.family
    while True:
        if problems.short:  # try again after the pause: only an empty queue ends the shortage
            await trio.lowlevel.checkpoint()
        else:
            await trio.lowlevel.wait_readable(listener)
        await limiter.wait_idle()
        for _ in range(limiter.limit):
            if room is not None and not room.has_room() and _somebody_waits(listener):
                problems.out_of(errno.EMFILE)
                room.make_room(limiter.limit)
                await room.wait_freed(_PAUSE)
                break
            try:
                sock, address = accept(listener, family)
            except (BlockingIOError, InterruptedError):
                problems.is_over()  # not at the first accepted connection, or the two log lines would alternate
                break
            except OSError as error:
                if error.errno in _OF_CONNECTION:
                    continue
                if error.errno in RESOURCE_ERRNOS:
                    problems.out_of(error.errno)
                    if room is not None:
                        room.make_room(limiter.limit)
                else:
                    problems.unknown(error)
                await trio.sleep(_PAUSE)
                break
            _start(listener, sock, address, serve, nursery, room)
            problems.accepted = True
        else:
            if not problems.accepted:  # only errors: do not busy-loop
                await trio.sleep(_PAUSE)
        problems.accepted = False


def accept_waiting(
    listener: socket.socket, serve: Serve, nursery: trio.Nursery, room: DescriptorLimit | None = None
) -> None:
    """Accepts the connections in the queue of a listener that is about to be closed. The kernel would reset them."""
    for _ in range(_MOST_QUEUED):
        try:
            sock, address = accept(listener, listener.family)
        except OSError as error:
            if error.errno in _OF_CONNECTION:
                continue
            return  # the queue is empty, or resources have run out
        _start(listener, sock, address, serve, nursery, room)


def _start(
    listener: socket.socket,
    sock: PlainTransport,
    address: object,
    serve: Serve,
    nursery: trio.Nursery,
    room: DescriptorLimit | None,
) -> None:
    if room is not None:
        room.enter()  # the connection's own end is its ``leave``
    nursery.start_soon(serve, sock, _peer(listener, address))


def _peer(listener: socket.socket, address: object) -> Address:
    if not isinstance(address, tuple):
        if listener.family is socket.AF_UNIX:
            return bound_address(listener)  # the client of a Unix socket has no address of its own
        return TcpAddress("0.0.0.0", 0)  # macOS, for a connection that is gone already
    host: str = address[0]
    if ":" not in host:
        return TcpAddress(host, address[1])
    # An IPv4 client on a dual-stack socket (RFC 4291 §2.5.5.2); ::ffff:0:102:304 (RFC 2765 §2.1) is no such address
    return TcpAddress(host.removeprefix("::ffff:") if _MAPPED.fullmatch(host) else host, address[1])


def _somebody_waits(listener: socket.socket) -> bool:
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    return bool(poll.poll(0))


class _AcceptProblems:
    """Logs the problems of one listener.

    short: descriptors or memory have run out since the queue was last empty
    accepted: whether the present iteration accepted a connection
    """

    def __init__(self, listener: socket.socket, room: DescriptorLimit | None) -> None:
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
