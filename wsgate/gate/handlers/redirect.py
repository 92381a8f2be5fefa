"""The redirect handler: sends clients to another URL, with parts of their request in it."""

from __future__ import annotations

import re

from wsgate.gate.exchange import Answer, Exchange, Handler, Response
from wsgate.gate.request_values import rest_of_path
from wsgate.settings.model import Redirect, Route
from wsgate.wire.http import Refusal, Request

_PLACEHOLDER = re.compile(rb"\{(host|path|rest|query)\}")
# Bytes above 0x7F, which a target may have although no URL does, and the backslash, which browsers take for a slash
_NOT_IN_URLS = re.compile(rb"[^!-\[\]-~]")

NO_HOST = Refusal(400, "a request without a host cannot be redirected to a URL with it", closes=False)


async def handle(exchange: Exchange) -> Answer:
    """Returns the redirect."""
    route = exchange.route.settings
    action = route.action
    assert isinstance(action, Redirect)
    if not exchange.client.name and "{host}" in action.to:
        return NO_HOST
    target = location(action.to, route, exchange.request, exchange.client.name)
    return Response(action.status, [(b"Location", target), (b"Content-Length", b"0")])


HANDLER = Handler(handle, upgrades=False, takes_bodies=True)


def location(to: str, route: Route, request: Request, host: bytes) -> bytes:
    """Returns where a request is sent. Its parts are put in only in their normal form, or percent-encoded.

    host: the requested host, without its port
    """
    question, query = request.target.partition(b"?")[1:]
    parts = {
        b"host": host,
        b"path": request.path.encode(),
        b"rest": rest_of_path(route, request.path).encode(),
        b"query": _NOT_IN_URLS.sub(lambda found: b"%%%02X" % found[0][0], question + query),
    }
    found = _PLACEHOLDER.sub(lambda found: parts[found[1]], to.encode())
    if found.startswith(b"/"):  # two slashes would begin a host (RFC 3986 §4.2)
        return b"/" + found.lstrip(b"/")
    return found
