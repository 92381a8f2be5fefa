"""What operators see of a session's frames, and that the session goes on as before, during it and afterwards."""

from __future__ import annotations

import gc
import random
import ssl

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from tests.peers.frames import MASK, Frame, close_frame
from tests.relay.joined import FRAMES, INFO, TLS13, data, session
from tests.relay.joined import Session as Running
from tests.relay.test_session import parts
from wsgate.relay import fast_path, tap
from wsgate.relay.closing import Cause
from wsgate.relay.flow import SMALL_READ_SIZE
from wsgate.relay.pump import Pump
from wsgate.relay.tap import NO_FRAMES, TOO_MANY, TappedFrame, Taps, Viewer
from wsgate.settings.model import Over, RouteLimits
from wsgate.wire.frame_reader import ReadFrame
from wsgate.wire.frames import Opcode

KEPT = 100


def opened(taps: Taps, running: Running, keep: int = KEPT) -> Viewer:
    viewer = taps.open(running.session, keep)
    assert isinstance(viewer, Viewer)
    return viewer


def shown(viewer: Viewer, *, up: bool) -> list[Frame]:
    """The frames of one direction that have come, with as much payload as is kept."""
    frames, dropped = viewer.take()
    assert dropped == 0
    return [frame_of(each.frame) for each in frames if each.up is up]


def frame_of(each: ReadFrame) -> Frame:
    return Frame(each.first & 0x0F, each.payload, each.first >= 0x80, each.first >> 4 & 7)


def kept(frames: list[Frame]) -> list[Frame]:
    return [Frame(each.opcode, each.payload[:KEPT], each.fin, each.rsv) for each in frames]


@pytest.mark.parametrize("tls", [None, TLS13])
async def test_the_frames_of_both_directions_of_a_relay(
    pump: Pump, autojump_clock: MockClock, tls: ssl.TLSVersion | None
) -> None:
    taps = Taps()
    async with session(pump, tls=tls) as running:
        await running.client.send(data(b"before"))
        await running.backend.receive()
        viewer = opened(taps, running)
        for source, sink, up in (running.client, running.backend, True), (running.backend, running.client, False):
            await source.send(*FRAMES)
            assert [await sink.receive() for _ in FRAMES] == FRAMES
            assert shown(viewer, up=up) == kept(FRAMES)
        taps.close(viewer)
        await running.client.send(data(b"after"))
        assert (await running.backend.receive()).payload == b"after"
        assert viewer.take() == ([], 0)


async def test_the_frames_of_a_tunnel(pump: Pump, autojump_clock: MockClock) -> None:
    """Each read of the service is the message that is made of it; Pongs of the gateway's own are not shown."""
    taps = Taps()
    async with session(pump, mode="tunnel") as running:
        viewer = opened(taps, running)
        await running.client.send(data(b"one"), Frame(Opcode.PING, b"p"), data(b"", fin=False), data(b"two", 0))
        assert await running.backend.read(6) == b"onetwo"
        await running.client.receive()
        await running.backend.write(b"x" * 1000)
        assert (await running.client.receive()).payload == b"x" * 1000
        frames, _ = viewer.take()
        assert [(each.up, each.frame.payload[:3], each.frame.size) for each in frames] == [
            (True, b"one", 3),
            (True, b"p", 1),
            (True, b"", 0),
            (True, b"two", 3),
            (False, b"xxx", 1000),
        ]
        running.backend.finish()
        assert await running.client.receive_close() == (1000, "Target closed")
        assert viewer.take() == ([], 0)


async def test_what_breaks_a_rule_is_seen_too(pump: Pump, autojump_clock: MockClock) -> None:
    taps = Taps()
    async with session(pump) as running:
        viewer = opened(taps, running)
        await running.client.send(data(b"good"), Frame(0x3, b"bad"))
        await running.client.receive_close()
        assert shown(viewer, up=True) == [data(b"good"), Frame(0x3, b"bad")]


@pytest.mark.parametrize("mode", ["relay", "tunnel"])
@pytest.mark.parametrize("cut", [1, 5, 10, 300])
async def test_a_tap_that_begins_inside_a_frame(pump: Pump, autojump_clock: MockClock, mode: str, cut: int) -> None:
    """Nothing is told of a frame whose header has passed; a part of a header was not moved yet, so it is told."""
    taps = Taps()
    raw = data(b"x" * 1000).encode(MASK)
    async with session(pump, mode=mode) as running:
        await running.client.write(raw[:cut])
        await trio.testing.wait_all_tasks_blocked(0.001)
        viewer = opened(taps, running)
        await running.client.write(raw[cut:] + data(b"next").encode(MASK))
        assert await running.backend.read(len(raw) if mode == "relay" else 1000)
        assert await running.backend.read(4)
        await trio.testing.wait_all_tasks_blocked(0.001)
        first = [data(b"x" * KEPT)] if cut < 8 else []
        assert shown(viewer, up=True) == [*first, data(b"next")]


async def test_several_viewers(pump: Pump, autojump_clock: MockClock) -> None:
    taps = Taps()
    async with session(pump) as running:
        first, second = opened(taps, running), opened(taps, running)
        await running.client.send(data(b"both"))
        await running.backend.receive()
        taps.close(first)
        taps.close(first)  # does nothing
        await running.client.send(data(b"one"))
        await running.backend.receive()
        assert shown(first, up=True) == [data(b"both")]
        assert shown(second, up=True) == [data(b"both"), data(b"one")]
        taps.close(second)


async def test_nothing_is_left_of_a_tap(pump: Pump, autojump_clock: MockClock) -> None:
    """Afterwards a session reads by the same functions, into the same area, as before: it costs what it did."""
    taps = Taps()
    for mode in "relay", "tunnel":
        async with session(pump, mode=mode) as running:
            legs, flows = (running.client_leg, running.backend_leg), running.session.flows
            before = [(leg.reader, flow.recv_into, flow.read_area) for leg, flow in zip(legs, flows, strict=True)]
            viewer = opened(taps, running)
            assert [leg.reader for leg in legs] == [flow.pull for flow in flows]
            taps.close(viewer)
            after = [(leg.reader, flow.recv_into, flow.read_area) for leg, flow in zip(legs, flows, strict=True)]
            assert after == before
            if fast_path.COMPILED:
                turns = flows[0].relay_turn if mode == "relay" else flows[0].unwrap_turn, flows[1].wrap_turn
                assert legs[0].reader == turns[0]
                assert mode == "relay" or legs[1].reader == turns[1]


async def test_an_end_is_told(pump: Pump, autojump_clock: MockClock) -> None:
    taps = Taps()
    async with session(pump) as running:
        viewer = opened(taps, running)
        await running.client.send(close_frame(1000, "bye"))
        assert (await running.backend.receive_close())[0] == 1000
        await running.backend.send(close_frame(1000))
        await running.backend.read_end()
        running.client.finish()
        outcome = await running.outcome()
        taps.session_ended(running.session, outcome)
        taps.session_ended(running.session, outcome)  # nobody looks any more
    await viewer.wait()
    assert viewer.outcome is outcome
    assert outcome.cause is Cause.CLOSED
    assert shown(viewer, up=True) == [close_frame(1000, "bye")]
    await viewer.wait()
    taps.close(viewer)


async def test_a_session_without_frames(pump: Pump) -> None:
    async with session(pump, mode="bytes") as running:
        assert Taps().open(running.session, 0) == NO_FRAMES


async def test_too_many_viewers(pump: Pump, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tap, "MOST_VIEWERS", 2)
    taps = Taps()
    async with session(pump) as running:
        first = opened(taps, running)
        opened(taps, running)
        assert taps.open(running.session, 0) == TOO_MANY
        taps.close(first)
        opened(taps, running)


def frames(*payloads: bytes) -> list[TappedFrame]:
    return [TappedFrame(0.0, True, ReadFrame(0x82, len(each), each)) for each in payloads]


async def test_frames_that_do_not_fit_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the first that do not, none is kept until the queue is taken: there is one gap, behind what is kept."""
    monkeypatch.setattr(tap, "MOST_FRAMES", 3)
    monkeypatch.setattr(tap, "MOST_BYTES", 10)
    viewer = Viewer(INFO.id)

    def put(*payloads: bytes) -> None:
        viewer.put(frames(*payloads), len(b"".join(payloads)))

    put(b"1", b"2")
    put(b"3", b"4")
    put(b"5")
    await viewer.wait()
    assert viewer.take() == (frames(b"1", b"2"), 3)
    put(b"12345678")
    put(b"123")
    put(b"")
    assert viewer.take() == (frames(b"12345678"), 2)
    put(b"12345", b"67890")
    put(b"")
    assert viewer.take() == (frames(b"12345", b"67890", b""), 0)


def test_what_one_read_has_always_fits() -> None:
    assert tap.MOST_FRAMES >= SMALL_READ_SIZE // 2
    assert tap.MOST_BYTES >= SMALL_READ_SIZE + tap.MOST_KEPT


@pytest.mark.parametrize("mode", ["relay", "tunnel"])
async def test_a_viewer_that_takes_nothing_stops_no_session(
    pump: Pump, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    monkeypatch.setattr(tap, "MOST_FRAMES", 50)
    taps = Taps()
    raw = data(b"x" * 100).encode(MASK) * 1000
    async with session(pump, mode=mode) as running, trio.open_nursery() as nursery:
        viewer = opened(taps, running)
        nursery.start_soon(running.client.write, raw)
        assert await running.backend.read(len(raw) if mode == "relay" else 100_000)
        found, dropped = viewer.take()
        assert 0 < len(found) <= 50
        assert len(found) + dropped == 1000


async def test_a_session_that_is_tapped_is_freed_without_the_collector(pump: Pump, autojump_clock: MockClock) -> None:
    """Although its viewer is still there."""
    before = parts()
    gc.disable()
    try:
        taps = Taps()
        async with session(pump) as running:
            viewer = opened(taps, running)
            await running.client.vanish()
            await running.backend.vanish()
            taps.session_ended(running.session, await running.outcome())
        del running
        assert parts() == before
        assert viewer.outcome is not None
    finally:
        gc.enable()


async def test_rates_hold_during_a_tap(pump: Pump, autojump_clock: MockClock) -> None:
    taps = Taps()
    limits = RouteLimits(messages_per_second=100, over=Over.CLOSE)
    async with session(pump, limits=limits) as running:
        viewer = opened(taps, running)
        before = running.session.flows[0].read_area
        taps.close(viewer)
        assert len(running.session.flows[0].read_area) >= len(before)
        opened(taps, running)
        await running.client.send(*[data(b"x")] * 1000)
        assert (await running.client.receive_close())[0] == 1008


@pytest.mark.parametrize("mode", ["relay", "tunnel"])
@pytest.mark.parametrize("tls", [None, TLS13])
@pytest.mark.parametrize("seed", range(3))
async def test_taps_at_any_moment(
    pump: Pump, autojump_clock: MockClock, mode: str, tls: ssl.TLSVersion | None, seed: int
) -> None:
    """Whatever of a frame has passed when a tap begins or ends: all bytes arrive, and a tap tells whole frames."""
    rng = random.Random(seed)
    sent = [data(rng.randbytes(rng.choice([0, 1, 5, 130, 5000, 40_000]))) for _ in range(150)]
    raw = b"".join(frame.encode(MASK) for frame in sent)
    sizes = [len(frame.payload) for frame in sent]
    taps = Taps()
    viewers: list[Viewer] = []
    tapped: list[list[int]] = []
    at = 0
    async with session(pump, mode=mode, tls=tls) as running:
        arrived = bytearray()
        while at < len(raw):
            size = rng.choice([1, 3, 10, 200, 6000, 30_000, 100_000])
            await running.client.write(raw[at : at + size])
            at += size
            if rng.random() < 0.3:
                viewers.append(opened(taps, running, keep=0))
            elif viewers and rng.random() < 0.5:
                viewer = viewers.pop(rng.randrange(len(viewers)))
                taps.close(viewer)
                tapped.append([each.frame.size for each in viewer.take()[0]])
            with trio.move_on_after(0.001):
                arrived += await running.backend.sock.recv(1 << 20)
        total = len(raw) if mode == "relay" else sum(sizes)
        arrived += await running.backend.read(total - len(arrived))
        assert bytes(arrived) == (raw if mode == "relay" else b"".join(frame.payload for frame in sent))
        tapped += [[each.frame.size for each in viewer.take()[0]] for viewer in viewers]
    assert any(tapped)
    for each in tapped:
        assert any(sizes[start : start + len(each)] == each for start in range(len(sizes)))
