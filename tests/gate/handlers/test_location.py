"""Where a backend's redirects lead its clients."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.gate.conftest import exchange_for, route
from tests.peers.heads import request
from wsgate.gate.handlers.location import with_location
from wsgate.settings.addresses import backend_url
from wsgate.settings.model import Match, Relay, RelayBackend, Rewrite, WebSocketUrl
from wsgate.settings.path_patterns import path_pattern

HOST = "app.test"


def moved(
    location: str,
    url: str = "ws://10.0.0.7:9000",
    path: str | None = None,
    asked: str = "/",
    host: str = HOST,
    rewrite: Rewrite | None = None,
) -> str:
    """The Location that a client gets.

    path: of the route's match
    host: the Host that the backend was asked for
    """
    match = Match() if path is None else Match(path=path_pattern(path))
    relay = Relay(to=(RelayBackend(url=backend_url(url)),), rewrite=rewrite)
    exchange = exchange_for(route(relay, match=match), request(asked, {"Host": HOST}))
    fields = [(b"X-A", b"1"), (b"Location", location.encode("latin-1"))]
    ((name, value),) = with_location(exchange, backend_url(url), host.encode(), fields)[1:]
    assert name == b"Location"
    return value.decode("latin-1")


STRIP = Rewrite(strip="/chat")


@pytest.mark.parametrize(
    ("location", "options", "expected"),
    [
        ("http://10.0.0.7:9000/login?a#b", {}, "/login?a#b"),
        ("HTTP://10.0.0.7:9000", {}, "/"),
        ("http://10.0.0.7:9000?a", {}, "/?a"),
        ("ws://10.0.0.7:9000/x", {}, "/x"),
        ("https://app.internal/x", {"url": "wss://app.internal"}, "/x"),
        ("https://app.internal:443/x", {"url": "wss://app.internal"}, "/x"),
        ("https://APP.internal/x", {"url": "wss://10.0.0.7", "host": "app.internal"}, "/x"),
        ("http://localhost/x", {"url": "unix:/run/app.sock", "host": "localhost"}, "/x"),
        ("http://[::1]:9000/x", {"url": "ws://[::1]:9000"}, "/x"),
        # the beginning that the route has taken from the path is put back
        ("http://10.0.0.7:9000/x", {"rewrite": STRIP, "asked": "/chat/a"}, "/chat/x"),
        ("http://10.0.0.7:9000", {"rewrite": STRIP, "asked": "/chat/a"}, "/chat"),
        ("http://10.0.0.7:9000/", {"rewrite": STRIP, "asked": "/chat/a"}, "/chat/"),
        ("http://10.0.0.7:9000/x", {"rewrite": STRIP, "asked": "/other"}, "/x"),
        ("http://h:1/base/x", {"url": "ws://h:1/base", "path": "/chat/*", "asked": "/chat/a"}, "/chat/x"),
        ("http://h:1/base", {"url": "ws://h:1/base/", "path": "/chat/*", "asked": "/chat/a"}, "/chat"),
        # what is not the backend's own stays
        ("http://10.0.0.7:9001/x", {}, "http://10.0.0.7:9001/x"),
        ("http://10.0.0.7/x", {}, "http://10.0.0.7/x"),
        ("https://login.test/?back=http://10.0.0.7:9000/", {}, "https://login.test/?back=http://10.0.0.7:9000/"),
        ("http://10.0.0.7:9000@evil.test/", {}, "http://10.0.0.7:9000@evil.test/"),
        ("http://10.0.0.7:9000\\@evil.test/", {}, "http://10.0.0.7:9000\\@evil.test/"),
        ("http://h:1/basement", {"url": "ws://h:1/base", "path": "/chat/*", "asked": "/chat/a"}, "http://h:1/basement"),
        # the client's own host is the gateway's; a path alone may be meant either way
        (f"http://{HOST}/x", {"rewrite": STRIP, "asked": "/chat/a"}, f"http://{HOST}/x"),
        ("/x", {"rewrite": STRIP, "asked": "/chat/a"}, "/x"),
        ("x", {"rewrite": STRIP, "asked": "/chat/a"}, "x"),
        ("", {}, ""),
        # more than a prefix was changed
        ("http://10.0.0.7:9000/x", {"rewrite": Rewrite(to="/x")}, "http://10.0.0.7:9000/x"),
        # two slashes would begin a host
        ("http://10.0.0.7:9000//evil.test/x", {}, "/evil.test/x"),
        ("http://10.0.0.7:9000/\\evil.test/x", {}, "/evil.test/x"),
    ],
)
def test_where_a_redirect_leads(location: str, options: dict[str, object], expected: str) -> None:
    assert moved(location, **options) == expected  # type: ignore[arg-type]


def test_an_answer_without_a_location() -> None:
    fields = [(b"X-A", b"1")]
    exchange = exchange_for(route(Relay(to=(RelayBackend(url=WebSocketUrl(HOST_ADDRESS, None)),))))
    assert with_location(exchange, WebSocketUrl(HOST_ADDRESS, None), b"x", fields) is fields


HOST_ADDRESS = backend_url("ws://10.0.0.7:9000").address


@given(st.lists(st.sampled_from(["/", "\\", "evil.test", "@", ":1", "?", "#", "..", ".", "%2f", "x"])).map("".join))
def test_nobody_is_led_to_another_host(behind: str) -> None:
    """Where the backend's own URL did not lead there either."""
    location = moved(f"http://10.0.0.7:9000{behind}")
    if location.startswith("/"):
        read = location.replace("\\", "/")
        assert urlsplit(urljoin(f"http://{HOST}/", read)).netloc == HOST
