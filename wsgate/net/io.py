"""Reading and writing transports in trio, before the pump takes over.

A peer that goes away is a value here, not an exception: an empty read, or False from a send.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import struct

import trio

from wsgate.net.transport import BLOCKED, Transport
from wsgate.settings.model import Address, TcpAddress, UnixAddress

# No more descriptors or memory: the peer is not at fault, and it may be over when other connections end
RESOURCE_ERRNOS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

READ_SIZE = 16 << 10  # bytes: a head fits into one read
BODY_SIZE = 64 << 10  # bytes of a body that are read at once


async def receive(transport: Transport, size: int = READ_SIZE) -> bytes:
    """Returns what the peer sent, at most ``size`` bytes; ``b""`` when it has ended or reset the connection.

    Always a checkpoint: otherwise a peer that never stops sending could block other tasks and its own deadline.
    """
    try:
        return await receive_or_raise(transport, size)
    except OSError:
        return b""


async def receive_or_raise(transport: Transport, size: int = READ_SIZE) -> bytes:
    """Like ``receive``, but raises ``OSError`` when the connection was reset or its TLS failed."""
    await trio.lowlevel.checkpoint_if_cancelled()
    try:
        data = transport.recv(size)
    except BLOCKED:
        return await _receive_later(transport, size)
    await trio.lowlevel.cancel_shielded_checkpoint()  # not one that would lose the data
    return data


def receive_at_once(transport: Transport, size: int = READ_SIZE) -> bytes:
    """Returns what the peer has sent already, at most ``size`` bytes; ``b""`` if that is nothing, or its end."""
    try:
        return transport.recv(size)
    except OSError:  # BLOCKED, too
        return b""


async def _receive_later(transport: Transport, size: int) -> bytes:
    """Waits for what the peer sends, which is a checkpoint."""
    while True:
        if transport.wants_write:
            await trio.lowlevel.wait_writable(transport)
        else:
            await trio.lowlevel.wait_readable(transport)
        try:
            return transport.recv(size)
        except BLOCKED:
            continue


def send_at_once(transport: Transport, data: bytes) -> int:
    """Sends what can be sent without waiting. Returns how much that was: all of it when the peer is gone, which the
    next read tells."""
    try:
        return transport.send(data)
    except BLOCKED:
        return 0
    except OSError:
        return len(data)


async def send_all(transport: Transport, data: bytes | memoryview) -> bool:
    """Sends everything. Returns False when the peer is gone."""
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
    """Whether the peer has reset the connection. Bytes sent before can still be read, but nobody reads an answer."""
    return transport.connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0


async def wait_until_left(transport: Transport) -> None:
    """Returns when the peer has ended or reset the connection, whatever it has sent that nobody has read yet.

    Nothing is read, so TLS does not matter. Without epoll, or a descriptor for it, it never returns.
    """
    try:
        ends = select.epoll(1)
    except (AttributeError, OSError):
        await trio.sleep_forever()
    with ends:
        ends.register(transport.fileno(), select.EPOLLRDHUP)  # EPOLLHUP and EPOLLERR are always reported
        await trio.lowlevel.wait_readable(ends.fileno())


def reset_at_close(transport: Transport) -> None:
    """Makes the coming close a reset (socket(7), SO_LINGER), so that the peer does not take it for a regular end."""
    transport.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def end_gracefully(transport: Transport) -> None:
    """Sends FIN and discards what the peer sends until its FIN. The caller bounds the time.

    Closing a socket with unread bytes resets the connection, and the reset can overtake the answer that was just sent
    (RFC 9112 §9.6). The discarded bytes are never read as a request.
    """
    try:
        transport.shutdown(socket.SHUT_WR)
    except OSError:
        return
    while await receive(transport):
        pass


def local_address(transport: Transport) -> Address:
    """Returns the address that the peer has connected to."""
    connection = transport.connection
    name = connection.getsockname()
    return UnixAddress(os.fsdecode(name)) if connection.family is socket.AF_UNIX else TcpAddress(name[0], name[1])


def set_nodelay(sock: socket.socket) -> None:
    """Sends small frames at once, without waiting for the acknowledgement of the one before (TCP_NODELAY).

    A Unix socket refuses the option, and needs none: asking for the family first costs more than the refusal. Some
    systems report EINVAL for a peer that is gone; the next read finds it.
    """
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError:  # suppressed without a context manager, which would cost more than the call
        return
