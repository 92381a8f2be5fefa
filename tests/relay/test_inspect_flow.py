"""A relay that looks into messages which two sides compress end to end."""

from __future__ import annotations

import trio
import trio.testing

from tests.peers.frames import Frame
from tests.relay.deflating import (
    compressed,
    cut,
    inspecting,
    sides,
)
from tests.relay.joined import FRAMES, data, session
from wsgate.relay.deflate_flow import STEP
from wsgate.relay.pump import Pump
from wsgate.wire.frames import Opcode


@sides
async def test_inspected_frames_pass_as_they_came(either_pump: Pump, side: str) -> None:
    message = compressed("größer ".encode() * 5000, Opcode.TEXT)
    frames = [
        *FRAMES,
        compressed(b"small"),
        *cut(message, 3, 3, 10),
        compressed(bytes(3 * STEP)),
        compressed(b""),
        *cut(data(b"plain" * 1000), 20, 4000),
        Frame(Opcode.PING, b""),
    ]
    async with session(either_pump, flows=inspecting()) as running:
        source, sink = running.sides(side)
        raw = b"".join(frame.encode(source.mask) for frame in frames)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(source.write, raw)
            assert await sink.read(len(raw)) == raw
        outcome = running.session.outcome()
    assert (outcome.messages_up, outcome.messages_down) == ((11, 0) if side == "client" else (0, 11))
    assert (outcome.largest_up if side == "client" else outcome.largest_down) == 3 * STEP
