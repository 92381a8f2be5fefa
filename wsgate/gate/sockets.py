"""Waiting on raw non-blocking sockets, plain or TLS, from trio: the few reads and writes before the pump takes over.

A peer that goes away is a value here, not an exception: an empty read, a send that says no.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket

import trio

from wsgate.relay.tls import PeerSocket, TlsSocket
from wsgate.settings.model import Address, TcpAddress, UnixAddress
from wsgate.wire.http import Refusal

# No more descriptors or memory: not the peer's fault, and over when others have ended
NO_ROOM = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
OUT_OF_RESOURCES = Refusal(503, "the gateway is out of resources: try again", ((b"Retry-After", b"5"),))

BLOCKED = (BlockingIOError, InterruptedError)
READ_SIZE = 16 << 10  # bytes: a head fits into one read


async def receive(sock: PeerSocket) -> bytes:
    """What the peer sent; ``b""`` when it has ended or reset the connection.

    Always a checkpoint: a peer that never stops sending must let the others, and its own deadline, have their turn.
    """
    try:
        return await receive_or_raise(sock)
    except OSError:
        return b""


async def receive_or_raise(sock: PeerSocket) -> bytes:
    """As ``receive``, but raises the ``OSError`` of a connection that was reset or whose TLS failed."""
    await trio.lowlevel.checkpoint()
    while True:
        try:
            return sock.recv(READ_SIZE)
        except BLOCKED:
            if isinstance(sock, TlsSocket) and sock.wants_write:
                await trio.lowlevel.wait_writable(sock)
            else:
                await trio.lowlevel.wait_readable(sock)


async def send_all(sock: PeerSocket, data: bytes) -> bool:
    """Send everything; False when the peer is gone."""
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[sock.send(rest) :]
        except BLOCKED:
            await trio.lowlevel.wait_writable(sock)
        except OSError:
            return False
    return True


async def end_politely(sock: PeerSocket) -> None:
    """Send FIN and read until the peer's. The caller bounds the time.

    Closing with unread bytes would reset the connection, and the reset can overtake the answer just sent (RFC 9112
    §9.6). What comes is thrown away: it is never read as a request.
    """
    try:
        sock.shutdown(socket.SHUT_WR)
    except OSError:
        return
    while await receive(sock):
        pass


def local_address(sock: PeerSocket) -> Address:
    """Where the peer has connected to."""
    plain = sock.plain if isinstance(sock, TlsSocket) else sock
    name = plain.getsockname()
    return UnixAddress(os.fsdecode(name)) if plain.family is socket.AF_UNIX else TcpAddress(name[0], name[1])


def set_nodelay(sock: socket.socket) -> None:
    """Small frames leave at once, not when the last one was acknowledged. A peer that is gone (some systems then say
    EINVAL) is found by the next read."""
    if sock.family in (socket.AF_INET, socket.AF_INET6):
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
