"""Rates of messages and bytes, under a virtual clock."""

from __future__ import annotations

import contextlib
import ssl
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType
from typing import Any

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from tests.peers.frames import MASK, Frame, close_frame
from tests.relay.deflating import Kind, both, compressed, message, sides
from tests.relay.joined import TLS13, Peer, Seen, data, session
from wsgate.relay import fast_path
from wsgate.relay.closing import Cause, Side
from wsgate.relay.outcome import Outcome
from wsgate.relay.pump import Pump
from wsgate.relay.rate_limiter import LONGEST, SHORTEST
from wsgate.settings.model import Heartbeat, Over, RouteLimits, Timeouts

NO_TIMEOUT = Timeouts(write=None, close=5.0)


def messages(rate: int, *, burst: float = 1.0, over: Over = Over.THROTTLE) -> RouteLimits:
    return RouteLimits(messages_per_second=rate, burst=burst, over=over)


def octets(rate: int, *, burst: float = 1.0, over: Over = Over.THROTTLE) -> RouteLimits:
    return RouteLimits(bytes_per_second=rate, burst=burst, over=over)


def numbered(count: int, size: int = 100) -> list[Frame]:
    return [data(b"%d " % number + bytes(size)) for number in range(count)]


async def took(receiver: Peer, frames: list[Frame]) -> list[float]:
    """Receives these frames, in order. Returns when each came, in seconds from now."""
    began = trio.current_time()
    times: list[float] = []
    for frame in frames:
        assert await receiver.receive() == frame
        times.append(trio.current_time() - began)
    return times


# -- throttle ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tls", [None, TLS13], ids=["plain", "TLS"])
@pytest.mark.parametrize("side", ["client", "backend"])
async def test_messages_are_passed_at_the_rate_in_order_and_none_is_lost(
    pump: Pump, autojump_clock: MockClock, side: str, tls: ssl.TLSVersion | None
) -> None:
    seen = Seen()
    async with session(pump, limits=messages(50), observer=seen, tls=tls) as running:
        sender, receiver = running.sides(side)
        frames = numbered(1000)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(sender.send, *frames)
            times = await took(receiver, frames)
        # a full bucket, the rate, and one read: 3,200 bytes hold 32 messages, and the last is cut
        for number, time in enumerate(times):
            assert number <= 50 + 50 * time + 32
        assert times[-1] == pytest.approx((1000 - 50) / 50, abs=1)
        outcome = running.session.outcome()
    assert seen.throttles
    assert set(seen.throttles) == {(Side(side), "more than 50 messages per second")}
    throttled = outcome.throttled_up if side == "client" else outcome.throttled_down
    assert throttled == pytest.approx(sum(seconds for _, seconds in seen.seconds), abs=2)
    assert outcome.throttled_up + outcome.throttled_down == throttled


@pytest.mark.parametrize("mode", ["relay", "tunnel", "bytes"])
@pytest.mark.parametrize("side", ["client", "backend"])
async def test_bytes_are_passed_at_the_rate(pump: Pump, autojump_clock: MockClock, side: str, mode: str) -> None:
    async with session(pump, mode=mode, limits=octets(100_000)) as running:
        sender, receiver = running.sides(side)
        sends_frames = mode == "relay" or (mode == "tunnel" and side == "client")
        gets_frames = mode == "relay" or (mode == "tunnel" and side == "backend")
        payload = bytes(range(250)) * 2000
        began = trio.current_time()
        got = bytearray()

        async def receive() -> None:
            while len(got) < len(payload):
                got.extend((await receiver.receive()).payload if gets_frames else await receiver.read(250))
                assert len(got) <= 100_000 + 100_000 * (trio.current_time() - began) + 100_000

        async with trio.open_nursery() as nursery:
            nursery.start_soon(receive)
            if sends_frames:
                await sender.send(*[data(payload[at : at + 8192]) for at in range(0, len(payload), 8192)])
            else:
                await sender.write(payload)
        assert got == payload
        assert trio.current_time() - began == pytest.approx((len(payload) - 100_000) / 100_000, abs=1.5)


async def test_a_rate_above_what_comes_changes_nothing(pump: Pump, autojump_clock: MockClock) -> None:
    seen = Seen()
    limits = RouteLimits(messages_per_second=1 << 20, bytes_per_second=1 << 30)
    async with session(pump, limits=limits, observer=seen) as running:
        frames = numbered(200, 1000)
        await running.client.send(*frames)
        assert await took(running.backend, frames) == [0.0] * 200
        await running.client.send(close_frame(1000))
        assert await running.backend.receive() == close_frame(1000)
    assert seen.throttles == []


async def test_the_reads_of_a_small_bucket_are_small(pump: Pump, autojump_clock: MockClock) -> None:
    """So a flood of tiny messages comes in small pieces, not by thousands."""
    async with session(pump, limits=messages(10)) as running:
        await running.client.write(data(b"").encode(MASK) * 5000)
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert running.session.outcome().octets_up == 1024
        assert running.session.outcome().messages_up == 1024 // 6


async def test_a_message_larger_than_the_bucket_is_passed_in_pieces(pump: Pump, autojump_clock: MockClock) -> None:
    async with session(pump, limits=octets(1000)) as running:
        began = trio.current_time()
        await running.client.send(data(bytes(9986)))  # with its header 10,000 bytes
        assert await running.backend.receive() == data(bytes(9986))
        assert trio.current_time() - began == pytest.approx(9, abs=1.1)


async def test_the_stricter_of_two_rates_holds(pump: Pump, autojump_clock: MockClock) -> None:
    seen = Seen()
    limits = RouteLimits(messages_per_second=10, bytes_per_second=1000)
    async with session(pump, limits=limits, observer=seen) as running:
        await running.client.send(*[data(b"")] * 60)  # 360 bytes
        await running.backend.send(data(bytes(3000)))
        await trio.testing.wait_all_tasks_blocked(0.01)
    assert sorted(seen.throttles, key=str) == [
        (Side.BACKEND, "more than 1000 bytes per second"),
        (Side.CLIENT, "more than 10 messages per second"),
    ]


async def test_what_came_with_the_handshake_counts(pump: Pump, autojump_clock: MockClock) -> None:
    seen = Seen()
    early = data(b"x").encode(MASK) * 100
    async with session(pump, limits=messages(50), observer=seen, early=(early, b"")) as running:
        await running.client.send(data(b"one more"))
        for _ in range(100):
            assert await running.backend.receive() == data(b"x")
        assert await running.backend.receive() == data(b"one more")
        assert seen.throttles == [(Side.CLIENT, "more than 50 messages per second")]


async def test_throttles_are_not_shorter_than_needs_be(pump: Pump, autojump_clock: MockClock) -> None:
    """One byte too many is no reason for a timer of a microsecond."""
    seen = Seen()
    async with session(pump, limits=octets(1000, burst=1.0), observer=seen) as running:
        await running.client.send(data(bytes(986)))  # its header has 8 bytes
        await running.client.send(data(b"z"))
        assert await running.backend.receive() == data(bytes(986))
        assert await running.backend.receive() == data(b"z")
        await trio.sleep(1)
    ((side, seconds),) = seen.seconds
    assert side is Side.CLIENT
    assert seconds == pytest.approx(SHORTEST)


async def test_a_long_throttle(pump: Pump, autojump_clock: MockClock) -> None:
    seen = Seen()
    async with session(pump, limits=messages(1), observer=seen) as running:
        await running.client.send(*[data(b"x")] * 100)
        for _ in range(100):
            await running.backend.receive()
        began = trio.current_time()
        await running.client.send(data(b"later"))
        assert await running.backend.receive() == data(b"later")
        assert trio.current_time() - began == pytest.approx(99)
    assert seen.seconds[0][1] == pytest.approx(99)


async def test_a_throttled_session_that_ends_is_soon_forgotten(pump: Pump, autojump_clock: MockClock) -> None:
    seen = Seen()
    async with session(pump, limits=messages(1), observer=seen) as running:
        await running.client.send(*[data(b"x")] * 100)
        await trio.testing.wait_all_tasks_blocked(0.01)
        running.session.cut()
        await running.outcome()
    assert len(pump.timers)
    await trio.sleep(LONGEST + 0.1)
    assert not len(pump.timers)


@pytest.mark.parametrize("tls", [None, TLS13], ids=["plain", "TLS"])
@pytest.mark.parametrize("how", ["reset", "vanish", "close"])
async def test_a_client_that_leaves_while_it_is_throttled(
    pump: Pump, autojump_clock: MockClock, how: str, tls: ssl.TLSVersion | None
) -> None:
    """Its session does not wait until the debt is paid."""
    async with session(pump, limits=messages(1), tls=tls) as running:
        await running.client.send(*[data(b"")] * 100)
        for _ in range(100):
            await running.backend.receive()
        left = trio.current_time()
        if how == "close":
            await running.client.send(close_frame(1001, "x" * 123))
            running.client.finish()
        elif how == "reset" and tls is None:
            await running.client.reset()
        else:
            await running.client.vanish()
        assert (await running.backend.receive_close())[0] == 1001
        assert trio.current_time() - left <= LONGEST
        await running.backend.send(close_frame(1001))
        running.backend.finish()
        assert (await running.outcome()).side is Side.CLIENT


async def test_what_a_client_has_sent_before_it_left_is_passed_at_the_rate(
    pump: Pump, autojump_clock: MockClock
) -> None:
    async with session(pump, limits=octets(1000)) as running:
        began = trio.current_time()
        await running.client.send(*[data(bytes(94))] * 100)  # with their headers 10,000 bytes
        running.client.finish()
        await took(running.backend, [data(bytes(94))] * 100)
        assert trio.current_time() - began == pytest.approx(9, abs=1.1)
        assert (await running.backend.receive_close())[0] == 1001


# -- what does not end a throttled session -----------------------------------------------------------------------------


async def test_a_throttled_client_is_not_silent(pump: Pump, autojump_clock: MockClock) -> None:
    seen = Seen()
    async with session(
        pump, limits=messages(1), observer=seen, heartbeat=Heartbeat(interval=2.0, timeout=1.0), timeouts=NO_TIMEOUT
    ) as running:
        await running.client.send(*[data(b"x")] * 60)

        async def answer() -> None:
            while True:
                frame = await running.backend.receive()
                if frame.opcode == 9:
                    await running.backend.send(Frame(10, frame.payload))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(answer)
            await trio.sleep(50)
            assert not running.over
            nursery.cancel_scope.cancel()


async def test_a_throttled_session_is_not_idle(pump: Pump, autojump_clock: MockClock) -> None:
    """The gateway does not read, so nothing moves; the time of no data begins with the reads."""
    timeouts = Timeouts(write=None, close=5.0, idle=10.0)
    async with session(pump, limits=messages(1), timeouts=timeouts) as running:
        began = trio.current_time()
        await running.client.send(*[data(b"x")] * 60)
        outcome = await running.outcome()
        assert trio.current_time() - began == pytest.approx(59 + 10 + 5, abs=0.1)
    assert outcome.cause is Cause.IDLE


# -- what a throttle must not hold up ----------------------------------------------------------------------------------


async def test_a_close_does_not_wait_behind_messages(pump: Pump, autojump_clock: MockClock) -> None:
    """The backend has closed, so what the client sent before its own Close is no burden any more."""
    async with session(pump, limits=messages(10)) as running:
        await running.client.send(*[data(bytes(60))] * 1000)
        await trio.testing.wait_all_tasks_blocked(0.01)
        began = trio.current_time()
        await running.backend.send(close_frame(1000))
        assert await running.client.receive() == close_frame(1000)
        await running.client.send(close_frame(1000))
        for _ in range(1000):
            assert await running.backend.receive() == data(bytes(60))
        assert await running.backend.receive() == close_frame(1000)
        assert trio.current_time() == began
        running.backend.finish()
        running.client.finish()
        outcome = await running.outcome()
    assert (outcome.cause, outcome.side, outcome.client_code) == (Cause.CLOSED, Side.BACKEND, 1000)


async def test_a_drain_does_not_wait(pump: Pump, autojump_clock: MockClock) -> None:
    seen = Seen()
    async with session(pump, limits=messages(1), observer=seen) as running:
        await running.client.send(*[data(b"x")] * 100)
        await trio.testing.wait_all_tasks_blocked(0.01)
        running.session.drain(1012)
        for peer in (running.client, running.backend):
            await peer.send(close_frame(1012))
            peer.finish()
        began = trio.current_time()
        outcome = await running.outcome()
        assert trio.current_time() == began
    assert (outcome.cause, outcome.client_code, outcome.backend_code) == (Cause.DRAIN, 1012, 1012)
    assert len(seen.seconds) == 1


# -- with a sink that accepts no more ----------------------------------------------------------------------------------


async def test_a_throttle_that_is_over_does_not_read_for_a_sink_that_takes_nothing(
    pump: Pump, autojump_clock: MockClock
) -> None:
    async with session(pump, limits=octets(100_000), unix=True, timeouts=NO_TIMEOUT) as running:
        frames = numbered(60, 100_000)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(running.client.send, *frames)
            await trio.sleep(100)
            assert running.backend_leg.pending is not None
            assert not running.client_leg.reading
            moved = running.session.outcome().octets_up
            await trio.sleep(100)
            assert running.session.outcome().octets_up == moved
            await took(running.backend, frames)


async def test_a_sink_that_accepts_again_does_not_end_a_throttle(pump: Pump, autojump_clock: MockClock) -> None:
    async with session(pump, limits=octets(100_000, burst=10.0), unix=True, timeouts=NO_TIMEOUT) as running:
        frame = data(bytes(2_000_000))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(running.client.send, frame)
            await trio.sleep(0.01)
            began = trio.current_time()
            assert await running.backend.receive() == frame
        assert trio.current_time() - began == pytest.approx(10, abs=1)


# -- close -------------------------------------------------------------------------------------------------------------

REASON = "more than 10 messages per second"


async def test_a_client_that_sends_too_many_messages(pump: Pump, autojump_clock: MockClock) -> None:
    seen = Seen()
    async with session(pump, limits=messages(10, over=Over.CLOSE), observer=seen) as running:
        await running.client.send(*[data(b"x")] * 11)
        assert await running.client.receive() == close_frame(1008, REASON)
        for _ in range(11):
            assert await running.backend.receive() == data(b"x")
        assert await running.backend.receive() == close_frame(1001, f"client sent too fast: {REASON}")
        await running.backend.send(close_frame(1001))
        running.backend.finish()
        running.client.finish()
        outcome = await running.outcome()
    assert (outcome.cause, outcome.side, outcome.detail) == (Cause.TOO_FAST, Side.CLIENT, REASON)
    assert (outcome.client_code, outcome.backend_code) == (1008, 1001)
    assert seen.throttles == []


async def test_a_backend_that_sends_too_many_bytes(pump: Pump, autojump_clock: MockClock) -> None:
    reason = "more than 1000 bytes per second"
    async with session(pump, limits=octets(1000, over=Over.CLOSE)) as running:
        await running.backend.send(data(bytes(500)), data(bytes(500)))
        assert await running.backend.receive() == close_frame(1008, reason)
        assert await running.client.receive() == data(bytes(500))
        assert await running.client.receive() == data(bytes(500))
        assert await running.client.receive() == close_frame(1011, f"backend sent too fast: {reason}")


@pytest.mark.parametrize("side", ["client", "backend"])
async def test_too_many_bytes_through_a_tunnel(pump: Pump, autojump_clock: MockClock, side: str) -> None:
    reason = "more than 1000 bytes per second"
    async with session(pump, mode="tunnel", limits=octets(1000, over=Over.CLOSE)) as running:
        if side == "client":
            await running.client.send(data(bytes(2000)))
            assert await running.client.receive() == close_frame(1008, reason)
        else:
            await running.backend.write(bytes(1001))
            assert (await running.client.receive()).payload == bytes(1001)
            assert await running.client.receive() == close_frame(1011, f"backend sent too fast: {reason}")


async def test_who_sends_at_the_rate_is_not_closed(pump: Pump, autojump_clock: MockClock) -> None:
    async with session(pump, limits=messages(10, over=Over.CLOSE)) as running:
        for _ in range(40):
            await running.client.send(data(b"x"))
            assert await running.backend.receive() == data(b"x")
            await trio.sleep(0.101)
        await running.client.send(close_frame(1000))
        assert await running.backend.receive() == close_frame(1000)


async def test_a_close_behind_too_many_messages_is_a_close(pump: Pump, autojump_clock: MockClock) -> None:
    async with session(pump, limits=messages(10, over=Over.CLOSE)) as running:
        await running.client.send(*[data(b"x")] * 11, close_frame(1000))
        for _ in range(11):
            assert await running.backend.receive() == data(b"x")
        assert await running.backend.receive() == close_frame(1000)


async def test_what_heaped_up_while_the_sink_took_nothing_is_not_too_much(
    pump: Pump, autojump_clock: MockClock
) -> None:
    """The client has kept to its rate; it is the backend that made its bytes come at once."""
    limits = octets(300_000, over=Over.CLOSE)
    async with session(pump, limits=limits, unix=True, timeouts=NO_TIMEOUT) as running:
        frames = numbered(60, 100_000)

        async def send() -> None:
            for frame in frames:
                await running.client.send(frame)
                await trio.sleep(0.4)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(send)
            await trio.sleep(60)
            assert running.backend_leg.pending is not None
            await took(running.backend, frames)
        assert not running.over


# -- in C and in Python ------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def counted_calls() -> Iterator[Counter[str]]:
    """Counts the calls of Python functions in ``wsgate.relay``, but for those of the pump's own task."""
    calls: Counter[str] = Counter()

    def note(frame: FrameType, event: str, _: Any) -> None:
        module = frame.f_globals.get("__name__", "")
        own = module.endswith((".pump", ".poller", ".timer_heap", ".finisher"))
        if event == "call" and module.startswith("wsgate.relay.") and not own:
            calls[frame.f_code.co_qualname] += 1

    sys.setprofile(note)
    try:
        yield calls
    finally:
        sys.setprofile(None)


@pytest.mark.parametrize("tls", [None, TLS13], ids=["plain", "TLS"])
@pytest.mark.parametrize("mode", ["relay", "tunnel"])
async def test_a_message_below_the_rate_costs_no_python(
    pump: Pump, autojump_clock: MockClock, mode: str, tls: ssl.TLSVersion | None
) -> None:
    """A bucket is looked at after each sixteenth of it, also if its reads are small."""
    rate = RouteLimits(messages_per_second=160, bytes_per_second=160_000)  # so at each 10 messages, and 10,000 bytes
    async with session(pump, mode=mode, limits=rate, tls=tls) as running:
        down = data(b"pong").encode(None) if mode == "relay" else b"pong"
        assert len(running.session.flows[0].read_area) < len(pump.read_area)

        async def exchange() -> None:
            await running.client.send(data(b"ping"))
            await running.backend.read(10 if mode == "relay" else 4)
            await running.backend.write(down)
            assert await running.client.receive() == data(b"pong")

        await exchange()  # after the first read both buckets are looked at, for what came with the handshake
        with counted_calls() as calls:
            for _ in range(8):
                await exchange()
        if fast_path.COMPILED:
            assert not calls
        else:
            assert calls["RateLimiter.read"] == calls["Flow.pull"] == 16
            assert not calls["RateLimiter.count"]
        with counted_calls() as calls:
            for _ in range(145):
                await exchange()
        # at each tenth of each side; what a tunnel's backend sends is no messages
        assert calls["RateLimiter.count"] == (30 if mode == "relay" else 15)
        assert calls["Flow.pull"] == (0 if fast_path.COMPILED else 290)


@dataclass(frozen=True)
class Passed:
    """What a session has passed on so far and told of it, and when its limiters look next."""

    seconds: float
    outcome: Outcome
    throttles: list[tuple[Side, str]]
    lengths: list[tuple[Side, float]]
    due: list[tuple[int, int]]


async def passed(limits: RouteLimits, mode: str, sent: list[tuple[float, int, int]]) -> list[Passed]:
    """``mode``: as of a session, or TLS for a relay over it.

    Returns what has passed after each of ``sent``: a pause in seconds, the size of a message, negative if it is the
    backend's, and how many of them are sent."""
    seen, steps = Seen(), list[Passed]()
    async with trio.open_nursery() as nursery:
        pump = Pump()
        nursery.start_soon(pump.run)
        kind: dict[str, Any] = {"tls": TLS13} if mode == "TLS" else {"mode": mode}
        async with session(pump, **kind, unix=True, limits=limits, observer=seen) as running:
            began = trio.current_time()
            for pause, size, count in [*sent, (20.0, 0, 0)]:
                await trio.sleep(pause)
                peer, mask = (running.client, MASK) if size >= 0 else (running.backend, None)
                frame = data(bytes(abs(size)))
                is_framed = mode in ("relay", "TLS") or (mode == "tunnel" and size >= 0)
                raw = (frame.encode(mask) if is_framed else frame.payload) * count
                for piece in (raw[: len(raw) // 3], raw[len(raw) // 3 :]):
                    with contextlib.suppress(OSError):  # it was too fast before
                        await peer.write(piece)
                    await trio.testing.wait_all_tasks_blocked()
                outcome = running.session.outcome()
                due = [(flow.octets_due, flow.messages_due) for flow in running.session.flows]
                steps.append(Passed(trio.current_time() - began, outcome, seen.throttles[:], seen.seconds[:], due))
                if outcome.cause is Cause.TOO_FAST:
                    break
        nursery.cancel_scope.cancel()
    return steps


limits_of_rates = st.builds(
    RouteLimits,
    messages_per_second=st.none() | st.integers(1, 60),
    bytes_per_second=st.integers(1, 6000) | st.just(1 << 20),
    burst=st.sampled_from([0.1, 1.0, 5.0]),
    over=st.sampled_from(list(Over)),
)
sendings = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.03, 0.5, 3.0]),
        st.integers(-300, 300),
        st.integers(0, 3) | st.integers(0, 40),
    ),
    max_size=8,
)


@given(limits_of_rates, st.sampled_from(["relay", "TLS", "tunnel", "bytes"]), sendings)
def test_either_passes_on_the_same_and_never_more_than_the_rate(
    limits: RouteLimits, mode: str, sent: list[tuple[float, int, int]]
) -> None:
    def run() -> list[Passed]:
        return trio.run(passed, limits, mode, sent, clock=MockClock(autojump_threshold=0))

    steps = run()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fast_path, "COMPILED", False)
        assert run() == steps
    rate = limits.bytes_per_second
    assert rate is not None
    for step in steps:  # a full bucket, the rate, and one read; the other side's bound ends with the session
        if step.outcome.cause is Cause.TOO_FAST:
            break
        for octets_of in (step.outcome.octets_up, step.outcome.octets_down):
            assert octets_of <= rate * (limits.burst + step.seconds) + max(1024, rate * limits.burst)


# -- bugs of ours ------------------------------------------------------------------------------------------------------


async def test_a_bug_at_the_end_of_a_throttle_ends_its_session(
    pump: Pump, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(Seen):
        def throttle_over(self, source: Side, seconds: float) -> None:
            raise ValueError("a bug")

    async with session(pump, limits=messages(10), observer=Broken()) as running, session(pump) as other:
        await running.client.send(*[data(b"x")] * 20)
        with pytest.raises(ValueError, match="a bug"):
            await running.outcome()
        await other.client.send(data(b"y"))
        assert await other.backend.receive() == data(b"y")


async def test_reads_are_small_again_after_a_tap(pump: Pump, autojump_clock: MockClock) -> None:
    async with session(pump, limits=messages(10)) as running:
        up, _ = running.session._flows
        up.show(lambda data: None)
        assert len(up.read_area) == 1024
        up.show(None)
        assert len(up.read_area) == 1024


# -- with flows that look into compressed messages ---------------------------------------------------------------------


@both
@sides
async def test_a_rate_holds_for_compressed_messages_and_loses_none(
    pump: Pump, autojump_clock: MockClock, kind: Kind, side: str
) -> None:
    """What a turn has left over waits with the reads."""
    limits = RouteLimits(messages_per_second=20)
    async with session(pump, flows=kind(), limits=limits) as running:
        source, sink = running.sides(side)
        plain = [b"%d " % number + bytes(number) for number in range(500)]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(source.send, *map(compressed, plain))
            began = trio.current_time()
            for expected in plain:
                assert (await message(sink))[1] == expected
        assert trio.current_time() - began >= (500 - 20 - 128) / 20  # a full bucket, and a read of 1,280 bytes
        outcome = running.session.outcome()
    assert outcome.throttled_up + outcome.throttled_down >= (500 - 20 - 128) / 20


@both
async def test_a_close_of_the_other_side_lets_a_throttled_rest_go_on(
    pump: Pump, autojump_clock: MockClock, kind: Kind
) -> None:
    limits = RouteLimits(messages_per_second=1)
    async with session(pump, flows=kind(), limits=limits) as running:
        await running.client.send(*[compressed(bytes(1000))] * 200)
        await trio.testing.wait_all_tasks_blocked(0.01)
        await running.backend.send(close_frame(1000))
        assert await running.client.receive() == close_frame(1000)
        for _ in range(200):
            assert (await message(running.backend))[1] == bytes(1000)
