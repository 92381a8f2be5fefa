"""Backpressure with bounded memory, and frames of our own at frame boundaries."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from tests.peers.frames import MASK, Frame, close_frame
from tests.relay.joined import Peer, data, session, unix_pair
from wsgate.relay.closing import DRAIN_REASON, Cause, End, Side
from wsgate.relay.flow import Flow
from wsgate.relay.leg import Leg, WebSocketLeg
from wsgate.relay.pump import HEADROOM, READ_SIZE, Pump
from wsgate.relay.states import Input, Output
from wsgate.wire.frames import Opcode

BUFFER = 4096  # bytes asked of the kernel for each socket buffer; it takes a few times as much
MOST = HEADROOM + READ_SIZE + 1024  # bytes that may wait for one peer: one read, and frames of our own


@pytest.fixture
async def pump_at_rest() -> AsyncIterator[Pump]:
    """A pump that does not run."""
    pump = Pump()
    yield pump
    with trio.CancelScope() as scope:
        scope.cancel()
        await pump.run()


async def fill(source: Peer, sink_leg: Leg, raw: bytes) -> int:
    """Send until nothing moves any more; how much of ``raw`` went out."""
    sent = await source.fill(raw)
    assert sink_leg.pending is not None
    return sent


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
        assert len(sink_leg.pending) <= MOST
        assert not source_leg.reading  # the kernel's buffers hold the rest, and then the source's own
        expected = raw if mode == "relay" else payload
        async with trio.open_nursery() as nursery:
            nursery.start_soon(source.write, raw[sent:])
            assert await sink.read(len(expected)) == expected
        assert sink_leg.pending is None
        assert source_leg.reading


async def test_a_client_that_does_not_read_stops_the_service(pump: Pump, autojump_clock: MockClock) -> None:
    async with session(pump, mode="tunnel", buffer=BUFFER) as running:
        payload = bytes(range(256)) * 16384
        sent = await fill(running.backend, running.client_leg, payload)
        assert sent < len(payload)
        assert running.client_leg.pending is not None
        assert len(running.client_leg.pending) <= MOST
        received = bytearray()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(running.backend.write, payload[sent:])
            while len(received) < len(payload):
                frame = await running.client.receive()
                assert frame == data(frame.payload)
                received += frame.payload
        assert received == payload


async def test_one_direction_that_stands_still_does_not_stop_the_other(pump: Pump, autojump_clock: MockClock) -> None:
    async with session(pump, buffer=BUFFER) as running:
        await fill(running.backend, running.client_leg, data(b"x" * 4_000_000).encode(None))
        await running.client.send(data(b"still heard"))
        assert await running.backend.receive() == data(b"still heard")


async def test_a_flood_of_pings_at_a_client_that_does_not_read_costs_one_pong(
    pump: Pump, autojump_clock: MockClock
) -> None:
    async with session(pump, mode="tunnel", buffer=BUFFER) as running:
        sent = await fill(running.backend, running.client_leg, b"x" * 4_000_000)
        leg = running.client_leg
        for number in range(2000):
            await running.client.send(Frame(Opcode.PING, b"%d" % number))
        await trio.testing.wait_all_tasks_blocked(0.02)
        assert leg.pending is not None
        assert len(leg.pending) <= MOST
        assert leg.waiting_frames == {Opcode.PONG: b"1999"}
        received = 0
        pongs: list[bytes] = []
        while received < sent or pongs[-1:] != [b"1999"]:
            frame = await running.client.receive()
            if frame.opcode == Opcode.PONG:
                pongs.append(frame.payload)
            else:
                received += len(frame.payload)
        assert len(pongs) < 5  # the kernel may have found room once or twice in between


async def test_frames_of_our_own_wait_for_the_boundary_and_close_is_the_last(
    pump: Pump, autojump_clock: MockClock
) -> None:
    async with session(pump) as running:
        raw = data(b"x" * 1000).encode(None)
        await running.backend.write(raw[:500])
        assert await running.client.read(500) == raw[:500]
        leg = running.client_leg
        leg.send_control(Opcode.PING, b"a")
        leg.send_control(Opcode.PING, b"b")
        running.session.drain(1001)
        leg.send_control(Opcode.PING, b"after Close")
        await running.backend.write(raw[500:] + raw)
        assert await running.client.read(500 + 4) == raw[500:]
        assert await running.client.receive() == Frame(Opcode.PING, b"b")
        assert await running.client.receive() == close_frame(1001, DRAIN_REASON)
        assert running.client.nothing_there()


async def test_a_boundary_inside_a_read_is_used(pump: Pump, autojump_clock: MockClock) -> None:
    """Otherwise a stream whose frames never end where a read ends would keep a Close waiting for ever."""
    async with session(pump) as running:
        raw = data(b"x" * 1000).encode(None)
        await running.backend.write(raw[:500])
        assert await running.client.read(500) == raw[:500]
        running.client_leg.send_control(Opcode.PING, b"now")
        await running.backend.write(raw[500:] + raw[:700])
        assert await running.client.read(504) == raw[500:]
        assert await running.client.receive() == Frame(Opcode.PING, b"now")
        assert await running.client.read(700) == raw[:700]


async def test_a_close_behind_what_a_slow_peer_has_not_taken_yet(pump: Pump, autojump_clock: MockClock) -> None:
    async with session(pump, buffer=BUFFER) as running:
        frame = data(b"x" * 200_000)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(running.backend.send, frame, close_frame(4000, "end"))
            await trio.testing.wait_all_tasks_blocked(0.02)
            assert running.client_leg.pending is not None
            assert await running.client.receive() == frame
            assert await running.client.receive() == close_frame(4000, "end")


async def test_a_masked_frame_of_our_own_is_masked_with_a_fresh_key(pump: Pump, autojump_clock: MockClock) -> None:
    keys = set()
    async with session(pump) as running:
        for _ in range(4):
            running.backend_leg.send_control(Opcode.PING, b"same")  # type: ignore[union-attr]
            frame = await running.backend.read(2 + 4 + 4)
            assert frame[:2] == b"\x89\x84"
            keys.add(frame[2:6])
    assert len(keys) == 4  # §5.3: unpredictable, so never twice but by a chance of 2^-32


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


async def test_a_reset_that_a_write_has_met_is_no_end_of_the_service(pump: Pump, autojump_clock: MockClock) -> None:
    """The kernel tells of a reset once, to a read or to a write; the other then sees a quiet end."""
    async with session(pump, mode="tunnel") as running:
        running.backend_leg.set_reading(False)  # so that the write comes first
        await running.backend.reset()
        await trio.testing.wait_all_tasks_blocked()
        running.backend_leg.write(b"x")
        assert running.backend_leg.output is Output.BROKEN
        running.backend_leg.set_reading(True)
        assert (await running.client.receive_close())[0] == 1011
        outcome = running.session.outcome()
    assert (outcome.cause, outcome.detail) == (Cause.GONE, "connection lost: it was reset")


async def test_what_a_closing_peer_still_sends_is_read_and_thrown_away_until_it_dies(
    pump: Pump, autojump_clock: MockClock
) -> None:
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
    leg.owner = Nobody()
    leg.output_flow = Flow(Nobody(), pump_at_rest, leg, leg)
    leg.end_input()
    leg.reader()
    assert leg.input is not Input.EOF
    leg.release()
    leg.release()  # twice is once
    peer.close()


async def test_a_peer_that_dies_with_something_pending_is_found_by_offering_it_again(
    pump_at_rest: Pump, autojump_clock: MockClock
) -> None:
    ours, peer = unix_pair()
    leg = WebSocketLeg(pump_at_rest, ours, Side.CLIENT, masks=False)
    leg.owner = Nobody()
    leg.output_flow = Flow(Nobody(), pump_at_rest, leg, leg)
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


async def test_frames_of_our_own_are_taken_in_small_pieces_too(pump: Pump, autojump_clock: MockClock) -> None:
    async with session(pump, unix=True) as running:
        leg = running.client_leg
        take = leg.transport.send
        leg.send = lambda data: take(bytes(data[:5]))
        leg.write(data(b"x" * 100).encode(None))
        leg.ping()
        assert await running.client.receive() == data(b"x" * 100)
        assert (await running.client.receive()).opcode == Opcode.PING
        await running.backend.send(close_frame(4000, "a long reason"))
        assert await running.client.receive() == close_frame(4000, "a long reason")


async def test_frames_of_our_own_queue_behind_each_other(pump: Pump, autojump_clock: MockClock) -> None:
    async with session(pump, unix=True) as running:
        leg = running.client_leg
        raw = data(b"x" * 1000).encode(None)
        await running.backend.write(raw[:500])
        assert await running.client.read(500) == raw[:500]
        leg.ping()
        running.session.drain(1001)
        take = leg.transport.send
        leg.send = lambda data: take(bytes(data[:1]))
        await running.backend.write(raw[500:])
        assert await running.client.read(504) == raw[500:]
        assert (await running.client.receive()).opcode == Opcode.PING
        assert await running.client.receive() == close_frame(1001, DRAIN_REASON)


async def test_early_bytes_that_the_backend_does_not_take_hold_the_client_back(
    pump: Pump, autojump_clock: MockClock
) -> None:
    early = data(b"x" * 1_000_000).encode(MASK)
    async with session(pump, unix=True, early=(early, b"")) as running:
        assert not running.client_leg.reading
        assert await running.backend.read(len(early)) == early
        await trio.testing.wait_all_tasks_blocked()
        assert running.client_leg.reading


async def test_the_first_word_to_a_peer_is_the_last(pump: Pump, autojump_clock: MockClock) -> None:
    """It waits for the end of a frame; what the peer does meanwhile does not change it."""
    async with session(pump) as running:
        raw = data(b"x" * 1000).encode(None)
        await running.backend.write(raw[:500])
        assert await running.client.read(500) == raw[:500]
        running.session.drain(1012)
        await running.client.send(Frame(3))  # a reserved opcode
        await trio.testing.wait_all_tasks_blocked()
        await running.backend.write(raw[500:])
        assert await running.client.read(504) == raw[500:]
        assert await running.client.receive() == close_frame(1012, DRAIN_REASON)


async def test_a_fault_in_front_of_the_boundary_that_a_ping_waits_for(pump: Pump, autojump_clock: MockClock) -> None:
    async with session(pump) as running:
        raw = data(b"x" * 500 + b"\xff" * 500, Opcode.TEXT).encode(None)
        await running.backend.write(raw[:500])
        assert await running.client.read(500) == raw[:500]
        running.client_leg.ping()
        await running.backend.write(raw[500:] + raw)
        assert (await running.backend.receive_close())[0] == 1007
        assert await running.client.read_all() == b""


async def test_a_boundary_with_a_fault_behind_it(pump: Pump, autojump_clock: MockClock) -> None:
    """A Ping waits for the end of a frame; the same read brings that end, a Close, and bytes that must not be read."""
    async with session(pump) as running:
        raw = data(b"x" * 1000).encode(None)
        await running.backend.write(raw[:500])
        assert await running.client.read(500) == raw[:500]
        running.client_leg.send_control(Opcode.PING, b"now")
        await running.backend.write(raw[500:] + close_frame(4000).encode(None) + b"junk")
        assert await running.client.read(504) == raw[500:]
        assert await running.client.receive() == Frame(Opcode.PING, b"now")
        assert await running.client.receive() == close_frame(4000)


class Nobody:
    """The session of a leg that has none."""

    def input_ended(self, source: Leg, end: End) -> None: ...

    def progressed(self) -> None: ...

    def crash(self, error: Exception) -> None:
        raise error
