"""Whose turn it is, by what the workers show each other."""

from __future__ import annotations

import select

import pytest

from wsgate.site.shared_table import SharedTable
from wsgate.site.wakeup import Reason
from wsgate.site.worker_turns import LATE, WorkerTurns

PATIENCE = 5.0


class Workers:
    """``waiting``: for how many seconds the first session of each has waited; ``None``: none waits."""

    def __init__(self, *waiting: float | None, route: str = "it") -> None:
        self.table = SharedTable(len(waiting))
        self.turns = [WorkerTurns(row, route, PATIENCE) for row in self.table.rows]
        self.now = self.turns[0].now()
        for turns, seconds in zip(self.turns, waiting, strict=True):
            turns.show(None if seconds is None else self.now - seconds)

    def woken(self) -> list[tuple[int, Reason]]:
        """Those that were woken, and why."""
        return [(index, row.wakeup.take()) for index, row in enumerate(self.table.rows) if is_readable(row.wakeup.fd)]


def is_readable(fd: int) -> bool:
    poll = select.poll()  # select() takes no descriptor over 1023
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(0))


@pytest.mark.parametrize(
    ("others", "ours", "elder"),
    [
        ((None, None), None, None),
        ((None, None), 3.0, None),
        ((2.0, 1.0), 3.0, None),
        ((2.0, 4.0), 3.0, 2),
        ((4.0, 4.5), 3.0, 2),
        ((4.0, 2.0), None, 1),
        ((PATIENCE + LATE + 0.1, 2.0), 3.0, None),  # its worker hangs
        ((PATIENCE + LATE + 0.1, 2.0), None, 2),
    ],
)
def test_the_one_that_has_waited_longest(
    others: tuple[float | None, ...], ours: float | None, elder: int | None
) -> None:
    workers = Workers(None, *others)
    assert workers.turns[0].is_awaited is (others not in ((None, None),))
    assert workers.turns[0].wake_elder(None if ours is None else workers.now - ours) is (elder is not None)
    assert workers.woken() == ([] if elder is None else [(elder, Reason.PLACE)])


@pytest.mark.parametrize(
    ("others", "ours", "following"),
    [
        ((None, None), 3.0, None),
        ((4.0, 2.0), 3.0, 2),
        ((1.0, 2.0), 3.0, 2),
        ((4.0, 3.5), 3.0, None),
        ((1.0, 2.0), None, 2),
    ],
)
def test_the_next_one(others: tuple[float | None, ...], ours: float | None, following: int | None) -> None:
    workers = Workers(None, *others)
    workers.turns[0].pass_on(None if ours is None else workers.now - ours)
    assert workers.woken() == ([] if following is None else [(following, Reason.LEFT)])


def test_each_route_has_its_own() -> None:
    workers = Workers(None, 2.0)
    assert not WorkerTurns(workers.table.rows[0], "other", PATIENCE).is_awaited
    workers.turns[1].show(None)
    assert not workers.turns[0].is_awaited


def test_the_death_of_a_worker_wakes_the_others() -> None:
    workers = Workers(None, 2.0, None)
    workers.table.rows[1].clear()
    why = Reason.PLACE | Reason.EJECTION
    assert workers.woken() == [(0, why), (2, why)]
    assert not workers.turns[0].is_awaited
