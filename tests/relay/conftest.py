"""The pump over both kinds of poller."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest
import trio

from wsgate.relay.poller import EpollPoller, Poller, ThreadPoller
from wsgate.relay.pump import Pump


@pytest.fixture(params=[EpollPoller, ThreadPoller])
async def either_pump(request: pytest.FixtureRequest) -> AsyncIterator[Pump]:
    """A running pump on each poller. A thread knows no virtual clock: tests with this one wait for no timeout."""
    make: Callable[[], Poller] = request.param
    async with trio.open_nursery() as nursery:
        pump = Pump(make())
        nursery.start_soon(pump.run)
        yield pump
        nursery.cancel_scope.cancel()
