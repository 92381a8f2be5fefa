"""Backpressure with bounded memory, and peers that die."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from tests.peers.frames import MASK, Frame, close_frame
from tests.relay.joined import BUFFER, MAX_PENDING, data, fill, session, unix_pair
from wsgate.relay.closing import Cause, End, Side
from wsgate.relay.flow import Flow
from wsgate.relay.leg import Leg
from wsgate.relay.pump import READ_SIZE, Pump
from wsgate.relay.states import Input, Output
from wsgate.relay.websocket_leg import WebSocketLeg
from wsgate.wire.frames import Opcode


@pytest.fixture
async def pump_at_rest() -> AsyncIterator[Pump]:
    """A pump that does not run."""
    pump = Pump()
    yield pump
    with trio.CancelScope() as scope:
        scope.cancel()
        await pump.run()


@pytest.mark.parametrize(("mode", "side"), [("relay", "client"), ("relay", "backend"), ("tunnel", "client")])
async def test_a_peer_that_does_not_read_stops_its_source_and_loses_nothing(
    pump: Pump, autojump_clock: MockClock, mode: str, side: str
) -> None:
    async with session(pump, mode=mode, buffer=BUFFER) as running:
        up = side == "client"
        source, sink = running.sides(side)
        source_leg, sink_leg = (
            (running.client_leg, running.backend_leg) if up else (running.backend_leg, running.client_leg)
        )
        payload = bytes(range(256)) * 16384  # 4 MiB
        raw = data(payload).encode(source.mask)
        sent = await fill(source, sink_leg, raw)
        assert sent < len(raw)
        assert sink_leg.pending is not None
        assert len(sink_leg.pending) <= MAX_PENDING
        assert not source_leg.reading  # the kernel's buffers hold the rest, and then the source's own
        expected = raw if mode == "relay" else payload
        async with trio.open_nursery() as nursery:
            nursery.start_soon(source.write, raw[sent:])
            assert await sink.read(len(expected)) == expected
        assert sink_leg.pending is None
        assert source_leg.reading


async def test_one_direction_that_stands_still_does_not_stop_the_other(pump: Pump, autojump_clock: MockClock) -> None:
    async with session(pump, buffer=BUFFER) as running:
        await fill(running.backend, running.client_leg, data(b"x" * 4_000_000).encode(None))
        await running.client.send(data(b"still heard"))
        assert await running.backend.receive() == data(b"still heard")


async def test_a_dead_sink_lets_its_source_run_on(pump: Pump, autojump_clock: MockClock) -> None:
    """Stalled on a client that then resets: the backend is read again, so that its Close is seen."""
    async with session(pump, buffer=BUFFER) as running:
        raw = data(b"x" * 4_000_000).encode(None)
        sent = await fill(running.backend, running.client_leg, raw)
        await running.client.vanish()
        await running.backend.write(raw[sent:])
        assert await running.backend.receive() == close_frame(1001, "client connection lost")
        await running.backend.send(close_frame(1001))
        running.backend.finish()
        await running.outcome()
        assert MASK


# -- a peer that dies while it is being served -------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["relay", "tunnel"])
async def test_a_write_to_a_peer_that_has_just_died_is_no_error(
    pump: Pump, autojump_clock: MockClock, mode: str
) -> None:
    """The data is read in the same round, before the end of the other connection is seen."""
    async with session(pump, mode=mode) as running:
        await running.client.send(data(b"x" * 100))
        await running.backend.reset()
        assert (await running.client.receive_close())[0] == 1011
        await running.client.send(data(b"more"), close_frame(1011))
        running.client.finish()
        outcome = await running.outcome()
    assert outcome.cause is Cause.GONE


async def test_data_after_close_is_discarded_until_reset(pump: Pump, autojump_clock: MockClock) -> None:
    async with session(pump) as running:
        await running.client.send(close_frame(1000))
        assert await running.backend.receive() == close_frame(1000)
        for _ in range(3):
            await running.client.send(data(b"too late"))
            await trio.testing.wait_all_tasks_blocked(0.01)
        await running.client.reset()
        await trio.testing.wait_all_tasks_blocked(0.01)
        await running.backend.send(close_frame(1000))
        running.backend.finish()
        outcome = await running.outcome()
        assert await running.backend.read_all() == b""
    assert (outcome.client_code, outcome.backend_code) == (1000, 1000)


async def test_an_event_that_was_none_is_harmless(pump_at_rest: Pump) -> None:
    """epoll may report what another reader has taken meanwhile; the control plane may have served the leg already."""
    ours, peer = unix_pair()
    leg = WebSocketLeg(pump_at_rest, ours, Side.CLIENT, masks=False)
    leg.owner = NoSession()
    leg.output_flow = Flow(NoSession(), pump_at_rest, leg, leg)
    leg.end_input()
    leg.reader()
    assert leg.input is not Input.EOF
    leg.release()
    leg.release()  # twice is once
    peer.close()


async def test_retry_pending_finds_a_dead_peer(pump_at_rest: Pump, autojump_clock: MockClock) -> None:
    ours, peer = unix_pair()
    leg = WebSocketLeg(pump_at_rest, ours, Side.CLIENT, masks=False)
    leg.owner = NoSession()
    leg.output_flow = Flow(NoSession(), pump_at_rest, leg, leg)
    while leg.pending is None:
        leg.write(bytes(READ_SIZE))
    assert not leg.retry_pending()
    assert leg.is_delivering(leg.stalled_since + 4.9, within=5)
    assert not leg.is_delivering(leg.stalled_since + 5, within=5)
    peer.close()
    assert leg.retry_pending()
    assert leg.output is Output.BROKEN
    leg.release()


async def test_what_a_socket_takes_in_small_pieces_arrives_whole_and_in_order(
    pump: Pump, autojump_clock: MockClock
) -> None:
    """A socket may take any part of what it is given (send(2)); here, 100 bytes at a time, a Close included."""
    async with session(pump, unix=True) as running:
        leg = running.client_leg
        take = leg.transport.send
        leg.send = lambda data: take(bytes(data[:100]))
        payload = bytes(range(256)) * 40
        await running.backend.send(data(payload), Frame(Opcode.PING, b"p" * 120), close_frame(4000, "r" * 120))
        assert await running.client.receive() == data(payload)
        assert await running.client.receive() == Frame(Opcode.PING, b"p" * 120)
        assert await running.client.receive() == close_frame(4000, "r" * 120)
        assert leg.output_over


async def test_early_bytes_pause_the_client_until_backend_reads(pump: Pump, autojump_clock: MockClock) -> None:
    early = data(b"x" * 1_000_000).encode(MASK)
    async with session(pump, unix=True, early=(early, b"")) as running:
        assert not running.client_leg.reading
        assert await running.backend.read(len(early)) == early
        await trio.testing.wait_all_tasks_blocked()
        assert running.client_leg.reading


class NoSession:
    """The session of a leg that has none."""

    def input_ended(self, source: Leg, end: End) -> None: ...

    def progressed(self) -> None: ...

    def crash(self, error: Exception) -> None:
        raise error
