"""Routes that give their sessions up, and take no new ones."""

from __future__ import annotations

from dataclasses import replace

import pytest
import trio
import trio.testing

from tests.gate.conftest import Gate, StartGate, at, gateway_of, relay_to, route, tunnel_to
from tests.log import Log
from tests.peers.frames import close_frame
from tests.peers.heads import plain_request, request
from tests.peers.stream import Backend, open_session
from tests.relay import joined
from wsgate.gate import route_drain
from wsgate.gate.gateway import Gateway
from wsgate.relay.session import Session
from wsgate.settings.model import PlainHttp, Settings
from wsgate.site.build import build


class Moved(Session):
    """A session without legs, which ends when it is moved."""

    def __init__(self, gateway: Gateway, id: str, route: str) -> None:
        self.info = replace(joined.INFO, id=id, route=route)
        self.why = ""
        self._gateway = gateway
        gateway.sessions.add(self)

    def move(self, detail: str) -> None:
        self.why = detail
        self._gateway.sessions.remove(self)


@pytest.fixture
def virtual_clock(monkeypatch: pytest.MonkeyPatch) -> trio.testing.MockClock:
    monkeypatch.setattr("random.uniform", lambda least, most: 1.0)
    return trio.testing.MockClock(autojump_threshold=0)


async def test_its_sessions_end_one_after_the_other(
    nursery: trio.Nursery, log: Log, virtual_clock: trio.testing.MockClock
) -> None:
    gateway = gateway_of(route(relay_to(1), "chat"), route(relay_to(1), "app", match=at("/app")))
    ours = [Moved(gateway, str(number), "chat") for number in range(100)]
    other = Moved(gateway, "other", "app")
    nursery.start_soon(route_drain.watch, gateway)
    gateway.route_drains.begin("chat")
    await trio.sleep(2.05)
    assert sum(bool(each.why) for each in ours) == 21  # ten a second
    gateway.route_drains.end("chat")
    await trio.sleep(20)
    assert sum(bool(each.why) for each in ours) == 21
    gateway.route_drains.begin("chat")
    await trio.sleep(20)
    assert {each.why for each in ours} == {"the route drains"}
    assert not other.why
    assert log.events() == ["route drains", "route drains no more", "route drains", "route drained"]
    assert [line["sessions"] for line in log.all("route drains")] == [100, 79]


async def test_a_session_whose_101_is_under_way_ends_too(
    nursery: trio.Nursery, log: Log, virtual_clock: trio.testing.MockClock
) -> None:
    """It is the last one that the drain ends; an undo and a drain in the same moment are one drain."""
    gateway = gateway_of(route(relay_to(1), "chat"))
    nursery.start_soon(route_drain.watch, gateway)
    gateway.route_drains.begin("chat")
    await trio.sleep(1)
    late = Moved(gateway, "late", "chat")
    gateway.route_drains.end("chat")
    gateway.route_drains.begin("chat")
    await trio.sleep(3)
    assert late.why
    assert log.events() == ["route drains", "route drained", "route drained"]


@pytest.fixture
def gate(start_gate: StartGate, backend: Backend) -> Gate:
    gate = start_gate(
        route(relay_to(backend.port), "chat", http=PlainHttp.FORWARD), route(relay_to(1), "app", match=at("/app"))
    )
    gate.connections.start_soon(route_drain.watch, gate.gateway)
    return gate


async def test_clients_are_told(gate: Gate, backend: Backend, log: Log) -> None:
    client = gate.connect()
    server = await open_session(client, backend)
    gate.gateway.route_drains.begin("chat")
    for peer in (client, server):
        assert await peer.receive_close() == (1012, "the gateway moves this session")
        await peer.send(close_frame(1012))
    await client.read_end()
    await server.stream.aclose()
    await client.stream.aclose()
    for asked in (request(), plain_request("/")):
        refused = gate.connect()
        await refused.write(asked)
        head = await refused.read_head()
        assert (head.status, head.one("Retry-After")) == (503, "5")
        await refused.vanish()
    while gate.gateway.sessions:
        await trio.testing.wait_all_tasks_blocked()
    ended = log.one("session")
    assert (ended["reason"], ended["detail"]) == ("moved", "the route drains")
    assert [line["reason"] for line in log.all("refused")] == ["this route takes no new sessions now: try again"] * 2


async def test_a_tunnel(start_gate: StartGate, backend: Backend, log: Log) -> None:
    gate = start_gate(route(tunnel_to(backend.port), "desktop"))
    gate.connections.start_soon(route_drain.watch, gate.gateway)
    client = gate.connect()
    await client.upgrade("/", {"Sec-WebSocket-Protocol": "binary"})
    service = await backend.accept()
    gate.gateway.route_drains.begin("desktop")
    assert (await client.receive_close())[0] == 1012
    await client.send(close_frame(1012))
    await service.read_end()
    await service.stream.aclose()
    await client.read_end()
    await client.stream.aclose()
    refused = gate.connect()
    await refused.write(request())
    assert (await refused.read_head()).status == 503
    await refused.vanish()


async def test_a_handshake_under_way_is_refused(gate: Gate, backend: Backend) -> None:
    """The drain begins while the backend is asked."""
    client = gate.connect()
    await client.write(request())
    server = await backend.accept_request()
    gate.gateway.route_drains.begin("chat")
    await server.accept_upgrade()
    assert (await client.read_head()).status == 503
    await client.vanish()
    await server.read_end()


async def test_a_reload_does_not_end_it(gate: Gate) -> None:
    before = gate.gateway.site
    gate.gateway.route_drains.begin("chat")
    changed = replace(before.settings.routes[0], http=PlainHttp.REJECT)
    for routes in ((changed, before.settings.routes[1]), before.settings.routes):
        gate.gateway.use_site(build(Settings(listeners=(), routes=routes), gate.gateway.site))
        client = gate.connect()
        await client.write(request())
        assert (await client.read_head()).status == 503
        await client.vanish()
    gate.gateway.route_drains.end("chat")
