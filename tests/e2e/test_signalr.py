"""SignalR's own client, which negotiates by POST and then connects, through two servers that share nothing."""

from __future__ import annotations

import json

import pytest

from tests.programs import MODULES

from .gateway import StartGateway
from .program import StartProgram
from .tls import run

pytestmark = pytest.mark.needs("node", "ws", "@microsoft/signalr")


async def test_negotiate_then_connect(start_gateway: StartGateway, start_program: StartProgram) -> None:
    """The cookie brings each request to the server that was negotiated with."""
    server = str(MODULES.parent / "signalr_server.js")
    to = [f"ws://127.0.0.1:{await start_program('node', server, name)}" for name in ("one:", "two:")]
    relay = {"to": to, "balance": {"policy": "round_robin", "cookie": "backend"}}
    gateway = await start_gateway({"name": "app", "origins": "any", "http": "forward", "relay": relay})
    client = str(MODULES.parent / "signalr_client.js")
    said = json.loads(await run("node", client, f"http://127.0.0.1:{gateway.port}/hub"))
    for (one, size), (two, large) in said:
        assert one in ("one: ", "two: ")
        assert (two, size, large) == (one, 8, 100005)
    assert len(said) == 3
    assert (await gateway.next_line("answered", method="POST"))["path"] == "/hub/negotiate"
    for _ in range(2):  # by WebSockets alone, and as the client chooses
        assert (await gateway.session_line())["reason"] == "closed"
