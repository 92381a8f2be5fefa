"""What a tunnel does with frames: it unwraps them one way and wraps bytes the other."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from tests.peers.frames import MASK, Frame
from tests.relay.joined import FRAMES, data, session
from wsgate.relay.pump import READ_SIZE, Pump
from wsgate.wire.frames import Opcode


async def test_a_tunnel_gives_the_service_the_payloads_and_nothing_else(either_pump: Pump) -> None:
    async with session(either_pump, mode="tunnel") as running:
        raw = b"".join(frame.encode(MASK) for frame in FRAMES)
        payload = b"".join(frame.payload for frame in FRAMES if frame.opcode < Opcode.CLOSE)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(running.client.write, raw)
            assert await running.backend.read(len(payload)) == payload


@pytest.mark.parametrize("size", [1, 125, 126, 127, 5000, 65_535])
async def test_what_the_service_sends_becomes_one_binary_message(
    pump: Pump, autojump_clock: MockClock, size: int
) -> None:
    async with session(pump, mode="tunnel") as running:
        await running.backend.write(b"z" * size)
        assert await running.client.receive() == data(b"z" * size)


async def test_the_longest_read_takes_the_longest_header(pump: Pump, autojump_clock: MockClock) -> None:
    """Over 64 KiB: more than a 16-bit length can express."""
    async with session(pump, mode="tunnel", early=(b"", b"z" * READ_SIZE)) as running:
        assert await running.client.read(10) == b"\x82\x7f" + READ_SIZE.to_bytes(8, "big")
        assert await running.client.read(READ_SIZE) == b"z" * READ_SIZE


async def test_a_tunnel_answers_pings_between_fragments_with_their_data(pump: Pump, autojump_clock: MockClock) -> None:
    async with session(pump, mode="tunnel") as running:
        await running.client.send(data(b"be", fin=False), Frame(Opcode.PING, b"\x00\xffdata"))
        assert await running.client.receive() == Frame(Opcode.PONG, b"\x00\xffdata")
        await running.client.send(data(b"tween", Opcode.CONTINUATION), Frame(Opcode.PONG, b"nobody asked"))
        assert await running.backend.read(7) == b"between"
        assert running.client.nothing_there()
