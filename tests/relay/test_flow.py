"""What a direction does with bytes: nothing in a relay, unwrap and wrap in a tunnel."""

from __future__ import annotations

import ssl

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from tests.peers.frames import MASK, Frame, close_frame
from tests.relay.joined import data, session
from wsgate.net.tls.transport import TLS_RECORD
from wsgate.relay.flow import FLOOD_READ_SIZE
from wsgate.relay.pump import READ_SIZE, Pump
from wsgate.wire import kernel
from wsgate.wire.frames import Opcode

TLS13 = ssl.TLSVersion.TLSv1_3

FRAMES = [
    data(b""),
    data(b"small"),
    data("größe".encode(), Opcode.TEXT),
    data(b"first ", Opcode.TEXT, fin=False),
    Frame(Opcode.PING, b"between"),
    data(b"second ", Opcode.CONTINUATION, fin=False),
    Frame(Opcode.PONG, b"unsolicited"),
    data(b"last", Opcode.CONTINUATION),
    data(b"x" * 126),
    data(b"y" * 70_000),
    Frame(Opcode.PING, b"p" * 125),
]


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


@pytest.mark.parametrize("mode", ["relay", "tunnel"])
async def test_frames_cross_however_they_are_cut(pump: Pump, autojump_clock: MockClock, mode: str) -> None:
    """Each byte alone: headers and control frames are carried over from read to read and arrive whole."""
    frames = [frame for frame in FRAMES if len(frame.payload) < 1000]
    raw = b"".join(frame.encode(MASK) for frame in frames)
    payload = b"".join(frame.payload for frame in frames if frame.opcode < Opcode.CLOSE)
    async with session(pump, mode=mode) as running:
        for at in range(len(raw)):
            await running.client.write(raw[at : at + 1])
            await trio.testing.wait_all_tasks_blocked()
        if mode == "relay":
            assert await running.backend.read(len(raw)) == raw
        else:
            assert await running.backend.read(len(payload)) == payload
        assert running.session.outcome().octets_up == len(raw)


async def test_what_came_behind_the_handshakes_is_part_of_the_stream(pump: Pump, autojump_clock: MockClock) -> None:
    early = data(b"from the client").encode(MASK)
    async with session(pump, early=(early[:-3], data(b"from the backend").encode(None))) as running:
        await running.client.write(early[-3:])
        assert await running.backend.read(len(early)) == early
        assert await running.client.receive() == data(b"from the backend")


async def test_early_bytes_longer_than_a_read_and_a_close_among_them(pump: Pump, autojump_clock: MockClock) -> None:
    big = data(b"x" * (READ_SIZE + 1000))
    early = big.encode(MASK) + close_frame(1000).encode(MASK) + data(b"late" * READ_SIZE).encode(MASK)
    async with session(pump, early=(early, b"")) as running:
        assert await running.backend.receive() == big
        assert await running.backend.receive() == close_frame(1000)
        assert running.backend.nothing_there()


# -- tunnel ------------------------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize("mode", ["relay", "tunnel"])
@pytest.mark.parametrize("opcode", [Opcode.PING, Opcode.PONG])
async def test_a_flood_of_control_frames_is_read_in_small_pieces(
    pump: Pump, autojump_clock: MockClock, mode: str, opcode: Opcode
) -> None:
    """Each costs a step of Python's: a whole buffer of them would keep the other sessions waiting."""
    sizes: list[int] = []
    async with session(pump, mode=mode) as running, trio.open_nursery() as nursery:
        up = running.session._flows[0]
        move = up.move

        def noted(start: int, end: int) -> None:
            sizes.append(end - start)
            move(start, end)

        type_of_flow = type(up)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type_of_flow, "move", lambda flow, start, end: noted(start, end) if flow is up else None)
            for _ in range(3):
                await running.client.send(data(b"x" * 10_000))  # an honest stream is not slowed down
            assert await running.backend.read(3 * (10_008 if mode == "relay" else 10_000))
            assert up.read_area is pump.read_area
            flood = Frame(opcode).encode(MASK) * 200_000
            nursery.start_soon(running.client.write, flood)
            before = up.octets
            while up.octets < before + len(flood):
                with trio.move_on_after(0.01):
                    await running.backend.sock.recv(1 << 20)
                with trio.move_on_after(0.01):
                    await running.client.sock.recv(1 << 20)
        nursery.cancel_scope.cancel()
    assert len(up.read_area) == FLOOD_READ_SIZE
    assert max(sizes[-10:]) <= FLOOD_READ_SIZE
    assert up.octets == 3 * 10_008 + len(flood)


@pytest.mark.parametrize("mode", ["relay", "tunnel"])
@pytest.mark.parametrize("tls", [None, TLS13])
async def test_an_event_without_bytes_changes_nothing(
    pump: Pump, autojump_clock: trio.testing.MockClock, mode: str, tls: ssl.TLSVersion | None
) -> None:
    """A descriptor may be called readable and have nothing (select(2)), and a TLS record may hold no data."""
    async with session(pump, mode=mode, tls=tls) as running:
        for leg in running.client_leg, running.backend_leg:
            leg.reader()
        for source, sink in (running.client, running.backend), (running.backend, running.client):
            raw = data(b"hello").encode(source.mask)
            await source.write(raw)
            assert await sink.read(1)
        assert not running.over


async def test_a_stream_of_full_tls_records_is_read_at_once_and_what_follows_it_frame_by_frame(
    pump: Pump, autojump_clock: trio.testing.MockClock
) -> None:
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


@pytest.mark.parametrize("mode", ["relay", "tunnel"])
async def test_a_tls_record_that_is_larger_than_a_read_after_a_flood_is_read_to_its_end(
    pump: Pump, autojump_clock: trio.testing.MockClock, mode: str
) -> None:
    """What OpenSSL holds of it raises no event."""
    message = b"x" * (3 * FLOOD_READ_SIZE)
    async with session(pump, mode=mode, tls=TLS13) as running:
        await running.client.write(Frame(Opcode.PONG).encode(MASK) * 600)
        await running.client.send(data(message))
        if mode == "relay":
            assert await running.backend.read(600 * 6) == Frame(Opcode.PONG).encode(MASK) * 600
            assert (await running.backend.receive()).payload == message
        else:
            assert await running.backend.read(len(message)) == message
