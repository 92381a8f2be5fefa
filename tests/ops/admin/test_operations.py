"""The table of the API's requests."""

from __future__ import annotations

import pytest

from wsgate.ops.admin.operations import OPERATIONS, find


@pytest.mark.parametrize(
    ("method", "path", "found"),
    [
        ("GET", "status", ("status", "")),
        ("GET", "sessions/2-1f", ("session", "2-1f")),
        ("DELETE", "sessions/a/b", []),
        ("GET", "sessions/2-1f/tap", ("tap", "2-1f")),
        ("GET", "sessions//tap", []),
        ("GET", "sessions/tap", ("session", "tap")),
        ("POST", "sessions/1/tap", ["GET"]),
        ("POST", "sessions/close", ("close", "")),
        ("GET", "sessions/close", ["POST"]),
        ("POST", "sessions/1", ["GET", "DELETE"]),
        ("PUT", "status", ["GET"]),
        ("GET", "sessions/", []),
        ("GET", "statu", []),
        ("GET", "status/", []),
        ("GET", "", []),
    ],
)
def test_which_operation_takes_a_request(method: str, path: str, found: object) -> None:
    which = find(method, path)
    assert (which if isinstance(which, list) else (which[0].name, which[1])) == found


def test_each_has_a_name_and_a_place_of_its_own() -> None:
    assert len({each.name for each in OPERATIONS}) == len({(each.method, each.path) for each in OPERATIONS})
    assert all(each.doc.endswith((".", "?")) for each in OPERATIONS)
    assert {each.path for each in OPERATIONS if each.has_id} == {"sessions/{id}", "sessions/{id}/tap"}
