"""Where a tunnel leads for one client."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.gate.test_request_values import request
from wsgate.gate.gateway import Gateway
from wsgate.gate.targets import Way, find_way, path_for_log
from wsgate.settings.model import (
    ClientTarget,
    Files,
    Match,
    PathKind,
    PathPattern,
    Place,
    PlaceKind,
    Route,
    Scheme,
    Settings,
    Target,
    TcpAddress,
    Token,
    Tunnel,
    UnixAddress,
)
from wsgate.site.tokens.lookups import Lookups
from wsgate.site.tokens.opening import open_source
from wsgate.wire.http import Refusal

ADDRESS = Place(PlaceKind.QUERY, "address")
TOKEN = Place(PlaceKind.QUERY, "token")


def tcp(host: str, port: int, *, tls: bool = False) -> tuple[Target, ...]:
    return (Target(TcpAddress(host, port), tls),)


async def find(tunnel: Tunnel, target: str, lookups: Lookups | None = None) -> Way | Refusal:
    route = Route(name="it", action=tunnel)
    gateway = Gateway(Settings(listeners=(), routes=(route,)))
    if lookups is not None:
        gateway.lookups["it"] = lookups
    return await find_way(gateway, route, tunnel, request(target))


async def test_the_routes_own_targets() -> None:
    tunnel = Tunnel(to=tcp("a", 1) + tcp("b", 2))
    assert await find(tunnel, "/?address=c:3&token=x") == Way(tunnel.to)


async def test_a_token(tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text("desk: h:1\n")
    token = Token(from_=(TOKEN,), file=str(tmp_path / "tokens"))
    tunnel, lookups = Tunnel(token=token), Lookups("it", token, open_source(token))
    assert await find(tunnel, "/?token=desk", lookups) == Way(tcp("h", 1), (lookups, "desk"))
    for target in ("/?token=other", "/"):
        refusal = await find(tunnel, target, lookups)
        assert isinstance(refusal, Refusal)
        assert (refusal.status, refusal.reason) == (403, "no valid token")


async def test_a_route_that_a_reload_has_taken() -> None:
    refusal = await find(Tunnel(token=Token(from_=(TOKEN,), directory="/x")), "/?token=a")
    assert isinstance(refusal, Refusal)
    assert refusal.status == 503


async def test_a_target_that_the_client_names() -> None:
    tunnel = Tunnel(target=ClientTarget(from_=(ADDRESS,)))
    assert await find(tunnel, "/?address=Db:5432") == Way(tcp("db", 5432))
    assert await find(tunnel, "/?address=%5B::1%5D:1") == Way(tcp("::1", 1))
    tunnel = Tunnel(target=ClientTarget(from_=(ADDRESS,), scheme=Scheme.TLS))
    assert await find(tunnel, "/?address=db:5432") == Way(tcp("db", 5432, tls=True))


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("/", "query:address, header:x-target"),
        ("/?address=db", "has no port: a target is host:port"),
        ("/?address=unix:/run/x", "has no port from 1 to 65535"),
        ("/?address=/etc/passwd:1", "has a host that is not a host name"),
        ("/?address=%7B%22host%22:1%7D", "has no port from 1 to 65535"),
    ],
)
async def test_what_is_no_target(target: str, said: str) -> None:
    tunnel = Tunnel(target=ClientTarget(from_=(ADDRESS, Place(PlaceKind.HEADER, "x-target"))))
    refusal = await find(tunnel, target)
    assert isinstance(refusal, Refusal)
    assert refusal.status == 400
    assert said in refusal.reason + refusal.detail


def test_the_log_does_not_learn_a_token_from_its_sockets_name() -> None:
    token = Token(from_=(TOKEN,), directory="/run/vnc")

    class Nothing:
        async def look_up(self, token: str) -> None: ...

        def close(self) -> None: ...

    lookups = Lookups("it", token, Nothing())
    way = Way((Target(UnixAddress("/run/vnc/secret")),), (lookups, "secret"))
    hidden = way.hide_from_log(Refusal(502, "no", detail="cannot connect to unix:/run/vnc/secret"))
    assert isinstance(hidden, Refusal)
    assert hidden.detail == "cannot connect to unix:/run/vnc/…"
    shown = Way(tcp("a", 1)).hide_from_log(Refusal(502, "no", detail="cannot connect to a:1"))
    assert isinstance(shown, Refusal)
    assert shown.detail == "cannot connect to a:1"


def test_the_path_in_the_log() -> None:
    match = Match(path=PathPattern(PathKind.PREFIX, "/desk/"))
    token = Token(from_=(Place(PlaceKind.PATH),), directory="/x")
    hidden = Route(name="it", match=match, action=Tunnel(token=token))
    assert path_for_log(hidden, request("/desk/secret")) == "/desk/…"
    for shown in (Tunnel(target=ClientTarget(from_=(Place(PlaceKind.PATH),))), Files(root="/")):
        assert path_for_log(Route(name="it", match=match, action=shown), request("/desk/a")) == "/desk/a"
