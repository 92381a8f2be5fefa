"""The resources that peers can make the gateway use: memory, descriptors, tasks, time, lines of the log.

They are measured from outside, on the real process; only tasks are counted in the test's process.
"""

from __future__ import annotations

import contextlib
import resource
import socket
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from tests.descriptors import descriptors as open_descriptors
from tests.limits import no_descriptors
from tests.log import Log
from tests.peers.frames import BINARY, MASK, Frame
from tests.peers.heads import request
from tests.peers.threads import PATIENCE, Backend, Client, Recorder, beside, echo, upgraded
from wsgate.gate.handshake_limiter import HandshakeLimiter
from wsgate.ops.accept import accept_forever
from wsgate.relay.pump import Pump
from wsgate.settings.model import Address

from ..e2e.gateway import relay
from ..e2e.gateway_process import GatewayProcess, running
from ..relay.joined import session, socket_pair
from .gateways import relay_to, serve
from .work import raw

PIECE = 1 << 20  # bytes of a frame in a flood
OFFERED = 1 << 30  # bytes in all
MOST = 1 << 20  # bytes that a session may cost


class Flow:
    """One direction of a flood: one end sends, the other reads only on request. Both count bytes."""

    def __init__(self, frame: bytes) -> None:
        self.frame = memoryview(frame)
        self.total = OFFERED // len(frame) * len(frame)
        self.sent = 0
        self.received = 0
        self.may_read = threading.Event()
        self.arrived = threading.Event()

    def send(self, sock: socket.socket) -> None:
        sock.settimeout(None)
        while self.sent < self.total:
            self.sent += sock.send(self.frame[self.sent % len(self.frame) :])
        self.arrived.wait(60)

    def receive(self, sock: socket.socket) -> None:
        self.may_read.wait()
        sock.settimeout(PATIENCE)
        room = bytearray(1 << 20)
        while self.received < self.total:
            size = sock.recv_into(room)
            if not size:
                break
            self.received += size
        self.arrived.set()


@pytest.mark.parametrize("direction", ["upstream", "downstream"])
def test_a_flood_at_a_peer_that_does_not_read(tmp_path: Path, direction: str) -> None:
    """1 GiB is offered. What is not taken stays with the sender, and the other sessions go on."""
    up = direction == "upstream"
    flow = Flow(Frame(BINARY, bytes(PIECE)).encode(MASK if up else None))
    with contextlib.ExitStack() as stack:
        flooded = stack.enter_context(Backend(flow.receive if up else flow.send))
        other = stack.enter_context(Backend(echo))
        routes = [relay(flooded.port) | {"match": {"path": "/flood"}}, relay(other.port) | {"name": "echo"}]
        gateway = stack.enter_context(running(tmp_path, *routes, defaults={"timeouts": {"close": "300ms"}}))
        bystander = upgraded(gateway.port, "/echo")
        for _ in range(100):  # the process has then all that it needs anyway
            bystander.round_trip()
        before = gateway.memory()
        client = upgraded(gateway.port, "/flood")
        with beside(flow.send if up else flow.receive, client):
            gateway.wait_for(lambda: stalled(flow), "end of the flood's beginning")
            assert 0 < flow.sent < 64 << 20  # what the kernel's buffers took
            held = gateway.memory() - before
            assert held < MOST
            for _ in range(100):
                bystander.round_trip()
            flow.may_read.set()
            peak = 0
            while not flow.arrived.is_set():
                bystander.round_trip()
                peak = max(peak, gateway.memory() - before)
        assert flow.received == flow.total
        assert peak < MOST
        client.close()
        bystander.close()
    other.close()


def stalled(flow: Flow) -> bool | None:
    """Whether a flood has moved nothing for a while."""
    before = flow.sent
    time.sleep(0.1)  # there is no sign of a thing that does not happen
    return True if 0 < before == flow.sent else None


async def test_a_flood_that_stands_still_costs_no_work(pump: Pump) -> None:
    """The pump does not look again and again at what it cannot move."""
    steps = Steps("Pump.run")
    async with session(pump, unix=True) as running:
        with closing(raw(running.client)) as client, contextlib.suppress(BlockingIOError):
            while True:
                client.send(Frame(BINARY, bytes(1000)).encode(MASK))
                await trio.testing.wait_all_tasks_blocked()
        trio.lowlevel.add_instrument(steps)
        for _ in range(100):
            await trio.lowlevel.checkpoint()
        trio.lowlevel.remove_instrument(steps)
    assert steps.count == 0


class Steps(trio.abc.Instrument):
    """How often a task was run."""

    def __init__(self, name: str) -> None:
        self.count = 0
        self._name = name

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self.count += task.name.endswith(self._name)


class Listener(socket.socket):
    """Counts the attempts to connect to it."""

    tries = 0

    def _accept(self) -> tuple[int, object]:
        self.tries += 1
        return super()._accept()  # type: ignore[misc, no-any-return]


async def test_out_of_descriptors_it_tries_ten_times_a_second(
    pump: Pump, autojump_clock: MockClock, nursery: trio.Nursery, log: Log
) -> None:
    """No busy loop: so often in virtual time. One line, however often; and the session that is there goes on."""
    served = trio.Event()

    async def serve(sock: socket.socket, peer: Address) -> None:
        sock.close()
        served.set()

    async with session(pump) as running:
        with Listener() as listener, socket.socket() as client:
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            listener.setblocking(False)
            with no_descriptors():
                client.connect(listener.getsockname())
                nursery.start_soon(accept_forever, listener, serve, nursery, HandshakeLimiter(64))
                await trio.sleep(5)
                assert 45 <= listener.tries <= 51
                await running.client.send(Frame(BINARY, b"still here"))
                assert (await running.backend.receive()).payload == b"still here"
                assert not served.is_set()
            with trio.fail_after(1):
                await served.wait()
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
    assert log.events() == ["out of resources", "accepting again"]


def test_out_of_descriptors(tmp_path: Path) -> None:
    """Accepting pauses, logs it once, and goes on when there are descriptors. Sessions are not affected."""
    timeouts = {"close": "300ms", "handshake": "30s"}
    with (
        Backend(echo) as other,
        running(tmp_path, relay(other.port), defaults={"timeouts": timeouts}) as gateway,
    ):
        bystander = upgraded(gateway.port)
        room = 20
        most = gateway.descriptors() + room
        resource.prlimit(gateway.pid, resource.RLIMIT_NOFILE, (most, most))
        waiting = [Client(gateway.port) for _ in range(3 * room)]
        line = gateway.wait_line("out of resources")
        assert line["level"] == "error"
        assert "Too many open files" in line["error"]
        assert "LimitNOFILE" in line["cure"]
        for _ in range(100):
            bystander.round_trip()
        assert len(gateway.lines("out of resources")) == 1
        assert gateway.lines("accepting again") == []

        for client in waiting:
            client.close()
        newcomer = upgraded(gateway.port)
        newcomer.round_trip()
        bystander.round_trip()
        gateway.wait_line("accepting again")
        assert len(gateway.lines("out of resources")) == 1
        newcomer.close()
        bystander.close()


def test_the_last_descriptor_is_a_clients(tmp_path: Path) -> None:
    """Accepted, but no descriptor is left for the backend: that client gets an answer; the other session goes on."""
    timeouts = {"close": "300ms"}
    with (
        Backend(echo) as other,
        running(tmp_path, relay(other.port), defaults={"timeouts": timeouts}) as gateway,
    ):
        bystander = upgraded(gateway.port)
        most = gateway.descriptors() + 1
        resource.prlimit(gateway.pid, resource.RLIMIT_NOFILE, (most, most))
        client = Client(gateway.port)
        client.send(request())
        status = client.read_head().status
        assert status in (502, 503)
        assert "Too many open files" in gateway.wait_line("refused", client=client.address)["detail"]
        client.close()
        bystander.round_trip()
        bystander.close()


def test_who_says_nothing_keeps_nobody_waiting(tmp_path: Path) -> None:
    """Far more silent connections than descriptors, and a handshake timeout of minutes: requests are served, with a
    recording and a token file, and no session ends."""
    (tmp_path / "recordings").mkdir()
    with Backend(echo) as other:
        (tmp_path / "tokens").write_text(f"desk: 127.0.0.1:{other.port}\n")
        tokens = {"from": "query:t", "file": str(tmp_path / "tokens")}
        record = {"directory": str(tmp_path / "recordings")}
        routes = [
            {"name": "desk", "match": {"path": "/desk"}, "tunnel": {"token": tokens, "record": record}},
            relay(other.port),
        ]
        with running(tmp_path, *routes, defaults={"timeouts": {"handshake": "300s", "close": "300ms"}}) as gateway:
            bystander = upgraded(gateway.port)
            resource.prlimit(gateway.pid, resource.RLIMIT_NOFILE, (100, 100))
            silent = [Client(gateway.port) for _ in range(400)]
            gateway.wait_line("out of resources")
            for path in ("/", "/desk?t=desk", "/"):
                upgraded(gateway.port, path).close()
            assert list((tmp_path / "recordings").iterdir())
            assert gateway.descriptors() <= 100 - 8
            bystander.round_trip()
            for client in silent:
                client.close()
            bystander.close()


ATTEMPTS = 1000
AT_ONCE = 100


def test_a_backend_that_accepts_and_never_answers(tmp_path: Path) -> None:
    """504, a thousand times, and all of it is given back."""
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as silent:
        silent.settimeout(PATIENCE)
        # the route's timeout is the backend's; the client's own head has the default
        route = relay(silent.getsockname()[1], timeouts={"handshake": "100ms"})
        with running(tmp_path, route, defaults={"timeouts": {"close": "100ms"}}, log={"flood": "off"}) as gateway:
            descriptors = gateway.descriptors()
            attempt(gateway, silent, ATTEMPTS)  # what the process needs once, and the collector's rare garbage
            before = gateway.memory()
            attempt(gateway, silent, ATTEMPTS)
            gateway.wait_for(lambda: gateway.descriptors() == descriptors or None, "descriptors given back")
            assert gateway.memory() - before < ATTEMPTS * 256
            enough = lambda: len(gateway.lines("refused", status=504)) >= 2 * ATTEMPTS or None  # noqa: E731
            gateway.wait_for(enough, "a line for each")
            assert len(gateway.lines("refused", status=504)) == 2 * ATTEMPTS


def attempt(gateway: GatewayProcess, silent: socket.socket, times: int) -> None:
    """Asks for sessions, in batches; the backend accepts each and sends nothing."""
    for _ in range(times // AT_ONCE):
        clients = [Client(gateway.port) for _ in range(AT_ONCE)]
        for client in clients:
            client.send(request())
        backends = [silent.accept()[0] for _ in clients]
        for client in clients:
            assert client.read_all().startswith(b"HTTP/1.1 504 ")
            client.close()
        for backend in backends:
            backend.close()


async def test_no_task_is_left_of_a_backend_that_never_answers(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    """The same in this process, where tasks and sockets can be counted."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1", backlog=ATTEMPTS)
    gateway = relay_to(listener.socket.getsockname()[1])
    tasks, descriptors = trio.lowlevel.current_statistics().tasks_living, len(open_descriptors())
    for _ in range(ATTEMPTS // AT_ONCE):
        clients = []
        for _ in range(AT_ONCE):
            ours, theirs = socket_pair(None)
            nursery.start_soon(serve, gateway, ours)
            await theirs.send(request())
            clients.append(theirs)
        backends = [await listener.accept() for _ in clients]
        for client in clients:
            assert (await client.recv(1 << 16)).startswith(b"HTTP/1.1 504 ")
            client.close()
        for backend in backends:
            await backend.aclose()
        await trio.testing.wait_all_tasks_blocked()
    assert trio.lowlevel.current_statistics().tasks_living == tasks
    assert len(open_descriptors()) <= descriptors  # threads of other tests may still be closing theirs
    assert gateway.pump.legs == 0
    await listener.aclose()


def test_clients_that_reset_at_every_byte_of_their_head(tmp_path: Path) -> None:
    """And behind it, before and after the backend's answer: nothing is left of them, and no bug is logged."""
    timeouts = {"close": "100ms"}
    with (
        Recorder() as recorder,
        running(tmp_path, relay(recorder.port), defaults={"timeouts": timeouts}) as gateway,
    ):
        descriptors = gateway.descriptors()
        head = request() + Frame(BINARY, b"early").encode(MASK)
        for size in range(len(head) + 1):
            client = Client(gateway.port)
            client.send(head[:size])
            client.reset()
        client = upgraded(gateway.port)
        client.reset()
        gateway.wait_for(lambda: gateway.descriptors() == descriptors or None, "descriptors given back")
        assert gateway.lines("bug") == []
