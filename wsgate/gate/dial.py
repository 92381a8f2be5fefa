"""Connecting to a backend, under a deadline.

A literal address is connected to directly. A name goes through trio's happy eyeballs (RFC 8305): IPv6 and IPv4 side by
side, the first that answers. Either way the result is a plain non-blocking socket.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
from collections.abc import Sequence

import trio

from wsgate.gate.sockets import NO_ROOM, set_nodelay
from wsgate.settings.model import Address, UnixAddress


class DialError(Exception):
    """No connection. ``status`` is for the client: 502, 504 for silence, 503 where it is our own lack of room."""

    def __init__(self, reason: str, status: int = 502) -> None:
        super().__init__(reason)
        self.status = status


async def dial(addresses: Sequence[Address], within: float) -> tuple[socket.socket, int]:
    """A socket connected to the first of ``addresses`` that takes the connection, and that one's place among them.

    Each has ``within`` seconds. Raises the last one's ``DialError``.
    """
    last = len(addresses) - 1
    for place, address in enumerate(addresses):
        try:
            return await _dial(address, within), place
        except DialError:
            if place == last:
                raise
    raise ValueError("no address to dial")


async def _dial(address: Address, within: float) -> socket.socket:
    try:
        with trio.fail_after(within):
            sock = await _connect(address)
    except trio.TooSlowError:
        raise DialError(f"{address} did not answer within {within:g} s", 504) from None
    except OSError as error:
        status = 503 if error.errno in NO_ROOM else 502
        raise DialError(f"cannot connect to {address}: {_describe(error)}", status) from None
    set_nodelay(sock)
    return sock


async def _connect(address: Address) -> socket.socket:
    if isinstance(address, UnixAddress):
        return await _connect_to(socket.AF_UNIX, address.path)
    try:
        family = socket.AF_INET6 if ipaddress.ip_address(address.host).version == 6 else socket.AF_INET
    except ValueError:
        stream = await trio.open_tcp_stream(address.host, address.port)
        return socket.socket(fileno=stream.socket.detach())
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
