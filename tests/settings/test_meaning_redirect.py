"""Redirects that lead to themselves."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from wsgate.settings.load import ConfigError, loads
from wsgate.settings.problem import Problem

HTTP = {"bind": "127.0.0.1:80"}
HTTPS = {"bind": "127.0.0.1:443", "tls": {"certificate": "a.pem", "key": "a.key"}}
RELAY = {"relay": {"to": "ws://h:1"}, "origins": "any"}

Route = tuple[dict[str, Any], Any]


def warnings(*routes: Route, listeners: tuple[Any, ...] = (HTTP,)) -> list[tuple[str, str]]:
    """Path and message of each. routes: the match and the redirect of each; another action is a mapping."""
    written = []
    for index, (match, action) in enumerate(routes):
        name = {"name": f"r{index}", **({"match": match} if match else {})}
        written.append({**name, **(action if isinstance(action, dict) else {"redirect": action})})
    found: list[Problem] = []
    loads(yaml.safe_dump({"listeners": list(listeners), "routes": written}), "f.yaml", found.append)
    return [(problem.path, problem.message) for problem in found]


CURE = "write another target, or a match that does not take it"
LOOPS: list[tuple[dict[str, Any], str, str]] = [
    ({}, "/", "/x is sent to /"),
    ({"path": "/*"}, "{path}", "/x is sent to /x"),
    ({"path": "/v1/*"}, "/v1/new/{rest}{query}", "/v1/x is sent to /v1/new/x"),
    ({"path": "/v1/*"}, "/v2/../v1/x?a#b", "/v1/x is sent to /v1/x"),
    ({"path": "/old"}, "/%6fld/", "/old is sent to /old/"),
    ({"path": "~/old.*"}, "/older", "/old is sent to /older"),
    ({"path": "~/room/[0-9]+$"}, "{path}", "/room/0 is sent to /room/0"),
    ({"path": "~/room/(.*)"}, "/room/{1}", "/room/ is sent to /room/"),
    ({"path": "/x"}, "http://{host}{path}", "/x is sent to /x"),
    ({"path": "/x", "host": "a.test"}, "http://a.test/x", "/x is sent to /x"),
    ({"path": "/x", "host": "*.a.test"}, "HTTP://www.a.test/x", "/x is sent to /x"),
    ({"path": "/x", "query": {"a": "1"}}, "/x{query}", "/x is sent to /x"),
    ({"path": "/x", "header": {"A": "1"}}, "/x", "/x is sent to /x"),
]


@pytest.mark.parametrize(("match", "to", "way"), LOOPS)
def test_a_redirect_to_itself(match: dict[str, Any], to: str, way: str) -> None:
    message = f"it leads to itself: {way}, which this route takes again: {CURE}"
    assert warnings((match, to)) == [("routes[0].redirect.to", message)]


OTHERS: list[tuple[dict[str, Any], str]] = [
    ({"path": "/old/*"}, "/new/{rest}"),
    ({"path": "/old"}, "/old/x"),
    ({"path": "/v1/*"}, "/v1"),
    ({"path": "~/d/(.*)"}, "/rooms/{1}"),
    ({"path": "~/old$"}, "/older"),
    ({"path": "~[^a]+x"}, "{path}"),  # no path is known that it matches
    ({}, "https://www.test{path}"),
    ({}, "http://{host}:8080{path}"),
    ({}, "https://{host}{path}"),  # TLS ends at another program
    ({"host": "a.test"}, "http://www.a.test{path}"),
    ({"path": "/x", "query": {"a": "1"}}, "/x"),
]


@pytest.mark.parametrize(("match", "to"), OTHERS)
def test_a_redirect_to_another_place(match: dict[str, Any], to: str) -> None:
    assert warnings((match, to)) == []


def test_from_http_to_https() -> None:
    message = (
        "it leads to itself: /x is sent to /x, which this route takes again: if it is for clients of http, write "
        "redirect: https on the plain listener instead"
    )
    assert warnings(({}, "https://{host}{path}{query}"), listeners=(HTTP, HTTPS)) == [
        ("routes[0].redirect.to", message)
    ]


def test_several_redirects() -> None:
    one, other = ({"path": "/a/*"}, "/b/{rest}"), ({"path": "/b/*"}, "/a/{rest}")
    found = warnings(one, other)
    assert [path for path, _ in found] == ["routes[0].redirect.to", "routes[1].redirect.to"]
    assert found[0][1].startswith("it leads to itself: /a/x is sent to /b/x, then to /a/x, which")
    chain = [({"path": f"/{index}"}, f"/{index + 1}") for index in range(12)]
    assert warnings(*chain) == []


def test_where_another_route_takes_it() -> None:
    loop = ({"path": "/v1/*"}, "/v1/new/{rest}")
    assert warnings(({"path": "/v1/new/*"}, RELAY), loop) == []
    assert warnings(({"path": "/v1/new/*", "host": "a.test"}, "/v2"), loop) == []  # it depends on the client
    assert len(warnings(({"path": "/v1/new/*", "websocket": True}, RELAY), loop)) == 1
    assert len(warnings(({"path": "/other"}, RELAY), loop)) == 1
    assert warnings(({"path": "/a"}, "/b"), ({"path": "/b"}, RELAY)) == []
    assert warnings(({"path": "/a"}, "/b"), ({"path": "/b"}, "/b/c"), ({"path": "/b/*"}, RELAY)) == []


def test_a_name_that_stands_for_nothing() -> None:
    with pytest.raises(ConfigError, match=r"\{room\} is no part of this route's requests, "):
        warnings(({"path": "/x/*"}, "/{room}"))
