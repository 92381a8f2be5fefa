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
from wsgate.site.upstream import Upstream

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
