"""The API's description. ``make api-check`` holds it to OpenAPI 3.1, and a gateway to it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from wsgate.ops.admin.filters import EXACT, SEARCH, SORTS
from wsgate.ops.admin.openapi import description
from wsgate.ops.admin.operations import OPERATIONS
from wsgate.ops.admin.schemas import NAMED

DESCRIPTION = description(needs_token=False)


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from ([value["$ref"]] if "$ref" in value else [])
        value = list(value.values())
    for each in value if isinstance(value, list) else ():
        yield from references(each)


def test_the_description_has_all_of_the_table() -> None:
    described = {
        (method.upper(), path): operation
        for path, operations in DESCRIPTION["paths"].items()
        for method, operation in operations.items()
    }
    assert set(described) == {(each.method, f"/api/v1/{each.path}") for each in OPERATIONS}
    (listed,) = (each for each in described.values() if each["operationId"] == "sessions")
    assert {each["name"] for each in listed["parameters"]} == {*EXACT, SEARCH, "sort", "limit", "offset"}
    sort = next(each["schema"]["enum"] for each in listed["parameters"] if each["name"] == "sort")
    assert set(sort) == {*SORTS, *(f"-{name}" for name in SORTS)}
    assert set(references(DESCRIPTION)) == {f"#/components/schemas/{name}" for name in NAMED}


def test_a_token_is_asked_for_where_there_is_one() -> None:
    assert "security" not in DESCRIPTION
    described = description(needs_token=True)
    assert list(described["security"][0]) == list(described["components"]["securitySchemes"]) == ["token"]
