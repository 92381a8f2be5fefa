"""The order and the times of a drain, under a virtual clock."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
import trio
from trio.testing import MockClock

from wsgate.ops.drain import SLOT, drain_sessions
from wsgate.relay.session import Session
from wsgate.settings.model import Drain


@pytest.fixture
def autojump_clock() -> MockClock:
    """Nothing here has to do with sockets."""
    return MockClock(autojump_threshold=0)


class Told(Session):
    """A session without legs, which notes when it is drained."""

    def __init__(self) -> None:
        self.told = -1.0
        self.code = 0

    def drain(self, code: int) -> None:
        self.told, self.code = trio.current_time(), code


async def told(count: int, drain: Drain) -> list[float]:
    """Returns when each of ``number`` sessions was drained, in seconds from the beginning."""
    sessions = [Told() for _ in range(count)]
    began = trio.current_time()
    await drain_sessions(sessions, drain)
    assert {session.code for session in sessions} == {drain.code}
    assert trio.current_time() == max(session.told for session in sessions)
    return [session.told - began for session in sessions]


async def test_5000_sessions_are_spread_evenly(autojump_clock: MockClock) -> None:
    times = await told(5000, Drain(spread=20, code=1012))
    assert min(times) >= 0
    assert max(times) < 20
    tenths = Counter(int(time / 2) for time in times)
    assert set(tenths) == set(range(10))
    assert max(tenths.values()) <= 0.15 * 5000
    # no more than two in any slot's width: each has a slot of its own
    ordered = sorted(times)
    assert all(later - earlier > 20 / 5000 for earlier, later in zip(ordered, ordered[2:], strict=False))


async def test_the_order_is_not_the_order_of_age(autojump_clock: MockClock) -> None:
    """The oldest would be the first to go at every deploy."""
    times = await told(1000, Drain(spread=20))
    earlier = sum(one < other for one, other in pairwise(times))
    assert 400 < earlier < 600


async def test_the_place_in_the_slot_is_random(autojump_clock: MockClock) -> None:
    """Gateways that are stopped together must not beat the same time."""
    times = sorted(await told(1000, Drain(spread=20)))
    quarters = Counter(int(time % 0.02 / 0.005) for time in times)
    assert set(quarters) == {0, 1, 2, 3}
    assert max(quarters.values()) < 400


@pytest.mark.parametrize("count", [1, 2, 20])
async def test_a_few_do_not_wait_for_a_spread_meant_for_a_herd(autojump_clock: MockClock, count: int) -> None:
    times = sorted(await told(count, Drain(spread=20)))
    assert all(SLOT * place <= time < SLOT * (place + 1) for place, time in enumerate(times))


async def test_without_a_spread_all_are_told_at_once_but_not_without_a_pause(
    autojump_clock: MockClock,
) -> None:
    """The data plane and the timers run in between."""
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(count_turns)
        assert set(await told(100, Drain(spread=0))) == {0}
        nursery.cancel_scope.cancel()
    assert turns >= 95  # one for each, but for the first and the last


async def test_nobody_to_tell(autojump_clock: MockClock) -> None:
    began = trio.current_time()
    await drain_sessions([], Drain(spread=20))
    assert trio.current_time() == began
