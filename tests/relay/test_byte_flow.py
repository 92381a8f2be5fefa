"""Bytes on both sides: nothing is changed, each side's end goes on to the other, and nothing waits without bound."""

from __future__ import annotations

import ssl

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from tests.relay.joined import BUFFER, CLOSE_TIMEOUT, MAX_PENDING, fill, session
from wsgate.relay.closing import Cause, Side
from wsgate.relay.pump import Pump
from wsgate.relay.states import Output
from wsgate.settings.model import Timeouts


@pytest.mark.parametrize("tls", [None, ssl.TLSVersion.TLSv1_3])
async def test_bytes_go_both_ways_unchanged(pump: Pump, autojump_clock: MockClock, tls: ssl.TLSVersion | None) -> None:
    """Also those that came together with the heads. No frame is looked for in them."""
    async with session(pump, mode="bytes", early=(b"up", b"down"), tls=tls) as running:
        assert await running.backend.read(2) == b"up"
        assert await running.client.read(4) == b"down"
        payload = b"\x88\x00" + bytes(range(256)) * 1000
        for source, sink in ((running.client, running.backend), (running.backend, running.client)):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(source.write, payload)
                assert await sink.read(len(payload)) == payload
        outcome = running.session.outcome()
    assert (outcome.messages_up, outcome.messages_down, outcome.client_code, outcome.client_rtt) == (0, 0, None, None)
    assert (outcome.octets_up, outcome.octets_down) == (2 + len(payload), 4 + len(payload))


@pytest.mark.parametrize("side", list(Side))
async def test_a_side_that_has_ended_still_gets_the_others_answer(
    pump: Pump, autojump_clock: MockClock, side: Side
) -> None:
    async with session(pump, mode="bytes") as running:
        first, other = running.sides(side)
        await first.write(b"the last")
        first.finish()
        assert await other.read_all() == b"the last"
        await other.write(b"the answer")
        other.finish()
        assert await first.read_all() == b"the answer"
        outcome = await running.outcome()
    assert (outcome.cause, outcome.side) == (Cause.FINISHED, side)


async def test_a_side_that_goes_on_too_long_is_cut(pump: Pump, autojump_clock: MockClock) -> None:
    async with session(pump, mode="bytes") as running:
        began = trio.current_time()
        running.client.finish()
        await running.backend.read_end()
        outcome = await running.outcome()
        assert trio.current_time() - began >= CLOSE_TIMEOUT
    assert outcome.detail == f"backend did not close within {CLOSE_TIMEOUT:g} s"


@pytest.mark.parametrize("side", list(Side))
async def test_a_reset(pump: Pump, autojump_clock: MockClock, side: Side) -> None:
    async with session(pump, mode="bytes") as running:
        first, other = running.sides(side)
        await first.reset()
        await other.read_end()
        other.finish()
        outcome = await running.outcome()
    assert (outcome.cause, outcome.side) == (Cause.GONE, side)


async def test_a_reset_that_a_write_has_met(pump: Pump, autojump_clock: MockClock) -> None:
    async with session(pump, mode="bytes") as running:
        running.backend_leg.set_reading(False)  # so that the write comes first
        await running.backend.reset()
        await trio.testing.wait_all_tasks_blocked()
        running.backend_leg.write(b"x")
        assert running.backend_leg.output is Output.BROKEN
        running.backend_leg.set_reading(True)
        await running.client.read_end()
        outcome = running.session.outcome()
    assert (outcome.cause, outcome.detail) == (Cause.GONE, "connection lost: it was reset")


async def test_a_drain_ends_both_sides_at_once(pump: Pump, autojump_clock: MockClock) -> None:
    """There is no message that would ask for it. What was written before comes first."""
    async with session(pump, mode="bytes") as running:
        await running.client.write(b"x" * 1000)
        assert await running.backend.read(1000) == b"x" * 1000
        running.session.drain(1001)
        assert running.client_leg.output is running.backend_leg.output is Output.SHUT
        await running.client.read_end()
        await running.backend.read_end()
        running.client.finish()
        running.backend.finish()
        outcome = await running.outcome()
    assert (outcome.cause, outcome.side) == (Cause.DRAIN, None)


async def test_idle(pump: Pump, autojump_clock: MockClock) -> None:
    async with session(pump, mode="bytes", timeouts=Timeouts(idle=60.0)) as running:
        await trio.sleep(50)
        await running.backend.write(b"x")
        await trio.sleep(50)
        assert not running.over
        await trio.sleep(20)
        await running.client.read_all()
        outcome = await running.outcome()
    assert (outcome.cause, outcome.side) == (Cause.IDLE, None)


@pytest.mark.parametrize("side", list(Side))
async def test_a_side_that_does_not_read_stops_the_other(pump: Pump, autojump_clock: MockClock, side: Side) -> None:
    async with session(pump, mode="bytes", buffer=BUFFER) as running:
        slow, source = running.sides(side)
        leg = running.client_leg if side is Side.CLIENT else running.backend_leg
        payload = bytes(range(256)) * 16384
        sent = await fill(source, leg, payload)
        assert sent < len(payload)
        assert leg.pending is not None
        assert len(leg.pending) <= MAX_PENDING
        async with trio.open_nursery() as nursery:
            nursery.start_soon(source.write, payload[sent:])
            assert await slow.read(len(payload)) == payload
