"""Claims by their names, as values and as texts."""

from __future__ import annotations

from typing import Any

import pytest

from wsgate.site.jwt.claims import find_claim, has_value, text_of

CLAIMS: dict[str, Any] = {
    "sub": "alice",
    "https://example.com/roles": ["a", "b"],
    "realm_access": {"roles": ["admin", 7, True], "deep": {"er": "x"}},
    "scope": "chat mail:read",
    "groups": "chat mail",
    "age": 42,
    "vip": True,
    "empty": None,
}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("sub", "alice"),
        ("https://example.com/roles", ["a", "b"]),
        ("realm_access.roles", ["admin", 7, True]),
        ("realm_access.deep.er", "x"),
        ("realm_access.deep.er.x", None),
        ("none", None),
        ("none.x", None),
        ("", None),
        ("empty", None),
    ],
)
def test_find_claim(name: str, expected: object) -> None:
    assert find_claim(CLAIMS, name) == expected


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("sub", "alice", True),
        ("sub", "ali", False),
        ("realm_access.roles", "admin", True),
        ("realm_access.roles", "7", True),
        ("realm_access.roles", "true", True),
        ("realm_access.roles", "adm", False),
        ("scope", "chat", True),
        ("scope", "mail", False),
        ("groups", "chat", False),
        ("age", "42", True),
        ("vip", "true", True),
        ("vip", "True", False),
        ("none", "x", False),
        ("none", "", False),
    ],
)
def test_has_value(name: str, value: str, expected: bool) -> None:
    assert has_value(CLAIMS, name, value) is expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [("a b", "a b"), (1, "1"), (1.5, "1.5"), (False, "false"), (["a", "ü"], '["a","\\u00fc"]'), ({"a": 1}, '{"a":1}')],
)
def test_text_of(value: object, expected: str) -> None:
    assert text_of(value) == expected
