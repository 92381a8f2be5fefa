"""A deploy: two gateways behind HAProxy are restarted one after the other, under clients that reconnect."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path

import pytest
import trio
from websockets.exceptions import ConnectionClosed
from websockets.trio.server import ServerConnection

from tests.peers.sockets import free_port

from . import services
from .gateway import Gateway, relay, write_config
from .library import Serve, connect

CLIENTS = 40
ROUNDS = 5  # messages of each client before, between and after the restarts

HAPROXY = """\
defaults
  mode http
  timeout connect 1s
  timeout client 1m
  timeout server 1m
  timeout tunnel 1m
  retries 3
  option redispatch
listen ws
  bind 127.0.0.1:{port}
  server one 127.0.0.1:{one} check inter 50ms fall 1 rise 1
  server two 127.0.0.1:{two} check inter 50ms fall 1 rise 1
"""


async def echo(websocket: ServerConnection) -> None:
    with contextlib.suppress(ConnectionClosed):
        while True:
            await websocket.send(await websocket.recv())


class Client:
    """Sends messages and expects each echo; after a Close it connects again and repeats the last message."""

    def __init__(self, url: str, name: int) -> None:
        self.url = url
        self.name = name
        self.echoed = 0
        self.closes: list[int | None] = []
        self._progress = trio.Event()

    async def reach(self, goal: int) -> None:
        while self.echoed < goal:
            await self._progress.wait()

    async def run(self) -> None:
        while True:
            async with connect(self.url) as websocket:
                try:
                    while True:
                        message = f"{self.name}: {self.echoed}"
                        await websocket.send(message)
                        assert await websocket.recv() == message
                        self.echoed += 1
                        self._progress.set()
                        self._progress = trio.Event()
                        await trio.sleep(0.02)  # real time: neither HAProxy nor the gateways have another
                except ConnectionClosed as closed:
                    self.closes.append(closed.rcvd.code if closed.rcvd else None)


async def progress(clients: list[Client]) -> None:
    """Every client gets some more messages through."""
    goals = [client.echoed + ROUNDS for client in clients]
    with trio.fail_after(20):
        for client, goal in zip(clients, goals, strict=True):
            await client.reach(goal)


async def restart(nursery: trio.Nursery, gateway: Gateway) -> Gateway:
    gateway.process.terminate()
    assert await gateway.wait_exit() == 0, gateway.log
    return await start(nursery, gateway.file)


async def start(nursery: trio.Nursery, file: Path) -> Gateway:
    gateway = await Gateway.start(nursery, file)
    await gateway.wait_ready()
    return gateway


@pytest.mark.needs("haproxy")
async def test_a_rolling_restart_fails_no_message_beyond_the_close(
    nursery: trio.Nursery, serve: Serve, tmp_path: Path, deadline: None
) -> None:
    backend = await serve(echo)
    ports = {name: free_port() for name in ("port", "one", "two")}
    gateways: list[Gateway] = []
    try:
        await roll(nursery, backend, ports, tmp_path, gateways)
    finally:
        with trio.CancelScope(shield=True):
            for gateway in gateways:
                await gateway.kill()


async def roll(
    nursery: trio.Nursery, backend: int, ports: dict[str, int], tmp_path: Path, gateways: list[Gateway]
) -> None:
    for name in ("one", "two"):
        directory = tmp_path / name
        directory.mkdir()
        drain = {"delay": "200ms", "spread": "300ms", "grace": "5s"}
        listeners = [{"bind": f"127.0.0.1:{ports[name]}"}]
        file = write_config(directory, [relay(backend)], listeners=listeners, drain=drain)
        gateways.append(await start(nursery, file))
    config = tmp_path / "haproxy.cfg"
    config.write_text(HAPROXY.format(**ports))
    await services.start(nursery, "haproxy", ["-V", "-db", "-f", config], ready=b"Using ")
    with trio.fail_after(services.START_DEADLINE):
        while not is_open(ports["port"]):  # noqa: ASYNC110 - another process has no event for us
            await trio.sleep(0.01)

    clients = [Client(f"ws://127.0.0.1:{ports['port']}/", name) for name in range(CLIENTS)]
    async with trio.open_nursery() as talking:
        for client in clients:
            talking.start_soon(client.run)
        await progress(clients)
        for index in range(2):
            gateways[index] = await restart(nursery, gateways[index])
            await progress(clients)
        talking.cancel_scope.cancel()
    closes = [code for client in clients for code in client.closes]
    assert len(closes) >= CLIENTS  # each gateway had about half of them, and the second all
    assert set(closes) == {1001}
    for gateway in gateways:
        await gateway.stop()


def is_open(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0
