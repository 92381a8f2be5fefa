"""Relays that look into compressed messages, with zlib as the peers' compression."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeAlias

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from tests.peers.frames import MASK, Frame
from tests.relay.joined import BUFFER, FRAMES, TLS13, Peer, Session, data, session
from wsgate.relay.closing import Cause
from wsgate.relay.deflate_flow import STEP, TURN, Checks, Recoding, inspect, recode
from wsgate.relay.pump import Pump
from wsgate.relay.session import MakeFlows
from wsgate.relay.websocket_leg import WebSocketLeg
from wsgate.settings.model import Heartbeat
from wsgate.wire.close import CloseCode
from wsgate.wire.deflate import Deflater, Inflater
from wsgate.wire.frames import Opcode
from wsgate.wire.kernel import FrameWalk, Walk
from wsgate.wire.walk import NO_LIMIT

TAIL = b"\x00\x00\xff\xff"
RSV1 = 4
FREE = Checks(NO_LIMIT, True, False)
ALL = Recoding(1, frozenset())

Flows: TypeAlias = Callable[[WebSocketLeg, WebSocketLeg], MakeFlows]


class Kind(Protocol):
    def __call__(self, checks: Checks = FREE) -> Flows: ...


def walks(*, client: bool, backend: bool) -> tuple[Walk, Walk]:
    return FrameWalk(masked=True, compression=client), FrameWalk(masked=False, compression=backend)


def inspecting(checks: Checks = FREE, *, takeover: bool = False) -> Flows:
    def make(client: WebSocketLeg, backend: WebSocketLeg) -> MakeFlows:
        up, down = walks(client=True, backend=True)
        inflaters = Inflater(takeover=takeover), Inflater(takeover=takeover)
        return inspect(client, backend, (up, inflaters[0]), (down, inflaters[1]), checks)

    return make


def recoding(
    checks: Checks = FREE,
    which: Recoding = ALL,
    *,
    client: bool = True,
    backend: bool = True,
    takeover: bool = False,
    level: int = 1,
) -> Flows:
    """client, backend: whether messages are compressed on this side."""

    def inflater(wanted: bool) -> Inflater | None:
        return Inflater(takeover=takeover) if wanted else None

    def deflater(wanted: bool) -> Deflater | None:
        return Deflater(level, takeover=takeover) if wanted else None

    def make(client_leg: WebSocketLeg, backend_leg: WebSocketLeg) -> MakeFlows:
        up, down = walks(client=client, backend=backend)
        return recode(
            client_leg,
            backend_leg,
            (up, inflater(client), deflater(backend)),
            (down, inflater(backend), deflater(client)),
            checks,
            which,
        )

    return make


def deflated(message: bytes) -> bytes:
    state = zlib.compressobj(6, zlib.DEFLATED, -15)
    payload = state.compress(message) + state.flush(zlib.Z_SYNC_FLUSH)
    return payload.removesuffix(TAIL)


def inflated(payload: bytes) -> bytes:
    return zlib.decompressobj(-15).decompress(payload + TAIL)


def compressed(message: bytes, opcode: int = Opcode.BINARY) -> Frame:
    return Frame(opcode, deflated(message), rsv=RSV1)


def cut(frame: Frame, *at: int) -> Iterator[Frame]:
    """A message in fragments, cut at these places of its payload."""
    places = [0, *at, len(frame.payload)]
    for index in range(len(places) - 1):
        payload = frame.payload[places[index] : places[index + 1]]
        opcode, rsv = (frame.opcode, frame.rsv) if index == 0 else (Opcode.CONTINUATION, 0)
        yield Frame(opcode, payload, index == len(places) - 2, rsv)


async def message(peer: Peer) -> tuple[int, bytes, bool]:
    """The next message: its opcode, its plain bytes, and whether it was compressed."""
    first = frame = await peer.receive()
    payload = frame.payload
    while not frame.fin:
        frame = await peer.receive()
        assert (frame.opcode, frame.rsv) == (Opcode.CONTINUATION, 0)
        payload += frame.payload
    return first.opcode, inflated(payload) if first.rsv else payload, bool(first.rsv)


async def write(peer: Peer, *frames: Frame) -> None:
    await peer.write(b"".join(frame.encode(peer.mask) for frame in frames))


sides = pytest.mark.parametrize("side", ["client", "backend"])
both = pytest.mark.parametrize("kind", [inspecting, recoding])


# -- what goes through -------------------------------------------------------------------------------------------------


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
        await running.client.write(frame.encode(MASK)[500:] + data(b"next").encode(MASK))
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


def flow_of(running: Session) -> Any:
    return running.client_leg.input_flow


async def test_an_idle_session_holds_nothing(pump: Pump, autojump_clock: MockClock) -> None:
    async with session(pump, flows=recoding()) as running:
        await running.client.send(compressed(bytes(3 * STEP)))
        assert (await message(running.backend))[1] == bytes(3 * STEP)
        await trio.testing.wait_all_tasks_blocked()
        flow = flow_of(running)
        assert flow._inflater._state is None
        assert flow._deflater._state is None
        assert flow._rest is None
        assert not flow._out
