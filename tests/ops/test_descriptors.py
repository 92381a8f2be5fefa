"""The process's limit of descriptors, and what is left of it."""

from __future__ import annotations

import logging
import os
import resource
from collections.abc import Iterator

import pytest

from tests.gate.conftest import gateway_of
from wsgate.ops.descriptors import DescriptorLimit, open_descriptors, raise_limit, said_of_sessions, sessions_allowed


@pytest.fixture
def limit() -> Iterator[tuple[int, int]]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield before
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_the_soft_limit_becomes_the_hard_one(limit: tuple[int, int], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "wsgate")
    soft = open_descriptors() + 100
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, limit[1]))
    raise_limit()
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (limit[1], limit[1])
    (record,) = caplog.records
    assert vars(record)["fields"] == {"limit": str(limit[1]), "before": str(soft)}
    raise_limit()
    assert vars(caplog.records[-1])["fields"] == {"limit": str(limit[1]), "before": None}


def test_a_system_that_does_not_let_it(
    limit: tuple[int, int], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise ValueError("not allowed to raise maximum limit")

    resource.setrlimit(resource.RLIMIT_NOFILE, (open_descriptors() + 100, limit[1]))
    monkeypatch.setattr(resource, "setrlimit", refuse)
    raise_limit()


def test_what_is_open_is_counted() -> None:
    before = open_descriptors()
    pipe = os.pipe()
    assert open_descriptors() == before + 2
    for descriptor in pipe:
        os.close(descriptor)


def test_an_unlimited_process_counts_nothing() -> None:
    def count() -> int:
        raise AssertionError

    room = DescriptorLimit(gateway_of(), lambda: resource.RLIM_INFINITY, count)
    for _ in range(1000):
        room.enter()
    assert room.has_room()


def test_without_proc_it_counts_its_connections() -> None:
    def count() -> int:
        raise FileNotFoundError

    room = DescriptorLimit(gateway_of(), lambda: 1024, count)
    taken = 0
    while room.has_room():
        room.enter()
        taken += 1
    assert 200 < taken < 340
    assert room.describe() == "1024"


@pytest.mark.parametrize(
    ("processes", "limit", "sessions"),
    [(1, 1024, 456), (4, 1024, 4 * 456), (1, 20_000, 9760), (1, 64, 10), (1, 20, 1), (2, resource.RLIM_INFINITY, None)],
)
def test_how_many_sessions_there_are_descriptors_for(processes: int, limit: int, sessions: int | None) -> None:
    assert sessions_allowed(processes, limit) == sessions


def test_sessions_that_are_allowed_are_accepted(limit: tuple[int, int]) -> None:
    """The last of them is not kept waiting in the kernel's queue; who comes later gets its 503."""
    gateway = gateway_of()
    allowed = sessions_allowed(1, 1024)
    assert allowed is not None
    room = DescriptorLimit(gateway, lambda: 1024, lambda: 32 + 2 * allowed)
    room.connections = allowed
    gateway.sessions = range(allowed)  # type: ignore[assignment]
    assert room.has_room()


@pytest.mark.parametrize(
    ("wanted", "allowed", "said"),
    [
        (10_000, None, {"sessions": 10_000}),
        (10_000, 10_000, {"sessions": 10_000}),
        (None, None, {}),
        (None, 456, {"sessions": 456}),
    ],
)
def test_what_the_start_says(wanted: int | None, allowed: int | None, said: dict[str, object]) -> None:
    assert said_of_sessions(wanted, allowed) == said


def test_the_start_says_what_to_do_for_more() -> None:
    said = said_of_sessions(10_000, 456)
    assert said["sessions"] == 456
    assert "LimitNOFILE" in str(said["cure"])
