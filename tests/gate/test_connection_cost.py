"""What a session costs from its request to its end, in system calls and switches of tasks: counts, no times.

Every client that comes back after a deploy pays for a call that is added. Who adds one changes a number here.
"""

from __future__ import annotations

import socket
from collections import Counter
from typing import Any

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from tests.gate.conftest import CLIENT, Gate, StartGate, address_of, relay_to, route
from tests.peers.frames import MASK, close_frame
from tests.peers.heads import request
from tests.peers.sockets import tcp_pair
from tests.peers.stream import Backend, Peer
from wsgate.gate.connection import serve
from wsgate.net.plain import PlainTransport, take_over
from wsgate.relay import fast_path

_CALLS = ("recv", "recv_into", "send", "connect_ex", "setsockopt", "getsockopt", "shutdown", "close")


class Costs(trio.abc.Instrument):
    """Counts system calls of transports and of the pump's set, waits, steps and cancel scopes of the connection's task.

    The compiled fast path makes the calls of its twin, which are counted in its place.
    """

    def __init__(self, gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
        self.counts: Counter[str] = Counter()
        monkeypatch.setattr(fast_path, "COMPILED", False)
        for name in _CALLS:
            monkeypatch.setattr(PlainTransport, name, self._counted(name, getattr(socket.socket, name)), raising=False)
        monkeypatch.setattr(PlainTransport, "shutdown_unread", self._counted("shutdown", socket.socket.shutdown))
        poller: Any = gate.gateway.pump._poller
        for name in ("register", "modify", "unregister"):
            monkeypatch.setattr(poller, name, self._counted(name, getattr(poller, name)))
        for name in ("wait_readable", "wait_writable"):
            monkeypatch.setattr(trio.lowlevel, name, self._of_task("wait", getattr(trio.lowlevel, name)))
        monkeypatch.setattr(trio.CancelScope, "__enter__", self._of_task("scope", trio.CancelScope.__enter__))
        trio.lowlevel.add_instrument(self)

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self.counts["step"] += task.name.endswith("connection.serve")

    def take(self) -> dict[str, int]:
        """Returns what was counted since the last call."""
        counts, self.counts = dict(self.counts), Counter()
        return {name: number for name, number in counts.items() if number}

    def _counted(self, name: str, call: Any) -> Any:
        def counting(*arguments: Any) -> Any:
            self.counts[name] += 1
            return call(*arguments)

        return counting

    def _of_task(self, name: str, call: Any) -> Any:
        def counting(*arguments: Any) -> Any:
            self.counts[name] += trio.lowlevel.current_task().name.endswith("connection.serve")
            return call(*arguments)

        return counting


def accept(gate: Gate, ours: socket.socket) -> None:
    gate.connections.start_soon(serve, gate.gateway, gate.listener, take_over(ours), address_of(CLIENT))


def peer(sock: socket.socket) -> Peer:
    return Peer(trio.SocketStream(trio.socket.from_stdlib_socket(sock)), mask=MASK)


async def test_a_session(
    start_gate: StartGate, backend: Backend, monkeypatch: pytest.MonkeyPatch, mock_clock: MockClock
) -> None:
    """The clock stands still, so that no wait is ever long."""
    gate = start_gate(route(relay_to(backend.port)))
    ours, theirs = tcp_pair()
    client = peer(theirs)
    await client.write(request())  # as with nearly all clients: it is there when the connection is accepted
    await trio.testing.wait_all_tasks_blocked()
    costs = Costs(gate, monkeypatch)

    accept(gate, ours)
    server = await backend.accept_request()
    await server.accept_upgrade()
    assert (await client.read_head()).status == 101
    await trio.testing.wait_all_tasks_blocked()
    assert costs.take() == {
        "recv": 2,  # the request, and the backend's answer
        "send": 2,  # and the other way
        "connect_ex": 2,  # the second one finds the connection ready, on this machine
        "getsockopt": 1,  # whether the client is still there
        "setsockopt": 4,  # no delay, and a limit for unacknowledged bytes, on both sides
        "register": 2,
        "wait": 1,  # for the answer, without a scope for its deadline
        "step": 2,
    }

    await client.send(close_frame(1000))
    await server.receive_close()
    await server.send(close_frame(1000))
    await client.receive_close()
    await client.read_end()
    await server.vanish()
    await client.vanish()
    while len(gate.gateway.sessions):
        await trio.lowlevel.checkpoint()
    assert costs.take() == {
        "recv_into": 4,  # a Close and an end on each side
        "send": 2,
        "shutdown": 1,
        "unregister": 2,
        "close": 2,
    }
