"""Redirects: whatever a stranger asks for, it is sent to a host that the file has, or that it asked for."""

from __future__ import annotations

from random import Random
from urllib.parse import urljoin, urlsplit

from wsgate.gate.handlers.redirect import location
from wsgate.settings.fixed import redirect_target
from wsgate.settings.groups import check_names
from wsgate.settings.model import Match, PathKind, PathPattern, Redirect, Route
from wsgate.text.error import TextError
from wsgate.wire.http import HttpServer, Request

from .inputs import mutated

_BEGIN = ["/", "{path}", "https://our.test", "http://our.test:8080", "https://{host}", "https://www.{host}:1", "", "//"]
_PARTS = ["{host}", "{path}", "{rest}", "{query}", "{1}", "/", "a", "?", "#", "=", ".", "%2F", "@", ":", "\\", " "]
_SENT = [b"/", b"//", b"evil.test", b"\\", b"@evil.test", b".", b"..", b"%2f", b"%5c", b"?", b"%0d%0a", b"\xff", b":1"]
_PATTERNS = [None, PathPattern(PathKind.PREFIX, "/old/"), PathPattern(PathKind.REGEX, "/(.*)")]
_HOST = "visited.test"


def redirects(random: Random) -> None:
    written = random.choice(_BEGIN) + "".join(random.choices(_PARTS, k=random.randrange(5)))
    try:
        to = redirect_target(mutated(random, written.encode(), 4).decode("latin-1"))
    except TextError:
        return
    target = random.choice((b"/", b"//", b"/old/")) + b"".join(random.choices(_SENT, k=random.randrange(7)))
    request = _read(mutated(random, target.replace(b" ", b""), 4))
    if request is None:
        return
    pattern = random.choice(_PATTERNS)
    if not check_names(to, pattern, ("host", "path", "rest", "query"), "", lambda path, message: None):
        return
    route = Route(name="x", match=Match(path=pattern), action=Redirect(to=to))
    found = location(to, route, request, _HOST.encode())
    assert all(0x20 < byte < 0x7F and byte != ord("\\") for byte in found), found
    assert _host(found.decode()) == _host(_without_request(to)), (to, request.target, found)


def _read(target: bytes) -> Request | None:
    server = HttpServer()
    server.receive(b"GET %s HTTP/1.1\r\nHost: %s\r\n\r\n" % (target, _HOST.encode()))
    request = server.next_request()
    return request if isinstance(request, Request) else None


def _without_request(to: str) -> str:
    """Returns where a request for ``/`` without a query is sent."""
    for placeholder, value in (("{host}", _HOST), ("{path}", "/"), ("{rest}", ""), ("{query}", ""), ("{1}", "")):
        to = to.replace(placeholder, value)
    return "/" + to.lstrip("/") if to.startswith("/") else to


def _host(url: str) -> tuple[str, str | None, int | None]:
    """Returns scheme, host and port that a browser on a page of the gateway goes to."""
    parts = urlsplit(urljoin(f"http://{_HOST}/", url))
    return parts.scheme, parts.hostname, parts.port
