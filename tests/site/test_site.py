"""Which route of a site takes a request."""

from __future__ import annotations

from wsgate.settings.model import Match, Route, Settings, Target, Tunnel, UnixAddress
from wsgate.settings.scalars import path_pattern
from wsgate.site.build import build
from wsgate.site.matching import TOO_LONG
from wsgate.site.site import Site


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
