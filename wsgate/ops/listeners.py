"""Listening sockets: opened all together or not at all, then accepting until cancelled."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import logging
import os
import socket
import stat
from collections.abc import Awaitable, Callable, Sequence

import trio

from wsgate.gate.account import emit
from wsgate.gate.sockets import NO_ROOM
from wsgate.settings.model import Address, Listener, TcpAddress, UnixAddress

BACKLOG = 4096  # connections that wait in the kernel; Linux caps it at net.core.somaxconn, 4096 by default since 5.4
_BATCH = 64  # connections accepted in one turn, so that a storm leaves the pump its turns

_PAUSE = 0.1  # seconds to wait for descriptors or memory to come free; what trio's own accept loop waits

# accept(2): errors of the one connection that was lost while it waited
_OF_CONNECTION = frozenset(
    {errno.ECONNABORTED, errno.EPERM, errno.EPROTO, errno.ENETDOWN, errno.EHOSTUNREACH, errno.ENETUNREACH}
)

Serve = Callable[[socket.socket, str], Awaitable[None]]


class ListenError(Exception):
    """A listener cannot be opened; the message is one line that says which, why, and what to do."""


def open_listeners(listeners: Sequence[Listener]) -> list[socket.socket]:
    """A listening socket for each. Raises ``ListenError``, with none left open."""
    opened: list[socket.socket] = []
    try:
        for listener in listeners:
            opened.append(_open(listener.bind))
    except OSError as error:
        close_listeners(opened)
        raise ListenError(_explain(listener.bind, error)) from None
    return opened


def close_listeners(sockets: Sequence[socket.socket]) -> None:
    """Stop listening; a Unix socket's file goes with it."""
    for sock in sockets:
        path = sock.getsockname() if sock.family is socket.AF_UNIX else None
        sock.close()
        if path:
            with contextlib.suppress(OSError):  # somebody was faster
                os.unlink(path)


def _open(bind: Address) -> socket.socket:
    where: object
    if isinstance(bind, UnixAddress):
        _remove_stale(bind.path)
        family, where = socket.AF_UNIX, bind.path
    else:
        family, _, _, _, where = socket.getaddrinfo(
            bind.host, bind.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        if family != socket.AF_UNIX:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # [::] takes IPv4 too, as in nginx's and HAProxy's documentation of "both"; any other address cannot
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if _is_any(bind) else 1)
        sock.bind(where)
        sock.listen(BACKLOG)
    except BaseException:
        sock.close()
        raise
    return sock


def _is_any(bind: Address) -> bool:
    """Whether a bind means every address of its family."""
    try:
        return isinstance(bind, TcpAddress) and ipaddress.ip_address(bind.host).is_unspecified
    except ValueError:
        return False


def _remove_stale(path: str) -> None:
    """A socket file that nobody listens on is in the way; a live one is somebody's."""
    probe = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with probe:
        probe.setblocking(False)  # a full backlog is EAGAIN, so alive
        try:
            probe.connect(path)
        except FileNotFoundError:
            return
        except ConnectionRefusedError:  # nobody listens, or the file is no socket at all
            if not stat.S_ISSOCK(os.lstat(path).st_mode):
                raise FileExistsError(errno.EEXIST, "there is a file that is no socket") from None
            os.unlink(path)
            return
        except BlockingIOError:
            pass
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


def _explain(bind: Address, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"cannot listen on {bind}: the address is in use; stop the program that has it, or choose another bind"
    if error.errno == errno.EACCES:
        return (
            f"cannot listen on {bind}: not permitted; ports below 1024 need CAP_NET_BIND_SERVICE "
            "(systemd: AmbientCapabilities=, containers: cap_add), a Unix socket a directory that can be written"
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return f"cannot listen on {bind}: this machine has no such address"
    return f"cannot listen on {bind}: {error.strerror or error}"


async def accept_forever(listener: socket.socket, serve: Serve, nursery: trio.Nursery) -> None:
    """Start ``serve`` in ``nursery`` for every connection. Never ends by itself.

    Out of descriptors or memory it says so once, pauses, and goes on when there is room: the waiting connections stay
    in the kernel's queue. When that is empty again, it says so too.
    """
    exhausted = False
    while True:
        if exhausted:  # look again after the pause: only an empty queue ends it
            await trio.lowlevel.checkpoint()
        else:
            await trio.lowlevel.wait_readable(listener)
        for _ in range(_BATCH):
            try:
                sock, address = listener.accept()
            except (BlockingIOError, InterruptedError):
                if exhausted:  # not after the first connection that fits, or the two lines would alternate
                    exhausted = False
                    emit(logging.INFO, "accepting again")
                break
            except OSError as error:
                if error.errno in _OF_CONNECTION:
                    continue
                if error.errno not in NO_ROOM:
                    raise
                if not exhausted:
                    exhausted = True
                    emit(logging.ERROR, "out of resources", error=error.strerror, cure="raise LimitNOFILE or ulimit -n")
                await trio.sleep(_PAUSE)
                break
            sock.setblocking(False)
            nursery.start_soon(serve, sock, _name(listener, address))


def bound_address(listener: socket.socket) -> Address:
    """Where a socket really listens: with the port that the kernel picked for port 0."""
    name = listener.getsockname()
    return UnixAddress(name) if listener.family is socket.AF_UNIX else TcpAddress(name[0], name[1])


def _name(listener: socket.socket, address: object) -> str:
    if listener.family is socket.AF_UNIX:
        return str(bound_address(listener))  # a Unix socket's client has no address of its own
    assert isinstance(address, tuple)
    # a client of IPv4 on a dual-stack socket (RFC 4291 §2.5.5.2)
    return str(TcpAddress(address[0].removeprefix("::ffff:"), address[1]))
