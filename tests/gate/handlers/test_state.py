"""The state handler: what balancers are told at a public route."""

from __future__ import annotations

import pytest

from tests.gate.conftest import StartGate, at, relay_to, route
from tests.peers.heads import plain_request, request
from tests.peers.stream import Peer
from wsgate.settings.model import (
    Eject,
    Health,
    Relay,
    RelayBackend,
    State,
    StateAnswer,
    TcpAddress,
    WebSocketUrl,
)


def backend(port: int) -> RelayBackend:
    return RelayBackend(url=WebSocketUrl(TcpAddress("127.0.0.1", port), None))


async def ask(start_gate: StartGate, state: State, *, ready: bool = True, healthy: bool = True) -> tuple[int, str]:
    checked = route(relay_to(1, health=Health(tcp=True)), "chat", match=at("/chat"))
    gate = start_gate(route(state, match=at("/state")), checked)
    gate.gateway.ready = ready
    upstream = gate.gateway.site.routes[1].upstream
    assert upstream is not None
    upstream.backends[0].healthy = healthy
    peer = gate.connect()
    await peer.write(plain_request("/state"))
    return await read(peer)


async def read(peer: Peer) -> tuple[int, str]:
    head = await peer.read_head()
    assert head.one("Cache-Control") == "no-store"
    body = await peer.read(int(head.one("Content-Length") or 0))
    await peer.vanish()
    return head.status, body.decode()


@pytest.mark.parametrize(
    ("state", "ready", "healthy", "status", "body"),
    [
        (State(), True, False, 200, "ready\n"),
        (State(), False, True, 503, "not ready\ndraining\n"),
        (State(backends=("chat",)), True, True, 200, "ready\n"),
        (State(backends=("chat",)), True, False, 503, "not ready\nno backend of the route chat is healthy\n"),
        (State(answer=StateAnswer.ALIVE), False, False, 200, "alive\n"),
    ],
)
async def test_answers(start_gate: StartGate, state: State, ready: bool, healthy: bool, status: int, body: str) -> None:
    assert await ask(start_gate, state, ready=ready, healthy=healthy) == (status, body)


@pytest.mark.parametrize(
    ("drained", "reason"),
    [("route", "the route chat drains"), ("backend", "no backend of the route chat takes sessions")],
)
async def test_a_drain(start_gate: StartGate, drained: str, reason: str) -> None:
    gate = start_gate(
        route(State(backends=("chat",)), match=at("/state")), route(relay_to(1), "chat"), route(relay_to(1), "other")
    )
    gate.gateway.ready = True
    upstream = gate.gateway.site.routes[1].upstream
    assert upstream is not None
    if drained == "route":
        gate.gateway.route_drains.begin("chat")
    else:
        upstream.drain("ws://127.0.0.1:1")
    peer = gate.connect()
    await peer.write(plain_request("/state"))
    assert await read(peer) == (503, f"not ready\n{reason}\n")


async def test_one_that_is_ejected(start_gate: StartGate) -> None:
    gate = start_gate(
        route(State(backends=("chat",)), match=at("/state")),
        route(Relay(to=(backend(1), backend(2)), eject=Eject(failures=1)), "chat"),
    )
    gate.gateway.ready = True
    upstream = gate.gateway.site.routes[1].upstream
    assert upstream is not None
    upstream.drain("ws://127.0.0.1:1")
    for expected in (200, 503):
        peer = gate.connect()
        await peer.write(plain_request("/state"))
        assert (await read(peer))[0] == expected
        upstream.backends[1].failed("no answer")


async def test_a_websocket_is_refused(start_gate: StartGate) -> None:
    gate = start_gate(route(State()))
    peer = gate.connect()
    await peer.write(request())
    assert (await peer.read_head()).status == 404
    await peer.vanish()
