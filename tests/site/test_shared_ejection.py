"""Backends that one worker ejects for all of them; here each worker heeds the others when it is told to."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import pytest
import trio
from trio.testing import MockClock

from tests.log import Log
from tests.site.test_upstream import backend, ports, upstream, workers
from wsgate.settings.model import Eject, Health
from wsgate.site.shared_ejection import SharedEjection
from wsgate.site.shared_table import SharedTable
from wsgate.site.wakeup import Reason

EJECT = Eject(failures=2, for_=10.0)


@dataclass
class Clock:
    """Of all processes; it goes as trio's."""

    start: float = field(default_factory=trio.current_time)

    def __call__(self) -> float:
        return 1000.0 + trio.current_time() - self.start


@pytest.fixture
async def clock(monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock) -> None:
    monkeypatch.setattr(time, "monotonic", Clock())


async def test_the_others_need_not_fail(clock: None, log: Log) -> None:
    (one, other), table = workers(backend(1), backend(2), eject=EJECT)
    for _ in range(2):
        one.backends[0].failed("refused")
    assert table.rows[1].wakeup.take() == Reason.EJECTION
    assert ports(other) == [1, 2]
    other.heed_ejections()
    assert ports(other) == [2, 1]
    assert log.events() == ["backend failed", "backend ejected"]
    await trio.sleep(9.9)
    assert ports(other) == [2, 1]
    await trio.sleep(0.2)
    assert ports(one) == ports(other) == [1, 2]
    other.heed_ejections()
    assert ports(other) == [1, 2]
    other.backends[0].failed("refused")  # by itself, and for the first time
    assert ports(other) == [1, 2]


async def test_one_that_is_well_again(clock: None, log: Log) -> None:
    (one, other), _ = workers(backend(1), backend(2), eject=EJECT)
    for _ in range(2):
        one.backends[0].failed("refused")
    other.heed_ejections()
    one.backends[0].worked()
    assert ports(other) == [2, 1]
    other.heed_ejections()
    assert ports(other) == [1, 2]


async def test_one_that_a_worker_has_ejected_itself(clock: None, log: Log) -> None:
    """Others cannot end that; and what it sees itself counts more than what others say."""
    (one, other), _ = workers(backend(1), backend(2), eject=EJECT)
    for _ in range(2):
        one.backends[0].failed("refused")
        other.backends[0].failed("refused")
    one.backends[0].worked()
    other.heed_ejections()
    assert ports(other) == [2, 1]
    one.heed_ejections()
    assert ports(one) == [2, 1]
    one.backends[0].checked("no", Health(rise=1, fall=1))
    one.backends[0].checked("", Health(rise=1, fall=1))
    assert ports(one) == [1, 2]


async def test_some_are_always_left(clock: None, log: Log) -> None:
    """Each worker ejects no more than it may."""
    (one, other), _ = workers(backend(1), backend(2), eject=EJECT)
    for _ in range(2):
        one.backends[0].failed("refused")
        other.backends[1].failed("refused")
    for each in (one, other):
        each.heed_ejections()
    assert (ports(one), ports(other)) == ([2, 1], [1, 2])


async def test_a_worker_that_begins_later_and_one_that_dies(clock: None, log: Log) -> None:
    (one, other), table = workers(backend(1), backend(2), eject=EJECT)
    for _ in range(2):
        one.backends[0].failed("refused")
    other.update(listed=[backend(3)])
    assert ports(other) == [2, 3, 1]
    now = upstream(backend(1), backend(2), eject=EJECT, previous=other)
    assert ports(now) == [2, 3, 1]
    table.rows[0].clear()
    now.heed_ejections()
    assert ports(now) == [1, 2, 3]


async def test_one_that_goes(clock: None, log: Log) -> None:
    """Its name is in the table no more."""
    (one, _), table = workers(eject=EJECT)
    one.update(listed=[backend(1), backend(2)])
    for _ in range(2):
        one.backends[0].failed("refused")
    one.update(listed=[backend(2)])
    assert not any(table.rows[0].cells)


def test_without_workers() -> None:
    ejection = SharedEjection(SharedTable(1).rows[0], "it")
    ejection.show(5)
    assert ejection.left() == 0
