"""How sessions end: one test per row of the close table and mode, under a virtual clock."""

from __future__ import annotations

import gc

import pytest
import trio
from trio.testing import MockClock

from tests.peers.frames import BINARY, CONTINUATION, TEXT, Frame, close_code, close_frame
from tests.relay.joined import CLOSE_TIMEOUT, Session, data, session
from wsgate.relay.closing import DRAIN_REASON, Cause, Side
from wsgate.relay.flow import Flow, MakeFlows
from wsgate.relay.leg import Leg
from wsgate.relay.pump import Pump
from wsgate.relay.relay_flow import RelayFlow
from wsgate.relay.session import Session as RelaySession
from wsgate.relay.timers import Timers
from wsgate.relay.websocket_leg import WebSocketLeg
from wsgate.settings.model import Heartbeat
from wsgate.wire.frames import Opcode
from wsgate.wire.kernel import FrameWalk

CLIENT_LOST = close_frame(1001, "client connection lost")
BACKEND_LOST = close_frame(1011, "backend connection lost")
DRAINED = close_frame(1001, DRAIN_REASON)
TARGET_CLOSED = close_frame(1000, "Target closed")


async def ends_at_once(running: Session) -> None:
    """No timeout had to pass."""
    before = trio.current_time()
    await running.outcome()
    assert trio.current_time() - before < CLOSE_TIMEOUT / 2


# -- a relay: Close passes through -------------------------------------------------------------------------------------


@pytest.mark.parametrize("close", [close_frame(1000, "done"), close_frame(4321, "größe"), close_frame()])
async def test_clients_close_reaches_the_backend_and_its_answer_the_client(
    pump: Pump, autojump_clock: MockClock, close: Frame
) -> None:
    async with session(pump) as running:
        await running.client.send(close)
        assert await running.backend.receive() == close
        await running.backend.send(close)
        assert await running.client.receive() == close
        # RFC 6455 §7.1.1: a server ends TCP first
        assert await running.client.read_all() == b""
        assert not running.over
        running.client.finish()
        running.backend.finish()
        await ends_at_once(running)
        outcome = await running.outcome()
    code = close_code(close) or 1005
    assert (outcome.cause, outcome.side) == (Cause.CLOSED, Side.CLIENT)
    assert (outcome.client_code, outcome.backend_code) == (code, code)


async def test_backends_close_reaches_the_client(pump: Pump, autojump_clock: MockClock) -> None:
    async with session(pump) as running:
        await running.backend.send(data(b"last"), close_frame(1012, "restart"))
        assert await running.client.receive() == data(b"last")
        assert await running.client.receive() == close_frame(1012, "restart")
        await running.client.send(close_frame(1012))
        assert await running.backend.receive() == close_frame(1012)
        running.backend.finish()
        running.client.finish()
        await ends_at_once(running)
        outcome = await running.outcome()
    assert (outcome.cause, outcome.side, outcome.backend_code) == (Cause.CLOSED, Side.BACKEND, 1012)


async def test_data_behind_the_clients_close_still_reaches_it(pump: Pump, autojump_clock: MockClock) -> None:
    """§5.5.1: an endpoint may finish what it is sending before it answers a Close."""
    async with session(pump) as running:
        await running.client.send(close_frame(1000))
        assert await running.backend.receive() == close_frame(1000)
        await running.backend.send(data(b"one"), data(b"two"), close_frame(1000))
        assert await running.client.receive() == data(b"one")
        assert await running.client.receive() == data(b"two")
        assert await running.client.receive() == close_frame(1000)


async def test_crossing_closes_end_the_session_without_a_timeout(pump: Pump, autojump_clock: MockClock) -> None:
    async with session(pump) as running:
        await running.client.send(close_frame(4001))
        await running.backend.send(close_frame(4002))
        assert (await running.client.receive()).opcode == Opcode.CLOSE
        assert (await running.backend.receive()).opcode == Opcode.CLOSE
        running.client.finish()
        running.backend.finish()
        await ends_at_once(running)


async def test_nothing_behind_a_close_is_passed_on(pump: Pump, autojump_clock: MockClock) -> None:
    async with session(pump) as running:
        await running.client.send(close_frame(1000), data(b"late"), close_frame(1001))
        assert await running.backend.receive() == close_frame(1000)
        await running.backend.send(close_frame(1000))
        running.backend.finish()
        running.client.finish()
        await ends_at_once(running)
        assert await running.backend.read_all() == b""


# -- gone without a Close ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["fin", "reset"])
async def test_client_gone_tells_a_relays_backend_1001(pump: Pump, autojump_clock: MockClock, how: str) -> None:
    async with session(pump) as running:
        await running.client.send(data(b"last words"))
        assert await running.backend.receive() == data(b"last words")
        await (running.client.reset() if how == "reset" else running.client.vanish())
        assert await running.backend.receive() == CLIENT_LOST
        await running.backend.send(close_frame(1001))
        running.backend.finish()
        await ends_at_once(running)
        outcome = await running.outcome()
    assert (outcome.cause, outcome.side) == (Cause.GONE, Side.CLIENT)
    assert (outcome.client_code, outcome.backend_code) == (None, 1001)


@pytest.mark.parametrize("how", ["fin", "reset"])
async def test_backend_gone_tells_a_relays_client_1011(pump: Pump, autojump_clock: MockClock, how: str) -> None:
    async with session(pump) as running:
        await (running.backend.reset() if how == "reset" else running.backend.vanish())
        assert await running.client.receive() == BACKEND_LOST
        await running.client.send(close_frame(1011))
        running.client.finish()
        await ends_at_once(running)
        outcome = await running.outcome()
    assert (outcome.cause, outcome.side) == (Cause.GONE, Side.BACKEND)
    assert (outcome.client_code, outcome.backend_code) == (1011, None)


@pytest.mark.parametrize("side", ["client", "backend"])
async def test_source_lost_inside_frame_ends_sink_without_close(
    pump: Pump, autojump_clock: MockClock, side: str
) -> None:
    """A Close inside the unfinished frame would be data: the other side must see the stream end, nothing else."""
    async with session(pump) as running:
        source, sink = running.sides(side)
        raw = data(b"x" * 1000).encode(source.mask)[:-1]
        await source.write(raw)
        assert await sink.read(len(raw)) == raw
        await source.vanish()
        assert await sink.read_all() == b""
        sink.finish()
        await ends_at_once(running)
        outcome = await running.outcome()
    assert (outcome.client_code, outcome.backend_code) == (None, None)


# -- faults ------------------------------------------------------------------------------------------------------------

FAULTS = [
    (Frame(CONTINUATION), 1002),  # outside a message
    (Frame(TEXT, rsv=4), 1002),  # RSV1 without an extension
    (Frame(3), 1002),  # a reserved opcode
    (Frame(TEXT, b"\xff"), 1007),  # not UTF-8
    (close_frame(1006), 1002),
    (Frame(BINARY, bytes(10_000)), 1009),
]


@pytest.mark.parametrize(("wrong", "code"), FAULTS)
@pytest.mark.parametrize("side", ["client", "backend"])
async def test_a_fault_in_a_relay_tells_both_sides(
    pump: Pump, autojump_clock: MockClock, side: str, wrong: Frame, code: int
) -> None:
    async with session(pump, limit=9999) as running:
        faulty, other = running.sides(side)
        await faulty.send(data(b"before"))
        await faulty.send(wrong)
        told = await faulty.receive()
        assert close_code(told) == code
        assert await other.receive() == data(b"before")
        what = "sent too much" if code == 1009 else "broke the protocol"
        reason = f"{side} {what}: ".encode() + told.payload[2:]
        assert await other.receive() == close_frame(1001 if side == "client" else 1011, reason)
        await other.send(close_frame(1001 if side == "client" else 1011))
        other.finish()
        faulty.finish()
        await ends_at_once(running)
        outcome = await running.outcome()
    assert (outcome.cause, outcome.side) == (Cause.TOO_BIG if code == 1009 else Cause.FAULT, Side(side))
    assert outcome.detail == told.payload[2:].decode()  # the log and the faulty side get the same rule


@pytest.mark.parametrize(("wrong", "code"), FAULTS)
async def test_a_clients_fault_in_a_tunnel_tells_it_and_ends_tcp(
    pump: Pump, autojump_clock: MockClock, wrong: Frame, code: int
) -> None:
    async with session(pump, mode="tunnel", limit=9999) as running:
        await running.client.send(data(b"before"), wrong)
        told = await running.client.receive()
        assert close_code(told) == code
        assert await running.backend.read_all() == b"before"
        running.backend.finish()
        running.client.finish()
        await ends_at_once(running)


async def test_text_where_a_tunnel_rejects_it_is_1003(pump: Pump, autojump_clock: MockClock) -> None:
    async with session(pump, mode="tunnel", accept_text=False) as running:
        await running.client.send(data(b"hello", Opcode.TEXT))
        assert (await running.client.receive_close())[0] == 1003


async def test_fault_inside_passed_frame_ends_backend_without_close(pump: Pump, autojump_clock: MockClock) -> None:
    async with session(pump) as running:
        raw = data(b"a" * 100 + b"\xff" * 100, Opcode.TEXT).encode(running.client.mask)
        await running.client.write(raw[:50])
        assert await running.backend.read(50) == raw[:50]
        await running.client.write(raw[50:])
        assert (await running.client.receive_close())[0] == 1007
        assert await running.backend.read_all() == b""


async def test_the_faulty_sides_close_waits_for_the_frame_it_is_being_sent(
    pump: Pump, autojump_clock: MockClock
) -> None:
    """The client breaks a rule while the backend is half way through a frame to it."""
    async with session(pump) as running:
        frame = data(b"x" * 1000)
        raw = frame.encode(None)
        await running.backend.write(raw[:500])
        assert await running.client.read(500) == raw[:500]
        await running.client.send(Frame(3))
        assert await running.backend.receive() == close_frame(1001, "client broke the protocol: reserved opcode 0x3")
        await running.backend.write(raw[500:] + data(b"not any more").encode(None))
        assert await running.client.read(len(raw) - 500) == raw[500:]
        assert (await running.client.receive_close())[0] == 1002
        assert await running.client.read_all() == b""


# -- a tunnel: Close is FIN --------------------------------------------------------------------------------------------


async def test_client_close_half_closes_the_service(pump: Pump, autojump_clock: MockClock) -> None:
    async with session(pump, mode="tunnel") as running:
        await running.client.send(data(b"question"), close_frame(4000, "thanks"))
        assert await running.backend.read_all() == b"question"
        await running.backend.write(b"answer")
        assert await running.client.receive() == data(b"answer")
        running.backend.finish()
        assert await running.client.receive() == close_frame(4000, "thanks")
        running.client.finish()
        await ends_at_once(running)
        outcome = await running.outcome()
    assert (outcome.cause, outcome.side) == (Cause.CLOSED, Side.CLIENT)
    assert (outcome.client_code, outcome.backend_code) == (4000, None)


async def test_service_fin_closes_client_with_1000_and_delivers_its_data(pump: Pump, autojump_clock: MockClock) -> None:
    async with session(pump, mode="tunnel") as running:
        await running.backend.write(b"bye")
        running.backend.finish()
        assert await running.client.receive() == data(b"bye")
        assert await running.client.receive() == TARGET_CLOSED
        await running.client.send(data(b"on its way"), close_frame(1000))
        assert await running.backend.read_all() == b"on its way"
        running.client.finish()
        await ends_at_once(running)
        outcome = await running.outcome()
    assert (outcome.cause, outcome.side, outcome.client_code) == (Cause.FINISHED, Side.BACKEND, 1000)


async def test_services_reset_is_1011(pump: Pump, autojump_clock: MockClock) -> None:
    async with session(pump, mode="tunnel") as running:
        await running.backend.reset()
        assert await running.client.receive() == BACKEND_LOST
        await running.client.send(close_frame(1011))
        running.client.finish()
        await ends_at_once(running)
        outcome = await running.outcome()
    assert (outcome.cause, outcome.side) == (Cause.GONE, Side.BACKEND)
    assert "reset" in outcome.detail.lower()


async def test_client_gone_ends_the_services_input(pump: Pump, autojump_clock: MockClock) -> None:
    async with session(pump, mode="tunnel") as running:
        await running.client.send(data(b"last words"))
        assert await running.backend.read(10) == b"last words"
        await running.client.vanish()
        assert await running.backend.read_all() == b""
        running.backend.finish()
        await ends_at_once(running)


# -- time --------------------------------------------------------------------------------------------------------------


async def test_close_timeout_of_backend_without_answer(pump: Pump, autojump_clock: MockClock) -> None:
    async with session(pump) as running:
        before = trio.current_time()
        await running.client.send(close_frame(4000, "bye"))
        assert await running.backend.receive() == close_frame(4000, "bye")
        assert await running.client.receive() == close_frame(4000, "bye")
        assert trio.current_time() - before == pytest.approx(CLOSE_TIMEOUT)
        running.client.finish()
        outcome = await running.outcome()
        assert trio.current_time() - before == pytest.approx(CLOSE_TIMEOUT)
    assert outcome.detail == "backend did not close within 5 s"


async def test_close_timeout_of_service_without_fin(pump: Pump, autojump_clock: MockClock) -> None:
    async with session(pump, mode="tunnel") as running:
        before = trio.current_time()
        await running.client.send(close_frame(1000))
        assert await running.client.receive() == close_frame(1000)
        assert trio.current_time() - before == pytest.approx(CLOSE_TIMEOUT)


async def test_a_client_that_never_answers_close_is_cut_after_the_timeout(
    pump: Pump, autojump_clock: MockClock
) -> None:
    async with session(pump) as running:
        before = trio.current_time()
        await running.backend.vanish()
        assert await running.client.receive() == BACKEND_LOST
        outcome = await running.outcome()
        assert trio.current_time() - before == pytest.approx(CLOSE_TIMEOUT)
    assert "client did not close within 5 s" in outcome.detail


async def test_close_timeout_of_client_without_fin(pump: Pump, autojump_clock: MockClock) -> None:
    async with session(pump) as running:
        before = trio.current_time()
        await running.client.send(close_frame(1000))
        await running.backend.receive()
        await running.backend.send(close_frame(1000))
        running.backend.finish()
        assert await running.client.receive() == close_frame(1000)
        await running.outcome()
        assert trio.current_time() - before == pytest.approx(CLOSE_TIMEOUT)


async def test_close_timeout_inside_unfinished_frame(pump: Pump, autojump_clock: MockClock) -> None:
    async with session(pump) as running:
        before = trio.current_time()
        raw = data(b"x" * 1000).encode(None)
        await running.backend.write(raw[:500])
        assert await running.client.read(500) == raw[:500]
        running.session.drain(1001)
        assert await running.backend.receive() == DRAINED
        assert await running.client.read_all() == b""
        assert trio.current_time() - before == pytest.approx(CLOSE_TIMEOUT)


# -- drain, bug, cut ---------------------------------------------------------------------------------------------------


async def test_drain_tells_both_sides_of_a_relay(pump: Pump, autojump_clock: MockClock) -> None:
    async with session(pump) as running:
        running.session.drain(1012)
        running.session.drain(1001)  # the second call has no effect
        assert await running.client.receive() == close_frame(1012, DRAIN_REASON)
        assert await running.backend.receive() == close_frame(1012, DRAIN_REASON)
        await running.client.send(close_frame(1012))
        await running.backend.send(close_frame(1012))
        running.client.finish()
        running.backend.finish()
        await ends_at_once(running)
        outcome = await running.outcome()
    assert (outcome.cause, outcome.side) == (Cause.DRAIN, None)
    assert (outcome.client_code, outcome.backend_code) == (1012, 1012)


async def test_a_session_that_is_revoked_is_told_why(pump: Pump, autojump_clock: MockClock) -> None:
    async with session(pump, mode="tunnel") as running:
        running.session.revoke(1008, b"token revoked")
        running.session.revoke(1008, b"again")  # it is closing already
        running.session.drain(1001)
        assert await running.client.receive() == close_frame(1008, "token revoked")
        await running.client.send(close_frame(1008))
        assert await running.backend.read_all() == b""
        running.backend.finish()
        running.client.finish()
        await ends_at_once(running)
        outcome = await running.outcome()
    assert (outcome.cause, outcome.side) == (Cause.REVOKED, None)
    assert (outcome.client_code, outcome.backend_code) == (1008, None)


async def test_a_session_that_the_operator_ends(pump: Pump, autojump_clock: MockClock) -> None:
    async with session(pump, mode="tunnel") as running:
        assert running.session.is_open
        running.session.end_by_operator(4000, b"go")
        running.session.end_by_operator(4001, b"again")  # it is closing already
        assert not running.session.is_open
        assert await running.client.receive() == close_frame(4000, "go")
        await running.client.send(close_frame(4000))
        assert await running.backend.read_all() == b""
        running.backend.finish()
        running.client.finish()
        await ends_at_once(running)
        outcome = await running.outcome()
    assert (outcome.cause, outcome.side, outcome.client_code) == (Cause.OPERATOR, None, 4000)


async def test_a_session_that_should_be_with_another_backend(pump: Pump, autojump_clock: MockClock) -> None:
    async with session(pump) as running:
        running.session.move("the backend drains")
        running.session.move("again")  # it is closing already
        told = close_frame(1012, "the gateway moves this session")
        assert await running.client.receive() == told
        assert await running.backend.receive() == told
        await running.client.send(close_frame(1012))
        await running.backend.send(close_frame(1012))
        running.backend.finish()
        running.client.finish()
        await ends_at_once(running)
        outcome = await running.outcome()
    assert (outcome.cause, outcome.side, outcome.detail) == (Cause.MOVED, None, "the backend drains")


async def test_a_session_whose_backend_is_unhealthy_is_told_so(pump: Pump, autojump_clock: MockClock) -> None:
    async with session(pump) as running:
        running.session.end_unhealthy("refused")
        running.session.end_unhealthy("again")  # it is closing already
        assert await running.client.receive() == close_frame(1012, "the gateway finds the backend unhealthy")
        assert await running.backend.receive() == close_frame(1012, "the gateway finds the backend unhealthy")
        await running.client.send(close_frame(1012))
        await running.backend.send(close_frame(1012))
        running.backend.finish()
        running.client.finish()
        await ends_at_once(running)
        outcome = await running.outcome()
    assert (outcome.cause, outcome.side, outcome.detail) == (Cause.UNHEALTHY, None, "refused")


async def test_a_session_that_cannot_be_recorded_is_told_so(pump: Pump, autojump_clock: MockClock) -> None:
    async with session(pump, mode="tunnel") as running:
        running.session.end_unrecorded("the disk is too slow")
        running.session.end_unrecorded("again")  # it is closing already
        assert await running.client.receive() == close_frame(1011, "the gateway cannot record this session")
        await running.client.send(close_frame(1011))
        assert await running.backend.read_all() == b""
        running.backend.finish()
        running.client.finish()
        await ends_at_once(running)
        outcome = await running.outcome()
    assert (outcome.cause, outcome.side, outcome.detail) == (Cause.UNRECORDED, None, "the disk is too slow")


async def test_drain_of_tunnel_delivers_client_data(pump: Pump, autojump_clock: MockClock) -> None:
    async with session(pump, mode="tunnel") as running:
        running.session.drain(1001)
        assert await running.client.receive() == DRAINED
        await running.client.send(data(b"on its way"), close_frame(1001))
        assert await running.backend.read_all() == b"on its way"
        running.backend.finish()
        running.client.finish()
        await ends_at_once(running)


async def test_drain_waits_for_the_frame_boundary(pump: Pump, autojump_clock: MockClock) -> None:
    async with session(pump) as running:
        raw = data(b"x" * 1000).encode(running.client.mask)
        await running.client.write(raw[:500])
        assert await running.backend.read(500) == raw[:500]
        running.session.drain(1001)
        assert await running.client.receive() == DRAINED
        assert running.backend.nothing_there()
        await running.client.write(raw[500:])
        assert await running.backend.read(len(raw) - 500) == raw[500:]
        assert await running.backend.receive() == DRAINED


async def test_our_own_bug_ends_its_session_alone_and_is_raised(pump: Pump, autojump_clock: MockClock) -> None:
    def broken() -> None:
        raise ValueError("planted")

    async with session(pump) as running, session(pump) as other:
        running.client_leg.reader = broken
        await running.client.send(data(b"x"))
        with pytest.raises(ValueError, match="planted"):
            await running.outcome()
        assert running.session.outcome().cause is Cause.BUG
        await other.client.send(data(b"x"))
        assert await other.backend.receive() == data(b"x")


async def test_a_cut_closes_both_and_leaves_nothing_behind(pump: Pump, autojump_clock: MockClock) -> None:
    async with session(pump) as running:
        running.session.cut()
        outcome = await running.outcome()
        assert await running.client.read_all() == b""
        assert await running.backend.read_all() == b""
        assert pump.legs == 0
    assert (outcome.cause, outcome.side) == (Cause.CUT, None)


async def test_a_cut_of_one_that_is_over_already_ends_it_once(pump: Pump, autojump_clock: MockClock) -> None:
    async with session(pump) as running:
        running.session.crash(ValueError("planted"))
        running.session.crash(ValueError("another"))
        assert not running.over
        running.session.cut()
        assert running.over
        await trio.testing.wait_all_tasks_blocked()
        assert pump.legs == 0


async def test_a_bug_of_ours_in_its_end_is_told(
    pump: Pump, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with session(pump) as running:
        with monkeypatch.context() as patch:
            patch.setattr(WebSocketLeg, "drop_references", lambda leg: 1 / 0)
            running.session.cut()
        with pytest.raises(ZeroDivisionError):
            await running.outcome()
        assert pump.legs == 0


@pytest.mark.parametrize("mode", ["relay", "tunnel"])
async def test_a_session_that_has_ended_is_freed_without_the_collector(
    pump: Pump, autojump_clock: MockClock, mode: str
) -> None:
    """Thousands of sessions that end leave no cycles, whose collection would stop all others."""
    before = parts()
    gc.disable()
    try:
        async with session(pump, mode=mode) as running:
            assert parts() == before + 5
            await running.client.vanish()
            await running.backend.vanish()
            await running.outcome()
        del running
        assert parts() == before
    finally:
        gc.enable()


def parts() -> int:
    """Counts legs, flows and sessions that are alive, by type, because a dead proxy has no class."""
    return sum(issubclass(type(thing), Leg | Flow | RelaySession) for thing in gc.get_objects())


async def test_a_bug_of_ours_when_time_is_up_ends_its_session(
    pump: Pump, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def raises(timers: Timers, now: float) -> None:
        raise ValueError("planted")

    monkeypatch.setattr(Timers, "handle_deadline", raises)
    async with session(pump, heartbeat=Heartbeat(interval=20.0, timeout=20.0)) as running:
        with pytest.raises(ValueError, match="planted"):
            await running.outcome()


async def test_a_session_that_is_over_before_it_waits(pump: Pump, autojump_clock: MockClock) -> None:
    """By what came together with the handshake, and a bug of ours."""

    class Crashing(RelayFlow):
        __slots__ = ()

        def feed(self, data: bytes) -> None:
            self.source.owner.crash(ValueError(f"planted: {data!r}"))

    def flows(client: WebSocketLeg, backend: WebSocketLeg) -> MakeFlows:
        return lambda owner: (
            Crashing(owner, client.pump, client, backend, FrameWalk(masked=True)),
            RelayFlow(owner, client.pump, backend, client, FrameWalk(masked=False)),
        )

    async with session(pump, flows=flows, early=(b"early", b"")) as running:
        with pytest.raises(ValueError, match="planted: b'early'"):
            await running.outcome()


async def test_a_bug_of_ours_before_the_first_read(
    pump: Pump, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def feed(flow: RelayFlow, data: bytes) -> None:
        raise ValueError("planted")

    monkeypatch.setattr(RelayFlow, "feed", feed)
    async with session(pump) as running:
        with pytest.raises(ValueError, match="planted"):
            await running.outcome()
        assert running.session.outcome().cause is Cause.BUG
