"""What the buffer of a recorded tunnel is given, and that the session does not feel it."""

from __future__ import annotations

import io
import ssl

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from tests.peers.frames import MASK, Frame, close_frame
from tests.relay.joined import data, session
from wsgate.recording.reader import Recording
from wsgate.relay.closing import Cause
from wsgate.relay.pump import READ_SIZE, Pump
from wsgate.relay.recorded_tunnel import TOO_LARGE, TOO_SLOW, WRITE_SIZE, HeldBytes, RecordBuffer
from wsgate.wire.frames import Opcode
from wsgate.wire.recording import MAGIC, RECORD_HEADER, RecordingRecord, RecordKind

MIB = 1 << 20


class Stops(list[str]):
    """The reasons for which a recording stopped."""


def new_buffer(room: int = 64 * MIB) -> tuple[RecordBuffer, Stops]:
    stops = Stops()
    return RecordBuffer(room, stops.append), stops


def taken(buffer: RecordBuffer) -> list[RecordingRecord]:
    recorded = Recording(io.BytesIO(MAGIC + b"{}\n" + buffer.take()))
    records = list(recorded.records())
    assert recorded.cut == 0, "a piece of a record"
    return records


def joined(records: list[RecordingRecord], kind: RecordKind) -> bytes:
    return b"".join(record.payload for record in records if record.kind is kind)


@pytest.mark.parametrize("tls", [None, ssl.TLSVersion.TLSv1_3])
async def test_payloads_of_both_directions_and_nothing_else(pump: Pump, tls: ssl.TLSVersion | None) -> None:
    """No headers and no control frames, in every order and cutting."""
    buffer, stops = new_buffer()
    frames = (data(b"one "), Frame(Opcode.PING, b"ping"), data(b"tw", fin=False), data(b"o", Opcode.CONTINUATION))
    async with session(
        pump, mode="tunnel", tls=tls, records=buffer, early=(data(b"early ").encode(MASK), b"hello")
    ) as running:
        await running.client.send(*frames)
        assert await running.backend.read(13) == b"early one two"
        assert await running.client.receive() == data(b"hello")
        assert await running.client.receive() == Frame(Opcode.PONG, b"ping")
        await running.backend.write(b"answer")
        assert await running.client.receive() == data(b"answer")
        await running.client.send(close_frame(1000))
        records = taken(buffer)
    assert joined(records, RecordKind.UP) == b"early one two"
    assert [record.payload for record in records if record.kind is RecordKind.DOWN] == [b"hello", b"answer"]
    assert stops == []


async def test_a_header_in_two_reads(pump: Pump) -> None:
    """What is carried to the next read stands in front of it, and is no payload."""
    buffer, _ = new_buffer()
    raw = data(b"first").encode(MASK) + data(b"x" * 300).encode(MASK)
    async with session(pump, mode="tunnel", records=buffer) as running:
        for at in range(0, 20):
            await running.client.write(raw[at : at + 1])
            await trio.testing.wait_all_tasks_blocked(0.001)
        await running.client.write(raw[20:])
        assert await running.backend.read(305) == b"first" + b"x" * 300
    assert joined(taken(buffer), RecordKind.UP) == b"first" + b"x" * 300


async def test_what_came_before_a_fault_is_there(pump: Pump) -> None:
    buffer, _ = new_buffer()
    async with session(pump, mode="tunnel", records=buffer, accept_text=False) as running:
        await running.client.send(data(b"good"), data(b"bad", Opcode.TEXT))
        assert await running.backend.read(4) == b"good"
        await running.backend.read_all()
    assert joined(taken(buffer), RecordKind.UP) == b"good"


async def test_times(autojump_clock: MockClock, pump: Pump) -> None:
    buffer, _ = new_buffer()
    async with session(pump, mode="tunnel", records=buffer) as running:
        for payload, pause in ((b"1", 2.5), (b"2", 0.0)):
            await running.backend.write(payload)
            await running.client.receive()
            await trio.sleep(pause)
    first, second = taken(buffer)
    assert 2_500_000 <= second.time - first.time < 2_600_000


async def test_max_size_ends_the_recording_and_not_the_session(pump: Pump) -> None:
    buffer, stops = new_buffer(2 * RECORD_HEADER.size + 10)
    async with session(pump, mode="tunnel", records=buffer) as running:
        for payload in (b"12345", b"67890", b"", b"and on"):
            await running.backend.write(payload)
            if payload:
                assert await running.client.receive() == data(payload)
        await running.client.send(close_frame(1000))
        await running.backend.read_all()
        running.backend.finish()
        running.client.finish()
        assert (await running.outcome()).cause is Cause.CLOSED
    assert joined(taken(buffer), RecordKind.DOWN) == b"1234567890"
    assert stops == [TOO_LARGE]
    assert (buffer.reason, buffer.over) == (TOO_LARGE, True)


async def test_a_full_buffer_ends_the_recording_and_not_the_session(
    pump: Pump, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytes that are being written count too, so memory is bounded for every disk."""
    monkeypatch.setattr("wsgate.relay.recorded_tunnel.MAX_HELD", MIB)
    buffer, stops = new_buffer()
    mass = bytes(READ_SIZE)
    async with session(pump, mode="tunnel", records=buffer) as running:

        async def pass_down(size: int) -> None:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(running.backend.write, bytes(size))
                got = 0
                while got < size:
                    got += len((await running.client.receive()).payload)

        await pass_down(MIB // 2)
        half = taken(buffer)
        await pass_down(len(mass))
        assert not buffer.over
        await pass_down(MIB)
        assert stops == [TOO_SLOW]
        assert MIB // 2 <= sum(len(record.payload) for record in half) <= MIB
        assert len(buffer.take()) <= MIB // 2
        await pass_down(MIB)
        assert buffer.take() == b""


async def test_what_is_written_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wsgate.relay.recorded_tunnel.MAX_HELD", 100)
    buffer, stops = new_buffer()
    for _ in range(10):
        buffer.put(RecordKind.UP, memoryview(bytes(60)))
        buffer.written(len(buffer.take()))
    assert stops == []
    buffer.put(RecordKind.UP, memoryview(bytes(60)))
    buffer.take()
    buffer.put(RecordKind.UP, memoryview(bytes(60)))
    assert stops == [TOO_SLOW]


async def test_the_first_reason_is_told() -> None:
    buffer, stops = new_buffer(0)
    buffer.put(RecordKind.UP, memoryview(b"x"))
    buffer.stop("no space")
    assert stops == [TOO_LARGE]


async def test_waiting_for_more(autojump_clock: MockClock) -> None:
    """A few bytes wait for more, at most ``patience`` seconds; many do not wait, and the end does not either."""
    buffer, _ = new_buffer()
    began = trio.current_time()
    buffer.put(RecordKind.UP, memoryview(b"little"))
    await buffer.wait(0.5)
    assert trio.current_time() - began >= 0.5
    buffer.take()

    began = trio.current_time()
    buffer.put(RecordKind.UP, memoryview(bytes(WRITE_SIZE)))
    await buffer.wait(0.5)
    buffer.take()
    assert trio.current_time() == began

    async with trio.open_nursery() as nursery:
        nursery.start_soon(buffer.wait, 0.5)
        await trio.testing.wait_all_tasks_blocked()
        buffer.finish()
    assert trio.current_time() == began
    buffer.put(RecordKind.UP, memoryview(b"too late"))
    assert buffer.take() == b""


def test_what_all_hold_together_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wsgate.relay.recorded_tunnel.MAX_TOTAL", 1000)
    trio.run(_fill_together)


async def _fill_together() -> None:
    all_held, stops = HeldBytes(), Stops()
    first, second = RecordBuffer(MIB, stops.append, all_held), RecordBuffer(MIB, stops.append, all_held)
    first.put(RecordKind.UP, memoryview(bytes(600)))
    second.put(RecordKind.UP, memoryview(bytes(600)))
    assert stops == [TOO_SLOW]
    assert second.over
    first.written(len(first.take()))
    assert all_held.bytes == 0
    first.put(RecordKind.UP, memoryview(bytes(900)))
    assert not first.over
