"""The pump, alone and over both kinds of poller."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest
import trio
import trio.testing

from wsgate.relay.poller import EpollPoller, Poller, ThreadPoller
from wsgate.relay.pump import Pump


@pytest.fixture
def autojump_clock() -> trio.testing.MockClock:
    """Virtual time that jumps only when the sockets too have had their say (real seconds)."""
    return trio.testing.MockClock(autojump_threshold=0.02)


@pytest.fixture
async def pump() -> AsyncIterator[Pump]:
    """A running pump on epoll, which goes with a virtual clock: all that happens, happens in trio."""
    async with trio.open_nursery() as nursery:
        pump = Pump(EpollPoller())
        nursery.start_soon(pump.run)
        yield pump
        nursery.cancel_scope.cancel()


@pytest.fixture(params=[EpollPoller, ThreadPoller])
async def either_pump(request: pytest.FixtureRequest) -> AsyncIterator[Pump]:
    """A running pump on each poller. A thread knows no virtual clock: tests with this one wait for no timeout."""
    make: Callable[[], Poller] = request.param
    async with trio.open_nursery() as nursery:
        pump = Pump(make())
        nursery.start_soon(pump.run)
        yield pump
        nursery.cancel_scope.cancel()
