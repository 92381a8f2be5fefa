"""Frames of our own at frame boundaries."""

from __future__ import annotations

import trio
import trio.testing
from trio.testing import MockClock

from tests.peers.frames import Frame, close_frame
from tests.relay.joined import BUFFER, MAX_PENDING, data, fill, session
from wsgate.relay.closing import DRAIN_REASON
from wsgate.relay.pump import Pump
from wsgate.relay.states import Output
from wsgate.wire.frames import Opcode


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
        assert len(leg.pending) <= MAX_PENDING
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


async def test_a_close_for_a_client_whose_reset_was_not_read_yet(pump: Pump, autojump_clock: MockClock) -> None:
    async with session(pump) as running:
        running.client_leg.set_reading(False)
        await running.client.reset()
        running.session.drain(1001)
        assert running.client_leg.output is Output.BROKEN
        assert (await running.backend.receive_close())[0] == 1001
