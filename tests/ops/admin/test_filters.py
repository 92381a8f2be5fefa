from __future__ import annotations

from typing import Any

import pytest

from wsgate.ops.admin.filters import SORTS, is_among, sort_key

SESSION: dict[str, Any] = {
    "id": "1f",
    "route": "chat",
    "client": "[2001:db8::1]:50000",
    "user": None,
    "backend": "ws://10.0.0.7:9000",
    "path": "/Chat/room",
    "state": "open",
}


@pytest.mark.parametrize(
    ("filter", "is_taken"),
    [
        ({}, True),
        ({"route": "chat"}, True),
        ({"route": "cha"}, False),
        ({"route": "chat", "state": "closing"}, False),
        ({"client": "[2001:db8::1]:50000"}, True),
        ({"client": "2001:db8::1"}, True),
        ({"client": "2001:db8::"}, False),
        ({"backend": "ws://10.0.0.7"}, False),
        ({"user": ""}, True),  # who has shown no password
        ({"user": "None"}, False),
        ({"q": "ROOM"}, True),
        ({"q": "10.0.0."}, True),
        ({"q": "none"}, False),
        ({"q": "chat", "route": "other"}, False),
    ],
)
def test_which_sessions_a_filter_takes(filter: dict[str, str], is_taken: bool) -> None:
    assert is_among(SESSION, filter) is is_taken


@pytest.mark.parametrize("name", SORTS)
def test_every_order_goes_both_ways(name: str) -> None:
    texts = name in ("since", "id", "route", "client", "user", "backend")
    values = ["a", "ab", "b"] if texts else [-1, 0, 2.5]
    assert sorted(reversed(values), key=sort_key(name)) == values
    assert sorted(values, key=sort_key(f"-{name}")) == values[::-1]


def test_what_is_not_known_comes_last() -> None:
    for sort in ("client_rtt_ms", "-client_rtt_ms"):
        assert sorted((None, 3, 1), key=sort_key(sort))[-1] is None
