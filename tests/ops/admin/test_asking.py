"""Questions over real sockets, to workers that answer, hang, die or are foreign."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from tests.gate.conftest import Gate, StartGate, gateway_of, relay_to, route
from tests.log import Log
from tests.ops.admin.test_tapping import Taken, end, started
from tests.peers.frames import Frame
from tests.peers.stream import Backend
from wsgate.ops.admin import asking, tapping
from wsgate.ops.admin.asking import answer_questions, ask_workers, open_listeners_for_questions, tap_workers
from wsgate.ops.admin.tapping import NotTapped, line, no_session
from wsgate.relay.registry import Registry
from wsgate.wire.frames import Opcode

ROUTES = {"ask": "routes"}


@pytest.fixture
async def listeners() -> AsyncIterator[list[socket.socket]]:
    listeners = open_listeners_for_questions(2)
    yield listeners
    for listener in listeners:
        listener.close()


async def test_every_worker_answers(nursery: trio.Nursery, listeners: list[socket.socket]) -> None:
    for number, listener in enumerate(listeners):
        nursery.start_soon(answer_questions, gateway_of(route(relay_to(1), f"r{number}")), listener)
    answers = await ask_workers(listeners)(ROUTES)
    assert [found["routes"][0]["route"] for found in answers.found] == ["r0", "r1"]
    assert answers.missing == []
    nursery.cancel_scope.cancel()


async def test_a_worker_that_hangs(
    nursery: trio.Nursery, listeners: list[socket.socket], autojump_clock: MockClock
) -> None:
    """Its socket takes the question, and nothing comes: the others' answers are told without its."""
    nursery.start_soon(answer_questions, gateway_of(route(relay_to(1), "r")), listeners[1])
    answers = await ask_workers(listeners)(ROUTES)
    assert (len(answers.found), answers.missing) == (1, [1])
    assert trio.current_time() <= asking.ASK_TIME + 1
    nursery.cancel_scope.cancel()


@pytest.mark.parametrize("has_read", [True, False])
async def test_a_worker_that_dies_in_the_middle_of_an_answer(
    nursery: trio.Nursery, listeners: list[socket.socket], has_read: bool
) -> None:
    """What it has said is no answer; that of the others is told at once, and says whose is missing."""

    async def die() -> None:
        await trio.lowlevel.wait_readable(listeners[0])
        accepted, _ = listeners[0].accept()
        with accepted:
            await trio.lowlevel.wait_readable(accepted)
            if has_read:  # otherwise its end is a reset
                accepted.recv(1000)
            accepted.sendall(b'{"routes": [{"route": "half')

    nursery.start_soon(die)
    nursery.start_soon(answer_questions, gateway_of(route(relay_to(1), "r")), listeners[1])
    with trio.fail_after(asking.ASK_TIME / 2):
        answers = await ask_workers(listeners)(ROUTES)
    assert [found["routes"][0]["route"] for found in answers.found] == ["r"]
    assert answers.missing == [1]
    nursery.cancel_scope.cancel()


async def test_a_worker_that_is_gone(listeners: list[socket.socket]) -> None:
    ask = ask_workers(listeners)
    for listener in listeners:
        listener.close()
    assert (await ask(ROUTES)).missing == [1, 2]


async def test_what_is_no_question_ends_that_answer_alone(
    nursery: trio.Nursery, listeners: list[socket.socket], log: Log
) -> None:
    nursery.start_soon(answer_questions, gateway_of(route(relay_to(1), "r")), listeners[0])
    ask = ask_workers(listeners[:1])
    assert (await ask({"ask": "none"})).missing == [1]
    assert log.events() == ["bug"]
    assert (await ask(ROUTES)).missing == []
    nursery.cancel_scope.cancel()


async def test_another_user_is_told_nothing(
    nursery: trio.Nursery, listeners: list[socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    nursery.start_soon(answer_questions, gateway_of(route(relay_to(1), "r")), listeners[0])
    assert (await ask_workers(listeners[:1])(ROUTES)).missing == [1]
    nursery.cancel_scope.cancel()


async def test_more_than_is_read(
    nursery: trio.Nursery, listeners: list[socket.socket], monkeypatch: pytest.MonkeyPatch, log: Log
) -> None:
    monkeypatch.setattr(asking, "MOST_BYTES", 10)
    nursery.start_soon(answer_questions, gateway_of(route(relay_to(1), "r")), listeners[0])
    assert (await ask_workers(listeners[:1])(ROUTES)).missing == [1]
    assert log.events() == ["bug"]  # no program but this one asks here
    nursery.cancel_scope.cancel()


# -- a tap -------------------------------------------------------------------------------------------------------------


class Tapped(Taken):
    """A session of the second worker that is looked at, over that worker's socket."""

    def __init__(self, nursery: trio.Nursery, listeners: list[socket.socket], gate: Gate) -> None:
        super().__init__()
        self.over = trio.Event()
        self.worker = trio.CancelScope()
        self.viewer = trio.CancelScope()
        nursery.start_soon(self._answer, gate, listeners[1])
        nursery.start_soon(self._tap, listeners)

    async def _answer(self, gate: Gate, listener: socket.socket) -> None:
        with self.worker:
            await answer_questions(gate.gateway, listener)

    async def _tap(self, listeners: list[socket.socket]) -> None:
        with self.viewer:
            assert await tap_workers(listeners)("2-1", False, self.send) is None
        self.over.set()


async def started_as_second(start_gate: StartGate, backend: Backend, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr("wsgate.gate.gateway.Registry", lambda worker: Registry(2))
    return await started(start_gate, backend)


def is_tapped(gate: Gate) -> bool:
    return any(session.flows[0].read_area is not gate.gateway.pump.read_area for session in gate.gateway.sessions)


async def test_a_tap_of_a_worker(
    start_gate: StartGate,
    backend: Backend,
    nursery: trio.Nursery,
    listeners: list[socket.socket],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gate, client, server = await started_as_second(start_gate, backend, monkeypatch)
    tapped = Tapped(nursery, listeners, gate)
    assert (await tapped.next("begin"))["id"] == "2-1"
    for _ in range(3):
        await client.send(*[Frame(Opcode.BINARY, b"x" * 10)] * 2000)
        await server.read(16 * 2000)
        for _ in range(2000):
            assert (await tapped.next("frame"))["size"] == 10
    await end(client, server)
    for _ in range(2):
        await tapped.next("frame")
    assert (await tapped.next("end"))["frames"] == 6002
    await tapped.over.wait()
    assert tapped.nothing_more()
    nursery.cancel_scope.cancel()


async def test_a_tap_of_no_session(nursery: trio.Nursery, listeners: list[socket.socket]) -> None:
    nursery.start_soon(answer_questions, gateway_of(route(relay_to(1), "r")), listeners[0])
    tap = tap_workers(listeners)
    for id in "1-7", "7", "3-1", "0-1", "x-1", "":
        assert await tap(id, False, Taken().send) == no_session(id)
    nursery.cancel_scope.cancel()


async def test_a_tap_of_a_worker_that_hangs_or_is_gone(
    listeners: list[socket.socket], autojump_clock: MockClock
) -> None:
    tap = tap_workers(listeners)
    said = NotTapped(503, "worker 1, which had this session, does not answer: try again")
    assert await tap("1-1", False, Taken().send) == said
    listeners[0].close()
    assert await tap("1-1", False, Taken().send) == said


async def test_a_worker_that_dies_during_a_tap(
    start_gate: StartGate,
    backend: Backend,
    nursery: trio.Nursery,
    listeners: list[socket.socket],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gate, client, _ = await started_as_second(start_gate, backend, monkeypatch)
    tapped = Tapped(nursery, listeners, gate)
    await tapped.next("begin")
    await client.send(Frame(Opcode.PING))
    await tapped.next("frame")
    tapped.worker.cancel()
    assert await tapped.next("end") == {"reason": "worker", "detail": "its worker has died, or hangs"}
    await tapped.over.wait()
    nursery.cancel_scope.cancel()


async def test_a_worker_that_hangs_during_a_tap(
    nursery: trio.Nursery, listeners: list[socket.socket], autojump_clock: MockClock
) -> None:
    """What it has said of an unfinished line is not told."""

    async def hang(stream: trio.SocketStream) -> None:
        await stream.send_all(line("begin") + b'{"event": "fra')
        await trio.sleep_forever()

    listeners[0].setblocking(False)
    listener = trio.SocketListener(trio.socket.from_stdlib_socket(listeners[0].dup()))
    nursery.start_soon(trio.serve_listeners, hang, [listener])
    taken = Taken()
    began = trio.current_time()
    assert await tap_workers(listeners)("1-1", False, taken.send) is None
    assert trio.current_time() - began == pytest.approx(asking.SILENT_TIME, abs=1)
    await taken.next("begin")
    assert (await taken.next("end"))["reason"] == "worker"
    nursery.cancel_scope.cancel()


async def test_who_asks_for_a_tap_leaves(
    start_gate: StartGate,
    backend: Backend,
    nursery: trio.Nursery,
    listeners: list[socket.socket],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The worker notices it although nothing passes."""
    gate, _, _ = await started_as_second(start_gate, backend, monkeypatch)
    tapped = Tapped(nursery, listeners, gate)
    await tapped.next("begin")
    assert is_tapped(gate)
    tapped.viewer.cancel()
    await tapped.over.wait()
    while is_tapped(gate):
        await trio.lowlevel.checkpoint()
    nursery.cancel_scope.cancel()


async def test_who_asks_for_a_tap_takes_no_more(
    start_gate: StartGate,
    backend: Backend,
    nursery: trio.Nursery,
    listeners: list[socket.socket],
    monkeypatch: pytest.MonkeyPatch,
    autojump_clock: MockClock,
) -> None:
    """The worker waits for it, and then ends the tap; the session goes on all the time."""
    monkeypatch.setattr(tapping, "MOST_KEPT", 1 << 20)
    gate, client, server = await started_as_second(start_gate, backend, monkeypatch)
    nursery.start_soon(answer_questions, gate.gateway, listeners[1])
    with trio.socket.socket(socket.AF_UNIX) as sock:
        await sock.connect(listeners[1].getsockname())
        await sock.send(b'{"ask": "tap", "id": "2-1", "payload": true}\n')
        assert (await sock.recv(20)).startswith(b'{"event": "begin"')
        began = trio.current_time()
        while is_tapped(gate):
            await client.send(Frame(Opcode.BINARY, b"x" * 100_000))
            assert len((await server.receive()).payload) == 100_000
            await trio.sleep(1)
        assert trio.current_time() - began > asking.TAKE_TIME - 2
    nursery.cancel_scope.cancel()
