"""The redirect handler: sends clients to another URL, with parts of their request in it."""

from __future__ import annotations

import re
from dataclasses import replace

from wsgate.gate.exchange import Answer, Exchange, Handler, Response
from wsgate.gate.request_values import rest_of_path
from wsgate.settings.model import PathKind, Redirect, Route
from wsgate.text.template import group, names, split
from wsgate.wire.http import Refusal, Request

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
    request = exchange.request
    if not action.to.startswith("/"):  # perhaps another host, whose business no credential is
        request = replace(request, target=exchange.target)
    target = location(action.to, route, request, exchange.client.name)
    return Response(action.status, [(b"Location", target), (b"Content-Length", b"0")])


HANDLER = Handler(handle, upgrades=False, takes_bodies=True)


def location(to: str, route: Route, request: Request, host: bytes) -> bytes:
    """Returns where a request is sent. Its parts are put in only in their normal form, or percent-encoded.

    host: the requested host, without its port
    """
    question, query = request.target.partition(b"?")[1:]
    known = {
        "host": host,
        "path": request.path.encode(),
        "rest": rest_of_path(route, request.path).encode(),
        "query": _NOT_IN_URLS.sub(lambda found: b"%%%02X" % found[0][0], question + query),
    }
    pattern = route.match.path
    match = None
    if pattern is not None and pattern.kind is PathKind.REGEX:
        match = re.match(pattern.text, request.path)
    parts = [each.encode() for each in split(to)]
    for number, name in enumerate(names(to)):
        parts[2 * number + 1] = group(match, name).encode() if match is not None and name not in known else known[name]
    found = b"".join(parts)
    if found.startswith(b"/"):  # two slashes would begin a host (RFC 3986 §4.2)
        return b"/" + found.lstrip(b"/")
    return found
