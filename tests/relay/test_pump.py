"""The pump's guarantees: system calls per message, no task switches, fairness, and isolation of bugs."""

from __future__ import annotations

import os
import re
import socket
import ssl
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from tests.peers.frames import MASK, close_frame
from tests.relay.joined import Session, data, session
from tests.relay.system_calls import SESSIONS, TURNS
from wsgate.relay import fast_path
from wsgate.relay.leg import Leg
from wsgate.relay.poller import BUFFERED, EDGE, READABLE, WRITABLE, EpollPoller
from wsgate.relay.pump import READ_SIZE, Pump
from wsgate.relay.websocket_leg import WebSocketLeg


def count(running: Session, calls: Counter[str]) -> None:
    """Counts the reads and writes of both legs, and the changes of wanted events.

    The compiled fast path is given functions that read and write in the place of descriptors, as for TLS.
    """

    def counted(name: str, call: Any) -> Any:
        def counting(*arguments: Any) -> Any:
            calls[name] += 1
            return call(*arguments)

        return counting

    for flow in running.session._flows:
        vars_of: Any = flow
        sink: Any = flow.sink
        sink.send = counted("send", sink.send)
        if fast_path.COMPILED:
            recv_into = flow.recv_into
            vars_of._read_end = counted("recv", lambda size, room, recv_into=recv_into: recv_into(room))
            vars_of._write_end = sink.send
        else:
            vars_of.recv_into = counted("recv", flow.recv_into)
    pump: Any = running.client_leg.pump
    pump.watch = counted("watch", pump.watch)


@pytest.mark.parametrize("mode", ["relay", "tunnel"])
async def test_a_message_costs_one_read_and_one_write(pump: Pump, autojump_clock: MockClock, mode: str) -> None:
    calls: Counter[str] = Counter()
    async with session(pump, mode=mode) as running:
        count(running, calls)
        for _ in range(100):
            await running.client.send(data(b"ping"))
            await running.backend.read(10 if mode == "relay" else 4)
            await running.backend.write(data(b"pong").encode(None) if mode == "relay" else b"pong")
            assert await running.client.receive() == data(b"pong")
        assert calls == {"recv": 200, "send": 200}


@pytest.mark.parametrize("mode", ["relay", "tunnel"])
async def test_many_small_frames_in_one_read_leave_in_one_write(
    pump: Pump, autojump_clock: MockClock, mode: str
) -> None:
    calls: Counter[str] = Counter()
    async with session(pump, mode=mode) as running:
        count(running, calls)
        raw = data(b"x" * 50).encode(MASK) * 100
        await running.client.write(raw)
        await running.backend.read(len(raw) if mode == "relay" else 5000)
        assert calls == {"recv": 1, "send": 1}


@pytest.mark.needs("strace")
@pytest.mark.parametrize("mode", ["relay", "tunnel"])
def test_the_system_calls_of_messages_on_many_sessions(tmp_path: Path, mode: str) -> None:
    """As the kernel sees them. Sessions that are ready together share one round: one look at the set, and no change of
    it. A message is one read and one write."""
    trace = tmp_path / "trace"
    names = "getppid,recvfrom,recvmsg,sendto,sendmsg,epoll_wait,epoll_pwait,epoll_ctl,poll,select,futex,clock_gettime"
    subprocess.run(
        ["strace", "-o", trace, "-e", f"trace={names}", sys.executable, "-m", "tests.relay.system_calls", mode],
        check=True,
        timeout=120,
    )
    _, between, _ = re.split(r"getppid.*\n", trace.read_text())
    calls = Counter(re.findall(r"^(\w+)\(", between, re.MULTILINE))
    messages = 2 * SESSIONS
    assert calls["recvfrom"] == calls["sendto"] == messages
    del calls["recvfrom"], calls["sendto"]
    assert calls.pop("epoll_ctl") == 2, between  # trio's, for each wait of the pump
    looks = calls.pop("epoll_wait")
    # of the pump: 64 descriptors in one look, and one that finds none; of trio: one at each checkpoint of the program
    assert looks <= 2 * (2 + TURNS + 1), between
    assert not calls


class Switches(trio.abc.Instrument):
    def __init__(self) -> None:
        self.steps: Counter[str] = Counter()

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self.steps[task.name] += 1


async def test_messages_switch_no_task_but_the_pump(pump: Pump, autojump_clock: MockClock) -> None:
    async with session(pump) as running:
        await trio.testing.wait_all_tasks_blocked()
        switches = Switches()
        trio.lowlevel.add_instrument(switches)
        for _ in range(50):
            await running.client.send(data(b"ping"))
            assert await running.backend.receive() == data(b"ping")
        trio.lowlevel.remove_instrument(switches)
    others = {name: steps for name, steps in switches.steps.items() if not name.endswith(("Pump.run", "<Main>"))}
    assert not any("Session.run" in name for name in others), others


async def test_a_flood_leaves_the_others_their_turn(pump: Pump, autojump_clock: MockClock) -> None:
    """One read per socket and round: a message behind a megabyte of another session's does not wait for all of it."""
    order: list[str] = []
    async with session(pump) as flood, session(pump) as other:
        # Both are readable before the pump runs: this task does not yield between the two sends
        fill = data(b"x" * (16 * READ_SIZE)).encode(MASK)
        sock = socket.socket(fileno=os.dup(flood.client.sock.fileno()))
        sock.setblocking(False)
        with sock:
            queued = sock.send(fill)
        assert queued > 2 * READ_SIZE
        quick = socket.socket(fileno=os.dup(other.client.sock.fileno()))
        with quick:
            quick.send(data(b"quick").encode(MASK))
        for leg, name in ((flood.client_leg, "flood"), (other.client_leg, "other")):

            def noted(name: str = name, read: Callable[[], object] = leg.reader) -> None:
                order.append(name)
                read()

            leg.reader = noted
        assert await other.backend.receive() == data(b"quick")
    assert order.index("other") <= 1


@pytest.mark.parametrize("together", ["nothing", "the end", "urgent data", "more than a read"])
async def test_no_event_is_waited_for_that_will_not_come(pump: Pump, autojump_clock: MockClock, together: str) -> None:
    """An edge-triggered socket is reported once. The virtual clock would go on if anything waited for another time."""
    frame = data(b"x" * 60).encode(MASK)
    async with session(pump) as running:
        began = trio.current_time()
        with socket.socket(fileno=os.dup(running.client.sock.fileno())) as peer:  # sends without a checkpoint
            raw = frame * ((2 * READ_SIZE) // len(frame) if together == "more than a read" else 1)
            sent = raw[: peer.send(raw)]
            if together == "urgent data":
                peer.send(b"!", socket.MSG_OOB)
                sent += frame[: peer.send(frame)]
            elif together == "the end":
                peer.shutdown(socket.SHUT_WR)
        assert await running.backend.read(len(sent)) == sent
        if together == "the end":
            assert await running.backend.receive() == close_frame(1001, "client connection lost")
        assert trio.current_time() == began


async def test_what_makes_a_leg_edge_triggered(pump: Pump, autojump_clock: MockClock) -> None:
    """Turns in C read its TCP connection, and nothing waits to be written. Rounds in Python are level-triggered."""
    reading = READABLE | EDGE if fast_path.COMPILED else READABLE
    async with session(pump, buffer=4096) as running:
        leg = running.client_leg
        assert leg.interest == running.backend_leg.interest == reading
        running.session._flows[0].show(lambda data: None)
        assert leg.interest == READABLE
        running.session._flows[0].show(None)
        assert leg.interest == reading
        await running.backend.fill(data(bytes(1 << 20)).encode(None))
        assert leg.interest == READABLE | WRITABLE
        assert running.backend_leg.interest == 0
        while leg.pending is not None:
            await running.client.sock.recv(1 << 20)
        assert leg.interest == running.backend_leg.interest == reading
    for other in {"unix": True}, {"tls": ssl.TLSVersion.TLSv1_3}:
        async with session(pump, **other) as running:
            assert running.client_leg.interest == READABLE


async def test_a_byte_that_is_urgent_for_ever_is_no_busy_loop(pump: Pump, autojump_clock: MockClock) -> None:
    """The kernel tells of it until more is read."""
    async with session(pump) as running:
        with socket.socket(fileno=os.dup(running.client.sock.fileno())) as peer:
            peer.send(b"!", socket.MSG_OOB)
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert pump.full_rounds == 0
        await running.client.send(data(b"ping"))
        assert await running.backend.receive() == data(b"ping")


async def test_the_control_plane_runs_under_full_load(pump: Pump, autojump_clock: MockClock) -> None:
    """A stream that is always ready must not keep trio from its other tasks."""
    async with session(pump) as running:
        stop = False

        async def send() -> None:
            raw = data(b"x" * 60_000).encode(MASK)
            while not stop:
                await running.client.write(raw)

        async def read() -> None:
            while not stop:
                await running.backend.receive()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(send)
            nursery.start_soon(read)
            for _ in range(200):
                await trio.lowlevel.checkpoint()
            stop = True
            nursery.cancel_scope.cancel()
        assert running.session.outcome().octets_up > 0


async def test_a_leg_released_by_an_earlier_event_of_the_round_is_skipped(
    pump: Pump, autojump_clock: MockClock
) -> None:
    """Both legs are readable in one round; serving the first, whichever it is, ends the session."""
    served: list[Leg] = []
    async with session(pump, mode="tunnel") as running:
        for leg in running.client_leg, running.backend_leg:

            def bug(leg: Leg = leg) -> None:
                served.append(leg)
                raise ValueError("a bug")

            leg.reader = bug
        for peer in running.client, running.backend:
            os.write(peer.sock.fileno(), data(b"x").encode(MASK))  # without a checkpoint, at which the pump would run
        with pytest.raises(ValueError, match="a bug"):
            await running.outcome()
        assert len(served) == 1
        assert not pump.legs


async def test_a_leg_is_served_without_an_event_of_its_descriptor(
    pump: Pump, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[tuple[Leg, int]] = []
    monkeypatch.setattr(WebSocketLeg, "handle", lambda leg, ready: served.append((leg, ready)))
    async with session(pump) as running:
        pump.serve_again(running.client_leg)
        await trio.testing.wait_all_tasks_blocked()
        assert served == [(running.client_leg, BUFFERED)]


async def test_sessions_work_over_either_poller(either_pump: Pump) -> None:
    async with session(either_pump, buffer=4096) as running:
        payload = bytes(range(256)) * 4096
        async with trio.open_nursery() as nursery:
            nursery.start_soon(running.client.send, data(payload), close_frame(1000))
            assert await running.backend.receive() == data(payload)
        assert await running.backend.receive() == close_frame(1000)
        await running.backend.send(close_frame(1000))
        running.backend.finish()
        assert await running.client.receive() == close_frame(1000)
        running.client.finish()
        await running.outcome()


class CountingPoller(EpollPoller):
    def __init__(self) -> None:
        super().__init__()
        self.epoll = None  # the round in C asks the set itself
        self.polls = 0

    def poll(self) -> list[tuple[int, int]]:
        self.polls += 1
        return super().poll()


async def test_a_turn_is_given_only_to_sessions_that_have_waited(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = 100.0
    monkeypatch.setattr("wsgate.relay.pump.monotonic", lambda: seconds)
    poller = CountingPoller()
    pump = Pump(poller)
    pump.serve_if_due()
    pump.serve_if_due()
    assert poller.polls == 1
    seconds += 0.01
    pump.serve_if_due()
    assert poller.polls == 2
    seconds += 0.001
    pump.serve_if_due()
    assert poller.polls == 2
    poller.close()


class SlowPoller(CountingPoller):
    """Of a pump whose clock only its rounds and the test move, and that always has something to serve."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__()
        self.seconds = 100.0
        self.takes = 0.0  # seconds for a round
        monkeypatch.setattr("wsgate.relay.pump.monotonic", lambda: self.seconds)

    def poll(self) -> list[tuple[int, int]]:
        self.polls += 1
        self.seconds += self.takes
        return [(1, READABLE)]


async def test_work_beside_the_sessions_has_as_long_as_the_last_round(monkeypatch: pytest.MonkeyPatch) -> None:
    poller = SlowPoller(monkeypatch)
    pump = Pump(poller)

    def is_due_after(work: float, takes: float = 0.0) -> bool:
        """Whether there was a round after so many seconds of work; one round, though more was ready."""
        before, poller.takes = poller.polls, takes
        poller.seconds += work
        pump.serve_round_if_due()
        assert poller.polls <= before + 1
        return poller.polls > before

    assert is_due_after(1.0, takes=0.00005)
    assert not is_due_after(0.00004)
    assert is_due_after(0.00002)
    assert is_due_after(0.000001, takes=0.02)  # the last one took no time
    assert not is_due_after(0.00019)  # at most 0.2 ms, or a long round would stop all others
    assert is_due_after(0.00002)
    assert pump.full_rounds == 0
    poller.close()


async def test_how_long_rounds_took_and_whether_their_time_was_over(monkeypatch: pytest.MonkeyPatch) -> None:
    poller = SlowPoller(monkeypatch)
    poller.takes = 0.002
    pump = Pump(poller)
    pump.serve_round_if_due()
    assert pump.last_served_for == pytest.approx(0.002)
    assert pump.full_rounds == 0
    poller.seconds += 1.0
    pump.serve_if_due()
    assert pump.last_served_for == pytest.approx(0.006)
    assert pump.full_rounds == 1
    poller.close()


@pytest.mark.parametrize("serve", [Pump.serve_if_due, Pump.serve_round_if_due])
async def test_what_waits_inside_tls_behind_such_a_turn_is_served(
    pump: Pump, monkeypatch: pytest.MonkeyPatch, serve: Callable[[Pump], None]
) -> None:
    """No event of a descriptor tells of it: the pump must be woken."""
    left = 5
    seconds = 0.0

    def handle(leg: WebSocketLeg, ready: int) -> None:
        nonlocal left, seconds
        left -= 1
        seconds += 0.004
        if left:
            pump.serve_again(leg)

    monkeypatch.setattr(WebSocketLeg, "handle", handle)
    async with session(pump) as running:
        monkeypatch.setattr("wsgate.relay.pump.monotonic", lambda: seconds)
        seconds = pump._last_served + 1.0
        pump.serve_again(running.client_leg)
        serve(pump)
        assert left
        await trio.testing.wait_all_tasks_blocked()
        assert not left
