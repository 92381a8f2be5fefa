"""A gateway inside the test: real sockets, real pump, no process. The test plays clients and backends."""

from __future__ import annotations

import contextlib
import io
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from tests.peers.frames import MASK
from tests.peers.heads import request
from tests.peers.stream import Backend, Peer
from wsgate.gate.client import RemoteEnd, client_of
from wsgate.gate.connection import serve
from wsgate.gate.exchange import Exchange
from wsgate.gate.gateway import Gateway
from wsgate.net.plain import take_over
from wsgate.net.tls.handshake import ClientCertificate
from wsgate.net.transport import Transport
from wsgate.settings.model import (
    Action,
    Address,
    Files,
    Listener,
    Match,
    Network,
    PathKind,
    PathPattern,
    Relay,
    RelayBackend,
    Route,
    Settings,
    Target,
    TcpAddress,
    Tls,
    Tunnel,
    UnixAddress,
    WebSocketUrl,
)
from wsgate.site.build import build
from wsgate.site.certificates import LiveTls
from wsgate.site.listener import LiveListener
from wsgate.wire.handshake import Upgrade, check_upgrade
from wsgate.wire.http import HttpServer, Request

CLIENT = "192.0.2.7:50000"
DEADLINE = 30.0  # seconds of real time, also with a virtual clock; the slowest test takes less than one


def route(action: Action, name: str = "it", **more: Any) -> Route:
    return Route(name=name, action=action, **more)


def below(prefix: str) -> Match:
    return Match(path=PathPattern(PathKind.PREFIX, prefix))


def at(path: str) -> Match:
    return Match(path=PathPattern(PathKind.EXACT, path))


def relay_to(port: int, path: str | None = None, **more: Any) -> Relay:
    return Relay(to=(RelayBackend(url=WebSocketUrl(TcpAddress("127.0.0.1", port), path)),), **more)


def tunnel_to(port: int, **more: Any) -> Tunnel:
    return Tunnel(to=(Target(TcpAddress("127.0.0.1", port)),), **more)


NOWHERE = Tunnel(to=(Target(UnixAddress("/nonexistent/service.sock")),))


def files_at(root: Path) -> Files:
    return Files(root=str(root))


def gateway_of(*routes: Route, **settings: Any) -> Gateway:
    """Returns a gateway whose site has these."""
    return Gateway(build(Settings(**{"listeners": (), **settings}, routes=routes)))


_CLOSED = take_over(socket.socket())  # a client's connection that no handler uses
_CLOSED.close()


def live_tls(context: ssl.SSLContext) -> LiveTls:
    """Returns the TLS of a listener whose handshakes use ``context``."""
    return LiveTls((Tls(), ()), context, {}, ())


def exchange_for(
    route: Route,
    asked: bytes | Request | None = None,
    *,
    certificate: ClientCertificate | None = None,
    trusted: Sequence[Network] = (),
    here: Transport | None = None,
    **settings: Any,
) -> Exchange:
    """Returns the exchange of a request on a route.

    asked: the request, parsed or as bytes; by default an upgrade
    certificate: the client's
    """
    gateway = gateway_of(route, trusted_proxies=tuple(trusted), **settings)
    if not isinstance(asked, Request):
        http = HttpServer()
        http.receive(request() if asked is None else asked)
        read = http.next_request()
        assert isinstance(read, Request)
        asked = read
    upgrade = check_upgrade(asked)
    address = address_of(CLIENT)
    end = RemoteEnd(address, address, certificate is not None, certificate)
    (live,) = gateway.site.routes
    return Exchange(
        gateway,
        gateway.site,
        live,
        asked,
        upgrade if isinstance(upgrade, Upgrade) else None,
        client_of(end, asked, trusted),
        end,
        here or _CLOSED,
    )


@dataclass
class Gate:
    """A running gateway."""

    gateway: Gateway
    connections: trio.Nursery
    listener: LiveListener = field(default_factory=lambda: LiveListener(Listener(bind=TcpAddress("127.0.0.1", 80))))
    peers: list[Peer] = field(default_factory=list)

    def connect(self, client: str = CLIENT) -> Peer:
        """A client that has just been accepted."""
        ours, theirs = socket.socketpair()
        self.connections.start_soon(serve, self.gateway, self.listener, take_over(theirs), address_of(client))
        self.peers.append(Peer(trio.SocketStream(trio.socket.from_stdlib_socket(ours)), mask=MASK))
        return self.peers[-1]


async def closed(gate: Gate) -> None:
    """Wait until the gateway has finished with every connection."""
    while gate.connections.child_tasks or len(gate.gateway.sessions):
        await trio.lowlevel.checkpoint()


async def file_closed(file: io.IOBase) -> None:
    """Wait until a thread has closed it."""
    with trio.fail_after(10):
        while not file.closed:  # noqa: ASYNC110 - threads tell nobody
            await trio.sleep(0.001)


def address_of(client: str) -> Address:
    """What the log writes as ``client``."""
    if client.startswith("unix:"):
        return UnixAddress(client.removeprefix("unix:"))
    host, _, port = client.rpartition(":")
    return TcpAddress(host.strip("[]"), int(port))


StartGate = Callable[..., Gate]
OpenBackend = Callable[[], Any]


async def hold_connections(gates: Sequence[Gate], task_status: trio.TaskStatus[trio.Nursery]) -> None:
    async with trio.open_nursery() as connections:
        task_status.started(connections)
        try:
            await trio.sleep_forever()
        finally:
            for gate in gates:
                gate.gateway.sessions.cut()


@contextlib.contextmanager
def deadline(nursery: trio.Nursery) -> Iterator[None]:
    """What waits for ever is a failure, not a hang."""
    passed = trio.Event()
    timer = threading.Timer(DEADLINE, trio.lowlevel.current_trio_token().run_sync_soon, [passed.set])

    async def watch() -> None:
        await passed.wait()
        raise TimeoutError(f"the test has not ended within {DEADLINE:g} s")

    nursery.start_soon(watch)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@pytest.fixture
async def start_gate() -> AsyncIterator[StartGate]:
    """``start_gate(*routes, **settings)``"""
    async with trio.open_nursery() as nursery:
        # in a task of its own: a test may cancel it
        gates: list[Gate] = []
        connections = await nursery.start(hold_connections, gates)

        def start_gate(*routes: Route, **settings: Any) -> Gate:
            gateway = gateway_of(*routes, **settings)
            nursery.start_soon(gateway.pump.run)
            gates.append(Gate(gateway, connections))
            return gates[-1]

        with deadline(nursery):
            yield start_gate
        for gate in gates:
            for peer in gate.peers:
                await peer.stream.aclose()
        await trio.testing.wait_all_tasks_blocked()  # connections that only wait for their client end by themselves
        connections.cancel_scope.cancel()
        nursery.cancel_scope.cancel()


@pytest.fixture
async def backend() -> AsyncIterator[Backend]:
    """A listening backend that the test plays byte by byte."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    backend = Backend(listener)
    yield backend
    await backend.aclose()
