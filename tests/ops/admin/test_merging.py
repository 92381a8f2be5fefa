from __future__ import annotations

from typing import Any

from wsgate.ops.admin.merging import merge_backends, merge_routes


def backend(**more: Any) -> dict[str, Any]:
    usual = {"route": "a", "backend": "ws://b", "sessions": 1, "failures": 0, "healthy": True, "ejected": False}
    return {**usual, "draining": False, **more}


def test_a_backend_is_as_bad_as_the_worst_worker_finds_it() -> None:
    answers = [
        {"backends": [backend(), backend(backend="ws://c")]},
        {"backends": [backend(sessions=4, failures=2, healthy=False), backend(backend="ws://c", draining=True)]},
        {"backends": [backend(failures=1, ejected=True)]},
    ]
    assert merge_backends(answers) == [
        backend(sessions=6, failures=2, healthy=False, ejected=True),
        backend(backend="ws://c", sessions=2, draining=True),
    ]
    assert answers[0]["backends"][0] == backend()


def test_a_backend_of_two_routes_is_two() -> None:
    assert len(merge_backends([{"backends": [backend(), backend(route="b")]}])) == 2


def test_routes_have_the_sessions_of_all_workers() -> None:
    def route(name: str, sessions: int, *, draining: bool = False) -> dict[str, Any]:
        return {"route": name, "sessions": sessions, "draining": draining}

    one = {"routes": [route("a", 1), route("b", 0)]}
    two = {"routes": [route("a", 2, draining=True), route("c", 5)]}
    assert merge_routes([one, two]) == [route("a", 3, draining=True), route("b", 0), route("c", 5)]
