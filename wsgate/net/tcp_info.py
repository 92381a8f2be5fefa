"""What the kernel knows about a TCP connection, and the timeouts that it can enforce; on Linux."""

from __future__ import annotations

import fcntl
import socket
import struct
import termios

from wsgate.net.transport import Transport

_INET = (socket.AF_INET, socket.AF_INET6)
_LAST_ACK_RECEIVED = 56  # offset of tcpi_last_ack_recv, milliseconds, in struct tcp_info (linux/tcp.h)
_PROBES = 3  # keepalive probes without an answer after which the connection counts as lost


def is_acknowledging(transport: Transport, within: float) -> bool:
    """Whether bytes are still on their way to the peer, and it acknowledged some in the last ``within`` seconds.

    A peer that has vanished acknowledges nothing. A peer that has got everything is not waiting for bytes, so if it
    sends nothing it is silent.
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
    """Returns the bytes that the kernel accepted and the peer has not acknowledged; 0 if the kernel does not tell.

    A peer that reads nothing also sends acknowledgements, for the probes of its closed window, but this number does not
    fall.
    """
    connection = transport.connection
    try:
        (size,) = struct.unpack("i", fcntl.ioctl(connection, termios.TIOCOUTQ, bytes(4)))
    except OSError:
        return 0
    return int(size)


def watch_for_silence(transport: Transport, interval: float, timeout: float) -> None:
    """Makes the kernel probe a TCP peer: after ``interval`` seconds of silence, for at most ``timeout`` seconds.

    For peers without WebSocket, which have no Ping.
    """
    connection = transport.connection
    if connection.family not in _INET:
        return
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_KEEPIDLE"):  # pragma: no branch (Linux has it, macOS has another name for it)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _whole(interval))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _whole(timeout / _PROBES))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _PROBES)


def limit_unacknowledged(transport: Transport, timeout: float) -> None:
    """Makes the kernel end the connection if the peer acknowledges nothing for ``timeout`` seconds.

    Otherwise it sends again to a lost peer for a quarter of an hour (tcp(7), tcp_retries2).
    """
    try:
        transport.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(timeout * 1000))
    except (OSError, AttributeError):  # a Unix socket; another system than Linux
        return


def _whole(seconds: float) -> int:
    """Rounds to what the kernel takes: whole seconds from 1 to 32767 (tcp(7))."""
    return min(max(1, round(seconds)), 32767)
