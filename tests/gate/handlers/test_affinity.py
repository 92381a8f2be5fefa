from __future__ import annotations

import pytest

from tests.gate.conftest import NOWHERE, exchange_for, route
from tests.peers.heads import request
from wsgate.gate.handlers.affinity import find_cookie, find_hash_key, make_cookie
from wsgate.settings.model import HashKey, Place, PlaceKind


@pytest.mark.parametrize(
    ("place", "key"),
    [
        (None, b"192.0.2.7"),
        (Place(PlaceKind.QUERY, "room"), b"blue"),
        (Place(PlaceKind.HEADER, "x-room"), b"red"),
        (Place(PlaceKind.COOKIE, "room"), b"192.0.2.7"),
    ],
)
def test_what_chooses_the_backend(place: Place | None, key: bytes) -> None:
    exchange = exchange_for(route(NOWHERE), request("/?room=blue", {"X-Room": "red"}))
    assert find_hash_key(HashKey(place), exchange) == key


def test_a_client_without_an_address() -> None:
    exchange = exchange_for(route(NOWHERE))
    exchange.client.chain = ()
    assert find_hash_key(HashKey(None), exchange) == b""


def test_the_clients_cookie() -> None:
    exchange = exchange_for(route(NOWHERE), request("/", {"Cookie": "a=1; desk=abc"}))
    assert find_cookie("desk", exchange) == "abc"
    assert find_cookie("other", exchange) is None


@pytest.mark.parametrize(("scheme", "end"), [(b"http", b"SameSite=Lax"), (b"https", b"SameSite=Lax; Secure")])
def test_a_cookie_is_for_the_browser_alone(scheme: bytes, end: bytes) -> None:
    exchange = exchange_for(route(NOWHERE))
    exchange.client.scheme = scheme
    assert make_cookie("desk", "abc", exchange) == b"desk=abc; Path=/; HttpOnly; " + end
