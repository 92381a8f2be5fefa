"""What both flows do that look into compressed messages: inspect_flow and recode_flow."""

from __future__ import annotations

import zlib
from typing import Any

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from tests.peers.frames import MASK, Frame, close_frame
from tests.relay.deflating import (
    RSV1,
    Flows,
    Kind,
    both,
    compressed,
    cut,
    inflated,
    inspecting,
    message,
    recoding,
    sides,
    write,
)
from tests.relay.joined import BUFFER, TLS13, Peer, Session, data, session
from wsgate.relay.closing import Cause
from wsgate.relay.codec_work import CodecWork
from wsgate.relay.deflate_flow import STEP, TURN, Checks
from wsgate.relay.pump import Pump
from wsgate.relay.tap import Taps, Viewer
from wsgate.relay.websocket_leg import WebSocketLeg
from wsgate.settings.model import Heartbeat
from wsgate.wire.close import CloseCode
from wsgate.wire.counts import SIZE_WORDS, MessageSizes
from wsgate.wire.frame_reader import ReadFrame
from wsgate.wire.frames import Opcode
from wsgate.wire.walk import NO_LIMIT

# -- what goes through -------------------------------------------------------------------------------------------------


@both
async def test_bytes_that_come_one_by_one(pump: Pump, autojump_clock: MockClock, kind: Kind) -> None:
    frames = [compressed("grün".encode(), Opcode.TEXT), data(b"y" * 200), Frame(Opcode.PING, b"p"), data(b"")]
    async with session(pump, flows=kind()) as running:
        for byte in b"".join(frame.encode(MASK) for frame in frames):
            await running.client.write(bytes([byte]))
            await trio.testing.wait_all_tasks_blocked()
        assert (await message(running.backend))[:2] == (Opcode.TEXT, "grün".encode())
        assert (await message(running.backend))[:2] == (Opcode.BINARY, b"y" * 200)
        assert await running.backend.receive() == Frame(Opcode.PING, b"p")
        assert (await message(running.backend))[:2] == (Opcode.BINARY, b"")


@both
async def test_over_tls(pump: Pump, autojump_clock: MockClock, kind: Kind) -> None:
    """TLS may hold bytes that raise no event while a flow works on those before them."""
    bomb = compressed(bytes(5 * TURN))
    async with session(pump, flows=kind(), tls=TLS13) as running:
        await write(running.client, bomb, data(b"after"))
        with trio.fail_after(100):
            assert (await message(running.backend))[:2] == (Opcode.BINARY, bytes(5 * TURN))
            assert (await message(running.backend))[:2] == (Opcode.BINARY, b"after")


@both
async def test_pings_of_the_gateway(pump: Pump, autojump_clock: MockClock, kind: Kind) -> None:
    """They go between frames, and their Pongs go no further."""
    async with session(pump, flows=kind(), heartbeat=Heartbeat(interval=20.0, timeout=20.0)) as running:
        await running.client.write(data(b"z" * 1000).encode(MASK)[:500])
        with trio.fail_after(100):
            ping = await running.client.receive()
        assert ping.opcode == Opcode.PING
        await running.client.write(data(b"z" * 1000).encode(MASK)[500:])
        await running.client.send(Frame(Opcode.PONG, ping.payload))
        await running.client.send(data(b"next"))
        got: list[Frame] = []
        while b"next" not in (got[-1].payload if got else b""):
            frame = await running.backend.receive()
            if frame.opcode != Opcode.PING:  # the backend was silent, too
                got.append(frame)
        assert Opcode.PONG not in {frame.opcode for frame in got}


@both
async def test_a_ping_for_the_sink_waits_for_the_end_of_a_frame(
    pump: Pump, autojump_clock: MockClock, kind: Kind
) -> None:
    frame = data(b"z" * 1000)
    async with session(pump, flows=kind()) as running:
        await running.client.write(frame.encode(MASK)[:500])
        await trio.testing.wait_all_tasks_blocked()
        assert isinstance(running.backend_leg, WebSocketLeg)
        running.backend_leg.ping()
        await running.client.write(frame.encode(MASK)[500:])
        await trio.testing.wait_all_tasks_blocked()
        await running.client.send(data(b"next"))
        got = b""
        opcodes = []
        while not got.endswith(b"next"):
            received = await running.backend.receive()
            opcodes.append(received.opcode)
            if received.opcode != Opcode.PING:
                got += inflated(received.payload) if received.rsv and received.fin else b""
                got += received.payload if not received.rsv else b""
        assert Opcode.PING in opcodes[:-1]


@both
async def test_pings_that_the_gateway_answers(pump: Pump, autojump_clock: MockClock, kind: Kind) -> None:
    checks = Checks(NO_LIMIT, True, True)
    async with session(pump, flows=kind(checks)) as running:
        await write(running.client, Frame(Opcode.PING, b"answer"), compressed(b"data"))
        assert await running.client.receive() == Frame(Opcode.PONG, b"answer")
        assert (await message(running.backend))[:2] == (Opcode.BINARY, b"data")


# -- what does not -----------------------------------------------------------------------------------------------------


async def ended(running: Session, sink: Peer, source: Peer) -> tuple[CloseCode, CloseCode]:
    """The codes that the source and the other side are told, behind everything else."""
    codes = []
    for peer in (source, sink):
        while (frame := await peer.receive()).opcode != Opcode.CLOSE:
            pass
        codes.append(CloseCode(int.from_bytes(frame.payload[:2], "big")))
    return codes[0], codes[1]


@sides
@both
@pytest.mark.parametrize(
    ("frames", "code"),
    [
        pytest.param([Frame(Opcode.BINARY, b"\xff\xff", rsv=RSV1)], CloseCode.INVALID_DATA, id="no deflate"),
        pytest.param([Frame(Opcode.BINARY, b"", rsv=RSV1)], CloseCode.INVALID_DATA, id="no block"),
        pytest.param([compressed(b"\xff", Opcode.TEXT)], CloseCode.INVALID_DATA, id="not UTF-8"),
        pytest.param([compressed(b"gr\xc3", Opcode.TEXT)], CloseCode.INVALID_DATA, id="ends inside a character"),
        pytest.param([data(b"\xff", Opcode.TEXT)], CloseCode.INVALID_DATA, id="plain text that is not UTF-8"),
        pytest.param([Frame(Opcode.PING, b"", rsv=RSV1)], CloseCode.PROTOCOL_ERROR, id="a compressed Ping"),
        pytest.param(
            [data(b"a", fin=False), Frame(Opcode.CONTINUATION, b"b", rsv=RSV1)],
            CloseCode.PROTOCOL_ERROR,
            id="RSV1 on a continuation",
        ),
        pytest.param([Frame(Opcode.CLOSE, b"\x00")], CloseCode.PROTOCOL_ERROR, id="a Close of one byte"),
    ],
)
async def test_faults(
    pump: Pump, autojump_clock: MockClock, side: str, kind: Kind, frames: list[Frame], code: CloseCode
) -> None:
    """What came before goes through; the faulty message does not end at the sink."""
    async with session(pump, flows=kind()) as running:
        source, sink = running.sides(side)
        await write(source, compressed(b"before"), *frames)
        assert (await message(sink))[:2] == (Opcode.BINARY, b"before")
        assert (await ended(running, sink, source))[0] is code
        outcome = running.session.outcome()
    assert outcome.cause is Cause.FAULT


async def test_a_side_that_has_not_agreed_may_not_compress(pump: Pump, autojump_clock: MockClock) -> None:
    async with session(pump, flows=recoding(client=False)) as running:
        await running.client.send(compressed(b"unasked"))
        assert (await ended(running, running.backend, running.client))[0] is CloseCode.PROTOCOL_ERROR


@sides
@both
@pytest.mark.parametrize("plain", [True, False])
async def test_a_message_over_the_limit(
    pump: Pump, autojump_clock: MockClock, side: str, kind: Kind, plain: bool
) -> None:
    """Plain bytes count. A message of a million zeros has a thousand of them on the wire."""
    checks = Checks(500_000, True, False)
    async with session(pump, flows=kind(checks)) as running:
        source, sink = running.sides(side)
        exact, larger = bytes(500_000), bytes(500_001)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(write, source, data(exact) if plain else compressed(exact))
            assert (await message(sink))[1] == exact
        await write(source, data(larger)) if plain else await write(source, compressed(larger))
        codes = await ended(running, sink, source)
        told = CloseCode.GOING_AWAY if side == "client" else CloseCode.INTERNAL_ERROR
        assert codes == (CloseCode.TOO_BIG, told)
        assert running.session.outcome().cause is Cause.TOO_BIG


@both
async def test_a_bomb_does_not_keep_others_waiting(pump: Pump, autojump_clock: MockClock, kind: Kind) -> None:
    """Another session has its turn between the steps."""
    async with session(pump, flows=kind()) as running, session(pump) as other:
        await running.client.send(compressed(bytes(50 << 20)))
        await other.client.send(data(b"small"))
        assert (await other.backend.receive()).payload == b"small"
        assert running.session.outcome().largest_up == 0
        async with trio.open_nursery() as nursery:
            nursery.start_soon(running.backend.read, 20_000)
            await trio.testing.wait_all_tasks_blocked()


@both
async def test_a_sink_that_reads_nothing_stops_the_work(pump: Pump, autojump_clock: MockClock, kind: Kind) -> None:
    """A session holds one read, and what one turn has made of it; then everything comes in order."""
    bomb = bytes(20 << 20)
    text = [zlib.compress(b"%d" % number) * 1000 for number in range(300)]
    async with session(pump, flows=kind(), buffer=BUFFER, unix=True) as running, trio.open_nursery() as nursery:
        nursery.start_soon(write, running.client, compressed(bomb), *map(data, text))
        await trio.sleep(1)
        pending = running.backend_leg.pending
        assert pending is not None
        assert len(pending) <= TURN + 2 * STEP
        assert (await message(running.backend))[1] == bomb
        for each in text:
            assert (await message(running.backend))[1] == each


@both
async def test_a_drain_loses_nothing_that_was_read(pump: Pump, autojump_clock: MockClock, kind: Kind) -> None:
    """The Close waits for what a turn has left over, and for a sink that takes it slowly."""
    bomb = bytes(20 << 20)
    async with session(pump, flows=kind(), buffer=BUFFER, unix=True) as running:
        await running.client.send(compressed(bomb))
        await trio.testing.wait_all_tasks_blocked()
        running.session.drain(CloseCode.SERVICE_RESTART)
        assert (await message(running.backend))[1] == bomb
        close = await running.backend.receive()
        assert (close.opcode, close.payload[:2]) == (Opcode.CLOSE, CloseCode.SERVICE_RESTART.to_bytes(2, "big"))


@both
async def test_a_close_behind_a_bomb_comes_last(pump: Pump, autojump_clock: MockClock, kind: Kind) -> None:
    bomb = bytes(20 << 20)
    close = Frame(Opcode.CLOSE, (1000).to_bytes(2, "big") + b"done")
    async with session(pump, flows=kind()) as running, trio.open_nursery() as nursery:
        nursery.start_soon(write, running.client, compressed(bomb), close)
        assert (await message(running.backend))[1] == bomb
        assert await running.backend.receive() == close


@both
async def test_the_end_of_the_other_side_ends_the_work(pump: Pump, autojump_clock: MockClock, kind: Kind) -> None:
    async with session(pump, flows=kind(), buffer=BUFFER, unix=True) as running:
        await running.client.send(compressed(bytes(20 << 20)))
        await trio.sleep(1)
        await running.backend.vanish()
        assert (await running.outcome()).cause is Cause.GONE


@both
async def test_a_flood_of_empty_frames_takes_turns(pump: Pump, autojump_clock: MockClock, kind: Kind) -> None:
    """Each costs a step of Python, so a read of them is more than one turn."""
    async with session(pump, flows=kind()) as running, trio.open_nursery() as nursery:
        flood = [data(b"", fin=False), *[data(b"", Opcode.CONTINUATION, fin=False)] * 30_000]
        flood.append(data(b"e", Opcode.CONTINUATION))
        nursery.start_soon(running.client.write, b"".join(frame.encode(MASK) for frame in flood))
        while not (frame := await running.backend.receive()).fin:
            pass
        assert (inflated(frame.payload) if frame.rsv else frame.payload) == b"e"
        nursery.start_soon(write, running.client, *[Frame(Opcode.PING, b"")] * 2000)
        for _ in range(2000):
            assert await running.backend.receive() == Frame(Opcode.PING, b"")


# -- any messages ------------------------------------------------------------------------------------------------------

plain = st.one_of(st.binary(max_size=300), st.builds(bytes.__mul__, st.binary(max_size=7), st.integers(0, 20_000)))


@st.composite
def sent_messages(draw: st.DrawFn) -> tuple[list[bytes], list[Frame]]:
    """Messages, and their frames: compressed or not, in fragments of any size."""
    messages = draw(st.lists(plain, max_size=5))
    frames: list[Frame] = []
    for each in messages:
        frame = compressed(each) if draw(st.booleans()) else data(each)
        places = sorted(draw(st.lists(st.integers(0, len(frame.payload)), max_size=4)))
        frames += cut(frame, *places)
    return messages, frames


@given(sent_messages(), st.lists(st.integers(1, 5000), max_size=5), st.sampled_from([inspecting(), recoding()]))
def test_any_messages_arrive(sent: tuple[list[bytes], list[Frame]], pieces: list[int], flows: Flows) -> None:
    messages, frames = sent

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            pump = Pump()
            nursery.start_soon(pump.run)
            async with session(pump, flows=flows) as running, trio.open_nursery() as writers:
                writers.start_soon(send, running.client)
                for each in messages:
                    assert (await message(running.backend))[:2] == (Opcode.BINARY, each)
            nursery.cancel_scope.cancel()

    async def send(client: Peer) -> None:
        raw, at = b"".join(frame.encode(MASK) for frame in frames), 0
        for size in pieces:
            await client.write(raw[at : at + size])
            await trio.testing.wait_all_tasks_blocked()
            at += size
        await client.write(raw[at:])

    trio.run(main, clock=MockClock(autojump_threshold=0))


def flow_of(running: Session, source: str = "client") -> Any:
    return (running.client_leg if source == "client" else running.backend_leg).input_flow


async def test_an_idle_session_holds_nothing(pump: Pump, autojump_clock: MockClock) -> None:
    async with session(pump, flows=recoding()) as running:
        await running.client.send(compressed(bytes(3 * STEP)))
        assert (await message(running.backend))[1] == bytes(3 * STEP)
        await trio.testing.wait_all_tasks_blocked()
        flow = flow_of(running)
        assert flow._inflater is None
        assert flow._deflater._state is None
        assert flow._message is flow_of(running, "backend")._message  # that of all idle flows
        assert flow._out is flow_of(running, "backend")._out
        assert flow._rest is None
        assert not flow._out


# -- what is counted and shown -----------------------------------------------------------------------------------------


@both
async def test_sizes_are_those_of_plain_messages(pump: Pump, autojump_clock: MockClock, kind: Kind) -> None:
    words = memoryview(bytearray(8 * SIZE_WORDS)).cast("Q")
    async with session(pump, flows=kind(sizes=MessageSizes(words))) as running:
        await write(running.client, compressed(bytes(60_000)), data(b"plain"), *cut(compressed(bytes(60)), 2))
        for _ in range(3):
            await message(running.backend)
        outcome = running.session.outcome()
    assert (words[0], sum(words[:-1]), words[-1]) == (2, 3, 60_065)
    assert (outcome.messages_up, outcome.largest_up) == (3, 60_000)


@both
async def test_the_work_of_the_codec_is_counted(pump: Pump, autojump_clock: MockClock, kind: Kind) -> None:
    async with session(pump, flows=kind()) as running:
        frame = compressed(bytes(60_000))
        await write(running.client, frame, data(b"plain" * 100))
        await message(running.backend)
        await message(running.backend)
        flow = flow_of(running)
        work = flow.take_codec_work()
        assert work is not None
        assert (work.received, work.inflated) == (len(frame.payload), 60_000)
        assert work.inflating > 0
        made = 60_500 if kind is recoding else 0
        assert (work.plain, work.deflated > 0, work.deflating > 0) == (made, made > 0, made > 0)
        assert flow.take_codec_work() is None
        outcome = running.session.outcome()
    assert outcome.codec_up == work
    assert outcome.codec_down == CodecWork()


@both
@pytest.mark.parametrize("key", [MASK, None])
async def test_a_tap_shows_plain_frames(pump: Pump, autojump_clock: MockClock, kind: Kind, key: bytes | None) -> None:
    """From the next frame on, also if it opens inside of one, and while a turn is not over."""
    text = "größer ".encode() * 5000
    frames = [
        *cut(compressed(text, Opcode.TEXT), 3, 40),
        Frame(Opcode.PING, b"?"),
        *cut(data(b"binary" * 200), 7),
        compressed(bytes(3 * STEP)),
        close_frame(1000),
    ]
    taps = Taps()
    async with session(pump, flows=kind()) as running, trio.open_nursery() as nursery:
        source, sink = (running.client, running.backend) if key else (running.backend, running.client)
        first = compressed(b"before").encode(key)
        await source.write(first[:-2])
        await trio.testing.wait_all_tasks_blocked()
        viewer = taps.open(running.session, 100)
        assert isinstance(viewer, Viewer)
        await source.write(first[-2:])
        assert (await message(sink))[1] == b"before"
        raw = b"".join(frame.encode(key) for frame in frames)
        nursery.start_soon(source.write, raw[:500])
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(source.write, raw[500:])
        while (await sink.receive()).opcode != Opcode.CLOSE:
            pass
        shown, dropped = viewer.take()
        assert dropped == 0
        assert {each.up for each in shown} == {key is not None}
        told = [each.frame for each in shown]
        assert b"".join(each.payload for each in told[:3])[:100] == text[:100]
        assert sum(each.size for each in told[:3]) == len(text)
        assert [each.compressed_size for each in told] == [
            *(len(frame.payload) for frame in frames[:3]),
            *(None, None, None, len(frames[-2].payload), None),
        ]
        assert told[3:6] == [
            ReadFrame(0x89, 1, b"?"),
            ReadFrame(Opcode.BINARY, 7, b"binaryb"),
            ReadFrame(0x80, 1193, (b"binary" * 200)[7:107]),
        ]
        assert told[6][:3] == (0xC2, 3 * STEP, bytes(100))
        assert told[7].payload == (1000).to_bytes(2, "big")
        taps.close(viewer)
        assert flow_of(running)._look is None
        nursery.cancel_scope.cancel()


async def test_a_relay_without_compression_has_no_such_work(pump: Pump, autojump_clock: MockClock) -> None:
    async with session(pump) as running:
        await running.client.send(data(b"plain"))
        await running.backend.receive()
        assert flow_of(running).take_codec_work() is None
        assert running.session.outcome().codec_up is None


@both
async def test_bytes_that_came_with_the_handshake(pump: Pump, autojump_clock: MockClock, kind: Kind) -> None:
    """More than a step of them takes several turns."""
    packed = zlib.compress(bytes(range(256)) * 40) * 500
    early = b"".join(each.encode(MASK) for each in (compressed(b"first"), data(packed), compressed(b"last")))
    assert len(early) > STEP
    async with session(pump, flows=kind(), early=(early, b"")) as running:
        for expected in (b"first", packed, b"last"):
            assert (await message(running.backend))[1] == expected
