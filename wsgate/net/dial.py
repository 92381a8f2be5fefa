"""Connecting to a backend under a deadline: resolve, check, connect, send the PROXY header, TLS handshake.

A name is resolved once. Its addresses are checked against the route's rules, and only checked addresses are dialled. So
a name that resolves to other addresses a moment later cannot get around the rules.
"""

from __future__ import annotations

import errno
import ipaddress
import math
import os
import re
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import trio

from wsgate.disk.threads import in_thread, thread_limiter
from wsgate.net.happy_eyeballs import (
    SocketAddress,
    connect_to,
    connect_to_any,
    finish_connecting,
    start_connecting,
)
from wsgate.net.io import RESOURCE_ERRNOS, send_all, set_nodelay
from wsgate.net.plain import PlainTransport
from wsgate.net.target_rules import IpAddress, Rules, is_beneath, is_special
from wsgate.net.tls.handshake import TlsError, shake_hands, wrap
from wsgate.net.tls.transport import TlsTransport
from wsgate.net.transport import Transport
from wsgate.settings.model import Address, Target, TcpAddress, UnixAddress, WebSocketUrl

# The names that a resolver looks up as a whole. Of others it might use only a part: the bytes in front of a zero byte,
# or the "127.0.0.1" of "127.0.0.1 .example.com" (inet_aton(3)).
_NAME = re.compile(r"[A-Za-z0-9_.-]+")


_THREADS = 8  # that open Unix sockets, for each token directory, and for the sockets that rules allow


class DialError(Exception):
    """There is no connection; the message is for the log.

    status: for the client: 502, 504 after a timeout, 503 if the gateway is out of resources, 403 if the rules refuse
    is_plain: TLS was wanted, and the target does not speak it
    """

    def __init__(self, reason: str, status: int = 502, *, is_plain: bool = False) -> None:
        super().__init__(reason)
        self.status = status
        self.is_plain = is_plain


@dataclass(frozen=True, slots=True)
class TlsClient:
    """The TLS settings for the backends of a route.

    server_name: for SNI and for checking certificates; ``None``: the host of each backend
    serve_if_due: called before each step of a handshake, because a step takes up to some milliseconds of CPU
    """

    context: ssl.SSLContext
    server_name: str | None = None
    serve_if_due: Callable[[], object] = lambda: None


async def dial(
    target: Target | WebSocketUrl,
    within: float,
    tls: TlsClient | None = None,
    *,
    at: SocketAddress | None = None,
    rules: Rules | None = None,
    greeting: bytes = b"",
) -> Transport:
    """Connects to ``target``.

    within: seconds, the TLS handshake included
    tls: needed if the target has TLS
    at: the target's address, or one of those of its name; ``None``: all of them, by a lookup
    rules: which addresses may be dialled; ``None``: all
    greeting: sent first on the connection, before TLS: a PROXY header

    Raises ``DialError`` when there is no connection.
    """
    address = target.address
    sock: PlainTransport | None = None
    connected = False
    silence = "did not answer"
    try:
        if at is not None:
            sock, connected = start_connecting(*at)
            if connected and not target.tls and not greeting:
                set_nodelay(sock)
                return sock
        with trio.fail_after(within):
            if sock is None:
                sock = await _connect(address, rules)
            elif not connected:
                await finish_connecting(sock)
            try:
                set_nodelay(sock)
                if not await send_all(sock, greeting):
                    raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
                if not target.tls:
                    return sock
                silence = "did not finish the TLS handshake"
                return await _secure(sock, address, tls)
            except BaseException:
                sock.close()
                raise
    except trio.TooSlowError:
        raise DialError(f"{_shown(address, at)} {silence} within {within:g} s", 504) from None
    except TlsError as error:
        raise DialError(f"no TLS with {_shown(address, at)}: {error}", is_plain=error.is_plain) from None
    except OSError as error:
        status = 503 if error.errno in RESOURCE_ERRNOS else 502
        raise DialError(f"cannot connect to {_shown(address, at)}: {error.strerror or error}", status) from None


def _shown(address: Address, at: SocketAddress | None) -> str:
    """Returns the target as the log shows it, with the address of its name that was dialled."""
    is_name = isinstance(address, TcpAddress) and at is not None and at[1][0] != address.host
    return f"{address} ({at[1][0]})" if is_name and at is not None else str(address)


async def _secure(sock: socket.socket, address: Address, tls: TlsClient | None) -> TlsTransport:
    assert tls is not None
    assert not isinstance(address, UnixAddress)
    # RFC 6066 §3: without the dot at the end that a fully qualified name may have. A zone is no part of a name either
    name = tls.server_name or address.host.partition("%")[0]
    wrapped = wrap(sock, tls.context, name.removesuffix("."))
    await shake_hands(wrapped, tls.serve_if_due)
    return wrapped


async def _connect(address: Address, rules: Rules | None) -> PlainTransport:
    if isinstance(address, UnixAddress):
        return await _connect_unix(address, rules)
    return await connect_to_any(await resolve(address, rules))


async def _connect_unix(address: UnixAddress, rules: Rules | None) -> PlainTransport:
    """If not every socket is allowed, opens the socket first, then checks and dials the open one: its path may lead
    elsewhere a moment later."""
    if rules is None and address.beneath is None:
        return await connect_to(socket.AF_UNIX, address.path)
    limiter = thread_limiter("sockets", address.beneath or "", _THREADS)
    fd = await in_thread(limiter, math.inf, partial(_open_socket, address, rules), _close)
    try:
        return await connect_to(socket.AF_UNIX, f"/proc/self/fd/{fd}")
    finally:
        os.close(fd)


def _open_socket(address: UnixAddress, rules: Rules | None) -> int:
    """Returns a descriptor that only identifies the socket (O_PATH).

    Raises ``OSError`` when there is no such socket, ``DialError`` when it is not allowed.
    """
    fd = os.open(address.path, os.O_PATH | os.O_CLOEXEC)
    try:
        where = os.readlink(f"/proc/self/fd/{fd}")  # the kernel tells the real path
        is_inside = address.beneath is None or is_beneath(where, address.beneath)
        if not is_inside or not (rules is None or rules.check_unix(where)):
            raise _refused(address)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _close(fd: int | None) -> None:
    if fd is not None:
        os.close(fd)


async def resolve(address: TcpAddress, rules: Rules | None = None) -> list[SocketAddress]:
    """Returns the target's addresses that the rules allow, the preferred ones first. The caller bounds the time.

    Raises ``DialError`` when the rules allow none of them, ``OSError`` when there is none.
    """
    # A zone (RFC 4007 §11) names an interface of this machine. With rules, targets may come from clients, which know no
    # interfaces
    literal = _literal(address)
    if rules is not None and ("%" in address.host or not rules.check(address.host, address.port, literal)):
        raise _refused(address, [literal] if literal else [])
    if literal is None and not _NAME.fullmatch(address.host):
        raise DialError(f"cannot connect to {address}: this is not a host name")
    if (known := socket_address(address)) is not None:
        return [known]
    # As bytes: the resolver would encode a str by IDNA, to another name than the one that was checked
    found = await trio.socket.getaddrinfo(address.host.encode(), address.port, type=socket.SOCK_STREAM)
    addresses: list[SocketAddress] = [(family, where) for family, _, _, _, where in found]
    if rules is None:
        return addresses
    ips = [ipaddress.ip_address(where[0]) for _, where in addresses]
    allowed = [each for each, ip in zip(addresses, ips, strict=True) if rules.check(address.host, address.port, ip)]
    if not allowed:
        raise _refused(address, ips)
    return allowed


def socket_address(address: Address) -> SocketAddress | None:
    """Returns what to dial for an address that needs no lookup; ``None`` for one that does.

    A zone, and a path that has to be checked first, count as a lookup.
    """
    if isinstance(address, UnixAddress):
        return (socket.AF_UNIX, address.path) if address.beneath is None else None
    if "%" in address.host or (literal := _literal(address)) is None:
        return None
    return socket.AF_INET if literal.version == 4 else socket.AF_INET6, (address.host, address.port)


def _literal(address: TcpAddress) -> IpAddress | None:
    try:
        return ipaddress.ip_address(address.host)
    except ValueError:
        return None


def _refused(address: Address, ips: Sequence[IpAddress] = ()) -> DialError:
    """The message is for the log: the client does not learn the addresses of a name."""
    names = ", ".join(map(str, dict.fromkeys(ips)))
    which = f" (that is {names})" if isinstance(address, TcpAddress) and names not in ("", address.host) else ""
    cure = "; link-local, metadata, unspecified and multicast addresses need an allow rule of their own"
    return DialError(f"{address}{which} is not allowed on this route{cure if any(map(is_special, ips)) else ''}", 403)
