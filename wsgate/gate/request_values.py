"""Finds the client's token, or its target, in a request."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from urllib.parse import unquote, unquote_to_bytes

from wsgate.events.emit import HIDDEN
from wsgate.settings.model import PathKind, Place, PlaceKind, Route, Tunnel
from wsgate.site.matching import host_name
from wsgate.wire.headers import values
from wsgate.wire.http import Request

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_BEARER = re.compile(r"bearer +", re.IGNORECASE)  # RFC 6750 §2.1


def find_value(places: Sequence[Place], request: Request, route: Route) -> str | None:
    """Returns the value in the first of ``places`` that has a non-empty one; ``None`` if there is none.

    It is percent-decoded, except for a header field's value. A value that is not UTF-8, or has control characters,
    counts as missing.
    """
    for place in places:
        for value in _READERS[place.kind](place.name, request, route):
            text = _text(value)
            if text:
                return text
    return None


def path_for_log(request: Request, route: Route) -> str:
    """Returns the request's path in its normal form, without a token in it."""
    path = request.path
    token = route.action.token if isinstance(route.action, Tunnel) else None
    if token is not None and any(place.kind is PlaceKind.PATH for place in token.from_):
        rest = rest_of_path(route, path)
        return path[: len(path) - len(rest)] + HIDDEN if rest else path
    return path


def _text(value: bytes) -> str | None:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return None
    return None if _CONTROL.search(text) else text


def query_values(name: str, request: Request) -> Iterator[bytes]:
    """Yields the values of the parameter ``name`` of the query, percent-decoded."""
    for pair in request.target.partition(b"?")[2].split(b"&"):
        if parameter_name(pair) == name:
            yield unquote_to_bytes(pair.replace(b"+", b" ").partition(b"=")[2])


def parameter_name(pair: bytes) -> str:
    """Returns the name of one parameter of a query, percent-decoded. ``pair``: name and value, as they came"""
    return unquote(pair.replace(b"+", b" ").partition(b"=")[0].decode("latin-1"))


def _query(name: str, request: Request, route: Route) -> Iterator[bytes]:
    return query_values(name, request)


def _host(name: str, request: Request, route: Route) -> Iterator[bytes]:
    yield host_name(request.host).encode()


def _path(name: str, request: Request, route: Route) -> Iterator[bytes]:
    yield unquote_to_bytes(rest_of_path(route, request.path))


def _cookie(name: str, request: Request, route: Route) -> Iterator[bytes]:
    return cookie_values(name, request)


def cookie_values(name: str, request: Request) -> Iterator[bytes]:
    """Yields the values of a cookie (RFC 6265 §4.2.1). Browsers send the cookie of the longest path first."""
    for field in values(request.headers, b"cookie"):
        for pair in field.split(b";"):
            written, _, value = pair.strip(b" \t").partition(b"=")
            if written.decode("latin-1") == name:
                quoted = len(value) > 1 and value[:1] == value[-1:] == b'"'
                yield unquote_to_bytes(value[1:-1] if quoted else value)


def _header(name: str, request: Request, route: Route) -> Iterator[bytes]:
    name = name.lower()
    for value in values(request.headers, name.encode("latin-1")):
        if name == "authorization":
            yield _BEARER.sub("", value.decode("latin-1"), count=1).encode("latin-1")
        else:
            yield value


def rest_of_path(route: Route, path: str) -> str:
    """Returns the part of the path after the prefix of a prefix route; for other routes after the first slash."""
    pattern = route.match.path
    if pattern is not None and pattern.kind is PathKind.PREFIX:
        return path.removeprefix(pattern.text)
    return path.removeprefix("/")


_READERS: dict[PlaceKind, Callable[[str, Request, Route], Iterator[bytes]]] = {
    PlaceKind.QUERY: _query,
    PlaceKind.HOST: _host,
    PlaceKind.PATH: _path,
    PlaceKind.COOKIE: _cookie,
    PlaceKind.HEADER: _header,
}
