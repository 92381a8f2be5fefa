"""Waiting password checks: order, bounds, and delayed answers."""

from __future__ import annotations

import os
import sys
import threading

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from tests.log import Log
from wsgate.site import hashing as module
from wsgate.site.hashing import Busy, Hashing, hashing, network


class Checks:
    """Checks of one thread, which waits for ``go``, and the order in which they ran."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery
        self.hashing = Hashing()
        self.go = threading.Event()
        self.ran: list[str] = []
        self.busy: list[str] = []

    async def start(self, *names: str) -> None:
        for name in names:
            self._nursery.start_soon(self._check, name)
            await trio.testing.wait_all_tasks_blocked()

    async def _check(self, name: str) -> None:
        def work() -> bool:
            self.go.wait()
            self.ran.append(name)
            return True

        try:
            assert await self.hashing.check(name[0], work)
        except Busy:
            self.busy.append(name)


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "THREADS", 1)
    monkeypatch.setattr("random.random", lambda: 0.5)


async def run(*names: str, cancel: int = 0) -> Checks:
    """All of these ask, in this order, while the first one is being checked."""
    async with trio.open_nursery() as nursery:
        checks = Checks(nursery)
        try:
            await checks.start(*names)
            async with trio.open_nursery() as leaving:
                gone = Checks(leaving)
                gone.hashing, gone.go, gone.ran = checks.hashing, checks.go, checks.ran
                await gone.start(*(f"gone{number}" for number in range(cancel)))
                leaving.cancel_scope.cancel()
        finally:
            checks.go.set()
    return checks


async def test_addresses_take_turns_and_the_newest_of_each_goes_first() -> None:
    checks = await run("a1", "a2", "a3", "a4", "b1", "b2", "c1")
    assert checks.ran == ["a1", "a4", "b2", "c1", "a3", "b1", "a2"]
    assert checks.busy == []


async def test_of_too_many_from_one_address_the_oldest_is_not_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAITING_OF_ONE", 2)
    checks = await run("a1", "a2", "a3", "b1", "a4", "a5")
    assert checks.busy == ["a2", "a3"]
    assert checks.ran == ["a1", "a5", "b1", "a4"]


async def test_of_too_many_in_all_one_of_the_address_with_most_is_not_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAITING_IN_ALL", 3)
    checks = await run("a1", "a2", "a3", "b1", "c1", "d1")
    assert checks.busy == ["a2", "a3"]
    assert checks.ran == ["a1", "b1", "c1", "d1"]


async def test_who_has_gone_is_not_checked() -> None:
    checks = await run("a1", "b1", cancel=3)
    assert checks.ran == ["a1", "b1"]


async def test_what_the_check_raises_is_the_callers() -> None:
    def work() -> bool:
        raise KeyError("ours")

    for _ in range(3):  # and the thread's place is free again
        with pytest.raises(KeyError):
            await hashing().check("a", work)


@pytest.mark.skipif(sys.platform != "linux", reason="the priority of one thread is Linux's")
async def test_threads_leave_the_cpu_to_the_sessions() -> None:
    seen: list[int] = []

    def work() -> bool:
        seen.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        return True

    before = os.getpriority(os.PRIO_PROCESS, 0)
    assert await hashing().check("a", work)
    assert seen == [19]
    assert os.getpriority(os.PRIO_PROCESS, 0) == before


def wait_for(it: Hashing, address: str) -> float:
    with it.delay(address) as seconds:
        return seconds


async def test_who_guesses_is_answered_late_and_nobody_else(
    autojump_clock: MockClock, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    it = Hashing()
    for _ in range(module.FREE):
        assert wait_for(it, "a") == 0
        it.was_wrong("a")
    it.was_wrong("a")
    assert wait_for(it, "a") == module.DELAY
    assert wait_for(it, "b") == 0
    warning = log.one("many wrong passwords")  # once
    assert warning["client"] == "a"
    monkeypatch.setattr(module, "MAX_DELAYED", 1)
    with it.delay("a"):
        assert wait_for(it, "a") == 0  # no more than so many wait
    await trio.sleep(module.WINDOW + 1)
    assert wait_for(it, "a") == 0
    it.was_wrong("a")  # more than ``FREE`` wrong passwords
    assert wait_for(it, "a") == module.DELAY
    await trio.sleep(2 * module.WINDOW + 1)
    it.was_wrong("a")
    assert wait_for(it, "a") == 0


async def test_addresses_that_are_counted_have_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_ADDRESSES", 2)
    monkeypatch.setattr(module, "FREE", 1)
    it = Hashing()
    for address in "abc":
        it.was_wrong(address)
    assert [wait_for(it, address) for address in "abc"] == [0, module.DELAY, module.DELAY]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unix", "unix"),
    ],
)
def test_whose_turn_it_is(address: str, expected: str) -> None:
    assert network(address) == expected
