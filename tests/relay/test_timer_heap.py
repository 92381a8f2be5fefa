"""Timers of all sessions in one heap."""

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from tests.relay.joined import data, session
from wsgate.relay.pump import Pump
from wsgate.relay.timer_heap import TimerHeap


class Sleeper:
    """Notes when it was woken."""

    def __init__(self, pump: Pump, error: Exception | None = None) -> None:
        self.pump = pump
        self.error = error
        self.woken: list[float] = []
        self.awake = trio.Event()
        self.crashes: list[Exception] = []

    @property
    def owner(self) -> Sleeper:
        return self

    def crash(self, error: Exception) -> None:
        self.crashes.append(error)

    def wake(self, now: float) -> None:
        self.woken.append(now)
        self.awake.set()
        if self.error is not None:
            raise self.error


async def test_timers_are_in_time_whatever_their_order(pump: Pump, autojump_clock: MockClock) -> None:
    await trio.testing.wait_all_tasks_blocked()  # it waits for sockets alone
    began = trio.current_time()
    sleepers = {seconds: Sleeper(pump) for seconds in (5, 1, 3, 3.5)}
    for seconds, sleeper in sleepers.items():
        pump.timers.at(began + seconds, sleeper)
    pump.timers.at(began + 1, sleepers[5])
    await trio.sleep(10)
    assert {seconds: sleeper.woken for seconds, sleeper in sleepers.items()} == {
        1: [began + 1],
        3: [began + 3],
        3.5: [began + 3.5],
        5: [began + 1, began + 5],
    }


async def test_a_timer_does_not_hold_up_the_sessions_nor_they_it(pump: Pump, autojump_clock: MockClock) -> None:
    sleeper = Sleeper(pump)
    async with session(pump) as running:
        began = trio.current_time()
        pump.timers.at(began + 2, sleeper)
        for _ in range(4):
            await running.client.send(data(b"x"))
            assert await running.backend.receive() == data(b"x")
            await trio.sleep(1)
    assert sleeper.woken == [began + 2]


async def test_a_timer_is_in_time_while_the_pump_never_waits(pump: Pump, autojump_clock: MockClock) -> None:
    """A pump that always has something to read looks at its timers between its turns."""
    sleeper = Sleeper(pump)
    serves = iter([True] * 3)
    real = pump._serve

    def busy(*seconds: float) -> bool:  # no seconds by ``run``; some by what finds the sessions due
        return real(*seconds) or next(serves, False)

    vars_of: Any = pump
    vars_of._serve = busy
    pump.timers.at(trio.current_time(), sleeper)
    await trio.testing.wait_all_tasks_blocked()
    assert len(sleeper.woken) == 1


async def test_a_bug_of_a_sleeper_is_its_owners(pump: Pump, autojump_clock: MockClock) -> None:
    error = ValueError("a bug")
    broken, sound = Sleeper(pump, error), Sleeper(pump)
    now = trio.current_time()
    pump.timers.at(now, broken)
    pump.timers.at(now, sound)
    await trio.sleep(1)
    assert (broken.crashes, sound.crashes, sound.woken) == ([error], [], [now])


async def test_a_timer_on_either_poller(either_pump: Pump) -> None:
    sleeper = Sleeper(either_pump)
    await trio.testing.wait_all_tasks_blocked()
    either_pump.timers.at(trio.current_time() + 0.01, sleeper)
    await sleeper.awake.wait()


async def test_a_timer_of_a_pump_that_has_stopped(autojump_clock: MockClock) -> None:
    pump = Pump()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pump.run)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    pump.timers.at(trio.current_time(), Sleeper(pump))
    assert len(pump.timers) == 1


async def test_a_timer_that_is_taken_back(pump: Pump, autojump_clock: MockClock) -> None:
    sleeper = Sleeper(pump)
    began = trio.current_time()
    early, late = (pump.timers.at(began + seconds, sleeper) for seconds in (1, 2))
    pump.timers.cancel(early)
    pump.timers.cancel(early)
    assert len(pump.timers) == 1
    await trio.sleep(3)
    assert sleeper.woken == [began + 2]
    pump.timers.cancel(late)
    assert len(pump.timers) == 0


async def test_timers_that_are_taken_back_take_no_memory(pump: Pump, autojump_clock: MockClock) -> None:
    """Sessions that end leave theirs behind, for a whole heartbeat's interval."""
    for number in range(10_000):
        pump.timers.cancel(pump.timers.at(1000.0 + number, Sleeper(pump)))
        assert len(pump.timers._heap) < 200


async def test_thousands_of_timers_let_others_run(autojump_clock: MockClock) -> None:
    """The pump serves sessions between two calls, and other tasks have a turn now and then."""
    between: list[None] = []
    heap = TimerHeap(lambda: between.append(None))
    woken: list[int] = []

    class Slow:
        def __init__(self, number: int) -> None:
            self.number = number

        @property
        def owner(self) -> Any:
            raise AssertionError

        def wake(self, now: float) -> None:
            woken.append(self.number)
            autojump_clock.jump(0.001)

    seen = set()

    async def other() -> None:
        while True:
            seen.add(len(woken))
            await trio.lowlevel.checkpoint()

    for number in range(100):
        heap.at(1.0, Slow(number))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(heap.run)
        await trio.sleep(0.9)
        nursery.start_soon(other)
        autojump_clock.jump(0.2)
        while len(woken) < 100:
            await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
    assert woken == list(range(100))
    assert len(between) == 100
    assert len(seen) >= 10


@given(st.lists(st.tuples(st.floats(0, 100), st.booleans())))
def test_any_timers_come_in_order(timers: list[tuple[float, bool]]) -> None:
    woken: list[float] = []

    class Noting:
        def __init__(self, when: float) -> None:
            self.when = when

        @property
        def owner(self) -> Any:
            raise AssertionError

        def wake(self, now: float) -> None:
            assert now == pytest.approx(self.when)
            woken.append(self.when)

    async def main() -> None:
        heap = TimerHeap(lambda: None)
        began = trio.current_time()
        for when, is_cancelled in timers:
            timer = heap.at(began + when, Noting(began + when))
            if is_cancelled:
                heap.cancel(timer)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(heap.run)
            await trio.sleep(101)
            nursery.cancel_scope.cancel()
        assert len(heap) == 0
        assert woken == sorted(began + when for when, is_cancelled in timers if not is_cancelled)

    trio.run(main, clock=MockClock(autojump_threshold=0))
