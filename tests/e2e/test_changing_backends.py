"""500 clients while their backends die, come back, are added by file, move by name and drain: nobody else notices."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.peers.frames import CLOSE, MASK, TEXT, Frame, close_code, parse
from tests.peers.heads import Head, accept_for, request

from .gateway import StartGateway
from .name_server import NameServer

CLIENTS = 500
RESTLESS = 25  # of them come and go all the time, so that there are upgrades at every moment
PAUSE = 2.0  # seconds between two messages of a client
NAME = "app.wsgate.test"


async def frame(stream: trio.SocketStream, received: bytearray) -> Frame | None:
    """The next frame; ``None`` at the end."""
    while not (parsed := parse(received)):
        try:
            data = await stream.receive_some()
        except trio.BrokenResourceError:
            return None
        if not data:
            return None
        received += data
    del received[: parsed.size]
    return parsed.frame


async def head(stream: trio.SocketStream, received: bytearray) -> bytes:
    """The next head."""
    while b"\r\n\r\n" not in received:
        data = await stream.receive_some()
        if not data:
            return b""
        received += data
    found, _, rest = bytes(received).partition(b"\r\n\r\n")
    received[:] = rest
    return found


class Server:
    """A backend that says its name first, then echoes, until it is killed.

    began: its sessions so far
    """

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        self.host, self.port = host, port
        self.began = 0
        self._scope = trio.CancelScope()

    @property
    def name(self) -> str:
        return f"{self.host}:{self.port}"

    async def run(self, task_status: trio.TaskStatus[None]) -> None:
        listeners = await trio.open_tcp_listeners(self.port, host=self.host, backlog=CLIENTS)
        self.port = listeners[0].socket.getsockname()[1]
        with self._scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(trio.serve_listeners, self._serve, listeners)
                task_status.started()

    def kill(self) -> None:
        """At once, with all of its sessions."""
        self._scope.cancel()

    async def _serve(self, stream: trio.SocketStream) -> None:
        received = bytearray()
        try:
            asked = await head(stream, received)
            if not asked:  # a health check
                return
            self.began += 1
            await stream.send_all(accept_for(asked) + Frame(TEXT, self.name.encode()).encode(None))
            while (came := await frame(stream, received)) is not None:
                await stream.send_all(came.encode(None))
                if came.opcode == CLOSE:
                    return
        except trio.BrokenResourceError:
            pass
        finally:
            await trio.aclose_forcefully(stream)


class Crowd:
    """Clients that stay with a gateway, and come back whenever a session ends.

    present: how many sessions each backend has
    ended: sessions that no client has ended, by backend and close code
    faults: what must not be
    """

    def __init__(self, port: int, size: int = CLIENTS) -> None:
        self._port = port
        self._size = size
        self.present: Counter[str] = Counter()
        self.ended: Counter[tuple[str, int | None]] = Counter()
        self.faults: list[str] = []
        self._changed = trio.Event()
        self._connecting: set[trio.CancelScope] = set()
        self._sessions: dict[trio.CancelScope, str] = {}

    async def run(self, *, restless: bool) -> None:
        """One client, until cancelled."""
        while True:
            with trio.CancelScope() as scope:
                await self._session(scope, 0.5 if restless else float("inf"))

    async def settled(self, servers: Collection[Server]) -> None:
        """Wait until all clients have a session, and each backend has its share, within a tenth of it."""
        share = self._size / len(servers)

        def is_even() -> bool:
            return all(abs(self.present[each.name] - share) <= share / 10 for each in servers)

        with self._explained():
            while not is_even() or self.present.total() < self._size - RESTLESS:
                await self._changed.wait()
        assert self.faults == []

    async def connected(self) -> None:
        """Wait until the clients that are connecting now have a session, or have ended: where they go is decided."""
        connecting = set(self._connecting)
        with self._explained():
            while connecting & self._connecting:
                await self._changed.wait()

    def come_back(self, server: Server, number: int = CLIENTS) -> None:
        """Lets so many clients of a backend end their sessions, and begin others."""
        scopes = [scope for scope, name in self._sessions.items() if name == server.name]
        for scope in scopes[:number]:
            scope.cancel()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        with trio.move_on_after(15) as deadline:
            yield
        assert not deadline.cancelled_caught, (self.present, self.ended, self.faults)

    def _notify(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    async def _session(self, scope: trio.CancelScope, lifetime: float) -> None:
        stream = trio.SocketStream(trio.socket.socket())
        received = bytearray()
        name = None
        self._connecting.add(scope)
        try:
            await stream.socket.connect(("127.0.0.1", self._port))
            await stream.send_all(request())
            answer = await head(stream, received)
            if not answer or Head.parse(answer).status != 101:
                self.faults.append(f"refused: {answer!r}")
                return
            greeting = await frame(stream, received)
            if greeting is None or greeting.opcode == CLOSE:  # its backend has died just now
                return
            name = greeting.payload.decode()
            self.present[name] += 1
            self._sessions[scope] = name
            self._connecting.discard(scope)
            self._notify()
            with trio.move_on_after(lifetime):
                code = await self._talk(stream, received)
                self.ended[name, code] += 1
        finally:
            self._connecting.discard(scope)
            if name is not None:
                self.present[name] -= 1
                del self._sessions[scope]
            self._notify()
            await trio.aclose_forcefully(stream)

    async def _talk(self, stream: trio.SocketStream, received: bytearray) -> int | None:
        """Sends and receives until the session ends; returns the close code."""
        while True:
            try:
                await stream.send_all(Frame(TEXT, b"hello").encode(MASK))
            except trio.BrokenResourceError:
                return None
            came = await frame(stream, received)
            if came is None:
                return None
            if came.opcode == CLOSE:
                return close_code(came)
            if came.payload != b"hello":
                self.faults.append(f"received {came}")
            with trio.move_on_after(PAUSE):
                came = await frame(stream, received)
                if came is not None and came.opcode != CLOSE:
                    self.faults.append(f"received {came}")
                return None if came is None else close_code(came)


async def hold_open(task_status: trio.TaskStatus[trio.Nursery]) -> None:
    async with trio.open_nursery() as nursery:
        task_status.started(nursery)
        await trio.sleep_forever()


@pytest.mark.needs("unshare")
async def test_500_clients_while_their_backends_change(
    start_gateway: StartGateway, nursery: trio.Nursery, tmp_path: Path
) -> None:
    clients = await nursery.start(hold_open)

    async def start(server: Server) -> Server:
        await nursery.start(server.run)
        return server

    listed = tmp_path / "app.backends"

    def write(text: str) -> None:
        new = tmp_path / "new"
        new.write_text(text)
        new.replace(listed)

    write("[]")
    own, added = await start(Server()), await start(Server())
    first = await start(Server("127.0.0.21"))
    second, third = [await start(Server(f"127.0.0.{number}", first.port)) for number in (22, 23)]
    dns = NameServer({NAME: [first.host, second.host]})
    await nursery.start(dns.run)
    relay: dict[str, Any] = {
        "to": [f"ws://{own.name}", f"ws://{NAME}:{first.port}"],
        "to_file": str(listed),
        "resolve": "500ms",
        "balance": "least_sessions",
        "health": {"tcp": True, "interval": "200ms", "timeout": "5s", "rise": 1, "fall": 2},
    }
    route = {"name": "app", "origins": "any", "relay": relay}
    limits = {"sessions_per_address": "off", "silent_per_address": "off"}
    gateway = await start_gateway(route, limits=limits, process={"prefix": dns.prefix(tmp_path)})
    crowd = Crowd(gateway.port)
    for number in range(CLIENTS):
        clients.start_soon(lambda restless: crowd.run(restless=restless), number < RESTLESS)
    await crowd.settled([own, first, second])

    own.kill()  # its clients come back to the others at once
    await gateway.next_line("backend unhealthy", backend=f"ws://{own.name}")
    await crowd.settled([first, second])
    assert {name for name, _ in crowd.ended} == {own.name}

    again = await start(Server(own.host, own.port))
    write(f"ws://{added.name}\n")
    await gateway.next_line("backend added", backend=f"ws://{added.name}")
    await gateway.next_line("backend healthy", backend=f"ws://{own.name}")
    for server in (first, second):
        crowd.come_back(server, CLIENTS // 4)
    await crowd.settled([again, added, first, second])

    dns.names[NAME] = [second.host, third.host]
    url = f"ws://{NAME}:{first.port}"
    gone = await gateway.next_line("backend removed", backend=f"{url} ({first.host})")
    assert gone["sessions"] >= CLIENTS / 5
    await crowd.connected()  # a client whose backend was chosen before that still goes there
    began = first.began
    await gateway.next_line("backend added", backend=f"{url} ({third.host})")
    assert crowd.present[first.name] >= CLIENTS / 5  # its sessions go on
    crowd.come_back(first)
    await crowd.settled([again, added, second, third])
    assert first.began == began

    dns.fails = True
    await gateway.next_line("name does not resolve", name=f"{NAME}:{first.port}")
    await crowd.settled([again, added, second, third])

    assert {name for name, _ in crowd.ended} == {own.name}
    write(f"ws://{added.name} drain\n")
    await gateway.next_line("backend drained", backend=f"ws://{added.name}")
    await crowd.settled([again, second, third])
    assert crowd.ended[added.name, 1012] >= CLIENTS / 5
    assert {name for name, _ in crowd.ended} == {own.name, added.name}
    clients.cancel_scope.cancel()


async def test_sessions_move_to_a_backend_that_is_new(
    start_gateway: StartGateway, nursery: trio.Nursery, tmp_path: Path
) -> None:
    """Slowly, as many as it should have, and each client once."""
    clients = await nursery.start(hold_open)
    old, new = Server(), Server()
    await nursery.start(old.run)
    await nursery.start(new.run)
    listed = tmp_path / "app.backends"
    relay = {
        "to": f"ws://{old.name}",
        "to_file": str(listed),
        "balance": "round_robin",
        "rebalance": "25%",
    }
    gateway = await start_gateway({"name": "app", "origins": "any", "relay": relay})
    assert await gateway.next_line("backend file wrong", consequence="it is awaited")
    crowd = Crowd(gateway.port, 40)
    for _ in range(40):
        clients.start_soon(lambda: crowd.run(restless=False))
    await crowd.settled([old])
    listed.write_text(f"ws://{new.name}\n")
    await gateway.next_line("backend file right again")
    await crowd.settled([old, new])
    lines = [await gateway.session_line(reason="moved") for _ in range(18)]
    assert {line["backend_code"] for line in lines} == {1012}
    assert set(crowd.ended) == {(old.name, 1012)}
    assert crowd.ended.total() <= 20
    clients.cancel_scope.cancel()
