"""Who gets a place that becomes free, and when, on a virtual clock."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any

import trio
import trio.testing
from trio.testing import MockClock

from tests.log import Log
from tests.site.test_upstream import backend, upstream
from wsgate.settings.model import Eject, Health, Queue, WebSocketUrl
from wsgate.site.backend import LiveBackend
from wsgate.site.shared_table import SharedTable, WorkerTable
from wsgate.site.upstream import Upstream
from wsgate.site.wakeup import Reason

QUEUE = Queue()
HEALTH = Health(tcp=True, rise=1, fall=1)

_Backend = LiveBackend[WebSocketUrl]


def full(*caps: int, **more: Any) -> Upstream:
    """Each of the backends has as many sessions as it may have."""
    found = upstream(*(backend(port, sessions=cap) for port, cap in enumerate(caps, 1)), queue=QUEUE, **more)
    found.activate()
    for each, cap in zip(found.backends, caps, strict=True):
        for _ in range(cap):
            each.enter()
    return found


class Line:
    """Sessions that wait; ``got`` has in their order who was given what."""

    def __init__(self, found: Upstream, nursery: trio.Nursery) -> None:
        self.got: list[tuple[str, str | None]] = []
        self._found = found
        self._nursery = nursery

    async def join(self, *names: str, seconds: float = 5.0, tried: Collection[_Backend] = ()) -> None:
        for name in names:
            self._nursery.start_soon(self._wait, name, seconds, tried)
            await trio.testing.wait_all_tasks_blocked()

    async def _wait(self, name: str, seconds: float, tried: Collection[_Backend]) -> None:
        given = await self._found.queue.wait(lambda: self._found.backends, tried, seconds)
        self.got.append((name, None if given is None else given.name))

    async def now(self) -> list[str]:
        """Who got a place since the last time, by name: trio has no order."""
        await trio.testing.wait_all_tasks_blocked()
        got, self.got = self.got, []
        return sorted(name for name, _ in got)


@asynccontextmanager
async def line(found: Upstream) -> AsyncIterator[Line]:
    async with trio.open_nursery() as nursery:
        yield Line(found, nursery)
        nursery.cancel_scope.cancel()


async def test_first_come_first_served() -> None:
    found = full(2)
    (only,) = found.backends
    async with line(found) as waiting:
        await waiting.join("a", "b", "c")
        assert await waiting.now() == []
        only.leave()
        assert only.sessions == 2  # nobody can take the place before it runs
        assert await waiting.now() == ["a"]
        only.leave()
        only.leave()
        assert await waiting.now() == ["b", "c"]
        assert (only.sessions, len(found.queue)) == (2, 0)
        only.leave()
        assert only.sessions == 1


async def test_only_those_are_woken_that_get_a_place() -> None:
    """And the one behind, which looks for how long it may sleep."""
    found = full(1)
    async with line(found) as waiting:
        await waiting.join(*map(str, range(50)))
        runs = 0

        class Count(trio.abc.Instrument):
            def before_task_step(self, task: trio.lowlevel.Task) -> None:
                nonlocal runs
                runs += "_wait" in task.name

        trio.lowlevel.add_instrument(count := Count())
        found.backends[0].leave()
        assert await waiting.now() == ["0"]
        trio.lowlevel.remove_instrument(count)
        assert runs == 2


async def test_no_place_in_time(autojump_clock: MockClock) -> None:
    found = full(1)
    async with line(found) as waiting:
        await waiting.join("a", seconds=5.0)
        await waiting.join("b", seconds=3.0)
        await trio.sleep(4)
        assert waiting.got == [("b", None)]
        await trio.sleep(2)
        assert waiting.got == [("b", None), ("a", None)]
    assert (len(found.queue), found.backends[0].sessions) == (0, 1)


async def test_one_that_leaves_the_queue() -> None:
    found = full(1)
    (only,) = found.backends
    async with line(found) as waiting:
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                leaving = Line(found, nursery)
                await leaving.join("leaves")
                await waiting.join("stays")
                scope.cancel()
                only.leave()  # in the same moment
        assert leaving.got == []
        assert await waiting.now() == ["stays"]
    assert only.sessions == 1


async def test_one_that_is_healthy_again(log: Log) -> None:
    found = full(1, 2)
    second = found.backends[1]
    second.leave()
    second.checked("refused", HEALTH)
    async with line(found) as waiting:
        await waiting.join("a", "b")
        second.leave()
        assert await waiting.now() == []
        second.checked("", HEALTH)
        assert waiting.got == []
        assert await waiting.now() == ["a", "b"]


async def test_a_drain_that_is_over(log: Log) -> None:
    found = full(1)
    (only,) = found.backends
    found.drain(only.name)
    only.leave()
    async with line(found) as waiting:
        await waiting.join("a")
        assert await waiting.now() == []
        found.drain(only.name, on=False)
        assert await waiting.now() == ["a"]


async def test_a_backend_that_comes(log: Log) -> None:
    found = full(1)
    async with line(found) as waiting:
        await waiting.join("a", "b")
        found.update(listed=[backend(2, sessions=1)])
        assert await waiting.now() == ["a"]


async def test_an_ejection_that_is_over(log: Log, autojump_clock: MockClock) -> None:
    """The end of one that has begun before, or while they wait; the second in the queue is woken in its turn."""
    found = full(1, 1, eject=Eject(failures=1, for_=10.0))
    first = found.backends[0]
    first.leave()
    first.failed("refused")
    async with line(found) as waiting:
        await waiting.join("a", "b", "c", seconds=100.0)
        await trio.sleep(9)
        assert waiting.got == []
        await trio.sleep(1.1)
        assert waiting.got == [("a", "ws://h:1")]
        first.failed("refused")
        first.leave()
        await trio.sleep(19)
        assert await waiting.now() == ["a"]
        await trio.sleep(1.1)
        assert waiting.got == [("b", "ws://h:1")]
        first.failed("refused")
        first.leave()
        first.worked()  # a session that was on its way
        await trio.testing.wait_all_tasks_blocked()
        assert waiting.got == [("b", "ws://h:1"), ("c", "ws://h:1")]


async def test_a_cap_that_grows(log: Log) -> None:
    found = full(1)
    async with line(found) as waiting:
        await waiting.join("a", "b", "c")
        now = upstream(backend(1, sessions=3), backend(2), queue=QUEUE, previous=found)
        assert await waiting.now() == []
        now.activate()
        assert await waiting.now() == ["a", "b"]
        now.backends[1].enter()
        now.backends[1].leave()  # which they do not know: their route has not had it
        assert await waiting.now() == []
        now.backends[0].leave()
        assert await waiting.now() == ["c"]


async def test_a_backend_that_a_session_has_tried_in_vain() -> None:
    """It waits for another one, and keeps nobody from this one."""
    found = full(1, 1)
    first, second = found.backends
    async with line(found) as waiting:
        await waiting.join("a", tried=[first])
        await waiting.join("b")
        first.leave()
        assert await waiting.now() == ["b"]
        second.leave()
        assert await waiting.now() == ["a"]
        first.leave()
        await waiting.join("c")
        assert await waiting.now() == ["c"]


async def test_the_ejected_ones_are_not_tried_by_who_can_wait() -> None:
    found = full(1, 1, eject=Eject(failures=1))
    first, second = found.backends
    first.leave()
    first.failed("refused")
    assert list(found.candidates()) == []
    assert found.may_wait([])
    assert not found.may_wait([second])
    second.leave()
    assert list(found.candidates()) == [second, first]
    second.healthy = False
    assert list(found.candidates()) == [first]
    assert not found.may_wait([])


# -- several workers ---------------------------------------------------------------------------------------------------


class Worker:
    """Its upstream, and the sessions that wait there."""

    def __init__(self, found: Upstream, row: WorkerTable, waiting: Line) -> None:
        self.found = found
        self.waiting = waiting
        self.backends = found.backends
        self.row = row

    async def listen(self) -> None:
        while True:
            await trio.lowlevel.wait_readable(self.row.wakeup.fd)
            reasons = self.row.wakeup.take()
            self.found.queue.woken(self.found.backends, is_left=Reason.LEFT in reasons)


@asynccontextmanager
async def workers(*caps: int, count: int = 2) -> AsyncIterator[list[Worker]]:
    """All sessions are the first worker's."""
    to = [backend(port, sessions=cap) for port, cap in enumerate(caps, 1)]
    table = SharedTable(count)
    async with trio.open_nursery() as nursery:
        started = []
        for row in table.rows:
            found = upstream(*to, queue=QUEUE)
            found.share(row)
            found.activate()
            started.append(Worker(found, row, Line(found, nursery)))
            nursery.start_soon(started[-1].listen)
        for each, cap in zip(started[0].backends, caps, strict=True):
            for _ in range(cap):
                assert each.enter()
        yield started
        nursery.cancel_scope.cancel()


async def test_a_place_that_another_worker_frees() -> None:
    async with workers(2) as (one, other):
        await other.waiting.join("a", "b")
        one.backends[0].leave()
        assert await other.waiting.now() == ["a"]
        assert [each.backends[0].sessions for each in (one, other)] == [1, 1]
        other.backends[0].leave()
        assert await other.waiting.now() == ["b"]


async def test_the_sessions_of_all_workers_are_one_queue() -> None:
    async with workers(4, count=3) as (one, other, third):
        for number, worker in enumerate((other, one, third, one, other)):
            await worker.waiting.join(str(number))
        for number, worker in enumerate((other, one, third)):
            one.backends[0].leave()
            assert await worker.waiting.now() == [str(number)]
        third.backends[0].leave()
        assert await one.waiting.now() == ["3"]
        one.backends[0].leave()
        assert await other.waiting.now() == ["4"]
        assert not any(each.found.queue.is_awaited for each in (one, other, third))
        assert one.backends[0].all_sessions == 4


async def test_several_places_at_once() -> None:
    async with workers(3) as (one, other):
        for number, worker in enumerate((other, one, other)):
            await worker.waiting.join(str(number))
        for _ in range(3):
            one.backends[0].leave()
        assert await one.waiting.now() == ["1"]
        assert await other.waiting.now() == ["0", "2"]
        assert one.backends[0].all_sessions == 3


async def test_nobody_overtakes_who_waits_in_another_worker() -> None:
    """Also if this one sees the place first."""
    async with workers(1) as (one, other):
        await other.waiting.join("first")
        one.backends[0].leave()
        assert one.found.queue.is_awaited
        await one.waiting.join("second")
        assert await other.waiting.now() == ["first"]
        assert await one.waiting.now() == []


async def test_a_place_that_who_has_waited_longest_may_not_have() -> None:
    """It goes to the next one, in whatever worker; and stays free if nobody may have it."""
    async with workers(1, 1, count=3) as (one, other, third):
        await other.waiting.join("other", tried=[other.backends[0]])
        await one.waiting.join("one", tried=[one.backends[0]])
        await third.waiting.join("third")
        one.backends[0].leave()
        assert await third.waiting.now() == ["third"]
        third.backends[0].leave()
        await trio.testing.wait_all_tasks_blocked()
        assert (await one.waiting.now(), await other.waiting.now()) == ([], [])
        assert one.backends[0].all_sessions == 0
        one.backends[1].leave()
        assert await other.waiting.now() == ["other"]


async def test_who_has_left_in_another_worker() -> None:
    async with workers(1) as (one, other):
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                leaving = Line(other.found, nursery)
                await leaving.join("leaves")
                await one.waiting.join("stays")
                one.backends[0].leave()  # which wakes the other worker
                scope.cancel()
        assert await one.waiting.now() == ["stays"]


async def test_the_places_of_a_dead_worker() -> None:
    async with workers(2) as (one, other):
        await other.waiting.join("a", "b", "c")
        one.row.clear()
        assert await other.waiting.now() == ["a", "b"]
