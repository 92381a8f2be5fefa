"""What the kernel knows of a connection and can watch for us, where it runs TCP on Linux."""

from __future__ import annotations

import fcntl
import socket
import struct
import termios

from wsgate.relay.tls import PeerSocket, TlsSocket

_INET = (socket.AF_INET, socket.AF_INET6)
_LAST_ACK_RECEIVED = 56  # offset of tcpi_last_ack_recv, milliseconds, in struct tcp_info (linux/tcp.h)
_PROBES = 3  # keepalive probes that are lost before the connection is


def is_acknowledging(sock: PeerSocket, within: float) -> bool:
    """Whether the peer has not yet got all that the kernel took for it, but is getting it.

    It has acknowledged something less than ``within`` seconds ago. A peer that has vanished acknowledges nothing; one
    that has got everything and says nothing is silent.
    """
    plain = sock.plain if isinstance(sock, TlsSocket) else sock
    if plain.family not in _INET or not hasattr(socket, "TCP_INFO"):
        return False
    (unsent,) = struct.unpack("i", fcntl.ioctl(plain, termios.TIOCOUTQ, bytes(4)))  # tcp(7): SIOCOUTQ
    if not unsent:
        return False
    info = plain.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _LAST_ACK_RECEIVED + 4)
    (quiet,) = struct.unpack_from("I", info, _LAST_ACK_RECEIVED)
    return bool(quiet < within * 1000)


def unacknowledged(sock: PeerSocket) -> int:
    """Bytes that the kernel took and the peer's has not acknowledged yet; 0 where the kernel does not say.

    A peer that takes nothing acknowledges, too: the probes of its closed window. But this gets no less.
    """
    plain = sock.plain if isinstance(sock, TlsSocket) else sock
    try:
        (size,) = struct.unpack("i", fcntl.ioctl(plain, termios.TIOCOUTQ, bytes(4)))
    except OSError:
        return 0
    return int(size)


def watch_for_silence(sock: PeerSocket, interval: float, timeout: float) -> None:
    """Have the kernel ask a peer that knows no Ping: after ``interval`` seconds of silence, for ``timeout`` seconds."""
    plain = sock.plain if isinstance(sock, TlsSocket) else sock
    if plain.family not in _INET:
        return
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_KEEPIDLE"):  # pragma: no branch (Linux has it, macOS has another name for it)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _whole(interval))
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _whole(timeout / _PROBES))
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _PROBES)


def limit_unacknowledged(sock: PeerSocket, timeout: float) -> None:
    """Have the kernel end a connection whose peer acknowledges nothing of what was sent for ``timeout`` seconds.

    Without this a lost peer is retried for a quarter of an hour (tcp(7), tcp_retries2).
    """
    plain = sock.plain if isinstance(sock, TlsSocket) else sock
    if plain.family in _INET and hasattr(socket, "TCP_USER_TIMEOUT"):
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(timeout * 1000))


def _whole(seconds: float) -> int:
    """The kernel counts whole seconds here, from 1 to 32767 (tcp(7))."""
    return min(max(1, round(seconds)), 32767)
