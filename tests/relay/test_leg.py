"""Backpressure with bounded memory, and frames of our own at frame boundaries."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from tests.relay.joined import KEY, Frame, Peer, close_frame, data, encode, session
from wsgate.relay.leg import Leg
from wsgate.relay.pump import HEADROOM, READ_SIZE, Pump
from wsgate.wire.frames import Opcode

BUFFER = 4096  # bytes asked of the kernel for each socket buffer; it takes a few times as much
MOST = HEADROOM + READ_SIZE + 1024  # bytes that may wait for one peer: one read, and frames of our own


async def fill(source: Peer, sink_leg: Leg, raw: bytes) -> int:
    """Send until nothing moves any more; how much of ``raw`` went out."""
    sent = 0
    while sent < len(raw):
        with trio.move_on_after(1) as stuck:
            sent += await source.sock.send(raw[sent : sent + 65536])
        if stuck.cancelled_caught:
            break
    assert sink_leg.pending is not None
    return sent


@pytest.mark.parametrize(("mode", "side"), [("relay", "client"), ("relay", "backend"), ("tunnel", "client")])
async def test_a_peer_that_does_not_read_stops_its_source_and_loses_nothing(
    pump: Pump, autojump_clock: trio.testing.MockClock, mode: str, side: str
) -> None:
    async with session(pump, mode=mode, buffer=BUFFER) as running:
        up = side == "client"
        source, sink = (running.client, running.backend) if up else (running.backend, running.client)
        source_leg, sink_leg = (
            (running.client_leg, running.backend_leg) if up else (running.backend_leg, running.client_leg)
        )
        payload = bytes(range(256)) * 16384  # 4 MiB
        raw = encode(data(payload), source.key)
        sent = await fill(source, sink_leg, raw)
        assert sent < len(raw)
        assert sink_leg.pending is not None
        assert len(sink_leg.pending) <= MOST
        assert not source_leg.reading  # the kernel's buffers hold the rest, and then the source's own
        expected = raw if mode == "relay" else payload
        async with trio.open_nursery() as nursery:
            nursery.start_soon(source.send_bytes, raw[sent:])
            assert await sink.take(len(expected)) == expected
        assert sink_leg.pending is None
        assert source_leg.reading


async def test_a_client_that_does_not_read_stops_the_service(
    pump: Pump, autojump_clock: trio.testing.MockClock
) -> None:
    async with session(pump, mode="tunnel", buffer=BUFFER) as running:
        payload = bytes(range(256)) * 16384
        sent = await fill(running.backend, running.client_leg, payload)
        assert sent < len(payload)
        assert running.client_leg.pending is not None
        assert len(running.client_leg.pending) <= MOST
        received = bytearray()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(running.backend.send_bytes, payload[sent:])
            while len(received) < len(payload):
                frame = await running.client.frame()
                assert frame == data(frame.payload)
                received += frame.payload
        assert received == payload


async def test_one_direction_that_stands_still_does_not_stop_the_other(
    pump: Pump, autojump_clock: trio.testing.MockClock
) -> None:
    async with session(pump, buffer=BUFFER) as running:
        await fill(running.backend, running.client_leg, encode(data(b"x" * 4_000_000), None))
        await running.client.send(data(b"still heard"))
        assert await running.backend.frame() == data(b"still heard")


async def test_a_flood_of_pings_at_a_client_that_does_not_read_costs_one_pong(
    pump: Pump, autojump_clock: trio.testing.MockClock
) -> None:
    async with session(pump, mode="tunnel", buffer=BUFFER) as running:
        sent = await fill(running.backend, running.client_leg, b"x" * 4_000_000)
        leg = running.client_leg
        for number in range(2000):
            await running.client.send(Frame(Opcode.PING, b"%d" % number))
        await trio.testing.wait_all_tasks_blocked(0.02)
        assert leg.pending is not None
        assert len(leg.pending) <= MOST
        assert leg.waiting == {Opcode.PONG: b"1999"}
        received = 0
        pongs: list[bytes] = []
        while received < sent or pongs[-1:] != [b"1999"]:
            frame = await running.client.frame()
            if frame.opcode == Opcode.PONG:
                pongs.append(frame.payload)
            else:
                received += len(frame.payload)
        assert len(pongs) < 5  # the kernel may have found room once or twice in between


async def test_frames_of_our_own_wait_for_the_boundary_and_close_is_the_last(
    pump: Pump, autojump_clock: trio.testing.MockClock
) -> None:
    async with session(pump) as running:
        raw = encode(data(b"x" * 1000), None)
        await running.backend.send_bytes(raw[:500])
        assert await running.client.take(500) == raw[:500]
        leg = running.client_leg
        leg.say(Opcode.PING, b"a")
        leg.say(Opcode.PING, b"b")
        running.join.drain(1001)
        leg.say(Opcode.PING, b"after Close")
        await running.backend.send_bytes(raw[500:] + raw)
        assert await running.client.take(500 + 4) == raw[500:]
        assert await running.client.frame() == Frame(Opcode.PING, b"b")
        assert await running.client.frame() == close_frame(1001)
        assert running.client.nothing_there()


async def test_a_boundary_inside_a_read_is_used(pump: Pump, autojump_clock: trio.testing.MockClock) -> None:
    """A stream whose frames never end where a read ends would otherwise keep a Close waiting for ever."""
    async with session(pump) as running:
        raw = encode(data(b"x" * 1000), None)
        await running.backend.send_bytes(raw[:500])
        assert await running.client.take(500) == raw[:500]
        running.client_leg.say(Opcode.PING, b"now")
        await running.backend.send_bytes(raw[500:] + raw[:700])
        assert await running.client.take(504) == raw[500:]
        assert await running.client.frame() == Frame(Opcode.PING, b"now")
        assert await running.client.take(700) == raw[:700]


async def test_a_close_behind_what_a_slow_peer_has_not_taken_yet(
    pump: Pump, autojump_clock: trio.testing.MockClock
) -> None:
    async with session(pump, buffer=BUFFER) as running:
        frame = data(b"x" * 200_000)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(running.backend.send, frame, close_frame(4000, b"end"))
            await trio.testing.wait_all_tasks_blocked(0.02)
            assert running.client_leg.pending is not None
            assert await running.client.frame() == frame
            assert await running.client.frame() == close_frame(4000, b"end")


async def test_a_masked_frame_of_our_own_is_masked_with_a_fresh_key(
    pump: Pump, autojump_clock: trio.testing.MockClock
) -> None:
    keys = set()
    async with session(pump) as running:
        for _ in range(4):
            running.backend_leg.say(Opcode.PING, b"same")  # type: ignore[union-attr]
            frame = await running.backend.take(2 + 4 + 4)
            assert frame[:2] == b"\x89\x84"
            keys.add(frame[2:6])
    assert len(keys) == 4  # §5.3: unpredictable, so never twice but by a chance of 2^-32


async def test_a_dead_sink_lets_its_source_run_on(pump: Pump, autojump_clock: trio.testing.MockClock) -> None:
    """Stalled on a client that then resets: the backend is read again, so that its Close is seen."""
    async with session(pump, buffer=BUFFER) as running:
        raw = encode(data(b"x" * 4_000_000), None)
        sent = await fill(running.backend, running.client_leg, raw)
        running.client.vanish()
        await running.backend.send_bytes(raw[sent:])
        assert await running.backend.frame() == close_frame(1001, b"client connection lost")
        await running.backend.send(close_frame(1001))
        running.backend.finish()
        await running.outcome()
        assert KEY
