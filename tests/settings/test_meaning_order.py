"""Which routes above take what is meant for those below them."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from wsgate.settings import meaning_order, model
from wsgate.settings.load import ConfigError, loads
from wsgate.settings.model import Relay, Route
from wsgate.settings.path_patterns import path_pattern
from wsgate.settings.problem import Problem

Match = dict[str, Any]

FIRST = "never reached: routes[0] takes its requests first; move it above that one, or remove it"


def warnings(*matches: Match, files: tuple[int, ...] = (), http: str = "reject") -> list[tuple[str, str]]:
    """Path and message of each, for relays with these matches; those whose index is in ``files`` serve files.

    http: of the last route
    """
    routes = [
        {
            "name": f"r{index}",
            **({"match": match} if match else {}),
            **({"files": {"root": "/"}} if index in files else {"relay": {"to": "ws://h:1"}, "origins": "any"}),
        }
        for index, match in enumerate(matches)
    ]
    routes[-1]["http"] = http
    found: list[Problem] = []
    loads(yaml.safe_dump({"listeners": [{"bind": "127.0.0.1:80"}], "routes": routes}), "f.yaml", found.append)
    return [(problem.path, problem.message) for problem in found]


WHOLLY: list[tuple[Match, Match]] = [
    ({"path": "/api/*"}, {"path": "/api/v2/*"}),
    ({"path": "/api/*"}, {"path": "/api/status"}),
    ({"path": "/%61pi/*"}, {"path": "/api//v2/*"}),
    ({"path": "/api/*"}, {"path": "~^/api/v[0-9]+$"}),
    ({"path": "/api"}, {"path": "/api/"}),
    ({"header": {"X-A": "1"}}, {"header": {"X-A": "1"}, "query": {"v": "2"}}),
    ({"path": "/api/*"}, {"path": "/api/v2/*", "header": {"X-A": "1"}}),
    ({"path": "~^/api/"}, {"path": "/api/v2/*"}),
    ({"path": "~^/room/[a-z]+$"}, {"path": "/room/lobby"}),
    ({"path": "~^/room/.*"}, {"path": "/room/lobby", "host": "a.test"}),
    ({"host": "*.example.com"}, {"host": "chat.example.com"}),
    ({"host": "*.example.com"}, {"host": "*.chat.example.com"}),
    ({"host": ["*.example.com", "b.test"]}, {"host": ["b.test", "a.example.com"], "path": "/x"}),
    ({"host": "a.test"}, {"host": "a.test", "path": "/x"}),
    ({"subprotocol": ["a", "b"]}, {"subprotocol": "a", "path": "/x"}),
    ({"websocket": True}, {"path": "/chat"}),
    ({"websocket": True, "path": "/*"}, {"path": "/chat", "websocket": True}),
]


@pytest.mark.parametrize(("upper", "lower"), WHOLLY)
def test_never_reached(upper: Match, lower: Match) -> None:
    assert warnings(upper, lower) == [("routes[1]", FIRST)]
    assert warnings(lower, upper) == []  # the narrow one first: that is the cure


PARTLY: list[tuple[Match, Match, str]] = [
    ({"host": "*.example.com"}, {"host": ["chat.example.com", "b.test"]}, "chat.example.com"),
    ({"host": "a.test", "path": "/x/*"}, {"host": ["a.test", "b.test"], "path": "/x/y"}, "a.test"),
    ({"subprotocol": "a"}, {"subprotocol": ["b", "a"], "path": "/x"}, "a"),
]


@pytest.mark.parametrize(("upper", "lower", "which"), PARTLY)
def test_not_reached_for_some(upper: Match, lower: Match, which: str) -> None:
    message = f"not reached for {which}: routes[0] takes these first; move it above that one, or leave them out"
    assert warnings(upper, lower) == [("routes[1]", message)]


REACHED: list[tuple[Match, Match]] = [
    ({"path": "/api/*", "header": {"X-A": "1"}}, {"path": "/api/v2/*"}),
    ({"query": {"v": "1"}}, {"query": {"v": "2"}}),
    ({"path": "/api/v2/*"}, {"path": "/api/*"}),
    ({"path": "/api"}, {"path": "/api/*"}),
    ({"path": "/api/*"}, {"path": "/api"}),
    ({"path": "/api/"}, {"path": "/api"}),
    ({"path": "/api/*"}, {"path": "/apis/*"}),
    ({"path": "/api/*"}, {"path": "~^/(api|v2)/.*"}),
    ({"path": "/api/*"}, {"path": "~^/api?/.*"}),
    ({"path": "~^/room/[0-9]+$"}, {"path": "/room/*"}),
    ({"path": "~^/room/[0-9]+$"}, {"path": "/room/lobby"}),
    ({"path": "~^/a/.*"}, {"path": "~^/a/b$"}),  # it cannot be found out
    ({"host": "*.example.com"}, {"host": "example.com"}),
    ({"host": "a.test"}, {"path": "/x"}),
    ({"host": "a.test", "path": "/x"}, {"host": "a.test"}),
    ({"host": "a.test", "subprotocol": "a"}, {"host": ["a.test", "b.test"], "subprotocol": ["a", "b"]}),
    ({"subprotocol": "a"}, {"path": "/x"}),
    ({"websocket": False, "path": "/x/*"}, {"path": "/x/y"}),
]


@pytest.mark.parametrize(("upper", "lower"), REACHED)
def test_reached(upper: Match, lower: Match) -> None:
    if upper.get("websocket") is False:
        assert warnings(upper, lower, files=(0,)) == []
    else:
        assert warnings(upper, lower) == []


def test_files_and_websockets() -> None:
    site = {"path": "/*", "websocket": False}
    assert warnings(site, {"path": "/chat"}, files=(0,)) == []
    assert warnings({"path": "/x/*"}, {"path": "/x/chat"}, files=(0,)) == [("routes[1]", FIRST)]
    assert warnings({"path": "/*", "websocket": True}, {"path": "/x/*"}, files=(1,)) == []


def test_a_relay_that_takes_plain_http_too() -> None:
    """It is reached by the kind of requests that the route above it does not take."""
    app = {"path": "/x/*"}
    assert warnings({"path": "/*", "websocket": True}, app, http="forward") == []
    assert warnings({"path": "/*", "websocket": False}, app, files=(0,), http="forward") == []
    assert warnings({"path": "/x/*"}, {"path": "/x/y"}, http="forward", files=(0,)) == [("routes[1]", FIRST)]
    only = {**app, "websocket": False}
    assert warnings({"path": "/*", "websocket": False}, only, files=(0,), http="forward") == [("routes[1]", FIRST)]
    assert warnings({"path": "/*", "websocket": True}, only, http="forward") == []


def test_each_route_is_warned_of_once_and_not_where_it_is_an_error() -> None:
    assert warnings({"path": "/a/*"}, {"path": "/a/b/*"}, {"path": "/a/b/c"}) == [
        ("routes[1]", FIRST),
        ("routes[2]", FIRST),
    ]
    with pytest.raises(ConfigError, match="takes every request"):
        warnings({}, {"path": "/a"})


@pytest.mark.parametrize(
    ("path", "cure"),
    [(r"~\.(js|css)$", r"write ~.*\.(js|css)$"), ("~chat", "write ~.*chat"), ("~^chat/.*", "begin it with ^/")],
)
def test_an_expression_that_takes_no_path(path: str, cure: str) -> None:
    start = "it takes no path: an expression is matched from the path's start on, which is a slash"
    assert warnings({"path": path}) == [("routes[0].match.path", f"{start}; {cure}")]


@pytest.mark.parametrize("path", ["~/x", "~.*x", "~^/x", "~(?i)/x", "~[^a]x", "~x*"])
def test_an_expression_that_takes_some(path: str) -> None:
    assert warnings({"path": path}) == []


ROUTES = [
    Route(
        name="r",
        match=model.Match(host=host, path=None if path is None else path_pattern(path)),
        action=Relay(to=()),
    )
    for host in ((), ("a.test",), ("b.a.test",), ("*.test",), ("*.a.test",), ("a.test", "c.test"))
    for path in (None, "/x", "/x/", "/*", "/x/*", "/x/y", "/x/y/*", "~^/x/.*", "~^/x/y$", "~/x")
]


@pytest.mark.parametrize("upper", ROUTES)
def test_each_route_that_takes_a_request_first_is_a_candidate(upper: Route) -> None:
    above = meaning_order._Above()
    above.add(0, upper)
    for lower in ROUTES:
        warned: dict[str, str] = {}
        meaning_order._warn_of_order(1, lower, [(0, upper)], warned.__setitem__)
        assert not warned or above.candidates(lower.match) == [(0, upper)]


def test_many_routes_are_not_each_compared_with_each(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = 0
    takes_kind = meaning_order._takes_kind

    def counted(upper: Route, lower: Route) -> bool:
        nonlocal compared
        compared += 1
        return takes_kind(upper, lower)

    monkeypatch.setattr(meaning_order, "_takes_kind", counted)
    assert warnings(*({"host": f"h{index}.test", "path": f"/{index}/*"} for index in range(100))) == []
    assert warnings(*({"path": f"/app/{index}/*"} for index in range(100))) == []
    assert compared == 0
