"""The groups that a ``to`` can name; more of the faults are in test_meaning_rewrite."""

from __future__ import annotations

import pytest

from wsgate.settings.groups import check_names, group_number, groups_of
from wsgate.settings.path_patterns import path_pattern


@pytest.mark.parametrize(
    ("path", "groups"),
    [("~/a/(?P<x>.)(.)(?:b)", ["x", "2"]), ("~/a", []), ("/a/*", []), ("/a", [])],
)
def test_groups_of_a_pattern(path: str, groups: list[str]) -> None:
    assert groups_of(path_pattern(path)) == groups


def test_the_number_of_a_group() -> None:
    assert [group_number(name, ["x", "2"]) for name in ("x", "1", "2", "3", "y")] == [1, 1, 2, None, None]


@pytest.mark.parametrize(
    ("to", "message"),
    [
        ("/{path}{x}{1}{2}", None),
        ("/{3}", "{3} is no part of this route's requests, {host}, {path} are: the groups are {x}, {2}"),
    ],
)
def test_names(to: str, message: str | None) -> None:
    found: list[str] = []
    pattern = path_pattern("~/a/(?P<x>.)(.)")
    assert check_names(to, pattern, ("host", "path"), "p", lambda path, text: found.append(text)) is (message is None)
    assert found == ([] if message is None else [message])
