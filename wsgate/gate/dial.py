"""Connecting to a backend, under a deadline; with TLS where the backend has it.

A literal address is connected to directly. A name goes through trio's happy eyeballs (RFC 8305): IPv6 and IPv4 side by
side, the first that answers. Either way the result is a raw non-blocking socket, plain or TLS.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import trio

from wsgate.gate.sockets import NO_ROOM, set_nodelay
from wsgate.gate.tls import TlsError, shake_hands, wrap
from wsgate.relay.tls import PeerSocket, TlsSocket
from wsgate.settings.model import Address, Target, UnixAddress, WebSocketUrl


class DialError(Exception):
    """No connection. ``status`` is for the client: 502, 504 for silence, 503 where it is our own lack of room."""

    def __init__(self, reason: str, status: int = 502) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True, slots=True)
class TlsClient:
    """How to speak TLS to the backends of a route.

    server_name: the name that their certificates must have, and that SNI asks for; ``None`` is each one's own host
    give_turn: called before each step of a handshake, which takes up to some milliseconds of CPU
    """

    context: ssl.SSLContext
    server_name: str | None = None
    give_turn: Callable[[], object] = lambda: None


async def dial(
    targets: Sequence[Target | WebSocketUrl], within: float, tls: TlsClient | None = None
) -> tuple[PeerSocket, int]:
    """A socket connected to the first of ``targets`` that takes the connection, and that one's place among them.

    Each has ``within`` seconds, its TLS handshake included. ``tls`` is needed where one of them has TLS. Raises the
    last one's ``DialError``.
    """
    last = len(targets) - 1
    for place, target in enumerate(targets):
        try:
            return await _dial(target, within, tls), place
        except DialError:
            if place == last:
                raise
    raise ValueError("no address to dial")


async def _dial(target: Target | WebSocketUrl, within: float, tls: TlsClient | None) -> PeerSocket:
    address = target.address
    silence = f"{address} did not answer within {within:g} s"
    try:
        with trio.fail_after(within):
            sock = await _connect(address)
            set_nodelay(sock)
            if not target.tls:
                return sock
            silence = f"{address} did not finish the TLS handshake within {within:g} s"
            return await _secure(sock, address, tls)
    except trio.TooSlowError:
        raise DialError(silence, 504) from None
    except TlsError as error:
        raise DialError(f"no TLS with {address}: {error}") from None
    except OSError as error:
        status = 503 if error.errno in NO_ROOM else 502
        raise DialError(f"cannot connect to {address}: {_describe(error)}", status) from None


async def _secure(sock: socket.socket, address: Address, tls: TlsClient | None) -> TlsSocket:
    with sock:  # until it is wrapped
        assert tls is not None
        assert not isinstance(address, UnixAddress)
        # RFC 6066 §3: without the dot at the end that a fully qualified name may have
        wrapped = wrap(sock, tls.context, (tls.server_name or address.host).removesuffix("."))
    try:
        await shake_hands(wrapped, tls.give_turn)
    except BaseException:
        wrapped.close()
        raise
    return TlsSocket(wrapped)


async def _connect(address: Address) -> socket.socket:
    if isinstance(address, UnixAddress):
        return await _connect_to(socket.AF_UNIX, address.path)
    try:
        family = socket.AF_INET6 if ipaddress.ip_address(address.host).version == 6 else socket.AF_INET
    except ValueError:
        stream = await trio.open_tcp_stream(address.host, address.port)
        sock = socket.socket(fileno=stream.socket.detach())
        sock.setblocking(False)  # the descriptor is, but to TLS it is this object's word that counts
        return sock
    return await _connect_to(family, (address.host, address.port))


async def _connect_to(family: socket.AddressFamily, where: str | tuple[str, int]) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
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


def _describe(error: OSError) -> str:
    """Why, in the system's own words; each once where several addresses of a name were tried."""
    causes = error.__cause__.exceptions if isinstance(error.__cause__, BaseExceptionGroup) else (error,)
    return ", ".join(sorted({_reason(cause) for cause in causes}))


def _reason(error: BaseException) -> str:
    if isinstance(error, socket.gaierror):  # its errno is not the system's
        return str(error.strerror)
    return os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
