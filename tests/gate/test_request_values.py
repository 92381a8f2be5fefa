"""Where in a request a token stands."""

from __future__ import annotations

import pytest

from wsgate.gate.request_values import find_value, path_for_log
from wsgate.settings.model import (
    ClientTarget,
    Files,
    Match,
    PathKind,
    PathPattern,
    Place,
    PlaceKind,
    Route,
    Token,
    Tunnel,
)
from wsgate.wire.http import HttpServer, Request

QUERY = Place(PlaceKind.QUERY, "token")
COOKIE = Place(PlaceKind.COOKIE, "desk")
HEADER = Place(PlaceKind.HEADER, "X-Token")
HOST = Place(PlaceKind.HOST)
PATH = Place(PlaceKind.PATH)
AUTHORIZATION = Place(PlaceKind.HEADER, "Authorization")


def request(target: str = "/", *fields: str, host: str = "gate.example") -> Request:
    http = HttpServer()
    http.receive("\r\n".join([f"GET {target} HTTP/1.1", f"Host: {host}", *fields, "", ""]).encode())
    found = http.next_request()
    assert isinstance(found, Request)
    return found


def route(kind: PathKind = PathKind.PREFIX, text: str = "/desk/") -> Route:
    return Route(name="it", match=Match(path=PathPattern(kind, text)), action=Tunnel())


@pytest.mark.parametrize(
    ("place", "asked", "expected"),
    [
        (QUERY, request("/?token=abc"), "abc"),
        (QUERY, request("/?other=1&token=a%20b%2Fc&x"), "a b/c"),
        (QUERY, request("/?token=a+b"), "a b"),
        (QUERY, request("/?to%6ben=abc"), "abc"),
        (QUERY, request("/?token=gr%C3%BCn"), "grün"),
        (QUERY, request("/?token=&token=second"), "second"),
        (QUERY, request("/?token=first&token=second"), "first"),
        (QUERY, request("/?token=a=b"), "a=b"),
        (QUERY, request("/?token"), None),
        (QUERY, request("/?tokens=abc"), None),
        (QUERY, request("/token=abc"), None),
        (QUERY, request("/?token=%FF"), None),
        (QUERY, request("/?token=a%00b"), None),
        (QUERY, request("/?token=a%0d%0ab"), None),
        (QUERY, request("/?token=%00&token=good"), "good"),
        (COOKIE, request("/", "Cookie: a=1; desk=abc; b=2"), "abc"),
        (COOKIE, request("/", "Cookie: a=1", 'Cookie: desk="a%2Fb"'), "a/b"),
        (COOKIE, request("/", "Cookie: Desk=abc; mydesk=abc"), None),
        (HEADER, request("/", "x-token: a%20b "), "a%20b"),
        (HEADER, request("/", "X-Token:", "X-Token: second"), "second"),
        (AUTHORIZATION, request("/", "Authorization: Bearer abc.def"), "abc.def"),
        (AUTHORIZATION, request("/", "Authorization: abc"), "abc"),
        (HOST, request(host="Desk1.Example:8443"), "desk1.example"),
        (HOST, request(host="[2001:DB8::1]:80"), "2001:db8::1"),
        (PATH, request("/desk/abc?token=x"), "abc"),
        (PATH, request("/desk/a%2Fb/c"), "a/b/c"),
        (PATH, request("/desk/"), None),
    ],
)
def test_each_place(place: Place, asked: Request, expected: str | None) -> None:
    assert find_value([place], asked, route()) == expected


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [(PathKind.EXACT, "/desk/abc", "desk/abc"), (PathKind.REGEX, "/desk/.*", "desk/abc")],
)
def test_a_path_without_a_prefix_is_whole(kind: PathKind, text: str, expected: str) -> None:
    assert find_value([PATH], request("/desk/abc"), route(kind, text)) == expected
    assert find_value([PATH], request("/desk/abc"), Route(name="any", action=Tunnel())) == expected


def test_the_first_place_that_is_there_counts() -> None:
    both = request("/?token=query", "Cookie: desk=cookie")
    assert find_value([QUERY, COOKIE], both, route()) == "query"
    assert find_value([COOKIE, QUERY], both, route()) == "cookie"
    assert find_value([HEADER, COOKIE, QUERY], both, route()) == "cookie"
    assert find_value([HEADER], both, route()) is None
    assert find_value([QUERY, COOKIE], request("/?token=", "Cookie: desk=cookie"), route()) == "cookie"


def by_token(*places: Place, match: Match | None = None) -> Route:
    return Route(name="it", match=match or Match(), action=Tunnel(token=Token(from_=places, directory="/x")))


def test_the_log_has_a_path_without_its_token() -> None:
    match = route().match
    assert path_for_log(request("/desk/secret/more?x=1"), by_token(QUERY, PATH, match=match)) == "/desk/…"
    assert path_for_log(request("/desk/"), by_token(PATH, match=match)) == "/desk/"
    assert path_for_log(request("/secret"), by_token(PATH)) == "/…"
    assert path_for_log(request("/desk/abc?token=secret"), by_token(QUERY, match=match)) == "/desk/abc"


@pytest.mark.parametrize("action", [Tunnel(target=ClientTarget(from_=(PATH,))), Files(root="/")])
def test_what_is_no_token_is_shown(action: Tunnel | Files) -> None:
    shown = Route(name="it", match=route().match, action=action)
    assert path_for_log(request("/desk/a"), shown) == "/desk/a"
