"""socket.io as it starts by default, by polling and then an upgrade, through two backends that share nothing."""

from __future__ import annotations

import json
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import trio

from tests.programs import MODULES

from .gateway import StartGateway
from .tls import run

pytestmark = pytest.mark.needs("node", "socket.io", "socket.io-client")

StartServer = Callable[[str], Awaitable[int]]


@pytest.fixture
async def start_server() -> AsyncIterator[StartServer]:
    """``await start_server(name)``: a server's port."""
    processes: list[trio.Process] = []

    async def start_server(name: str) -> int:
        command = ["node", str(MODULES.parent / "socketio_server.js"), name]
        process = await trio.lowlevel.open_process(command, stdout=subprocess.PIPE)
        processes.append(process)
        assert process.stdout is not None
        return int(await process.stdout.receive_some())

    yield start_server
    for process in processes:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()
        if process.stdout is not None:
            await process.stdout.aclose()


async def test_polling_then_an_upgrade(start_gateway: StartGateway, start_server: StartServer) -> None:
    """The cookie brings each request of a client to the server that knows it."""
    to = [f"ws://127.0.0.1:{await start_server(name)}" for name in ("one", "two")]
    relay = {"to": to, "balance": {"policy": "round_robin", "cookie": "backend"}}
    gateway = await start_gateway({"name": "app", "origins": "any", "http": "forward", "relay": relay})
    url = f"http://127.0.0.1:{gateway.port}"
    said = json.loads(await run("node", str(MODULES.parent / "socketio_client.js"), url))
    echoes = [5, 100000, 3]
    assert [each.pop("name") in ("one", "two") for each in said] == [True, True]
    assert said == [
        {"began": "polling, then an upgrade", "transport": "websocket", "echoes": echoes},
        {"began": "polling", "transport": "polling", "echoes": echoes},
    ]
    assert (await gateway.session_line())["reason"] == "closed"
    assert (await gateway.next_line("forwarded", method="POST"))["status"] == 200
