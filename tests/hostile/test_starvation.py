"""One peer that never stops, or a thousand that come at once, must not block other peers or the process.

It is counted in pieces of work (``work.py``). The benchmark measures their time.
"""

from __future__ import annotations

import contextlib
import functools
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
import trio
import trio.testing

from tests.peers.frames import BINARY, MASK, PING, PONG, Frame
from tests.peers.heads import request
from tests.peers.threads import PATIENCE, Backend, Client, beside, echo, read_on, send_on, upgraded
from wsgate.gate.gateway import Gateway
from wsgate.ops.accept import accept_forever
from wsgate.relay.pump import Pump
from wsgate.settings.model import Files, Limits, Route, Target, TcpAddress, Tunnel

from ..e2e.gateway import relay
from ..e2e.gateway_process import running
from ..relay.joined import session, unix_pair
from . import gateways
from .work import Bystander, Flood, Work, drain, non_blocking, raw

ENOUGH = 200  # pieces of work
CROWD = 300  # clients


@asynccontextmanager
async def beside_a_session(gateway: Gateway, work: Work) -> AsyncIterator[Bystander]:
    """A session that goes on all the while."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(gateway.pump.run)
        async with session(gateway.pump, unix=True) as running:
            with closing(Bystander(work, running)) as bystander:
                yield bystander
        gateway.sessions.cut()  # they have no tasks, which would end with the test's nursery
        nursery.cancel_scope.cancel()


@pytest.fixture
async def work(monkeypatch: pytest.MonkeyPatch) -> Work:
    return Work(monkeypatch)


async def test_a_client_whose_requests_never_end(work: Work, nursery: trio.Nursery, tmp_path: Path) -> None:
    """Each is answered and the connection kept; hundreds are in one read."""
    work.count_handshakes()
    gateway = gateways.gateway(Route(name="files", action=Files(root=str(tmp_path))))
    async with beside_a_session(gateway, work) as bystander:
        ours, theirs = unix_pair()
        nursery.start_soon(gateways.serve, gateway, ours)
        with closing(non_blocking(theirs.detach())) as sock:
            Flood(work, sock, b"DELETE / HTTP/1.1\r\nHost: x\r\n\r\n" * 1000, ENOUGH)
            await work.done(ENOUGH)
    assert bystander.served > ENOUGH // 4
    assert bystander.waited <= 3
    assert work.between_looks <= 3


async def test_a_client_that_goes_on_behind_its_refusal(work: Work, nursery: trio.Nursery) -> None:
    """What comes is read, so that the answer arrives, and thrown away."""
    work.count_handshakes()
    gateway = gateways.gateway()
    async with beside_a_session(gateway, work) as bystander:
        ours, theirs = unix_pair()
        nursery.start_soon(gateways.serve, gateway, ours)
        await theirs.send(request())
        with closing(non_blocking(theirs.detach())) as sock:
            Flood(work, sock, bytes(1 << 16), ENOUGH)
            await work.done(ENOUGH)
    assert bystander.served > ENOUGH // 4
    assert bystander.waited <= 3
    assert work.between_looks <= 3


async def test_a_backend_whose_hints_never_end(work: Work, nursery: trio.Nursery) -> None:
    """Informational responses, as many as it likes (RFC 9110 §15.2 sets no number), and always one there already."""
    work.count_handshakes()
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    gateway = gateways.relay_to(listener.socket.getsockname()[1])
    async with listener, beside_a_session(gateway, work) as bystander:
        ours, theirs = unix_pair()
        nursery.start_soon(gateways.serve, gateway, ours)
        await theirs.send(request())
        stream = await listener.accept()
        hint = b"HTTP/1.1 103 Early Hints\r\nLink: " + b"x" * 8000 + b"\r\n\r\n"
        with closing(non_blocking(stream.socket.detach())) as sock:
            Flood(work, sock, hint, ENOUGH)
            await work.done(ENOUGH)
        theirs.close()
    assert bystander.served > ENOUGH // 4
    assert bystander.waited <= 3
    assert work.between_looks <= 3


@contextlib.contextmanager
def tunnel_gateway(at_once: int) -> Iterator[Gateway]:
    """To a service that the kernel alone keeps: it is connected to, and that is all."""
    with socket.create_server(("127.0.0.1", 0), backlog=CROWD) as service:
        tunnel = Tunnel(to=(Target(TcpAddress("127.0.0.1", service.getsockname()[1])),))
        route = Route(name="tunnel", timeouts=gateways.TIMEOUTS, action=tunnel)
        yield gateways.gateway(route, limits=Limits(handshakes=at_once))


async def all_opened(gateway: Gateway) -> None:
    with trio.fail_after(PATIENCE):
        while gateway.sessions.opened < CROWD:
            await trio.lowlevel.checkpoint()


@pytest.mark.parametrize("at_once", [4, 16])
async def test_a_crowd_that_connects_at_once(work: Work, nursery: trio.Nursery, at_once: int) -> None:
    """All their requests are there before the first of them is accepted."""
    work.count_handshakes()
    with tunnel_gateway(at_once) as gateway, contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=CROWD))
        listener.setblocking(False)
        for _ in range(CROWD):
            client = stack.enter_context(socket.create_connection(listener.getsockname()))
            client.sendall(request())
        async with beside_a_session(gateway, work) as bystander:
            serve = work.count_accepts(functools.partial(gateways.serve, gateway))
            nursery.start_soon(accept_forever, listener, serve, nursery, gateway.handshake_limiter)
            await all_opened(gateway)
        nursery.cancel_scope.cancel()
    assert bystander.served > 100
    assert bystander.waited <= 3
    assert work.between_looks <= 5 * at_once


@pytest.mark.parametrize("at_once", [4, 16])
async def test_a_crowd_that_asks_at_once(work: Work, nursery: trio.Nursery, at_once: int) -> None:
    """They have connected long ago. Reading what they ask is cheap; what follows is done for a few at a time."""
    work.count_handshakes(reads=False)
    with tunnel_gateway(at_once) as gateway, contextlib.ExitStack() as stack:
        clients = []
        for _ in range(CROWD):
            ours, theirs = unix_pair()
            clients.append(stack.enter_context(closing(non_blocking(theirs.detach()))))
            nursery.start_soon(gateways.serve, gateway, ours)
        async with beside_a_session(gateway, work) as bystander:
            await trio.testing.wait_all_tasks_blocked()
            for client in clients:
                client.send(request())
            await all_opened(gateway)
        nursery.cancel_scope.cancel()
    assert bystander.served > 100
    assert bystander.waited <= 3
    assert work.between_looks <= 5 * at_once


FRAMES = {
    "pings": Frame(PING).encode(MASK) * 10_000,
    "pongs": Frame(PONG).encode(MASK) * 10_000,
    "empty messages": Frame(BINARY).encode(MASK) * 10_000,
    "one-byte messages": Frame(BINARY, b"x").encode(MASK) * 10_000,
    "1 MiB messages": Frame(BINARY, bytes(1 << 20)).encode(MASK),
}


@pytest.mark.parametrize("kind", ["relay", "tunnel"])
@pytest.mark.parametrize("name", FRAMES)
async def test_a_flood_of_frames(work: Work, pump: Pump, name: str, kind: str) -> None:
    """Thousands of them are in a read."""
    async with session(pump, mode=kind, unix=True) as flooded, session(pump, unix=True) as other:
        work.count_reads(flooded, 0)
        with closing(Bystander(work, other)) as bystander, contextlib.ExitStack() as stack:
            client, backend = (stack.enter_context(closing(raw(peer))) for peer in (flooded.client, flooded.backend))
            work.after.append(functools.partial(drain, backend))
            Flood(work, client, FRAMES[name], ENOUGH)
            await work.done(ENOUGH)
    assert bystander.served > ENOUGH // 4
    assert bystander.waited <= 2
    assert work.between_looks <= 6


def test_all_of_them_at_once(tmp_path: Path) -> None:
    """In a real process, where nothing can be counted: sessions go on, new ones come about, and a signal is heard."""
    (tmp_path / "site").mkdir()
    with contextlib.ExitStack() as stack:
        other = stack.enter_context(Backend(echo))
        hinting = stack.enter_context(Backend(endless_hints, accept=False))
        sink = stack.enter_context(Backend(read_on))
        routes = [
            {"name": "files", "match": {"path": "/site/*"}, "files": {"root": str(tmp_path / "site")}},
            relay(hinting.port, match={"path": "/hints"}) | {"name": "hints"},
            relay(sink.port, match={"path": "/flood"}) | {"name": "flood"},
            relay(other.port) | {"name": "echo"},
        ]
        timeouts = {"close": "300ms", "handshake": "30s"}
        gateway = stack.enter_context(running(tmp_path, *routes, defaults={"timeouts": timeouts}))
        bystander = stack.enter_context(upgraded(gateway.port, "/echo"))
        asking, hinted = (stack.enter_context(Client(gateway.port)) for _ in range(2))
        flooding = stack.enter_context(upgraded(gateway.port, "/flood"))
        hinted.send(request("/hints"))
        with (
            beside(send_on(b"DELETE /site/x HTTP/1.1\r\nHost: x\r\n\r\n" * 100), asking),
            beside(read_on, asking),
            beside(send_on(FRAMES["pings"]), flooding),
            beside(read_on, flooding),
        ):
            for _ in range(20):
                bystander.round_trip()
            upgraded(gateway.port, "/echo").close()
            for client in (asking, flooding):
                client.sock.shutdown(socket.SHUT_RDWR)


def endless_hints(sock: socket.socket) -> None:
    """As fast as they are taken."""
    while True:
        sock.sendall(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1000)
