"""Each limit of an open session, to the second, under a virtual clock."""

from __future__ import annotations

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from tests.peers.frames import MASK, Frame, close_frame
from tests.relay.joined import CLOSE_TIMEOUT, Peer, Session, data, session, unix_pair
from wsgate.relay.closing import Cause, End, Side
from wsgate.relay.flow import Flow
from wsgate.relay.leg import Leg
from wsgate.relay.pump import Pump
from wsgate.relay.timers import LIFETIME_JITTER, beat
from wsgate.relay.websocket_leg import WebSocketLeg
from wsgate.settings.model import Heartbeat, Timeouts
from wsgate.wire.frames import Opcode

BEAT = Heartbeat(interval=20.0, timeout=10.0)


def timeouts(*, idle: float | None = None, write: float | None = None, lifetime: float | None = None) -> Timeouts:
    return Timeouts(idle=idle, write=write, lifetime=lifetime, close=CLOSE_TIMEOUT)


async def at(second: float, since: float) -> None:
    await trio.sleep_until(since + second)
    await trio.testing.wait_all_tasks_blocked(0.01)


async def answer_pings(peer: Peer) -> None:
    """What every WebSocket library does."""
    while True:
        frame = await peer.receive()
        assert frame.opcode == Opcode.PING
        await peer.send(Frame(Opcode.PONG, frame.payload))


# -- heartbeat ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", ["client", "backend"])
async def test_a_leg_that_was_silent_is_asked_and_its_pong_goes_no_further(
    pump: Pump, autojump_clock: MockClock, side: str
) -> None:
    async with session(pump, heartbeat=BEAT) as running:
        asked, other = running.sides(side)
        start = trio.current_time()
        ping = await asked.receive()
        assert trio.current_time() - start == pytest.approx(20)
        assert ping.opcode == Opcode.PING
        assert (await other.receive()).opcode == Opcode.PING  # it was as silent
        await other.send(data(b"here"))  # any byte is life
        assert await asked.receive() == data(b"here")
        await at(21, start)
        await asked.send(Frame(Opcode.PONG, ping.payload), Frame(Opcode.PONG, ping.payload), data(b"and here"))
        assert await other.receive() == data(b"and here")
        await at(29, start)
        assert not running.over
        outcome = running.session.outcome()
    rtts = {"client": outcome.client_rtt, "backend": outcome.backend_rtt}
    assert rtts.pop(side) == pytest.approx(1)
    assert set(rtts.values()) == {None}


async def test_sessions_with_a_heartbeat_live_as_long_as_their_peers_do(pump: Pump, autojump_clock: MockClock) -> None:
    async with session(pump, heartbeat=BEAT) as running, trio.open_nursery() as nursery:
        nursery.start_soon(answer_pings, running.client)
        nursery.start_soon(answer_pings, running.backend)
        await trio.sleep(1000)
        assert not running.over
        nursery.cancel_scope.cancel()


async def test_a_long_timeout_makes_pings_no_rarer(pump: Pump, autojump_clock: MockClock) -> None:
    """They keep what stands between awake, which may forget a silent connection after a minute."""
    async with session(pump, heartbeat=Heartbeat(interval=20.0, timeout=300.0)) as running:
        start = trio.current_time()
        async with trio.open_nursery() as nursery:

            @nursery.start_soon
            async def live() -> None:
                while (ping := await running.backend.receive()).opcode == Opcode.PING:
                    await running.backend.send(Frame(Opcode.PONG, ping.payload))

            for number in range(1, 6):
                ping = await running.client.receive()
                assert trio.current_time() - start == pytest.approx(20 * number, abs=0.5)
                await running.client.send(Frame(Opcode.PONG, ping.payload))
            assert (await running.client.receive()).opcode == Opcode.PING
            # silent: it has all of its time
            assert await running.client.receive() == close_frame(1011, "no answer to the gateway's Ping")
            assert trio.current_time() - start == pytest.approx(120 + 300, abs=0.5)


@pytest.mark.parametrize("mode", ["relay", "tunnel"])
async def test_what_comes_puts_the_ping_off(pump: Pump, autojump_clock: MockClock, mode: str) -> None:
    async with session(pump, mode=mode, heartbeat=BEAT) as running:
        start = trio.current_time()
        for second in (15, 30, 45):
            await at(second, start)
            await running.client.write(data(b"x" * 200).encode(MASK)[:1])  # not a frame, not a header: a byte
            await running.client.write(data(b"x" * 200).encode(MASK)[1:])
            await running.backend.read(208 if mode == "relay" else 200)
            await running.backend.write(data(b"y").encode(None) if mode == "relay" else b"y")
            assert await running.client.receive() == data(b"y")
            assert running.client.nothing_there()
            assert running.backend.nothing_there()
        assert (await running.client.receive()).opcode == Opcode.PING
        assert trio.current_time() - start == pytest.approx(65)


async def test_a_silent_client_is_told_1011_and_the_backend_that_it_is_gone(
    pump: Pump, autojump_clock: MockClock
) -> None:
    async with session(pump, heartbeat=BEAT) as running:
        start = trio.current_time()
        async with trio.open_nursery() as nursery:

            @nursery.start_soon
            async def live() -> None:
                ping = await running.backend.receive()
                await running.backend.send(Frame(Opcode.PONG, ping.payload))
                assert await running.backend.receive() == close_frame(1001, "client did not answer a Ping")
                assert trio.current_time() - start == pytest.approx(30)
                await running.backend.send(close_frame(1001))
                running.backend.finish()

            assert (await running.client.receive()).opcode == Opcode.PING
            assert await running.client.receive() == close_frame(1011, "no answer to the gateway's Ping")
            assert await running.client.read_all() == b""
        outcome = await running.outcome()
    assert (outcome.cause, outcome.side) == (Cause.SILENT, Side.CLIENT)
    assert (outcome.client_code, outcome.backend_code) == (1011, 1001)
    assert outcome.detail == "client did not answer a Ping"


async def test_a_silent_backend_is_the_clients_1011(pump: Pump, autojump_clock: MockClock) -> None:
    async with session(pump, heartbeat=BEAT) as running:
        start = trio.current_time()
        async with trio.open_nursery() as nursery:

            @nursery.start_soon
            async def live() -> None:
                ping = await running.client.receive()
                await running.client.send(Frame(Opcode.PONG, ping.payload))
                assert await running.client.receive() == close_frame(1011, "backend did not answer a Ping")
                await running.client.vanish()

            outcome = await running.outcome()
        assert trio.current_time() - start == pytest.approx(30)
    assert (outcome.cause, outcome.side) == (Cause.SILENT, Side.BACKEND)


async def test_a_tunnels_silent_client_ends_the_services_connection(pump: Pump, autojump_clock: MockClock) -> None:
    async with session(pump, mode="tunnel", heartbeat=BEAT) as running:
        start = trio.current_time()
        assert await running.backend.read_all() == b""
        assert trio.current_time() - start == pytest.approx(30)
        running.backend.finish()
        assert (await running.outcome()).cause is Cause.SILENT


async def test_a_pong_with_other_data_is_life_too_and_somebody_elses(pump: Pump, autojump_clock: MockClock) -> None:
    async with session(pump, heartbeat=BEAT) as running:
        start = trio.current_time()
        assert (await running.client.receive()).opcode == Opcode.PING
        assert (await running.backend.receive()).opcode == Opcode.PING
        await running.backend.send(Frame(Opcode.PONG))
        assert await running.client.receive() == Frame(Opcode.PONG)
        await running.client.send(Frame(Opcode.PONG, b"not what was asked"))
        assert await running.backend.receive() == Frame(Opcode.PONG, b"not what was asked")
        await at(39, start)
        assert not running.over
        assert running.session.outcome().client_rtt is None


async def test_half_a_frame_and_then_nothing_is_silence(pump: Pump, autojump_clock: MockClock) -> None:
    async with session(pump, heartbeat=BEAT) as running:
        start = trio.current_time()
        await running.client.write(data(b"x" * 1000).encode(MASK)[:500])
        await running.backend.read(500)
        outcome = await running.outcome()
        assert trio.current_time() - start >= 30
    assert outcome.cause is Cause.SILENT


async def test_a_leg_that_is_not_read_is_not_asked_nor_declared_dead(pump: Pump, autojump_clock: MockClock) -> None:
    """The backend accepts nothing, so the client is not read: whether it has sent anything is unknown."""
    async with session(pump, unix=True, heartbeat=BEAT) as running:
        raw = data(b"x" * 4_000_000).encode(MASK)
        sent = await running.client.fill(raw)
        assert not running.client_leg.reading

        async def live() -> None:
            while not running.over:
                await running.backend.send(data(b"busy"))
                assert await running.client.receive() == data(b"busy")
                await trio.sleep(5)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(live)
            await trio.sleep(500)
            nursery.cancel_scope.cancel()
        assert not running.over
        async with trio.open_nursery() as nursery:
            nursery.start_soon(running.client.write, raw[sent:])
            assert await running.backend.read(len(raw)) == raw
        resumed = trio.current_time()
        while (await running.client.receive()).opcode != Opcode.PING:
            pass
        assert trio.current_time() - resumed == pytest.approx(20)


async def test_a_ping_that_the_peer_has_not_been_given_yet_has_not_been_asked(
    pump: Pump, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel still delivers what was written before it, and gets acknowledgements."""
    delivering = True
    monkeypatch.setattr("wsgate.relay.leg.is_acknowledging", lambda sock, within: delivering and within == 10)
    async with session(pump, mode="tunnel", heartbeat=BEAT) as running:
        start = trio.current_time()
        await at(59, start)
        assert not running.over
        delivering = False
        await running.backend.read_all()
        assert trio.current_time() - start == pytest.approx(60)


async def test_a_ping_that_waits_for_the_end_of_a_frame_has_not_been_asked(
    pump: Pump, autojump_clock: MockClock
) -> None:
    async with session(pump, heartbeat=BEAT) as running:
        start = trio.current_time()
        raw = data(b"x" * 1000).encode(None)
        for second in range(0, 100, 10):  # the backend needs long for one frame
            await at(second, start)
            await running.backend.write(raw[second : second + 10])
            assert await running.client.read(10) == raw[second : second + 10]
        assert not running.over
        await running.backend.write(raw[100:])
        assert await running.client.read(len(raw) - 100) == raw[100:]
        assert (await running.client.receive()).opcode == Opcode.PING


async def test_without_a_heartbeat_nobody_is_asked(pump: Pump, autojump_clock: MockClock) -> None:
    async with session(pump) as running:
        await trio.sleep(1000)
        assert running.client.nothing_there()
        assert running.backend.nothing_there()


# -- pings: answer -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", ["client", "backend"])
async def test_pings_are_answered_here_where_the_route_says_so(
    pump: Pump, autojump_clock: MockClock, side: str
) -> None:
    async with session(pump, answers_pings=True) as running:
        asks, other = running.sides(side)
        await asks.send(
            data(b"one", fin=False),
            Frame(Opcode.PING, b"first"),
            data(b"two", Opcode.CONTINUATION),
            Frame(Opcode.PING, b"second"),
            Frame(Opcode.PONG, b"unasked"),
            data(b"three"),
        )
        assert await asks.receive() == Frame(Opcode.PONG, b"first")
        assert await asks.receive() == Frame(Opcode.PONG, b"second")
        assert await other.receive() == data(b"one", fin=False)
        assert await other.receive() == data(b"two", Opcode.CONTINUATION)
        assert await other.receive() == Frame(Opcode.PONG, b"unasked")
        assert await other.receive() == data(b"three")
        assert other.nothing_there()


async def test_answered_pings_alone_write_nothing_to_the_sink(pump: Pump, autojump_clock: MockClock) -> None:
    async with session(pump, answers_pings=True) as running:
        await running.client.send(Frame(Opcode.PING), Frame(Opcode.PING, b"x"), close_frame(1000))
        assert await running.client.receive() == Frame(Opcode.PONG)
        assert await running.client.receive() == Frame(Opcode.PONG, b"x")
        assert await running.backend.receive() == close_frame(1000)


# -- idle --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["relay", "tunnel"])
async def test_a_session_without_data_ends_and_control_frames_are_no_data(
    pump: Pump, autojump_clock: MockClock, mode: str
) -> None:
    async with session(pump, mode=mode, timeouts=timeouts(idle=60)) as running:
        start = trio.current_time()
        await at(10, start)
        await running.client.send(data(b"up"))
        await running.backend.read(8 if mode == "relay" else 2)
        await at(30, start)
        await running.client.send(Frame(Opcode.PING, b"?"), Frame(Opcode.PONG, b"!"))
        if mode == "relay":
            await running.backend.read(14)
        else:
            assert await running.client.receive() == Frame(Opcode.PONG, b"?")
        await at(69, start)
        assert running.client.nothing_there()
        assert await running.client.receive() == close_frame(1001, "the gateway ends idle sessions")
        assert trio.current_time() - start == pytest.approx(70)
        await running.client.send(close_frame(1001))
        running.client.finish()
        if mode == "relay":
            assert await running.backend.receive() == close_frame(1001, "the gateway ends idle sessions")
            await running.backend.send(close_frame(1001))
        running.backend.finish()
        outcome = await running.outcome()
        assert trio.current_time() - start == pytest.approx(70)
    assert (outcome.cause, outcome.side, outcome.detail) == (Cause.IDLE, None, "no data for 60 s")


@pytest.mark.parametrize("mode", ["relay", "tunnel"])
async def test_data_of_either_side_keeps_a_session(pump: Pump, autojump_clock: MockClock, mode: str) -> None:
    async with session(pump, mode=mode, timeouts=timeouts(idle=60)) as running:
        start = trio.current_time()
        await at(50, start)
        await running.backend.write(data(b"down").encode(None) if mode == "relay" else b"down")
        assert await running.client.receive() == data(b"down")
        await at(100, start)
        await running.client.send(Frame(Opcode.PING), data(b"up"), Frame(Opcode.PING))  # between control frames
        await at(159, start)
        assert not running.over
        await at(161, start)
        assert running.session.outcome().cause is Cause.IDLE


async def test_data_in_front_of_a_ping_is_data(pump: Pump, autojump_clock: MockClock) -> None:
    async with session(pump, timeouts=timeouts(idle=60)) as running:
        start = trio.current_time()
        await at(50, start)
        await running.client.send(data(b"up"), Frame(Opcode.PING))
        await at(109, start)
        assert running.session.outcome().cause is Cause.CUT  # the cause in an outcome before the end
        await at(111, start)
        assert running.session.outcome().cause is Cause.IDLE


# -- write -------------------------------------------------------------------------------------------------------------


async def stall(running: Session, side: str) -> tuple[bytes, int]:
    """Fills the connection from ``side`` to the other side, which does not read."""
    source, _ = running.sides(side)
    raw = data(b"x" * 4_000_000).encode(source.mask)
    return raw, await source.fill(raw)


async def slowly(peer: Peer, size: int, *, every: float) -> bytes:
    received = b""
    while len(received) < size:
        piece = await peer.sock.recv(min(200_000, size - len(received)))
        assert piece
        received += piece
        await trio.sleep(every)
    return received


@pytest.mark.parametrize("side", ["client", "backend"])
async def test_a_peer_that_takes_nothing_is_cut_and_the_other_told(
    pump: Pump, autojump_clock: MockClock, side: str
) -> None:
    async with session(pump, unix=True, timeouts=timeouts(write=30)) as running:
        await at(25, trio.current_time())
        source, stuck = running.sides(side)
        start = trio.current_time()
        raw, sent = await stall(running, side)
        word = (
            (1011, b"backend took nothing for too long")
            if side == "client"
            else (1001, b"client took nothing for too long")
        )
        async with trio.open_nursery() as nursery:
            nursery.start_soon(source.write, raw[sent:])
            assert await source.receive() == close_frame(*word)
            assert trio.current_time() - start == pytest.approx(30)
        await source.send(close_frame(word[0]))
        source.finish()
        outcome = await running.outcome()
        assert len(await stuck.read_all()) < len(raw)
    assert outcome.cause is Cause.STUCK
    assert outcome.side is not Side(side)
    assert outcome.detail.endswith("took nothing for 30 s")


async def test_a_peer_that_takes_a_little_is_not_cut(pump: Pump, autojump_clock: MockClock) -> None:
    async with session(pump, unix=True, timeouts=timeouts(write=30)) as running:
        raw, sent = await stall(running, "client")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(running.client.write, raw[sent:])
            assert await slowly(running.backend, len(raw), every=20) == raw


async def test_stuck_peer_while_closing_has_the_write_timeout(pump: Pump, autojump_clock: MockClock) -> None:
    """Nothing accepted is lost for the close timeout's sake; but a peer that takes nothing ends it."""
    async with session(pump, unix=True, timeouts=timeouts(write=3)) as running:
        start = trio.current_time()
        await stall(running, "client")
        running.session.drain(1001)
        outcome = await running.outcome()
        assert trio.current_time() - start == pytest.approx(1 + CLOSE_TIMEOUT)
    assert outcome.cause is Cause.DRAIN
    assert outcome.detail == "backend took nothing for 3 s; client did not close within 5 s"
    assert outcome.backend_code is None


async def test_closing_with_nothing_stuck_waits_for_the_close_timeout_alone(
    pump: Pump, autojump_clock: MockClock
) -> None:
    async with session(pump, unix=True, timeouts=timeouts(write=3)) as running:
        start = trio.current_time()
        running.session.drain(1001)
        outcome = await running.outcome()
        assert trio.current_time() - start == pytest.approx(CLOSE_TIMEOUT)
    assert "did not close within 5 s" in outcome.detail


async def test_closing_waits_for_an_acknowledging_peer(
    pump: Pump, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = data(b"x" * 4_000_000)
    acknowledging = True
    async with session(pump, unix=True, timeouts=timeouts(write=30)) as running:
        leg = running.client_leg  # the kernel is asked only where nothing is pending with us
        monkeypatch.setattr(
            "wsgate.relay.leg.is_acknowledging", lambda sock, within: acknowledging and leg.pending is None
        )
        async with trio.open_nursery() as nursery:
            nursery.start_soon(running.backend.send, frame, close_frame(4000, "end"))
            raw = frame.encode(None)
            assert await slowly(running.client, len(raw), every=CLOSE_TIMEOUT - 1) == raw
            assert await running.client.receive() == close_frame(4000, "end")
            acknowledging = False
        await running.client.send(close_frame(4000))
        assert await running.backend.receive() == close_frame(4000)


# -- lifetime ----------------------------------------------------------------------------------------------------------


async def test_a_session_ends_at_its_age_or_up_to_a_tenth_earlier(pump: Pump, autojump_clock: MockClock) -> None:
    ages = []
    for _ in range(20):
        async with session(pump, timeouts=timeouts(lifetime=3600)) as running:
            start = trio.current_time()
            with trio.fail_after(4000):
                while not (opening := await running.client.sock.recv(2)):
                    pass
            assert opening[:1] == b"\x88"
            ages.append(trio.current_time() - start)
            assert running.session.outcome().cause is Cause.LIFETIME
            assert running.session.outcome().client_code == 1001
    assert 3600 * (1 - LIFETIME_JITTER) <= min(ages) < max(ages) <= 3600
    assert len({round(age) for age in ages}) > 10


async def test_a_session_ends_when_its_token_expires(pump: Pump, autojump_clock: MockClock) -> None:
    start = trio.current_time()
    async with session(pump, expires=start + 3600) as running:
        await trio.sleep_until(start + 3599)
        for side in (running.client, running.backend):
            assert await side.receive() == close_frame(1008, "token expired")
        assert trio.current_time() - start == pytest.approx(3600)
        await running.client.send(close_frame(1008))
        await running.backend.send(close_frame(1008))
        outcome = await running.outcome()
        assert (outcome.cause, outcome.detail) == (Cause.EXPIRED, "the client's token has expired")


async def test_a_session_whose_token_has_expired_while_it_began(pump: Pump, autojump_clock: MockClock) -> None:
    async with session(pump, expires=trio.current_time() - 1) as running:
        assert await running.client.receive() == close_frame(1008, "token expired")


# -- many --------------------------------------------------------------------------------------------------------------

FORGETS = 30.0  # seconds of silence after which many a NAT forgets a connection
SESSIONS = 2000


class Middlebox:
    """A device between a gateway and its peers: it drops the packets of connections that were silent for long."""

    def __init__(self) -> None:
        self.forgotten = 0

    async def carry(self, peer: Peer) -> None:
        """Play a library behind the middlebox: answer Pings for as long as they come through."""
        while True:
            with trio.move_on_after(FORGETS) as silence:
                await answer_ping(peer)
            if silence.cancelled_caught:
                self.forgotten += 1
                return


async def answer_ping(peer: Peer) -> None:
    frame = await peer.receive()
    assert frame.opcode == Opcode.PING
    await peer.send(Frame(Opcode.PONG, frame.payload))


async def test_two_thousand_idle_sessions_outlive_a_middlebox_that_forgets(
    pump: Pump, autojump_clock: MockClock
) -> None:
    middlebox = Middlebox()
    sessions: list[Session] = []

    async def live() -> None:
        async with session(pump, unix=True, heartbeat=BEAT) as running, trio.open_nursery() as peers:
            sessions.append(running)
            peers.start_soon(middlebox.carry, running.client)
            peers.start_soon(middlebox.carry, running.backend)

    async with trio.open_nursery() as nursery:
        for _ in range(SESSIONS):
            nursery.start_soon(live)
        await trio.sleep(4 * FORGETS)
        assert len(sessions) == SESSIONS
        assert middlebox.forgotten == 0
        assert not any(running.over for running in sessions)
        assert all(running.client_leg.rtt is not None for running in sessions)
        nursery.cancel_scope.cancel()


async def test_without_a_heartbeat_the_middlebox_forgets(pump: Pump, autojump_clock: MockClock) -> None:
    """Else the test above would prove nothing."""
    middlebox = Middlebox()
    async with session(pump) as running:
        await middlebox.carry(running.client)
    assert middlebox.forgotten == 1


async def test_a_client_that_does_not_read_lives_by_what_it_sends(pump: Pump, autojump_clock: MockClock) -> None:
    """Its kernel accepts our Pings, but it is busy and answers none; a message of its own proves that it is alive."""
    async with session(pump, heartbeat=BEAT) as running, trio.open_nursery() as nursery:

        @nursery.start_soon
        async def live() -> None:
            while (frame := await running.backend.receive()).opcode != Opcode.CLOSE:
                if frame.opcode == Opcode.PING:
                    await running.backend.send(Frame(Opcode.PONG, frame.payload))
            await running.backend.send(close_frame(1001))
            running.backend.finish()

        for _ in range(5):
            await trio.sleep(BEAT.interval + BEAT.timeout - 1)
            await running.client.send(data(b"still at it"))
            assert not running.over
        sent = trio.current_time()
        outcome = await running.outcome()
        assert trio.current_time() - sent == pytest.approx(BEAT.interval + BEAT.timeout)
    assert (outcome.cause, outcome.side) == (Cause.SILENT, Side.CLIENT)


async def test_what_has_come_and_is_not_read_yet_is_life(autojump_clock: MockClock) -> None:
    """The pump may be late: the deadline looks for itself before it calls a peer dead."""
    pump = Pump()  # at rest
    ours, peer = unix_pair()
    leg = WebSocketLeg(pump, ours, Side.CLIENT, masks=False)
    leg.output_flow = Flow(Nobody(), pump, leg, leg)
    leg.reading = True
    now = leg.last_read + BEAT.interval
    assert not beat(leg, BEAT, now)
    await peer.send(b"late")
    assert leg.has_unread()
    now += BEAT.timeout
    assert not beat(leg, BEAT, now)
    ours.recv(100)
    assert not leg.has_unread()
    assert beat(leg, BEAT, now + BEAT.timeout)
    ours.close()
    peer.close()
    with trio.CancelScope() as scope:
        scope.cancel()
        await pump.run()


class Nobody:
    """The session of a flow that has none."""

    def input_ended(self, source: Leg, end: End) -> None: ...
