"""The addresses of listening sockets, and which of them cannot be bound at the same time."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket

from wsgate.settings.model import Address, TcpAddress, UnixAddress

_Ip = ipaddress.IPv4Address | ipaddress.IPv6Address


def bound_address(listener: socket.socket) -> Address:
    """Returns the address of a listening socket; for port 0 with the port that the kernel chose."""
    name = listener.getsockname()
    return UnixAddress(name) if listener.family is socket.AF_UNIX else TcpAddress(name[0], name[1])


def overlap(one: Address, other: Address) -> str | None:
    """Returns why the kernel does not allow to bind both, in words for ``one``; ``None`` if it does.

    ``[::]`` counts for IPv4 too, because the gateway binds it so. A name other than localhost is not resolved, so it
    overlaps only with itself.
    """
    if isinstance(one, UnixAddress) or isinstance(other, UnixAddress):
        if not isinstance(one, UnixAddress) or not isinstance(other, UnixAddress):
            return None
        if one.path == other.path:
            return f"has {other} already"
        same = os.path.realpath(one.path) == os.path.realpath(other.path)
        return f"has {other}, which is the same file as {one}" if same else None
    if one.port != other.port or one.port == 0:  # each port 0 becomes a different port
        return None
    if one == other:
        return f"has {other} already"
    mine, its = _ip(one), _ip(other)
    if mine is None or its is None:
        return None
    if mine == its:
        return f"has {other}, which is the same as {one}"
    if _takes(its, mine):
        return f"has {other}, which takes {'IPv4, and so ' if its.version != mine.version else ''}{one} too"
    if _takes(mine, its):
        return f"has {other}, which {one} takes too{': it takes IPv4' if its.version != mine.version else ''}"
    return None


def _takes(wide: _Ip, narrow: _Ip) -> bool:
    return wide.is_unspecified and wide.version >= narrow.version


def _ip(address: TcpAddress) -> _Ip | None:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(address.host)
    if address.host != "localhost":
        return None
    try:  # the same call as for binding; /etc/hosts has the name
        found = socket.getaddrinfo("localhost", 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError:
        return None
    return ipaddress.ip_address(found[0][4][0])
