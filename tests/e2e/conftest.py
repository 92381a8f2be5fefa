"""Fixtures that start gateways, backends and raw peers for one test, and end them.

They end in this order: clients and backends that the test plays itself (a gateway would wait for their answers), then
the gateways, which must exit cleanly, then the backends of the library.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import trio
from websockets.trio.server import serve as serve_websockets

from tests.peers.frames import MASK
from tests.peers.stream import Backend, Peer, open_session

from .gateway import (
    Gateway,
    OpenBackend,
    OpenClient,
    OpenSession,
    StartGateway,
    StartSession,
    relay,
    tunnel,
    write_config,
)
from .library import OPTIONS, Handler, Serve
from .program import StartProgram, starting
from .site import Site, running

TEST_DEADLINE = 30.0  # seconds; the slowest test takes a few


@pytest.fixture
async def serve(nursery: trio.Nursery) -> Serve:
    """``await serve(handler, **options)``: a backend made with the websockets library; returns its port."""

    async def serve(handler: Handler, **options: Any) -> int:
        options = {"host": "127.0.0.1", **OPTIONS, **options}
        server = await nursery.start(functools.partial(serve_websockets, handler, 0, **options))
        port: int = server.listeners[0].socket.getsockname()[1]
        return port

    return serve


@pytest.fixture
async def deadline(nursery: trio.Nursery) -> None:
    """A test that hangs fails. What it started is ended then as after any other test."""

    async def watch() -> None:
        with trio.fail_after(TEST_DEADLINE):
            await trio.sleep_forever()  # until the test is over, and the nursery with it

    nursery.start_soon(watch)


@pytest.fixture
async def start_gateway(
    nursery: trio.Nursery, tmp_path: Path, serve: Serve, deadline: None
) -> AsyncIterator[StartGateway]:
    """``await start_gateway(*routes, **settings)``: a running gateway, which must also end without an error.

    ``process`` has options for ``Gateway.start``.
    """
    gateways: list[Gateway] = []

    async def start_gateway(*routes: dict[str, Any], process: Mapping[str, Any] = {}, **settings: Any) -> Gateway:
        directory = tmp_path / f"gateway{len(gateways)}"
        directory.mkdir()
        gateway = await Gateway.start(nursery, write_config(directory, routes, **settings), **process)
        gateways.append(gateway)
        await gateway.wait_ready()
        return gateway

    try:
        yield start_gateway
        for gateway in gateways:
            print("\n".join(gateway.log))  # pytest shows it where a test fails
        for gateway in gateways:
            await gateway.stop()
    finally:
        with trio.CancelScope(shield=True):
            for gateway in gateways:
                await gateway.kill()


@pytest.fixture
async def start_program(deadline: None) -> AsyncIterator[StartProgram]:
    """``await start_program(*command)``: runs a backend that is a program, and returns its first line."""
    async with starting() as start:
        yield start


@pytest.fixture
def site() -> Iterator[Site]:
    """A web server for the one page that a browser opens."""
    site = Site()
    with running(site):
        yield site


@pytest.fixture
async def open_backend(start_gateway: StartGateway) -> AsyncIterator[OpenBackend]:
    """``await open_backend()``: a backend for relays and tunnels that the test plays byte by byte."""
    backends: list[Backend] = []

    async def open_backend() -> Backend:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        backends.append(Backend(listener))
        return backends[-1]

    yield open_backend
    for backend in backends:
        await backend.aclose()


@pytest.fixture
async def open_client(start_gateway: StartGateway) -> AsyncIterator[OpenClient]:
    """``await open_client(gateway)``: a client that has connected and sent nothing yet."""
    clients: list[Peer] = []

    async def open_client(gateway: Gateway, *, receive_buffer: int | None = None) -> Peer:
        sock = trio.socket.socket()
        if receive_buffer is not None:
            # before connect(), so that the window that is offered is a small one from the start
            sock.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_RCVBUF, receive_buffer)
        await sock.connect(("127.0.0.1", gateway.port))
        # a key without a pattern would prove no more, and this one can be seen in a dump
        clients.append(Peer(trio.SocketStream(sock), mask=MASK))
        return clients[-1]

    yield open_client
    for client in clients:
        await client.stream.aclose()


def _starts(
    route_to: Callable[..., dict[str, Any]],
    start_gateway: StartGateway,
    open_backend: OpenBackend,
    open_client: OpenClient,
) -> StartSession:
    async def start(settings: Mapping[str, Any] = {}, **route: Any) -> tuple[Gateway, Peer, Backend]:
        backend = await open_backend()
        gateway = await start_gateway(route_to(backend.port, **route), **settings)
        return gateway, await open_client(gateway), backend

    return start


@pytest.fixture
def start_relay(start_gateway: StartGateway, open_backend: OpenBackend, open_client: OpenClient) -> StartSession:
    """``gateway, client, backend = await start_relay(settings={...}, **route)``: everything for a session, which is not
    open yet."""
    return _starts(relay, start_gateway, open_backend, open_client)


@pytest.fixture
def start_tunnel(start_gateway: StartGateway, open_backend: OpenBackend, open_client: OpenClient) -> StartSession:
    """The same with a tunnel."""
    return _starts(tunnel, start_gateway, open_backend, open_client)


@pytest.fixture
def open_relay(start_relay: StartSession) -> OpenSession:
    """``gateway, client, server = await open_relay(settings={...}, **route)``: the two ends of a session."""

    async def open_relay(**options: Any) -> tuple[Gateway, Peer, Peer]:
        gateway, client, backend = await start_relay(**options)
        return gateway, client, await open_session(client, backend)

    return open_relay


@pytest.fixture
def open_tunnel(start_tunnel: StartSession) -> OpenSession:
    """The same with a tunnel."""

    async def open_tunnel(**options: Any) -> tuple[Gateway, Peer, Peer]:
        gateway, client, service = await start_tunnel(**options)
        await client.upgrade()
        return gateway, client, await service.accept()

    return open_tunnel
