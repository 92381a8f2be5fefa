from __future__ import annotations

from trio.testing import MockClock

from tests.log import Log
from wsgate.settings.model import Eject, Target, TcpAddress
from wsgate.site.backend import LiveBackend


async def test_that_it_fails_is_said_once_and_that_it_is_well_again(log: Log, autojump_clock: MockClock) -> None:
    backend = LiveBackend("it", Target(TcpAddress("h", 1)))
    backend.worked()
    for _ in range(3):
        backend.failed("no")
    backend.worked()
    assert log.events() == ["backend failed", "backend well again"]
    assert log.one("backend failed") == {"route": "it", "backend": "tcp://h:1", "error": "no"}


async def test_failures_and_ejections_are_counted_for_the_metrics(log: Log, autojump_clock: MockClock) -> None:
    backend = LiveBackend("it", Target(TcpAddress("h", 1)))
    backend.may_eject = lambda: Eject(failures=2)
    backend.failed("no")
    backend.worked()
    backend.ended("broke off")
    assert backend.take_counts() == (2, 0)
    backend.ended("broke off")
    assert backend.take_counts() == (1, 1)
    assert backend.take_counts() == (0, 0)
