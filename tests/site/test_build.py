"""Settings that become a site, and another site."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from wsgate.settings.model import (
    Auth,
    Basic,
    Files,
    Jwt,
    Listener,
    Place,
    PlaceKind,
    Route,
    Settings,
    Target,
    TcpAddress,
    Token,
    Tunnel,
    UnixAddress,
)
from wsgate.settings.problem import ConfigError
from wsgate.site.build import build, discard
from wsgate.site.tokens.lookups import Lookups

PLACES = (Place(PlaceKind.QUERY, "token"),)
LISTENER = Listener(bind=TcpAddress("127.0.0.1", 80))
FILES = Route(name="files", action=Files(root="/"))


def settings(*routes: Route) -> Settings:
    return Settings(listeners=(LISTENER,), routes=routes)


def by_token(name: str, **source: object) -> Route:
    return Route(name=name, action=Tunnel(token=Token(from_=PLACES, **source)))  # type: ignore[arg-type]


def by_password(name: str, *users: str) -> Route:
    return Route(name=name, action=Files(root="/"), auth=Auth(basic=Basic(users=users)))


@pytest.fixture
def tokens(tmp_path: Path) -> str:
    (tmp_path / "tokens").write_text("a: h:1\n")
    return str(tmp_path / "tokens")


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> list[Lookups]:
    closed: list[Lookups] = []
    monkeypatch.setattr(Lookups, "close", lambda self: closed.append(self))
    return closed


async def test_a_route_has_what_its_requests_need(tokens: str) -> None:
    target = Target(UnixAddress("/run/x"))
    tunnel = Route(name="to", action=Tunnel(to=(target,)))
    site = build(settings(by_token("it", file=tokens), tunnel, by_password("files", "me:{PLAIN}x"), FILES))
    it, to, closed, free = site.routes
    assert it.lookups is not None
    found = await it.lookups.targets("a")
    assert isinstance(found, tuple)
    assert str(found[0]) == "tcp://h:1"
    assert [each.address for each in to.tunnels_to] == [target]
    assert (to.lookups, to.rules, to.users, to.tls) == (None, None, None, None)
    assert it.rules is not None
    assert closed.users is not None
    assert free.users is None
    assert [listener.settings for listener in site.listeners] == [LISTENER]


def test_what_did_not_change_is_the_same(tokens: str) -> None:
    first = settings(by_token("same", file=tokens), by_token("other", file=tokens), FILES)
    before = build(first)
    changed = replace(first.routes[1], action=Tunnel(token=Token(from_=PLACES, file=tokens, revoke=True)))
    # read anew, as a reload does it: equal, and not the same
    again = replace(first, routes=(by_token("same", file=tokens), changed, replace(FILES)))
    now = build(again, before)
    assert now.routes[0] is before.routes[0]
    assert now.routes[1].lookups is not before.routes[1].lookups
    assert now.routes[2] is before.routes[2]
    assert now.settings.routes[0] is before.settings.routes[0]
    assert now.listeners[0] is before.listeners[0]


def test_a_routes_lookups_stay_where_something_else_changed(tokens: str) -> None:
    before = build(settings(by_token("it", file=tokens)))
    route = before.settings.routes[0]
    now = build(settings(replace(route, origins=("https://a.test",))), before)
    assert now.routes[0] is not before.routes[0]
    assert now.routes[0].lookups is before.routes[0].lookups


def test_passwords_that_are_known_stay_known() -> None:
    """Also for another route that takes the same."""
    before = build(settings(by_password("a", "me:{PLAIN}x")))
    now = build(settings(by_password("b", "me:{PLAIN}x"), by_password("c", "me:{PLAIN}y")), before)
    assert now.routes[0].users is before.routes[0].users
    assert now.routes[1].users is not before.routes[0].users


def test_every_fault_at_once_and_nothing_left_open(tokens: str, tmp_path: Path, closed: list[Lookups]) -> None:
    (tmp_path / "jwks").write_text("no JSON")
    before = build(settings(by_token("kept", file=tokens)))
    bad = Jwt(jwks=str(tmp_path / "jwks"))
    faulty = settings(
        by_token("kept", file=tokens), by_token("new", file=tokens), by_token("x", jwt=bad), by_token("y", jwt=bad)
    )
    with pytest.raises(ConfigError) as caught:
        build(faulty, before)
    first, second = caught.value.problems
    assert (first.path, second.path) == ("routes[2].tunnel.token.jwt.jwks", "routes[3].tunnel.token.jwt.jwks")
    assert first.message.startswith(f"{tmp_path / 'jwks'}: is no JSON")
    assert [lookups.settings for lookups in closed] == [Token(from_=PLACES, file=tokens)]
    assert closed[0] is not before.routes[0].lookups


def test_a_site_that_is_not_wanted(tokens: str, closed: list[Lookups]) -> None:
    before = build(settings(by_token("kept", file=tokens)))
    now = build(settings(by_token("kept", file=tokens), by_token("new", file=tokens)), before)
    discard(now, before)
    assert closed == [now.routes[1].lookups]


def test_without_sources_nothing_is_opened(tmp_path: Path) -> None:
    route = by_token("it", file=str(tmp_path / "missing"))
    site = build(settings(route), sources=False)
    assert site.routes[0].lookups is None
    with pytest.raises(ConfigError):
        build(settings(route), site)
