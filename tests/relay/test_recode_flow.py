"""A relay with a compression of its own on each side."""

from __future__ import annotations

import zlib

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from tests.peers.frames import Frame
from tests.relay.deflating import (
    RSV1,
    TAIL,
    compressed,
    cut,
    message,
    recoding,
    sides,
    write,
)
from tests.relay.joined import data, session
from wsgate.relay.pump import Pump
from wsgate.relay.recode_flow import Recoding
from wsgate.wire.frames import Opcode


@sides
@pytest.mark.parametrize("client", [True, False])
@pytest.mark.parametrize("backend", [True, False])
async def test_each_side_has_a_compression_of_its_own(
    pump: Pump, autojump_clock: MockClock, side: str, client: bool, backend: bool
) -> None:
    texts = [b"", b"x", b"abc" * 100, "größer ".encode() * 20_000]
    async with session(pump, flows=recoding(client=client, backend=backend)) as running:
        source, sink = running.sides(side)
        source_compresses = client if side == "client" else backend
        sink_compresses = backend if side == "client" else client

        async def send() -> None:
            for text in texts:
                await write(source, data(text, Opcode.TEXT))
                await write(source, *cut(data(text), len(text) // 2))
                if source_compresses:
                    frame = compressed(text, Opcode.TEXT)
                    await write(source, *cut(frame, len(frame.payload) // 2))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(send)
            for text in texts:
                for opcode in [Opcode.TEXT, Opcode.BINARY] + [Opcode.TEXT] * source_compresses:
                    assert (await message(sink))[:2] == (opcode, text)
        await write(source, data(b"abc" * 100))
        assert await message(sink) == (Opcode.BINARY, b"abc" * 100, sink_compresses)


@pytest.mark.parametrize("takeover", [False, True])
async def test_context_takeover(pump: Pump, autojump_clock: MockClock, takeover: bool) -> None:
    """With it the second message is a reference to the first, in both directions."""
    text = bytes(range(256))
    state = zlib.compressobj(6, zlib.DEFLATED, -15)
    async with session(pump, flows=recoding(takeover=takeover, level=6)) as running:
        sizes = []
        for _ in range(2):
            payload = state.compress(text) + state.flush(zlib.Z_SYNC_FLUSH)
            await write(running.client, Frame(Opcode.BINARY, payload.removesuffix(TAIL), rsv=RSV1))
            if not takeover:
                state = zlib.compressobj(6, zlib.DEFLATED, -15)
            sizes.append(len((await running.backend.receive()).payload))
    assert sizes[0] >= 256
    assert sizes[1] < 20 if takeover else sizes[1] >= 256


@pytest.mark.parametrize(
    ("which", "frame", "is_compressed"),
    [
        (Recoding(64, frozenset()), data(b"a" * 63), False),
        (Recoding(64, frozenset()), data(b"a" * 64), True),
        (Recoding(1, frozenset({Opcode.BINARY})), data(b"a" * 64), False),
        (Recoding(1, frozenset({Opcode.BINARY})), data(b"a" * 64, Opcode.TEXT), True),
        (Recoding(1, frozenset()), data(zlib.compress(b"what is compressed already")), False),
    ],
)
async def test_which_messages_are_compressed(
    pump: Pump, autojump_clock: MockClock, which: Recoding, frame: Frame, is_compressed: bool
) -> None:
    async with session(pump, flows=recoding(which=which, client=False)) as running:
        await running.client.send(frame)
        assert await message(running.backend) == (frame.opcode, frame.payload, is_compressed)


async def test_a_message_goes_on_in_pieces_as_it_comes(pump: Pump, autojump_clock: MockClock) -> None:
    """Nothing is held back until its end, and empty pieces cost the sink nothing."""
    async with session(pump, flows=recoding(client=False)) as running:
        await running.client.send(data(b"begin", fin=False))
        first = await running.backend.receive()
        assert (first.opcode, first.fin, first.rsv) == (Opcode.BINARY, False, RSV1)
        await running.client.send(data(b"", Opcode.CONTINUATION, fin=False))
        await running.client.send(Frame(Opcode.PING, b"between"))
        assert await running.backend.receive() == Frame(Opcode.PING, b"between")
        await running.client.send(data(b" end", Opcode.CONTINUATION))
        last = await running.backend.receive()
        assert (last.opcode, last.fin, last.rsv) == (Opcode.CONTINUATION, True, 0)
        state = zlib.decompressobj(-15)
        assert state.decompress(first.payload) == b"begin"
        assert state.decompress(last.payload + TAIL) == b" end"
