"""What the kernel knows of a connection and can watch for us, where it runs TCP on Linux."""

from __future__ import annotations

import fcntl
import socket
import struct
import termios

from wsgate.net.transport import Transport

_INET = (socket.AF_INET, socket.AF_INET6)
_LAST_ACK_RECEIVED = 56  # offset of tcpi_last_ack_recv, milliseconds, in struct tcp_info (linux/tcp.h)
_PROBES = 3  # keepalive probes that are lost before the connection is


def is_acknowledging(transport: Transport, within: float) -> bool:
    """Whether the peer has not yet got all that the kernel took for it, but is getting it.

    It has acknowledged something less than ``within`` seconds ago. A peer that has vanished acknowledges nothing; one
    that has got everything and says nothing is silent.
    """
    connection = transport.connection
    if connection.family not in _INET or not hasattr(socket, "TCP_INFO"):
        return False
    (unsent,) = struct.unpack("i", fcntl.ioctl(connection, termios.TIOCOUTQ, bytes(4)))  # tcp(7): SIOCOUTQ
    if not unsent:
        return False
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _LAST_ACK_RECEIVED + 4)
    (quiet,) = struct.unpack_from("I", info, _LAST_ACK_RECEIVED)
    return bool(quiet < within * 1000)


def unacknowledged(transport: Transport) -> int:
    """Bytes that the kernel took and the peer's has not acknowledged yet; 0 where the kernel does not say.

    A peer that takes nothing acknowledges, too: the probes of its closed window. But this gets no less.
    """
    connection = transport.connection
    try:
        (size,) = struct.unpack("i", fcntl.ioctl(connection, termios.TIOCOUTQ, bytes(4)))
    except OSError:
        return 0
    return int(size)


def watch_for_silence(transport: Transport, interval: float, timeout: float) -> None:
    """Have the kernel ask a peer that knows no Ping: after ``interval`` seconds of silence, for ``timeout`` seconds."""
    connection = transport.connection
    if connection.family not in _INET:
        return
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_KEEPIDLE"):  # pragma: no branch (Linux has it, macOS has another name for it)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _whole(interval))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _whole(timeout / _PROBES))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _PROBES)


def limit_unacknowledged(transport: Transport, timeout: float) -> None:
    """Have the kernel end a connection whose peer acknowledges nothing of what was sent for ``timeout`` seconds.

    Without this a lost peer is retried for a quarter of an hour (tcp(7), tcp_retries2).
    """
    connection = transport.connection
    if connection.family in _INET and hasattr(socket, "TCP_USER_TIMEOUT"):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(timeout * 1000))


def _whole(seconds: float) -> int:
    """The kernel counts whole seconds here, from 1 to 32767 (tcp(7))."""
    return min(max(1, round(seconds)), 32767)
