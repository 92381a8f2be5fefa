"""Sessions that wait for a place at a backend, from the client's first byte on."""

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from tests.gate.conftest import Gate, StartGate, closed, route
from tests.log import Log
from tests.peers.heads import request
from tests.peers.stream import Backend, Peer
from wsgate.gate.refusals import CLIENT_GONE
from wsgate.settings.model import Queue, Relay, RelayBackend, Retry, TcpAddress, WebSocketUrl
from wsgate.site.upstream import Upstream

QUEUE = Queue()


def relay(*ports: int, sessions: int | None = 1, queue: Queue | None = QUEUE, **more: Any) -> Relay:
    to = [RelayBackend(url=WebSocketUrl(TcpAddress("127.0.0.1", port), None), sessions=sessions) for port in ports]
    return Relay(to=tuple(to), queue=queue, **more)


def upstream_of(gate: Gate) -> Upstream:
    found = gate.gateway.site.routes[0].upstream
    assert found is not None
    return found


async def ask(gate: Gate) -> Peer:
    peer = gate.connect()
    await peer.write(request())
    return peer


async def accepted(peer: Peer, backend: Backend) -> Peer:
    server = await backend.accept_request()
    await server.accept_upgrade()
    assert (await peer.read_head()).status == 101
    return server


async def waits(gate: Gate) -> Peer:
    """A client whose session waits."""
    before = len(upstream_of(gate).queue)
    peer = await ask(gate)
    await trio.testing.wait_all_tasks_blocked()
    assert len(upstream_of(gate).queue) == before + 1
    return peer


async def test_a_place_that_becomes_free(start_gate: StartGate, backend: Backend) -> None:
    gate = start_gate(route(relay(backend.port)))
    first = await ask(gate)
    server = await accepted(first, backend)
    second, third = await waits(gate), await waits(gate)
    for end in (first, server):
        await end.vanish()
    server = await accepted(second, backend)
    assert len(upstream_of(gate).queue) == 1
    for end in (second, server):
        await end.vanish()
    server = await accepted(third, backend)
    for end in (third, server):
        await end.vanish()
    await closed(gate)
    assert upstream_of(gate).backends[0].sessions == 0


async def test_no_place_in_time(start_gate: StartGate, backend: Backend, log: Log, autojump_clock: MockClock) -> None:
    gate = start_gate(route(relay(backend.port, queue=Queue(timeout=3.0))))
    upstream_of(gate).activate()
    upstream_of(gate).backends[0].enter()
    peer = await ask(gate)
    head = await peer.read_head()
    assert (head.status, head.one("Retry-After")) == (503, "5")
    assert trio.current_time() == pytest.approx(3.0, abs=0.1)
    assert log.one("refused")["detail"] == "no place became free within 3 s"


async def test_the_queue_is_full(start_gate: StartGate, backend: Backend, log: Log) -> None:
    """One that has left makes room."""
    gate = start_gate(route(relay(backend.port, queue=Queue(size=4))))
    gate.gateway.workers = 2  # each of which has its share
    upstream_of(gate).activate()
    upstream_of(gate).backends[0].enter()
    first = await waits(gate)
    await waits(gate)
    refused = await ask(gate)
    head = await refused.read_head()
    assert (head.status, head.one("Retry-After")) == (503, "5")
    assert log.one("refused")["detail"] == "each is at its sessions, and 2 wait already"
    await first.vanish()
    await trio.testing.wait_all_tasks_blocked()
    assert len(upstream_of(gate).queue) == 1
    assert log.all("refused")[-1]["reason"] == CLIENT_GONE.reason
    await waits(gate)


async def test_a_drain_ends_the_wait(start_gate: StartGate, backend: Backend, log: Log) -> None:
    gate = start_gate(route(relay(backend.port)))
    upstream_of(gate).activate()
    upstream_of(gate).backends[0].enter()
    peer = await waits(gate)
    gate.gateway.stop_accepting()
    assert (await peer.read_head()).status == 503
    assert log.one("refused")["reason"] == "the gateway is shutting down: connect again"


async def test_one_that_fails_and_one_without_a_place(start_gate: StartGate, backend: Backend, log: Log) -> None:
    """A session that the one cannot take waits for the other; and one that has tried all of them does not."""
    with trio.socket.socket() as unused:
        await unused.bind(("127.0.0.1", 0))  # and does not listen
        gate = start_gate(route(relay(unused.getsockname()[1], backend.port, sessions=1)))
        upstream_of(gate).activate()
        second = upstream_of(gate).backends[1]
        second.enter()
        peer = await waits(gate)
        second.leave()
        server = await backend.accept_request()
        await server.respond("503 Service Unavailable")
        assert (await peer.read_head()).status == 503
        assert [each.sessions for each in upstream_of(gate).backends] == [0, 0]


async def test_attempts_are_counted(start_gate: StartGate, backend: Backend) -> None:
    with trio.socket.socket() as unused:
        await unused.bind(("127.0.0.1", 0))
        gate = start_gate(route(relay(unused.getsockname()[1], backend.port, retry=Retry(attempts=1))))
        upstream_of(gate).activate()
        upstream_of(gate).backends[1].enter()
        assert (await (await ask(gate)).read_head()).status == 502


async def test_without_a_queue(start_gate: StartGate, backend: Backend, log: Log) -> None:
    gate = start_gate(route(relay(backend.port, queue=None)))
    upstream_of(gate).activate()
    upstream_of(gate).backends[0].enter()
    assert (await (await ask(gate)).read_head()).status == 503


async def test_none_is_healthy(start_gate: StartGate, backend: Backend, log: Log) -> None:
    """So nothing could become free."""
    gate = start_gate(route(relay(backend.port)))
    upstream_of(gate).backends[0].healthy = False
    assert (await (await ask(gate)).read_head()).status == 503
    assert log.one("refused")["detail"] == "each is unhealthy, or at its sessions"
