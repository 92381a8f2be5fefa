"""Floods of everything that a peer can send: they cost at most one read of memory."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from tests.peers.frames import BINARY, CONTINUATION, MASK, PING, PONG, TEXT, Frame, close_frame, header
from wsgate.relay.closing import Cause, Side
from wsgate.relay.pump import HEADROOM, READ_SIZE, Pump

from ..relay.deflating import Kind, inspecting, recoding
from ..relay.joined import session
from .faults import LIMIT
from .peers import flood, held, settle, split_close

FLOODS: dict[str, Frame] = {
    "pings": Frame(PING, b"p" * 125),
    "pongs": Frame(PONG),
    "empty messages": Frame(BINARY),
    "one-byte messages": Frame(BINARY, b"x"),
    "one-byte texts": Frame(TEXT, b"x"),
}


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("name", FLOODS)
async def test_a_flood_at_a_peer_that_does_not_read(
    pump: Pump, autojump_clock: MockClock, name: str, side: Side
) -> None:
    """It is stopped at its source, after one read; and every frame of it arrives when the peer reads again."""
    async with session(pump, buffer=4096) as running:
        flooding, other = running.sides(side)
        frame = FLOODS[name].encode(flooding.mask)
        sent = await flood(flooding, frame)
        assert held(running) <= HEADROOM + READ_SIZE
        whole = sent // len(frame)
        assert await other.read(whole * len(frame)) == frame * whole
        assert held(running) <= HEADROOM + READ_SIZE


async def test_a_flood_of_pings_at_a_tunnel_costs_one_pong(pump: Pump, autojump_clock: MockClock) -> None:
    """The client does not read the answers: the newest waits for all (§5.5.3), and what the client sends is read."""
    async with session(pump, mode="tunnel", buffer=4096) as running:
        for number in range(20_000):
            await running.client.send(Frame(PING, number.to_bytes(4, "big") * 25))
        await settle()
        assert held(running) <= HEADROOM + READ_SIZE
        await running.client.send(Frame(BINARY, b"still here"))
        assert await running.backend.read(10) == b"still here"


@pytest.mark.parametrize("mode", ["relay", "tunnel"])
async def test_a_message_of_a_hundred_thousand_empty_fragments(pump: Pump, mode: str) -> None:
    """Nothing is kept of a message under way but its size so far."""
    async with session(pump, mode=mode, limit=LIMIT) as running:
        data = Frame(TEXT, b"a", fin=False).encode(MASK) + Frame(CONTINUATION, fin=False).encode(MASK) * 100_000
        data += Frame(CONTINUATION, b"z").encode(MASK)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(running.client.write, data)
            if mode == "relay":
                assert await running.backend.read(len(data)) == data
            else:
                assert await running.backend.read(2) == b"az"
        assert held(running) == 0


async def test_frames_announced_at_their_largest(pump: Pump, autojump_clock: MockClock) -> None:
    """Without a limit a frame of 2^63 - 1 bytes is a valid one, and its end a long way off: only time can end it."""
    async with session(pump) as running:
        start = header(BINARY, (1 << 63) - 1, form=64, key=MASK)
        await running.client.write(start + bytes(1000))
        assert await running.backend.read(len(start) + 1000) == start + bytes(1000)
        await running.backend.send(close_frame(1000))
        assert split_close(await running.client.read(4)) == (b"", 1000)
        running.backend.finish()
        outcome = await running.outcome()
    assert (outcome.cause, outcome.side) == (Cause.CLOSED, Side.BACKEND)


@pytest.mark.parametrize("form", [16, 64])
async def test_a_flood_of_announcements_ends_at_the_first(pump: Pump, form: int) -> None:
    async with session(pump, limit=LIMIT) as running:
        size = 0xFFFF if form == 16 else (1 << 63) - 1
        await running.client.write(header(BINARY, size, form=form, key=MASK) * 1000)
        await settle()
        running.client.finish()
        running.backend.finish()
        assert split_close(await running.backend.read_all()) == (b"", 1001)
        assert split_close(await running.client.read_all()) == (b"", 1009)


@pytest.mark.parametrize("flows", [inspecting, recoding])
async def test_a_flood_of_empty_fragments_of_a_compressed_message_ends_at_its_limit(pump: Pump, flows: Kind) -> None:
    """Ten million of them cost no more than the most that a message may have."""
    make = flows(fragments=1000)
    async with session(pump, flows=make) as running:
        first = Frame(BINARY, b"", False, 4).encode(MASK)
        await running.client.write(first + Frame(CONTINUATION, b"", False).encode(MASK) * 20_000)
        await settle()
        running.client.finish()
        running.backend.finish()
        passed, code = split_close(await running.backend.read_all())
        assert code == 1001
        assert len(passed) <= 1000 * 6
        assert split_close(await running.client.read_all()) == (b"", 1009)


@pytest.mark.parametrize("flows", [inspecting, recoding])
@pytest.mark.parametrize("block", [b"\x03\x00", b"\x00\x00\x00\xff\xff", b"\x02\x00\x00\x00\xff\xff"])
async def test_a_flood_of_empty_blocks_takes_turns(pump: Pump, flows: Kind, block: bytes) -> None:
    """They become nothing, and another session has its turn between them."""
    flood = Frame(BINARY, block * 30_000 + b"\x00", True, 4)
    async with session(pump, flows=flows()) as running, session(pump) as other:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(running.client.write, flood.encode(MASK))
            await other.client.send(Frame(BINARY, b"small"))
            assert (await other.backend.receive()).payload == b"small"
            while not (frame := await running.backend.receive()).fin:
                pass
        assert frame.opcode in (BINARY, CONTINUATION)
        await running.client.send(Frame(BINARY, b"after"))
        assert (await running.backend.receive()).payload.startswith(b"after" if flows is inspecting else b"")
        assert running.session.outcome().largest_up == 5


@pytest.mark.parametrize("flows", [inspecting, recoding])
async def test_a_message_that_never_ends_keeps_no_compressor(pump: Pump, flows: Kind) -> None:
    """A client may begin messages in many sessions and end none."""
    async with session(pump, flows=flows()) as running:
        await running.client.send(Frame(BINARY, b"begun", False))
        await running.backend.receive()
        flow: Any = running.client_leg.input_flow
        assert flow._inflater is None
        assert flows is inspecting or flow._deflater._state is None
