"""Several backends behind one route, in a real gateway: the spread, and what a client notices when one dies."""

from __future__ import annotations

from collections import Counter

import pytest
import trio
from websockets.trio.server import ServerConnection, serve

from .gateway import Gateway, StartGateway
from .library import OPTIONS, connect

SESSIONS = 60


class Server:
    """A backend made with the websockets library that says which one it is, until it is stopped."""

    def __init__(self) -> None:
        self.port = 0
        self.began = 0
        self._scope = trio.CancelScope()

    async def run(self, task_status: trio.TaskStatus[None]) -> None:
        async def greet(websocket: ServerConnection) -> None:
            self.began += 1
            await websocket.send(str(self.port))
            await websocket.wait_closed()

        with self._scope:
            async with trio.open_nursery() as nursery:
                server = await nursery.start(
                    lambda task_status: serve(greet, self.port, host="127.0.0.1", task_status=task_status, **OPTIONS)
                )
                self.port = server.listeners[0].socket.getsockname()[1]
                task_status.started()

    def stop(self) -> None:
        """At once, with all of its sessions."""
        self._scope.cancel()


async def greeting(gateway: Gateway) -> int:
    """The port of the backend that a session is with."""
    async with connect(f"ws://127.0.0.1:{gateway.port}/") as websocket:
        return int(await websocket.recv())


async def many(gateway: Gateway) -> Counter[int]:
    found: Counter[int] = Counter()

    async def one() -> None:
        found[await greeting(gateway)] += 1

    async with trio.open_nursery() as nursery:
        for _ in range(SESSIONS):
            nursery.start_soon(one)
    return found


@pytest.mark.parametrize("balance", ["round_robin", "least_sessions"])
async def test_one_of_three_dies_and_comes_back(
    start_gateway: StartGateway, nursery: trio.Nursery, balance: str
) -> None:
    """No upgrade fails that could have gone elsewhere, and the spread is even before and after."""
    servers = [Server() for _ in range(3)]
    for server in servers:
        await nursery.start(server.run)
    relay = {
        "to": [f"ws://127.0.0.1:{server.port}" for server in servers],
        "balance": balance,
        "health": {"websocket": "/", "interval": "200ms", "timeout": "1s", "rise": 1, "fall": 1},
    }
    gateway = await start_gateway({"name": "app", "origins": "any", "relay": relay})
    ports = {server.port for server in servers}
    assert even(await many(gateway), ports)

    dead = servers[1]
    dead.stop()
    assert set(await many(gateway)) == ports - {dead.port}
    await gateway.next_line("backend unhealthy", backend=f"ws://127.0.0.1:{dead.port}")
    assert even(await many(gateway), ports - {dead.port})

    again = Server()
    again.port = dead.port
    await nursery.start(again.run)
    await gateway.next_line("backend healthy", backend=f"ws://127.0.0.1:{dead.port}")
    assert even(await many(gateway), ports)


def even(found: Counter[int], ports: set[int]) -> bool:
    """Whether each has its share, within a tenth of it."""
    share = SESSIONS / len(ports)
    return set(found) == ports and all(abs(count - share) <= max(1, share / 10) for count in found.values())
