"""The route for a request, or why there is none: every row of the table, without a connection."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.gate.conftest import NOWHERE, at, exchange_for, files_at, relay_to, route
from tests.peers.heads import plain_request, request
from wsgate.gate.decide import (
    FULL,
    NO_ROUTE,
    NO_WEBSOCKET,
    OTHER_UPGRADE,
    UNWANTED_BODY,
    UPGRADE_REQUIRED,
    Refused,
    decide,
)
from wsgate.gate.refusals import DRAINING, ROUTE_DRAINING
from wsgate.settings.model import (
    Acme,
    Listener,
    ListenerRedirect,
    Match,
    PlainHttp,
    Settings,
    TcpAddress,
    Tls,
    Upgrades,
)
from wsgate.settings.path_patterns import path_pattern
from wsgate.site.build import build
from wsgate.site.listener import LiveListener
from wsgate.site.matching import TOO_LONG
from wsgate.wire.handshake import check_upgrade
from wsgate.wire.http import Refusal

BODY = {"Content-Length": "3"}
PLAIN = Listener(bind=TcpAddress("127.0.0.1", 80))
ROUTES = (
    route(relay_to(1), "chat", match=at("/chat")),
    route(relay_to(1), "app", match=at("/app"), http=PlainHttp.FORWARD),
    route(relay_to(1), "any", match=at("/any"), http=PlainHttp.FORWARD, upgrade=Upgrades.ANY),
    route(files_at(Path("/")), "files", match=at("/files")),
    route(NOWHERE, "regex", match=Match(path=path_pattern("~/regex/.*"))),
)
SITE = build(Settings(listeners=(PLAIN,), routes=ROUTES))


def ask(asked: bytes, listener: Listener = PLAIN, **state: Any) -> tuple[str | None, Refusal | None]:
    """The route's name, where one takes it, and why it is refused."""
    exchange = exchange_for(ROUTES[0], asked)
    upgrade = check_upgrade(exchange.request)
    found = decide(SITE, LiveListener(listener), exchange.client, exchange.request, upgrade, **state)
    if isinstance(found, Refused):
        return None if found.route is None else found.route.name, found.refusal
    return found.name, None


@pytest.mark.parametrize(
    ("asked", "state", "name", "refusal"),
    [
        (request("/chat"), {}, "chat", None),
        (request("/chat"), {"draining": True, "full": True}, "chat", DRAINING),
        (request("/chat"), {"full": True}, "chat", FULL),
        (request("/chat"), {"drained": {"chat"}, "full": True}, "chat", ROUTE_DRAINING),
        (request("/app"), {"drained": {"chat"}}, "app", None),
        (plain_request("/app"), {"drained": {"app"}}, "app", ROUTE_DRAINING),
        (plain_request("/chat"), {"drained": {"chat"}}, "chat", UPGRADE_REQUIRED),
        (plain_request("/files"), {"drained": {"files"}}, "files", None),
        (plain_request("/chat"), {}, "chat", UPGRADE_REQUIRED),
        (plain_request("/files"), {}, "files", None),
        (plain_request("/files"), {"draining": True, "full": True}, "files", None),
        (request("/files"), {}, "files", NO_WEBSOCKET),
        (plain_request("/app"), {"draining": True, "full": True}, "app", None),
        (plain_request("/app", **BODY), {}, "app", None),
        (plain_request("/app", Upgrade="h2c", Connection="Upgrade, HTTP2-Settings"), {}, "app", OTHER_UPGRADE),
        (plain_request("/any", Upgrade="h2c", Connection="Upgrade"), {}, "any", OTHER_UPGRADE),
        (plain_request("/any", Upgrade="SPDY/3.1", Connection="Upgrade"), {"full": True}, "any", None),
        (request("/any"), {}, "any", None),
        (plain_request("/app", Upgrade="h2c"), {}, "app", None),  # it is a field of one connection, and not passed on
        (request("/app"), {}, "app", None),
        (request("/app", BODY), {}, "app", UNWANTED_BODY),
        (plain_request("/chat", **BODY), {}, "chat", UNWANTED_BODY),
        (plain_request("/files", **BODY), {}, "files", None),
        (request("/files", BODY), {}, "files", UNWANTED_BODY),
        (plain_request("/none", **BODY), {}, None, UNWANTED_BODY),
        (request("/none"), {}, None, NO_ROUTE),
        (plain_request("/none"), {"full": True}, None, NO_ROUTE),
        (request("/regex/" + "x" * 2000), {}, None, TOO_LONG),
    ],
)
def test_what_becomes_of_a_request(
    asked: bytes, state: dict[str, bool], name: str | None, refusal: Refusal | None
) -> None:
    assert ask(asked, PLAIN, **state) == (name, refusal)


def test_an_upgrade_that_is_wrong_is_refused_by_its_route() -> None:
    name, refusal = ask(request("/chat", {"Sec-WebSocket-Version": "8"}))
    assert name == "chat"
    assert refusal is not None
    assert refusal.status == 426


def test_the_log_learns_what_was_offered() -> None:
    name, refusal = ask(request("/none", {"Sec-WebSocket-Protocol": "a, b"}))
    assert (name, refusal) == (None, replace(NO_ROUTE, detail="offered: a, b"))


def test_a_redirect_goes_before_every_route() -> None:
    name, refusal = ask(request("/chat"), listener=replace(PLAIN, redirect=ListenerRedirect.HTTPS))
    assert name is None
    assert refusal is not None
    assert refusal.status == 308


def test_a_challenge_of_acme_goes_before_all_on_a_plain_listener(tmp_path: Path) -> None:
    """The CA follows a redirect, too, but only to a certificate that may not be there yet."""
    redirecting = replace(PLAIN, redirect=ListenerRedirect.HTTPS)
    secure = Listener(
        bind=TcpAddress("127.0.0.1", 443), tls=Tls(acme=Acme(hosts=("gateway.test",), store=str(tmp_path)))
    )
    site = build(Settings(listeners=(redirecting, secure), routes=ROUTES))
    asked = plain_request("/.well-known/acme-challenge/token")
    for listener, expected in [(redirecting, "acme"), (secure, None)]:
        exchange = exchange_for(ROUTES[0], asked)
        live = LiveListener(listener, next(iter(site.tls.values())) if listener.tls is not None else None)
        found = decide(site, live, exchange.client, exchange.request, None)
        assert (None if isinstance(found, Refused) else found.name) == expected
