"""Where a tunnel leads for one client."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.gate.test_request_values import request
from wsgate.gate.handlers.targets import Targets, find_targets
from wsgate.settings.model import (
    ClientTarget,
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
from wsgate.site.build import build
from wsgate.site.tokens.lookups import Lookups
from wsgate.wire.http import Refusal

ADDRESS = Place(PlaceKind.QUERY, "address")
TOKEN = Place(PlaceKind.QUERY, "token")


def tcp(host: str, port: int, *, tls: bool = False) -> tuple[Target, ...]:
    return (Target(TcpAddress(host, port), tls),)


async def find(tunnel: Tunnel, target: str) -> Targets | Refusal:
    (route,) = build(Settings(listeners=(), routes=(Route(name="it", action=tunnel),))).routes
    return await find_targets(route, tunnel, request(target))


async def test_the_routes_own_targets() -> None:
    tunnel = Tunnel(to=tcp("a", 1) + tcp("b", 2))
    assert await find(tunnel, "/?address=c:3&token=x") == Targets(tunnel.to)


async def test_a_token(tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text("desk: h:1\n")
    tunnel = Tunnel(token=Token(from_=(TOKEN,), file=str(tmp_path / "tokens")))
    found = await find(tunnel, "/?token=desk")
    assert isinstance(found, Targets)
    assert found.token is not None
    assert (found.targets, found.token[1]) == (tcp("h", 1), "desk")
    for target in ("/?token=other", "/"):
        refusal = await find(tunnel, target)
        assert isinstance(refusal, Refusal)
        assert (refusal.status, refusal.reason) == (403, "no valid token")


async def test_a_target_that_the_client_names() -> None:
    tunnel = Tunnel(target=ClientTarget(from_=(ADDRESS,)))
    assert await find(tunnel, "/?address=Db:5432") == Targets(tcp("db", 5432))
    assert await find(tunnel, "/?address=%5B::1%5D:1") == Targets(tcp("::1", 1))
    tunnel = Tunnel(target=ClientTarget(from_=(ADDRESS,), scheme=Scheme.TLS))
    assert await find(tunnel, "/?address=db:5432") == Targets(tcp("db", 5432, tls=True))


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
    found = Targets((Target(UnixAddress("/run/vnc/secret")),), (lookups, "secret"))
    assert found.hide("cannot connect to unix:/run/vnc/secret") == "cannot connect to unix:/run/vnc/…"
    assert Targets(tcp("a", 1)).hide("cannot connect to a:1") == "cannot connect to a:1"
