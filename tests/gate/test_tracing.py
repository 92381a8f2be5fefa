"""What a tracer is told, by one that writes it down."""

from __future__ import annotations

import pytest

from tests.gate.conftest import StartGate, relay_to, route, tunnel_to
from tests.peers.heads import request
from tests.peers.stream import Backend
from wsgate.gate.client import Client
from wsgate.settings.model import Route, Tunnel
from wsgate.site.route import LiveRoute
from wsgate.wire.headers import Headers
from wsgate.wire.http import Refusal, Request


class Notes:
    """A tracer, its spans, and what is told of them, in order."""

    headers: Headers = ((b"traceparent", b"ours"),)

    def __init__(self) -> None:
        self.told: list[object] = []
        self.detail = ""

    def begin(self, request: Request, route: LiveRoute, client: Client) -> Upgrade:
        self.told.append(route.name)
        return Upgrade(self)


class Upgrade:
    def __init__(self, notes: Notes) -> None:
        self._notes = notes

    def dial(self, backend: str) -> Dial:
        self._notes.told.append(backend)
        return Dial(self._notes)

    def end(self, status: int, session: str | None, detail: str = "") -> None:
        self._notes.detail = detail
        self._notes.told.append((status, session, detail))


class Dial:
    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self.headers = notes.headers

    def end(self, refusal: Refusal | None) -> None:
        self._notes.told.append(None if refusal is None else refusal.status)


async def test_a_session(start_gate: StartGate, backend: Backend) -> None:
    gate = start_gate(route(relay_to(backend.port)))
    notes = gate.gateway.tracer = Notes()
    client = gate.connect()
    await client.write(request(headers={"traceparent": "theirs", "tracestate": "a=b"}))
    server = await backend.accept()
    head = await server.read_head()
    assert (head.all("traceparent"), head.all("tracestate")) == (["ours"], [])
    await server.accept_upgrade()
    assert (await client.read_head()).status == 101
    assert notes.told == ["it", f"ws://127.0.0.1:{backend.port}", None, (101, "1", "")]


@pytest.mark.parametrize("kind", ["relay", "tunnel"])
async def test_a_refusal(start_gate: StartGate, kind: str) -> None:
    to: Route = route(relay_to(1) if kind == "relay" else tunnel_to(1))
    gate = start_gate(to)
    notes = gate.gateway.tracer = Notes()
    peer = gate.connect()
    await peer.write(request())
    assert (await peer.read_head()).status == 502
    dialled = "tcp://127.0.0.1:1" if isinstance(to.action, Tunnel) else "ws://127.0.0.1:1"
    assert notes.told == ["it", dialled, 502, (502, None, notes.detail)]
    assert "refused" in notes.detail
