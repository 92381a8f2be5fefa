"""One task finishes the sessions that are over."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import trio
import trio.testing

from wsgate.relay import finisher as finisher_module
from wsgate.relay.finisher import Finisher


class Over:
    """A session that is over."""

    def __init__(self, finished: list[Over], then: Callable[[], None] = lambda: None) -> None:
        self._finished = finished
        self._then = then

    def finish(self) -> None:
        self._finished.append(self)
        self._then()


async def test_each_is_finished_once_in_order_and_not_at_once(nursery: trio.Nursery) -> None:
    finished: list[Over] = []
    finisher = Finisher(lambda: None)
    first = Over(finished, lambda: finisher.add(last))
    second = Over(finished)
    last = Over(finished)
    finisher.add(first)  # before it runs
    nursery.start_soon(finisher.run)
    finisher.add(second)
    assert finished == []
    await trio.testing.wait_all_tasks_blocked()
    assert finished == [first, second, last]
    finisher.add(second)
    assert finished == [first, second, last]
    await trio.testing.wait_all_tasks_blocked()
    assert finished[3:] == [second]


async def test_thousands_at_once_hold_up_neither_messages_nor_other_tasks(
    nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finisher_module, "_TURN", -1.0)
    finished: list[Over] = []
    served: list[int] = []
    finisher = Finisher(lambda: served.append(len(finished)))
    for _ in range(10):
        finisher.add(Over(finished))
    nursery.start_soon(finisher.run)
    seen = set()
    while len(finished) < 10:
        await trio.lowlevel.checkpoint()
        seen.add(len(finished))
    assert len(seen) > 5  # not all in one step; trio runs tasks that are ready in any order
    assert served == list(range(1, 11))


async def test_cancelled_while_it_waits_it_is_woken_by_nobody() -> None:
    finished: list[Over] = []
    finisher = Finisher(lambda: None)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(finisher.run)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    finisher.add(Over(finished))
    await trio.testing.wait_all_tasks_blocked()
    assert finished == []
