"""Virtual time for the tests that run the gateway's parts in their own process."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import trio
import trio.testing

from wsgate.relay.poller import EpollPoller
from wsgate.relay.pump import Pump


@pytest.fixture
def autojump_clock() -> trio.testing.MockClock:
    """Virtual time that jumps only when the sockets too have had their say (real seconds)."""
    return trio.testing.MockClock(autojump_threshold=0.02)


@pytest.fixture
async def pump() -> AsyncIterator[Pump]:
    """A running pump."""
    async with trio.open_nursery() as nursery:
        pump = Pump(EpollPoller())
        nursery.start_soon(pump.run)
        yield pump
        nursery.cancel_scope.cancel()
