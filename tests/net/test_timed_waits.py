from __future__ import annotations

import socket

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from tests.peers.sockets import tcp_pair
from wsgate.net.plain import take_over
from wsgate.net.timed_waits import TimedWaits, WaitEnd


async def test_bytes_that_come_in_time(autojump_clock: MockClock) -> None:
    waits = TimedWaits(0.1)
    near, far = tcp_pair()
    with take_over(near) as transport, far:
        far.send(b"x")
        assert await waits.wait_readable(transport)
        assert transport.recv(10) == b"x"
        await trio.sleep(1)  # the task that watches has ended meanwhile, and another one begins
        far.send(b"y")
        assert await waits.wait_readable(transport)


async def test_each_has_its_time_and_stays_open(autojump_clock: MockClock) -> None:
    waits = TimedWaits(0.1)
    ended: list[tuple[str, bool, float]] = []

    async def wait(name: str, transport: socket.socket, after: float) -> None:
        await trio.sleep(after)
        found = await waits.wait_readable(transport)  # type: ignore[arg-type]
        ended.append((name, found, round(trio.current_time() - began, 3)))

    pairs = [tcp_pair() for _ in range(3)]
    transports = [take_over(near) for near, _ in pairs]
    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait, "first", transports[0], 0)
        nursery.start_soon(wait, "second", transports[1], 0.05)
        nursery.start_soon(wait, "third", transports[2], 0.06)
        await trio.sleep(0.07)
        pairs[2][1].send(b"x")
    assert sorted(ended) == [("first", False, 0.1), ("second", False, 0.15), ("third", True, 0.07)]
    pairs[0][1].send(b"y")
    assert await waits.wait_readable(transports[0])
    assert transports[0].recv(10) == b"y"
    for transport, (_, far) in zip(transports, pairs, strict=True):
        transport.close()
        far.close()


async def test_a_wait_that_is_cancelled_is_forgotten(autojump_clock: MockClock) -> None:
    waits = TimedWaits(0.1)
    near, far = tcp_pair()
    with take_over(near) as transport, far:
        with trio.move_on_after(0.05) as scope:
            await waits.wait_readable(transport)
        assert scope.cancelled_caught
        with trio.move_on_after(0.2) as scope:  # nobody ends a wait that is not one of these
            await trio.lowlevel.wait_readable(transport)
        assert scope.cancelled_caught


async def test_a_wait_ends_early(autojump_clock: MockClock) -> None:
    waits = TimedWaits(10)
    near, far = tcp_pair()
    with take_over(near) as transport, far:
        end = WaitEnd(waits, transport)
        end.cancel()  # nobody waits
        found: list[bool] = []
        began = trio.current_time()

        async def wait() -> None:
            found.append(await waits.wait_readable(transport))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait)
            await trio.testing.wait_all_tasks_blocked()
            end.cancel()
        assert found == [False]
        assert trio.current_time() == began


async def test_another_time_limit(autojump_clock: MockClock) -> None:
    waits = TimedWaits(10)
    near, far = tcp_pair()
    with take_over(near) as transport, far:
        waits.seconds = 5
        began = trio.current_time()
        assert not await waits.wait_readable(transport)
        assert trio.current_time() - began == pytest.approx(5)
