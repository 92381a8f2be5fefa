"""What a session costs from its request to its end, in system calls and switches of tasks: counts, no times.

Every client that comes back after a deploy pays for a call that is added. Who adds one changes a number here.
"""

from __future__ import annotations

import os
import socket
import ssl
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import trio
import trio.testing
from trio.testing import MockClock

import wsgate
from tests.gate.conftest import CLIENT, Gate, StartGate, address_of, live_tls, relay_to, route
from tests.peers.frames import MASK, close_frame
from tests.peers.heads import plain_request, request
from tests.peers.sockets import tcp_pair
from tests.peers.stream import Backend, Peer
from tests.pki import Authority, client_context
from wsgate.gate.connection import serve
from wsgate.net.plain import PlainTransport, take_over
from wsgate.net.tls.contexts import listener_context
from wsgate.relay import fast_path
from wsgate.settings.model import PlainHttp, Tls

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


IO = "/proc/thread-self/io"


class OpensslCosts:
    """Counts the calls of read(2) and write(2) of this thread. Nobody but OpenSSL makes any while a session goes on:
    Python reads and writes sockets by recv(2) and send(2)."""

    def __init__(self) -> None:
        self._last = self._now()

    def take(self) -> dict[str, int]:
        """Returns what was counted since the last call."""
        last, self._last = self._last, self._now()
        return dict(self._last - last - Counter(read=1))  # the one of ``_now``

    @staticmethod
    def _now() -> Counter[str]:
        fd = os.open(IO, os.O_RDONLY)
        numbers = dict(line.split(": ") for line in os.read(fd, 1000).decode().splitlines())
        os.close(fd)
        return Counter(read=int(numbers["syscr"]), write=int(numbers["syscw"]))


class OverTls:
    """A client's stream over TLS. What the client has to say is sent in one piece with what it sends next."""

    def __init__(self, stream: trio.SocketStream, context: ssl.SSLContext) -> None:
        self._stream = stream
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_hostname="gateway.test")

    async def say_hello(self) -> None:
        with pytest.raises(ssl.SSLWantReadError):
            self._tls.do_handshake()
        await self._stream.send_all(self._out.read())

    async def finish(self) -> None:
        """Without a byte to the server: the next one that is sent completes the handshake."""
        self._in.write(await self._stream.receive_some())
        self._tls.do_handshake()

    async def send_all(self, data: bytes) -> None:
        self._tls.write(data)
        await self._stream.send_all(self._out.read())

    async def receive_some(self, most: int | None = None) -> bytes:
        while True:
            try:
                return self._tls.read(most or 65536)
            except ssl.SSLWantReadError:
                self._in.write(await self._stream.receive_some())
            except ssl.SSLZeroReturnError:
                return b""

    async def aclose(self) -> None:
        await self._stream.aclose()


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
        "setsockopt": 1,  # the Close to the client waits for the FIN behind it
        "shutdown": 1,
        "unregister": 2,
        "close": 2,
    }


@pytest.mark.skipif(not os.path.exists(IO), reason="a kernel that counts no calls")
async def test_a_session_over_tls(
    start_gate: StartGate, backend: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mock_clock: MockClock
) -> None:
    """A full handshake with a client that answers at once: one wait, and no scope for its deadline."""
    gate = start_gate(route(relay_to(backend.port)))
    authority = Authority(tmp_path)
    pair = authority.issue("gateway.test")
    gate.listener.tls = live_tls(listener_context(Tls(certificate=pair.certificate, key=pair.key)))
    costs = Costs(gate, monkeypatch)

    async def session() -> tuple[dict[str, int], dict[str, int]]:
        """Returns what its beginning cost, and its end."""
        ours, theirs = tcp_pair()
        tls = OverTls(trio.SocketStream(trio.socket.from_stdlib_socket(theirs)), client_context(authority))
        client = Peer(tls, mask=MASK)
        await tls.say_hello()
        await trio.testing.wait_all_tasks_blocked()
        costs.take()
        openssl = OpensslCosts()
        accept(gate, ours)
        await tls.finish()
        await client.write(request())
        server = await backend.accept_request()
        await server.accept_upgrade()
        assert (await client.read_head()).status == 101
        await trio.testing.wait_all_tasks_blocked()
        begun = costs.take() | openssl.take()

        await client.send(close_frame(1000))
        await server.receive_close()
        await server.send(close_frame(1000))
        await client.receive_close()
        await client.read_end()
        await server.vanish()
        await client.vanish()
        while len(gate.gateway.sessions):
            await trio.lowlevel.checkpoint()
        return begun, costs.take() | openssl.take()

    await session()  # the first one imports modules
    begun, ended = await session()
    assert begun == {
        "recv": 2,  # a look at the first byte, and the backend's answer
        "read": 9,  # four records, each with its header before it, and one that comes too early behind the first
        "write": 3,  # the server's flight, a ticket, and the 101
        "send": 1,  # the request to the backend
        "connect_ex": 2,
        "getsockopt": 1,
        "setsockopt": 6,  # two of them so that the ticket leaves with the 101
        "register": 2,
        "wait": 2,  # for the client's part of the handshake, and for the backend's answer: none has a scope
        "step": 3,
    }
    assert ended == {
        "read": 4,  # a Close, then nothing, and the end
        "recv_into": 2,
        "write": 2,  # a Close, and close_notify
        "send": 1,
        "setsockopt": 1,
        "shutdown": 1,
        "unregister": 2,
        "close": 2,
    }


async def test_a_request_over_plain_http_on_kept_connections(
    start_gate: StartGate, backend: Backend, monkeypatch: pytest.MonkeyPatch, mock_clock: MockClock
) -> None:
    """The clock stands still, so that no wait is ever long."""
    gate = start_gate(route(relay_to(backend.port), http=PlainHttp.FORWARD))
    ours, theirs = tcp_pair()
    client = peer(theirs)
    accept(gate, ours)
    await client.write(plain_request())
    server = await backend.accept_request()
    await server.respond("200 OK", {}, b"hi")
    assert (await client.read_head()).status == 200
    assert await client.read_body() == b"hi"
    await trio.testing.wait_all_tasks_blocked()
    costs = Costs(gate, monkeypatch)

    await client.write(plain_request())
    await server.read_head()
    await server.respond("200 OK", {}, b"hi")
    assert (await client.read_head()).status == 200
    await trio.testing.wait_all_tasks_blocked()
    assert costs.take() == {
        "recv": 3,  # the request, the answer, and whether the backend has ended the kept connection
        "send": 2,
        "wait": 2,  # for either, without a scope for its deadline
        "step": 2,
    }
    await client.vanish()
    await server.vanish()


PACKAGE = str(Path(wsgate.__file__).parent)
PUMP = ("Pump.", "EpollPoller.")


@contextmanager
def calls() -> Iterator[Counter[str]]:
    """Counts the calls of wsgate's own functions in Python, by name; none of the pump's, which come as time passes."""
    called: Counter[str] = Counter()

    def note(frame: FrameType, event: str, _: object) -> None:
        name = frame.f_code.co_qualname
        if event == "call" and frame.f_code.co_filename.startswith(PACKAGE) and not name.startswith(PUMP):
            called[name] += 1

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        yield called
    finally:
        sys.setprofile(before)


@pytest.mark.skipif(not fast_path.COMPILED, reason="what is compiled calls fewer")
async def test_calls_of_functions(start_gate: StartGate, backend: Backend, mock_clock: MockClock) -> None:
    """What a session costs is mostly these. The bounds are what there is, at the end by the worst order of events.

    Later versions of Python call no function for a comprehension.
    """
    gate = start_gate(route(relay_to(backend.port)))
    for _ in range(2):  # the second session finds what is made once for all
        ours, theirs = tcp_pair()
        client = peer(theirs)
        await client.write(request())
        await trio.testing.wait_all_tasks_blocked()
        with calls() as beginning:
            accept(gate, ours)
            server = await backend.accept_request()
            await server.accept_upgrade()
            await client.read_head()
            await trio.testing.wait_all_tasks_blocked()
        with calls() as end:
            await client.send(close_frame(1000))
            await server.receive_close()
            await server.send(close_frame(1000))
            await client.receive_close()
            await client.read_end()
            await server.vanish()
            await client.vanish()
            while len(gate.gateway.sessions):
                await trio.lowlevel.checkpoint()
    assert beginning.total() <= 338, beginning.most_common()
    assert end.total() <= 205, end.most_common()
    assert beginning["TimerHeap.at"] == 1
    assert end["TimerHeap.at"] == 1, "a deadline that moves on keeps its timer"
