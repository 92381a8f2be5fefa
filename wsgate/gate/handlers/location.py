"""Redirects by a backend to its own URL, which clients cannot reach: they lead to the gateway, as with nginx."""

from __future__ import annotations

import re

from wsgate.gate.exchange import Exchange
from wsgate.settings.model import WebSocketUrl
from wsgate.wire.headers import Headers

_URL = re.compile(rb"(https?|wss?)://([^/?#\\]*)", re.IGNORECASE)
_PATH = re.compile(rb"[^?#]*")
_DEFAULT_PORTS = {b"http": b":80", b"ws": b":80", b"https": b":443", b"wss": b":443"}


def with_location(exchange: Exchange, url: WebSocketUrl, host: bytes, headers: Headers) -> Headers:
    """Returns the fields of a backend's answer, in which a Location below its own URL leads to the gateway.

    The backend's own URL has its address or the Host that it was asked for, and its part of the path. A Host that the
    client has sent itself is the gateway's, and a path alone may be meant either way: both stay.

    host: the Host that the backend was asked for
    """
    if b"location" not in [name.lower() for name, _ in headers]:
        return headers
    prefixes = exchange.route.rewriter.prefixes(exchange.target, url.path)
    if prefixes is None:
        return headers
    own = {str(url.address).lower().encode(), host.lower()} - {exchange.request.host.lower()}
    here, there = prefixes.here.encode(), prefixes.there.encode()
    return [
        (name, _moved(value, own, here, there) if name.lower() == b"location" else value) for name, value in headers
    ]


def _moved(value: bytes, own: set[bytes], here: bytes, there: bytes) -> bytes:
    found = _URL.match(value)
    path_found = None if found is None else _PATH.match(value, found.end())
    if found is None or path_found is None:
        return value
    scheme, authority, path, behind = found[1].lower(), found[2].lower(), path_found[0], value[path_found.end() :]
    port = _DEFAULT_PORTS[scheme]
    if not own & {authority, authority.removesuffix(port), authority.removesuffix(port) + port}:
        return value
    if not (path + b"/").startswith(there + b"/"):
        return value
    # One slash: two would begin a host (RFC 3986 §4.2)
    rest = path[len(there) :].lstrip(b"/\\")  # browsers take a backslash for a slash
    return here + (b"" if here and path == there else b"/") + rest + behind
