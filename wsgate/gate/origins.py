"""Checks the origin of the page that opens a WebSocket (RFC 6455 §10.2).

Browsers always send it, and a page cannot change it; other programs may send any. So this refuses foreign pages, not
other programs.
"""

from __future__ import annotations

import re

from wsgate.gate.client import Client
from wsgate.settings.model import ANY_ORIGIN, SAME_HOST, Route
from wsgate.site.matching import host_name
from wsgate.text.error import TextError
from wsgate.text.origin import matches, origin
from wsgate.wire.headers import values
from wsgate.wire.http import Refusal, Request

_PAGE = re.compile(r"(https?)://(\[[0-9a-f:.]+\]|[^:/?#@\[\]]+)(?::([0-9]{1,5}))?")
_OWN_PORTS = {"http": 80, "https": 443}


def check_origin(route: Route, request: Request, client: Client) -> Refusal | None:
    """Returns why a request for a WebSocket is refused; ``None`` if its Origin, or that it has none, is allowed."""
    allowed = allowed_origins(route)
    sent = [value.decode("latin-1") for value in values(request.headers, b"origin")]
    if not sent:
        if not is_origin_required(route, allowed):
            return None
    elif ANY_ORIGIN in allowed or (len(sent) == 1 and _is_allowed(sent[0], allowed, client)):
        return None
    detail = f"Origin: {', '.join(sent)[:200] if sent else 'none'}"
    if not sent:
        detail = f"{detail}; origin_required: false lets programs in that are no browsers"
    elif SAME_HOST in allowed:
        asked = client.host.decode("latin-1")
        detail = f"{detail}; the host that was asked for is {asked}: name other pages in origins"
    return Refusal(403, "this origin is not allowed", detail=detail, cause="origin")


def may_read(route: Route, sent: bytes, client: Client) -> bool:
    """Whether a page may read answers over plain HTTP. Pages of the same host may without being asked."""
    return _is_allowed(sent.decode("latin-1"), tuple(each for each in route.origins if each != SAME_HOST), client)


def allowed_origins(route: Route) -> tuple[str, ...]:
    """Returns the allowed origins.

    A browser sends a password or certificate that its user has entered once for requests of every page. So if a route
    asks for one, pages of other hosts must be named in ``origins``.
    """
    return route.origins or ((ANY_ORIGIN,) if route.auth is None else (SAME_HOST,))


def is_origin_required(route: Route, allowed: tuple[str, ...]) -> bool:
    """Whether a request without an Origin is refused. ``allowed``: the allowed origins"""
    if route.origin_required is not None:
        return route.origin_required
    return ANY_ORIGIN not in allowed and SAME_HOST not in allowed


def _is_allowed(sent: str, allowed: tuple[str, ...], client: Client) -> bool:
    if sent == "null":  # of a sandboxed frame
        return sent in allowed
    try:
        page = origin(sent)
    except TextError:
        return False
    if SAME_HOST in allowed and _is_of_host(page, client):
        return True
    return any(matches(each, page) for each in allowed)


def _is_of_host(page: str, client: Client) -> bool:
    """Whether a page is of the host and port that the client asked for.

    http and https count as the same, because a proxy in front may use TLS without telling us. So the default ports of
    both schemes count as the same port.
    """
    found = _PAGE.fullmatch(page)
    if found is None or host_name(found[2].encode("latin-1")) != host_name(client.host):
        return False
    port = int(found[3]) if found[3] else _OWN_PORTS[found[1]]
    return port == client.port or {port, client.port} <= set(_OWN_PORTS.values())
