"""socket.io as it starts by default, by polling and then an upgrade, through two backends that share nothing."""

from __future__ import annotations

import json

import pytest

from tests.programs import MODULES

from .gateway import Gateway, StartGateway
from .program import StartProgram
from .tls import run

pytestmark = pytest.mark.needs("node", "socket.io", "socket.io-client")

SERVER, CLIENT = (str(MODULES.parent / f"socketio_{end}.js") for end in ("server", "client"))
ECHOES = [5, 100000, 3]
SAID = [
    {"began": "polling, then an upgrade", "transport": "websocket", "echoes": ECHOES},
    {"began": "polling", "transport": "polling", "echoes": ECHOES},
]


async def start(start_gateway: StartGateway, start_program: StartProgram, balance: dict[str, str]) -> Gateway:
    to = [f"ws://127.0.0.1:{await start_program('node', SERVER, name)}" for name in ("one", "two")]
    relay = {"to": to, "balance": balance}
    return await start_gateway({"name": "app", "origins": "any", "http": "forward", "relay": relay})


async def test_polling_then_an_upgrade(start_gateway: StartGateway, start_program: StartProgram) -> None:
    """The cookie brings each request of a client to the server that knows it."""
    gateway = await start(start_gateway, start_program, {"policy": "round_robin", "cookie": "backend"})
    said = json.loads(await run("node", CLIENT, f"http://127.0.0.1:{gateway.port}"))
    assert [each.pop("name") in ("one", "two") for each in said] == [True, True]
    assert said == SAID
    assert (await gateway.session_line())["reason"] == "closed"
    assert (await gateway.next_line("answered", method="POST"))["status"] == 200


async def test_clients_without_cookies(start_gateway: StartGateway, start_program: StartProgram) -> None:
    """A parameter of their own is in all of their requests, as the sid of the first one's answer is not."""
    gateway = await start(start_gateway, start_program, {"hash": "query:client"})
    names = set()
    for client in range(20):  # each with one of two servers, by the hash
        said = json.loads(await run("node", CLIENT, f"http://127.0.0.1:{gateway.port}", str(client)))
        (name,) = {each.pop("name") for each in said}
        names.add(name)
        assert said == SAID
        if len(names) == 2:
            break
    assert names == {"one", "two"}
