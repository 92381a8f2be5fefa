from __future__ import annotations

import re

import pytest

from wsgate.text.template import filled, group, names, split


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", [""]),
        ("/a", ["/a"]),
        ("{path}", ["", "path", ""]),
        ("/a/{room}{2}/b", ["/a/", "room", "", "2", "/b"]),
        ("/{0}/{100}/{a-b}/{}/{{x}", ["/{0}/{100}/{a-b}/{}/{", "x", ""]),
    ],
)
def test_texts_and_names_in_turn(text: str, parts: list[str]) -> None:
    assert split(text) == parts
    assert names(text) == parts[1::2]


def test_a_value_for_all() -> None:
    assert filled("/a/{room}{2}/b", "x") == "/a/xx/b"


def test_groups() -> None:
    match = re.match("(?P<x>a)(b)(c)?", "ab")
    assert match is not None
    assert [group(match, name) for name in ("x", "1", "2", "3")] == ["a", "a", "b", ""]
