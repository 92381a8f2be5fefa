from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from wsgate.events.metrics import BYTES, MESSAGES, SESSIONS
from wsgate.ops.admin.exposition import Gathered
from wsgate.ops.admin.history import INTERVAL, POINTS, History


def gathered(sessions: int, messages: int, octets: int) -> Gathered:
    return {
        SESSIONS.name: {("a",): (sessions,), ("b",): (1,)},
        MESSAGES.name: {("a", "up"): (messages,), ("b", "up"): (messages,), ("a", "down"): (1,)},
        BYTES.name: {("a", "down"): (octets,)},
    }


async def nothing() -> Gathered:
    return {}


def test_rates_are_those_between_two_points() -> None:
    times = iter([1000.0, 1005.0, 1015.0])
    history = History(nothing, lambda: next(times))
    history.add(gathered(1, 10, 100))
    assert list(history.points) == []
    history.add(gathered(2, 20, 600))
    history.add(gathered(0, 20, 100))  # a counter that began anew is no rate below zero
    assert [point.plain() for point in history.points] == [
        [1005.0, 3, 4.0, 0.0, 0.0, 100.0],
        [1015.0, 1, 0.0, 0.0, 0.0, 0.0],
    ]


def test_without_any_session() -> None:
    times = iter([1.0, 2.0])
    history = History(nothing, lambda: next(times))
    history.add({})
    history.add({})
    assert history.points[0].plain() == [2.0, 0, 0.0, 0.0, 0.0, 0.0]


async def test_an_hour_is_kept(autojump_clock: MockClock) -> None:
    autojump_clock.autojump_threshold = 0.0  # there is no socket that events could still come from
    history = History(nothing, trio.current_time)
    with trio.move_on_after(INTERVAL * (POINTS + 10) + 1):
        await history.run()
    assert len(history.points) == POINTS
    assert history.points[-1].at - history.points[0].at == pytest.approx(INTERVAL * (POINTS - 1))
