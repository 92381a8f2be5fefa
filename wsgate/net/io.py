"""Waiting for transports from trio: the few reads and writes before the pump takes over.

A peer that goes away is a value here, not an exception: an empty read, a send that says no.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket

import trio

from wsgate.net.transport import BLOCKED, Transport
from wsgate.settings.model import Address, TcpAddress, UnixAddress

# No more descriptors or memory: not the peer's fault, and over when others have ended
NO_ROOM = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

READ_SIZE = 16 << 10  # bytes: a head fits into one read


async def receive(transport: Transport) -> bytes:
    """What the peer sent; ``b""`` when it has ended or reset the connection.

    Always a checkpoint: a peer that never stops sending must let the others, and its own deadline, have their turn.
    """
    try:
        return await receive_or_raise(transport)
    except OSError:
        return b""


async def receive_or_raise(transport: Transport) -> bytes:
    """As ``receive``, but raises the ``OSError`` of a connection that was reset or whose TLS failed."""
    await trio.lowlevel.checkpoint()
    while True:
        try:
            return transport.recv(READ_SIZE)
        except BLOCKED:
            if transport.wants_write:
                await trio.lowlevel.wait_writable(transport)
            else:
                await trio.lowlevel.wait_readable(transport)


async def send_all(transport: Transport, data: bytes) -> bool:
    """Send everything; False when the peer is gone."""
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[transport.send(rest) :]
        except BLOCKED:
            await trio.lowlevel.wait_writable(transport)
        except OSError:
            return False
    return True


def is_reset(transport: Transport) -> bool:
    """Whether the peer has reset the connection: what it sent before can be read, but nobody waits for an answer."""
    return transport.connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0


async def end_politely(transport: Transport) -> None:
    """Send FIN and read until the peer's. The caller bounds the time.

    Closing with unread bytes would reset the connection, and the reset can overtake the answer just sent (RFC 9112
    §9.6). What comes is thrown away: it is never read as a request.
    """
    try:
        transport.shutdown(socket.SHUT_WR)
    except OSError:
        return
    while await receive(transport):
        pass


def local_address(transport: Transport) -> Address:
    """Where the peer has connected to."""
    connection = transport.connection
    name = connection.getsockname()
    return UnixAddress(os.fsdecode(name)) if connection.family is socket.AF_UNIX else TcpAddress(name[0], name[1])


def set_nodelay(sock: socket.socket) -> None:
    """Small frames leave at once, not when the last one was acknowledged. A peer that is gone (some systems then say
    EINVAL) is found by the next read."""
    if sock.family in (socket.AF_INET, socket.AF_INET6):
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
