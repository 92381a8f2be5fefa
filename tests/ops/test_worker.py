"""One place among the workers."""

from __future__ import annotations

from wsgate.gate.shared_counters import SharedCounters
from wsgate.ops.worker import Backoff, Worker


def test_the_pauses_between_replacements() -> None:
    backoff = Backoff()
    assert [backoff.pause(0.1) for _ in range(8)] == [0, 1, 2, 4, 8, 16, 30, 30]
    assert [backoff.pause(lived) for lived in (30, 29, 29, 86400, 1)] == [0, 1, 2, 0, 1]


def test_who_has_not_begun_to_serve() -> None:
    worker = Worker(1, SharedCounters(1).rows[0])
    assert not worker.is_starting  # it does not run
    worker.pid = 4711
    assert worker.is_starting
    worker.slow = True
    assert not worker.is_starting  # it is logged already
    worker.slow, worker.served = False, True
    assert not worker.is_starting
