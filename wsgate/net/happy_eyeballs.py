"""Connecting to the first of several addresses that answers (happy eyeballs, RFC 8305).

The addresses are given: whoever resolved a name has seen, and checked, every one that is tried here.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

import trio

from wsgate.net.io import NO_ROOM
from wsgate.net.plain import PlainTransport

STAGGER = 0.25  # seconds until the next address is tried beside those that are silent (RFC 8305 §5)

SocketAddress = tuple[socket.AddressFamily, Any]  # the family, and what socket.connect takes


async def connect_to_any(addresses: Sequence[SocketAddress]) -> PlainTransport:
    """A raw non-blocking socket, connected to one of ``addresses``; they are tried in the order of ``interleave``.

    The next has its turn when the one before has failed, or has been silent for ``STAGGER``. Raises ``OSError``, which
    has each reason once in its words. How long it may take is the caller's to say.
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
    for late in connected[1:]:  # two can answer in the same moment
        late.close()
    if connected:
        return connected[0]
    raise _all_of(errors)


async def connect_to(family: socket.AddressFamily, where: Any) -> PlainTransport:
    """A raw non-blocking socket, connected to one address. Raises ``OSError``."""
    sock = PlainTransport(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        result = sock.connect_ex(where)
        if result == errno.EINPROGRESS:
            await trio.lowlevel.wait_writable(sock)
            result = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if result:
            raise OSError(result, os.strerror(result))
    except BaseException:
        sock.close()
        raise
    return sock


def interleave(addresses: Sequence[SocketAddress]) -> list[SocketAddress]:
    """RFC 8305 §4: the families take turns, in the order in which the resolver prefers them; each address once."""
    once = list(dict.fromkeys(addresses))
    preferred = [address for address in once if address[0] == once[0][0]]
    others = [address for address in once if address[0] != once[0][0]]
    return [address for pair in zip_longest(preferred, others) for address in pair if address is not None]


def _all_of(errors: Sequence[OSError]) -> OSError:
    """One error for all. Its number is that of our own lack of room, if that was among them."""
    number = next((error.errno for error in errors if error.errno in NO_ROOM), errors[-1].errno)
    return OSError(number, ", ".join(sorted({error.strerror or str(error) for error in errors})))
