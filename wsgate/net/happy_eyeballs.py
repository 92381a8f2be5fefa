"""Connecting to the first of several addresses that answers (happy eyeballs, RFC 8305).

The caller has resolved the name and checked every address.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

import trio

from wsgate.net.io import RESOURCE_ERRNOS
from wsgate.net.plain import PlainTransport

STAGGER = 0.25  # seconds without an answer until the next address is tried too (RFC 8305 §5)

_STREAM = socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
_CONNECTED = (0, errno.EISCONN)
_UNDER_WAY = (errno.EALREADY, errno.EINPROGRESS)

SocketAddress = tuple[socket.AddressFamily, Any]  # the family, and the argument for socket.connect


async def connect_to_any(addresses: Sequence[SocketAddress]) -> PlainTransport:
    """Returns a connection to one of ``addresses``, tried in the order of ``interleave``.

    The next address is tried when the one before has failed, or has not answered within ``STAGGER``. The caller bounds
    the time.

    Raises ``OSError``, with all reasons in its message, when every address failed.
    """
    if len(addresses) == 1:
        return await connect_to(*addresses[0])
    errors: list[OSError] = []
    connected: list[PlainTransport] = []

    async def attempt(address: SocketAddress, failed: trio.Event) -> None:
        try:
            sock = await connect_to(*address)
        except OSError as error:
            errors.append(error)
            failed.set()
            return
        connected.append(sock)
        nursery.cancel_scope.cancel()

    try:
        async with trio.open_nursery() as nursery:
            for address in interleave(addresses):
                failed = trio.Event()
                nursery.start_soon(attempt, address, failed)
                with trio.move_on_after(STAGGER):
                    await failed.wait()
    except BaseException:
        for sock in connected:
            sock.close()
        raise
    for late in connected[1:]:  # two can answer at the same time
        late.close()
    if connected:
        return connected[0]
    raise _combined(errors)


async def connect_to(family: socket.AddressFamily, where: Any) -> PlainTransport:
    """Returns a connection to one address. Raises ``OSError`` when that fails."""
    sock, connected = start_connecting(family, where)
    if not connected:
        await finish_connecting(sock)
    return sock


def start_connecting(family: socket.AddressFamily, where: Any) -> tuple[PlainTransport, bool]:
    """Begins to connect to one address. Raises ``OSError`` when that fails at once.

    Returns the socket, and whether it is connected already. Then it needs no wait, and so no deadline.
    """
    sock = PlainTransport(family, _STREAM)
    try:
        result = sock.connect_ex(where)
        if result == errno.EINPROGRESS:
            # On this machine it is connected at once, and connect(2) says so only when it is asked again
            result = sock.connect_ex(where)
            if result in _UNDER_WAY:
                return sock, False
        if result not in _CONNECTED:
            raise OSError(result, os.strerror(result))
    except BaseException:
        sock.close()
        raise
    return sock, True


async def finish_connecting(sock: PlainTransport) -> None:
    """Waits until ``sock`` is connected. Closes it and raises ``OSError`` when that fails."""
    try:
        await trio.lowlevel.wait_writable(sock)
        result = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if result:
            raise OSError(result, os.strerror(result))
    except BaseException:
        sock.close()
        raise


def interleave(addresses: Sequence[SocketAddress]) -> list[SocketAddress]:
    """Alternates between the families, the resolver's preferred one first (RFC 8305 §4); each address once."""
    once = list(dict.fromkeys(addresses))
    preferred = [address for address in once if address[0] == once[0][0]]
    others = [address for address in once if address[0] != once[0][0]]
    return [address for pair in zip_longest(preferred, others) for address in pair if address is not None]


def _combined(errors: Sequence[OSError]) -> OSError:
    """Returns one error for all. Its number is one of ``RESOURCE_ERRNOS`` if any error has such a number."""
    number = next((error.errno for error in errors if error.errno in RESOURCE_ERRNOS), errors[-1].errno)
    return OSError(number, ", ".join(sorted({error.strerror or str(error) for error in errors})))
