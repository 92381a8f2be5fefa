"""HandshakeLimiter: a bound on the work in each iteration, in order; waiting connections do not count."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from wsgate.gate.handshake_limiter import HandshakeLimiter


class Passes:
    """Counts how often other tasks have run."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.count = 0
        nursery.start_soon(self._run)

    async def _run(self) -> None:
        while True:
            await trio.lowlevel.checkpoint()
            self.count += 1


@pytest.mark.parametrize("limit", [1, 4, 64])
async def test_a_herd_is_worked_on_in_parts(limit: int, nursery: trio.Nursery) -> None:
    turns = HandshakeLimiter(limit)
    passes = Passes(nursery)
    worked: list[int] = []

    async def work() -> None:
        await turns.take()
        worked.append(passes.count)

    async with trio.open_nursery() as herd:
        for _ in range(10 * limit + 1):
            herd.start_soon(work)
    most = max(worked.count(count) for count in worked)
    assert most <= 2 * limit  # between two checks at most the released ones and those that come behind them run
    assert max(worked) - min(worked) >= 5
    nursery.cancel_scope.cancel()


async def test_first_come_first_served() -> None:
    turns = HandshakeLimiter(3)
    order: list[int] = []

    async def work(number: int, began: trio.Event) -> None:
        began.set()
        await turns.take()
        order.append(number)

    async with trio.open_nursery() as nursery:
        for number in range(20):
            began = trio.Event()
            nursery.start_soon(work, number, began)
            await began.wait()
    groups = [sorted(order[at : at + 3]) for at in range(0, len(order), 3)]  # those of one deal run in any order
    assert [number for group in groups for number in group] == list(range(20))


async def test_who_stood_in_line_has_had_one_of_the_turns_that_follow() -> None:
    turns = HandshakeLimiter(4)
    async with trio.open_nursery() as nursery:
        for _ in range(4 + 3):
            nursery.start_soon(turns.take)
    with trio.testing.assert_no_checkpoints():
        await turns.take()
    with trio.testing.assert_checkpoints():
        await turns.take()


async def test_who_waits_for_somebody_holds_no_turn() -> None:
    turns = HandshakeLimiter(2)

    async def work_and_wait() -> None:
        await turns.take()
        await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        for _ in range(50):
            nursery.start_soon(work_and_wait)
        await trio.testing.wait_all_tasks_blocked()
        with trio.fail_after(5):
            for _ in range(50):
                await turns.take()
        nursery.cancel_scope.cancel()


async def test_who_wants_to_accept_waits_until_nobody_stands_in_line() -> None:
    turns = HandshakeLimiter(2)
    came = worked = 0

    async def work() -> None:
        nonlocal came, worked
        came += 1
        await turns.take()
        worked += 1

    with trio.testing.assert_no_checkpoints():
        await turns.wait_idle()
    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(work)
        while came < 20:  # trio runs them in any order, and us among them: before they have come there is no line
            await trio.lowlevel.checkpoint()
        with trio.testing.assert_checkpoints():
            await turns.wait_idle()
        assert worked >= 18  # the last two were released, and may not have run


async def test_who_gives_up_in_line_takes_nobodys_turn() -> None:
    turns = HandshakeLimiter(1)
    await turns.take()
    with trio.CancelScope() as scope:
        scope.cancel()
        await turns.take()
    assert scope.cancelled_caught
    with trio.fail_after(5):
        await turns.wait_idle()
        for _ in range(5):
            await turns.take()


async def test_who_gives_up_leaves_no_accept_loop_waiting() -> None:
    """Another task takes the place of the cancelled one before the next steps are released."""
    turns = HandshakeLimiter(1)
    await turns.take()
    async with trio.open_nursery() as nursery:
        with trio.CancelScope() as scope:
            nursery.start_soon(turns.wait_idle)
            scope.cancel()
            await turns.take()
        nursery.start_soon(turns.take)
        nursery.start_soon(turns.wait_idle)
        with trio.fail_after(5):
            await turns.wait_idle()


async def test_another_limit_holds_from_the_next_deal_on() -> None:
    turns = HandshakeLimiter(1)
    turns.limit = 100
    for _ in range(2):
        await turns.take()  # the one there was, and a deal
    before = trio.lowlevel.current_statistics().run_sync_soon_queue_size
    for _ in range(99):
        await turns.take()
    assert trio.lowlevel.current_statistics().run_sync_soon_queue_size == before  # no deal was asked for
