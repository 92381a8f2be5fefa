"""Which route of a site takes a request."""

from __future__ import annotations

from wsgate.settings.model import Match, Route, Settings, Target, Tunnel, UnixAddress
from wsgate.settings.path_patterns import path_pattern
from wsgate.site.build import build
from wsgate.site.matching import TOO_LONG
from wsgate.site.site import Site

ACTION = Tunnel(to=(Target(UnixAddress("/none")),))


def route(name: str, *, path: str | None = None, host: tuple[str, ...] = ()) -> Route:
    match = Match(host=host, path=None if path is None else path_pattern(path))
    return Route(name=name, match=match, action=Tunnel(to=(Target(UnixAddress("/none")),)))


def site_of(*routes: Route) -> Site:
    return build(Settings(listeners=(), routes=routes))


def test_the_first_match_wins() -> None:
    site = site_of(
        route("exact", path="/chat/a"),
        route("host", host=("a.test",)),
        route("prefix", path="/chat/*"),
        route("again", path="/chat/*"),
    )
    found = {
        (host, sent): getattr(site.find(host, sent, (), websocket=True), "name", None)
        for host in (b"a.test", b"b.test")
        for sent in ("/chat/a", "/chat/b", "/")
    }
    assert found == {
        (b"a.test", "/chat/a"): "exact",
        (b"a.test", "/chat/b"): "host",
        (b"a.test", "/"): "host",
        (b"b.test", "/chat/a"): "exact",
        (b"b.test", "/chat/b"): "prefix",
        (b"b.test", "/"): None,
    }


def test_without_routes() -> None:
    assert site_of().find(b"", "/", (), websocket=True) is None


def test_a_path_that_is_too_long_for_a_regex_goes_on_to_no_other_route() -> None:
    site = site_of(route("private", path="~/private/[a-z]+$"), route("all"))
    assert site.find(b"", "/private/" + "a" * 1024, (), websocket=True) is TOO_LONG
    found = site.find(b"", "/public/" + "a" * 1024, (), websocket=True)
    assert getattr(found, "name", None) == "all"


def test_fields_and_parameters() -> None:
    """Each must be there with its value; a route that asks for them leaves the others to the next."""
    acme = Route(name="acme", match=Match(header=(("x-tenant", "acme"),), query=(("v", "2 a"),)), action=ACTION)
    site = site_of(acme, route("rest"))

    def find(target: bytes, *fields: tuple[bytes, bytes]) -> str | None:
        return getattr(site.find(b"", "/", (), websocket=True, headers=fields, target=target), "name", None)

    tenant = (b"x-tenant", b"acme")
    assert find(b"/?v=2+a", tenant) == "acme"
    assert find(b"/?x&v=2%20a", (b"x-tenant", b"other"), tenant) == "acme"
    for target in (b"/", b"/?v=2", b"/?v=2%20a%20", b"/?V=2+a"):
        assert find(target, tenant) == "rest"
    assert find(b"/?v=2+a") == "rest"
    assert find(b"/?v=2+a", (b"x-tenant", b"ACME")) == "rest"
