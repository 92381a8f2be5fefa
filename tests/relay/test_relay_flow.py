"""What a relay does with frames: it passes them on as they are."""

from __future__ import annotations

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from tests.peers.frames import MASK, Frame
from tests.relay.joined import FRAMES, TLS13, data, session
from wsgate.net.tls.transport import TLS_RECORD
from wsgate.relay.pump import Pump
from wsgate.wire import kernel
from wsgate.wire.frames import Opcode


@pytest.mark.parametrize("side", ["client", "backend"])
async def test_frames_cross_a_relay_unchanged(either_pump: Pump, side: str) -> None:
    """Fragments, control frames between them and the client's own masking keys included: not one byte differs."""
    async with session(either_pump) as running:
        source, sink = running.sides(side)
        raw = b"".join(frame.encode(source.mask) for frame in FRAMES)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(source.write, raw)
            assert await sink.read(len(raw)) == raw
        outcome = running.session.outcome()
    messages, octets = (
        (outcome.messages_up, outcome.octets_up) if side == "client" else (outcome.messages_down, outcome.octets_down)
    )
    assert (messages, octets) == (6, len(raw))


@pytest.mark.parametrize("carried", [False, True])
async def test_pings_cross_a_relay_and_their_pongs_come_back(
    pump: Pump, autojump_clock: MockClock, carried: bool
) -> None:
    async with session(pump) as running:
        if carried:  # the ping stands behind half a header of another frame's beginning
            await running.client.write(data(b"x" * 300).encode(MASK)[:3])
            await trio.testing.wait_all_tasks_blocked()
            await running.client.write(data(b"x" * 300).encode(MASK)[3:])
            assert await running.backend.receive() == data(b"x" * 300)
        await running.client.send(Frame(Opcode.PING, b"are you there"))
        assert await running.backend.receive() == Frame(Opcode.PING, b"are you there")
        await running.backend.send(Frame(Opcode.PONG, b"are you there"))
        assert await running.client.receive() == Frame(Opcode.PONG, b"are you there")


async def test_compressed_messages_pass_when_the_extension_is_agreed(pump: Pump, autojump_clock: MockClock) -> None:
    """RSV1 is kept, and compressed text is not validated."""
    raw = Frame(Opcode.TEXT, b"\xff\xfe\xfd", rsv=4).encode(MASK)
    async with session(pump, compression=True) as running:
        await running.client.write(raw)
        assert await running.backend.read(len(raw)) == raw


async def test_full_tls_records_are_read_several_at_once(pump: Pump, autojump_clock: trio.testing.MockClock) -> None:
    """Only the compiled twin makes a difference; both pass on the same."""
    async with session(pump, tls=TLS13) as running:
        leg = running.client_leg
        alone = leg.reader
        raw = data(b"x" * (3 * TLS_RECORD)).encode(MASK)
        await running.client.write(raw[:TLS_RECORD])
        assert await running.backend.read(TLS_RECORD) == raw[:TLS_RECORD]
        assert (leg.reader != alone) is kernel.COMPILED
        await running.client.write(raw[TLS_RECORD:])
        assert await running.backend.read(len(raw) - TLS_RECORD) == raw[TLS_RECORD:]
        await running.client.send(data(b"small"))
        assert (await running.backend.receive()).payload == b"small"
        assert leg.reader == alone
