from __future__ import annotations

import pytest

from tests.gate.conftest import NOWHERE, exchange_for, route
from tests.peers.heads import request
from wsgate.gate.handlers.hash_key import find_hash_key
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
