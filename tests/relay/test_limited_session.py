"""What a session with rates tells of its throttles; what they do is in ``test_rate_limiter``."""

from __future__ import annotations

import gc

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from tests.relay.joined import Session as Running
from tests.relay.joined import data, session
from wsgate.relay.flow import Flow
from wsgate.relay.leg import Leg
from wsgate.relay.limited_session import LimitedSession
from wsgate.relay.pump import Pump
from wsgate.relay.rate_limiter import RateLimiter
from wsgate.relay.session import Session
from wsgate.settings.model import RouteLimits

LIMITS = RouteLimits(messages_per_second=10)


def seconds(running: Running) -> tuple[float, float]:
    outcome = running.session.outcome()
    return outcome.throttled_up, outcome.throttled_down


async def test_the_outcome_has_the_seconds_of_either_side_so_far(pump: Pump, autojump_clock: MockClock) -> None:
    async with session(pump, limits=LIMITS) as running:
        assert isinstance(running.session, LimitedSession)
        assert seconds(running) == (0, 0)
        await running.client.send(*[data(b"x")] * 60)
        await trio.sleep(2)
        assert seconds(running) == pytest.approx((2, 0))
        await running.backend.send(*[data(b"x")] * 30)
        await trio.sleep(10)
        assert seconds(running) == pytest.approx((5, 2))
        running.session.cut()
        await running.outcome()
        assert seconds(running) == pytest.approx((5, 2))


async def test_it_leaves_no_cycle(pump: Pump, autojump_clock: MockClock) -> None:
    before = parts()
    gc.disable()
    try:
        async with session(pump, limits=LIMITS) as running:
            await running.client.send(*[data(b"x")] * 60)
            await trio.testing.wait_all_tasks_blocked(0.01)
            await running.client.vanish()
            await running.backend.vanish()
            await running.outcome()
        del running
        await trio.sleep(10)  # its timer is over
        assert parts() == before
    finally:
        gc.enable()


def parts() -> int:
    return sum(issubclass(type(thing), Leg | Flow | RateLimiter | Session) for thing in gc.get_objects())
