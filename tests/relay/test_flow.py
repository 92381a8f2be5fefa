"""What both kinds of session do with bytes, however they are cut into reads."""

from __future__ import annotations

import ssl
from typing import Any

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from tests.peers.frames import MASK, Frame, close_frame
from tests.relay.joined import FRAMES, TLS13, data, session
from wsgate.relay.flow import SMALL_READ_SIZE
from wsgate.relay.pump import HEADROOM, READ_SIZE, Pump
from wsgate.wire.frames import Opcode


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


@pytest.mark.parametrize("mode", ["relay", "tunnel"])
@pytest.mark.parametrize("opcode", [Opcode.PING, Opcode.PONG])
async def test_a_flood_of_control_frames_is_read_in_small_pieces(
    pump: Pump, autojump_clock: MockClock, mode: str, opcode: Opcode
) -> None:
    """Each costs a step of Python's: a whole buffer of them would keep the other sessions waiting."""
    sizes: list[int] = []
    async with session(pump, mode=mode) as running, trio.open_nursery() as nursery:
        up = running.session._flows[0]
        type_of_flow: Any = type(up)
        go_on = type_of_flow._go_on

        def noted(flow: Any, start: int, stop: int, end: int, sent: int) -> None:
            if flow is up:
                sizes.append(end - HEADROOM)
            go_on(flow, start, stop, end, sent)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type_of_flow, "_go_on", noted)
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
    assert len(up.read_area) == SMALL_READ_SIZE
    assert max(sizes[-10:]) <= SMALL_READ_SIZE
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


@pytest.mark.parametrize("mode", ["relay", "tunnel"])
async def test_tls_record_larger_than_flood_read_size(
    pump: Pump, autojump_clock: trio.testing.MockClock, mode: str
) -> None:
    """What OpenSSL holds of it raises no event."""
    message = b"x" * (3 * SMALL_READ_SIZE)
    async with session(pump, mode=mode, tls=TLS13) as running:
        await running.client.write(Frame(Opcode.PONG).encode(MASK) * 600)
        await running.client.send(data(message))
        if mode == "relay":
            assert await running.backend.read(600 * 6) == Frame(Opcode.PONG).encode(MASK) * 600
            assert (await running.backend.receive()).payload == message
        else:
            assert await running.backend.read(len(message)) == message
