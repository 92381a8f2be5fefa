"""Tokens and passwords in every part of a request; no line of the log has one."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from tests.gate.conftest import NOWHERE, StartGate, below, gateway_of, route
from tests.log import Log
from tests.peers.heads import request
from wsgate.gate.redaction import path_without_route, shown_subprotocol
from wsgate.ops.log import JsonFormatter, TextFormatter
from wsgate.settings.model import Match, Place, PlaceKind, Route, Token, Tunnel
from wsgate.wire.http import HttpServer, Request

SECRET = "s3cr3tT0ken4711abcdef"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (b"graphql-transport-ws", "graphql-transport-ws"),
        (b"v4.channel.k8s.io", "v4.channel.k8s.io"),
        (b"ocpp2.0.1", "ocpp2.0.1"),
        (b"base64url.bearer.authorization.k8s.io." + SECRET.encode(), "base64url.bearer.authorization.k8s.io.…"),
        (b"550e8400-e29b-41d4-a716-446655440000", "…"),
        (b"bearer." + base64.b64encode(b"user:password 1"), "bearer.…"),
    ],
)
def test_what_is_shown_of_a_subprotocol(name: bytes, shown: str) -> None:
    assert shown_subprotocol(name) == shown


def by_token(kind: PlaceKind, name: str = "", match: Match | None = None) -> Route:
    token = Token(from_=(Place(kind, name),), directory=str(Path(__file__).parent))
    return route(Tunnel(token=token), f"by-{kind.value}", match=match or below(f"/{kind.value}/"))


ROUTES = (
    by_token(PlaceKind.PATH, match=Match(host=("vnc.test",), path=below("/path/").path)),
    by_token(PlaceKind.QUERY, "token"),
    by_token(PlaceKind.COOKIE, "sid"),
    by_token(PlaceKind.HEADER, "Authorization"),
    by_token(PlaceKind.HOST),
    route(NOWHERE, "tcp", match=below("/tcp/")),
)


@pytest.mark.parametrize("host", ["vnc.test", "other.test"])
@pytest.mark.parametrize("target", [*[f"/{kind.value}/x" for kind in PlaceKind], "/tcp/", "/path/" + SECRET, "/none"])
@pytest.mark.parametrize("upgrade", [True, False])
async def test_no_line_has_a_token(start_gate: StartGate, log: Log, host: str, target: str, upgrade: bool) -> None:
    """Whether a route takes the request or not, and whatever becomes of it."""
    gate = start_gate(*ROUTES)
    headers = {
        "Host": f"{SECRET}.test" if target.startswith("/host/") else host,
        "Cookie": f"sid={SECRET}; token={SECRET}",
        "Authorization": f"Bearer {SECRET}",
        "Sec-WebSocket-Protocol": f"chat, bearer.{SECRET}",
        "X-Api-Key": SECRET,
        "Referer": f"http://a.test/?token={SECRET}",
        **({} if upgrade else {"Upgrade": None, "Connection": None}),
    }
    peer = gate.connect()
    await peer.write(request(f"{target}?token={SECRET}&x={SECRET}", headers=headers))
    await peer.read_head()
    assert log.events()
    for made in log.records:
        for formatter in (JsonFormatter(), TextFormatter()):
            assert SECRET not in formatter.format(made)


async def test_no_line_has_a_password(start_gate: StartGate, log: Log) -> None:
    secret = base64.b64encode(f"alice:{SECRET}".encode()).decode()
    peer = start_gate(route(NOWHERE)).connect()
    await peer.write(
        request("/", headers={"Authorization": f"Basic {secret}", "Proxy-Authorization": f"Basic {secret}"})
    )
    await peer.read_head()
    for made in log.records:
        line = JsonFormatter().format(made)
        assert SECRET not in line
        assert secret not in line


def test_the_path_of_no_route() -> None:
    site = gateway_of(*ROUTES).site

    def shown(target: str) -> str:
        http = HttpServer()
        http.receive(f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        read = http.next_request()
        assert isinstance(read, Request)
        return path_without_route(read, site)

    assert shown(f"/path/{SECRET}?x") == "/path/…"
    assert shown("/other?x") == "/other"
