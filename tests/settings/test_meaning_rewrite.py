"""What is sent to a backend, and what of a path would be lost without a word."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from wsgate.settings.load import ConfigError, loads
from wsgate.settings.problem import Problem


def problems(path: str | None, to: Any = "ws://h:1", **relay: Any) -> list[tuple[str, str]]:
    """Path and message of each fault or warning of a relay."""
    match = {} if path is None else {"match": {"path": path}}
    route = {"name": "r", **match, "origins": "any", "relay": {"to": to, **relay}}
    found: list[Problem] = []
    try:
        loads(yaml.safe_dump({"listeners": [{"bind": "127.0.0.1:80"}], "routes": [route]}), "f.yaml", found.append)
    except ConfigError as error:
        found = list(error.problems)
    return [(problem.path.removeprefix("routes[0].relay."), problem.message) for problem in found]


RIGHT: list[tuple[str | None, dict[str, Any]]] = [
    ("/chat/*", {"strip": "/chat"}),
    ("/chat/*", {"strip": "/chat/room"}),
    ("/chat/room/*", {"strip": "/chat"}),
    ("/chat", {"strip": "/chat"}),
    ("/chat/", {"strip": "/chat"}),
    (None, {"strip": "/chat"}),
    ("~/chat", {"strip": "/room"}),
    ("/old/*", {"replace": {"prefix": "/old", "with": "/new"}}),
    ("/old/*", {"replace": {"prefix": "/", "with": "/new"}}),
    ("/old/*", {"to": "/new/{rest}"}),
    ("/old/*", {"to": "{path}"}),
    ("/old", {"to": "/new"}),
    ("~/d/(?P<room>.*)", {"to": "/rooms/{room}"}),
    ("~/d/(?P<room>.*)", {"to": "/rooms/{1}"}),
    ("~/d/([0-9]+)$", {"to": "/rooms/{1}"}),
    ("~/(?:a|b)/(.+)", {"to": "/rooms/{1}"}),
    ("~/d/.*", {"to": "/rooms"}),
    ("~/d/([0-9]+)", {"to": "/rooms{path}"}),
    (None, {"to": "/rooms/{rest}"}),
    (None, {"to": "/rooms"}),
]


@pytest.mark.parametrize(("path", "rewrite"), RIGHT)
def test_what_loses_nothing(path: str | None, rewrite: dict[str, Any]) -> None:
    assert problems(path, rewrite=rewrite) == []


ONE = "write exactly one of strip, replace, to"
GROUPS = "is no part of this route's requests, {path}, {rest} are"
EXAMPLE = "only an expression has groups, like path: ~/rooms/(?P<room>[^/]+)$"
WRONG: list[tuple[str | None, dict[str, Any], str, str]] = [
    ("/a/*", {"strip": "/a", "to": "/b"}, "", f"has strip and to: {ONE}"),
    ("/a/*", {"strip": "/b"}, ".strip", "no path of this route begins with /b, all are /a/*: write one that does"),
    ("/ab/*", {"strip": "/a"}, ".strip", "no path of this route begins with /a, all are /ab/*: write one that does"),
    ("/a", {"strip": "/a/b"}, ".strip", "no path of this route begins with /a/b, all are /a: write one that does"),
    (
        "/a/*",
        {"replace": {"prefix": "/b", "with": "/c"}},
        ".replace.prefix",
        "no path of this route begins with /b, all are /a/*: write one that does",
    ),
    ("/a/*", {"to": "/{room}"}, ".to", f"{{room}} {GROUPS}: {EXAMPLE}"),
    (None, {"to": "/{1}"}, ".to", f"{{1}} {GROUPS}: {EXAMPLE}"),
    ("~/a/(?P<x>.)(.)$", {"to": "/{3}"}, ".to", f"{{3}} {GROUPS}: the groups are {{x}}, {{2}}"),
    ("~/a/.*", {"to": "/{room}"}, ".to", f"{{room}} {GROUPS}: it has no group"),
    (
        "~/a/(?P<rest>.*)",
        {"to": "/{rest}"},
        ".to",
        "{rest} is the name of a group, too: give the group another name",
    ),
    (
        "/a/*",
        {"to": "/b"},
        ".to",
        "what follows /a/ is not passed on: write {rest} where it belongs, or the path as '~/a/.*' if it is not needed",
    ),
    (
        "~/a/([0-9]+)",
        {"to": "/{1}"},
        ".to",
        "the expression may match only the beginning of a path, and the rest is not passed on: end the expression "
        "with $, or with (.*) and use that group",
    ),
    (
        "~/a/(x)/(?P<y>.*)",
        {"to": "/{1}"},
        ".to",
        "what the group y matches is not passed on: write {y}, or (?:…) in the expression if it is not needed",
    ),
]


@pytest.mark.parametrize(("path", "rewrite", "place", "message"), WRONG)
def test_what_is_wrong_or_loses_something(path: str | None, rewrite: dict[str, Any], place: str, message: str) -> None:
    assert problems(path, rewrite=rewrite) == [(f"rewrite{place}", message)]


def test_a_path_in_the_url_of_a_route_with_an_expression() -> None:
    message = (
        "/base stands in place of what ~/d/(.*) matches, which the backend does not see: to pass a part of it on, "
        "write rewrite: {to: '/{1}'}, which stands behind /base; for the whole path {to: '{path}'}, for none {to: /}"
    )
    assert problems("~/d/(.*)", "ws://h:1/base") == [("to", message)]
    assert problems("~/d/(.*)", [{"url": "ws://h:1"}, "ws://h:1/base"]) == [("to", message)]
    ((_, message),) = problems("~/d/[0-9]+", "ws://h:1/base")
    assert "write rewrite: {to: '/{1}'}, with a group in the expression, which stands" in message
    for rewrite in ({"to": "/{1}"}, {"to": "{path}"}, {"to": "/{rest}"}):
        assert problems("~/d/(.*)", "ws://h:1/base", rewrite=rewrite) == []
    assert problems("~/d/(?:.*)", "ws://h:1/base", rewrite={"to": "/"}) == []


@pytest.mark.parametrize("path", ["~/d/", "~^/d$", "/d/*", "/d", None])
def test_a_path_in_the_url_that_loses_nothing(path: str | None) -> None:
    assert problems(path, "ws://h:1/base") == []


def test_what_is_wrong_already() -> None:
    assert problems("/a/*", rewrite={})[0][1].startswith("has none of strip, replace, to: ")
    ((place, _),) = problems("/a/*", rewrite={"to": "x"})
    assert place == "rewrite.to"
    ((place, _),) = problems("~/(", "ws://h:1/base")
    assert place.endswith("match.path")
