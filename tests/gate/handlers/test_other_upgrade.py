"""``upgrade: any``: what a backend and a client get of an upgrade to another protocol than WebSocket."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from tests.gate.conftest import Gate, StartGate, closed
from tests.gate.handlers.test_forward import answered, forwarding
from tests.log import Log
from tests.peers.heads import plain_request, write_head
from tests.peers.stream import Backend, Peer
from wsgate.settings.model import (
    Balance,
    Headers,
    Limits,
    PlainHttp,
    Relay,
    RelayBackend,
    Route,
    TcpAddress,
    Timeouts,
    ToClient,
    Upgrades,
    WebSocketUrl,
)

SPDY = {"Connection": "Upgrade", "Upgrade": "SPDY/3.1"}


def passing(*ports: int, **more: Any) -> Route:
    return forwarding(*ports, upgrade=Upgrades.ANY, **more)


def ask(behind: bytes = b"", **fields: str) -> bytes:
    named = {name.replace("_", "-"): value for name, value in fields.items()}
    return write_head("POST /exec HTTP/1.1", {"Host": "gateway.test", **SPDY, **named}) + behind


def switching(protocol: str = "SPDY/3.1", **fields: str) -> bytes:
    named = {"Upgrade": protocol, "Connection": "upgrade", **fields}
    return write_head("HTTP/1.1 101 Switching Protocols", named)


async def opened(gate: Gate, backend: Backend, data: bytes | None = None) -> tuple[Peer, Peer]:
    client = gate.connect()
    await client.write(ask() if data is None else data)
    server = await backend.accept_request()
    await server.write(switching())
    assert (await client.read_head()).status == 101
    return client, server


async def test_an_upgrade(start_gate: StartGate, backend: Backend, log: Log) -> None:
    """With bytes of both sides that come together with their heads, and an id for both logs."""
    changes = Headers(to_client=ToClient(set_=(("X-Route", "{route}"),)))
    gate = start_gate(passing(backend.port, headers=changes))
    client = gate.connect()
    await client.write(ask(behind=b"early up", Content_Length="0"))
    server = await backend.accept_request()
    head = server.head
    assert (head.line, head.one("Upgrade"), head.one("Connection")) == ("POST /exec HTTP/1.1", "SPDY/3.1", "Upgrade")
    assert head.one("X-Forwarded-For") == "192.0.2.7"
    assert head.one("Via") == "1.1 wsgate"
    await server.write(switching(Own="1") + b"early down")
    answer = await client.read_head()
    assert (answer.status, answer.one("Upgrade"), answer.one("Connection")) == (101, "SPDY/3.1", "Upgrade")
    assert (answer.one("Own"), answer.one("X-Route"), answer.one("Sec-WebSocket-Accept")) == ("1", "it", None)
    assert await client.read(10) == b"early down"
    assert await server.read(8) == b"early up"
    await client.write(b"\x80\x03")
    assert await server.read(2) == b"\x80\x03"
    await server.vanish()
    await client.read_end()
    await client.vanish()
    await closed(gate)
    line = log.one("session")
    assert (line["reason"], line["ended_by"], line["bytes_up"], line["bytes_down"]) == ("finished", "backend", 10, 10)
    assert line["request_id"] == head.one("X-Request-Id")
    (live,) = gate.gateway.site.routes
    assert live.upstream is not None
    assert live.upstream.backends[0].sessions == 0


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_before_the_switch(start_gate: StartGate, backend: Backend, chunked: bool) -> None:
    gate = start_gate(passing(backend.port))
    client = gate.connect()
    if chunked:
        await client.write(ask(Transfer_Encoding="chunked") + b"2\r\n{}\r\n0\r\n\r\nbehind")
    else:
        await client.write(ask(Content_Length="2") + b"{}behind")
    server = await backend.accept_request()
    body = b"2\r\n{}\r\n0\r\n\r\n" if chunked else b"{}"
    assert await server.read(len(body)) == body
    await server.write(switching())
    assert (await client.read_head()).status == 101
    assert await server.read(6) == b"behind"


async def test_an_answer_instead(start_gate: StartGate, backend: Backend) -> None:
    """What is behind the request was meant for the other protocol: it is no request."""
    gate = start_gate(passing(backend.port))
    client = gate.connect()
    await client.write(ask(behind=plain_request("/smuggled")))
    server = await backend.accept_request()
    await server.respond("403 Forbidden", {}, b"no")
    head = await client.read_head()
    assert (head.status, head.one("Connection")) == (403, "close")
    assert await client.read_body() == b"no"
    await client.read_end()
    other = gate.connect()
    await other.write(plain_request())
    await answered(other, await backend.accept_request())  # on a connection of its own


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (switching("h2c"), "101 to another protocol than it was asked for"),
        (switching("SPDY/3.1, h2c"), "101 to another protocol than it was asked for"),
        (write_head("HTTP/1.1 101 x", {"Upgrade": "SPDY/3.1"}), "101 to another protocol than it was asked for"),
    ],
)
async def test_a_wrong_101(start_gate: StartGate, backend: Backend, log: Log, answer: bytes, why: str) -> None:
    client = start_gate(passing(backend.port)).connect()
    await client.write(ask())
    server = await backend.accept_request()
    await server.write(answer)
    assert (await client.read_head()).status == 502
    assert log.one("refused")["detail"] == f"ws://127.0.0.1:{backend.port}: {why}"


async def test_a_101_before_the_whole_request(start_gate: StartGate, backend: Backend, log: Log) -> None:
    client = start_gate(passing(backend.port)).connect()
    await client.write(ask(Content_Length="9") + b"part")
    server = await backend.accept_request()
    await server.write(switching())
    assert (await client.read_head()).status == 502
    assert log.one("refused")["detail"].endswith("101 before the whole request")


async def test_a_101_that_nobody_asked_for(start_gate: StartGate, backend: Backend) -> None:
    client = start_gate(passing(backend.port)).connect()
    await client.write(plain_request())
    server = await backend.accept_request()
    await server.write(switching())
    assert (await client.read_head()).status == 502


@pytest.mark.parametrize(
    "protocol", ["h2c", "H2C", "h2", "h2c-14", "HTTP/2.0", "TLS/1.2", "SPDY/3.1, h2c", "a b", "a/b/c", ""]
)
async def test_what_is_never_passed_on(start_gate: StartGate, protocol: str) -> None:
    client = start_gate(passing(1)).connect()
    await client.write(ask(Upgrade=protocol))
    assert (await client.read_head()).status == 426


async def test_the_default_passes_none_on(start_gate: StartGate) -> None:
    client = start_gate(forwarding(1)).connect()
    await client.write(ask())
    assert (await client.read_head()).status == 426


async def test_the_next_backend_and_the_caps(start_gate: StartGate, backend: Backend, log: Log) -> None:
    """It counts as a session, and the cookie that brings its client back is set."""
    urls = [WebSocketUrl(TcpAddress("127.0.0.1", port), None) for port in (1, backend.port)]
    to = tuple(RelayBackend(url=url, sessions=1) for url in urls)
    route = Route(
        name="it",
        action=Relay(to=to, balance=Balance(cookie="b")),
        http=PlainHttp.FORWARD,
        upgrade=Upgrades.ANY,
    )
    gate = start_gate(route)
    client = gate.connect()
    await client.write(ask())
    server = await backend.accept_request()
    await server.write(switching())
    head = await client.read_head()
    assert head.status == 101
    assert (head.one("Set-Cookie") or "").startswith("b=")
    second = gate.connect()
    await second.write(ask())
    assert (await second.read_head()).status == 502  # the first is tried, the other one is at its cap


async def test_no_session_while_the_gateway_is_full_or_stops(start_gate: StartGate, backend: Backend) -> None:
    gate = start_gate(passing(backend.port), limits=Limits(sessions=1))
    await opened(gate, backend)
    client = gate.connect()
    await client.write(ask())
    server = await backend.accept_request()
    await server.write(switching())
    assert (await client.read_head()).status == 503
    await server.read_end()


async def test_a_drain_ends_it(start_gate: StartGate, backend: Backend, log: Log) -> None:
    gate = start_gate(passing(backend.port))
    client, server = await opened(gate, backend)
    for session in gate.gateway.sessions:
        session.drain(1001)
    await client.read_end()
    await server.read_end()
    await client.vanish()
    await server.vanish()
    await closed(gate)
    assert log.one("session")["reason"] == "drain"


async def test_an_idle_one_ends(start_gate: StartGate, backend: Backend, log: Log, autojump_clock: MockClock) -> None:
    gate = start_gate(passing(backend.port, timeouts=Timeouts(idle=30.0)))
    client, server = await opened(gate, backend)
    await trio.sleep(29)
    await client.write(b"x")
    assert await server.read(1) == b"x"
    await trio.sleep(29)
    assert len(gate.gateway.sessions) == 1
    await trio.sleep(2)
    await client.vanish()
    await server.vanish()
    await closed(gate)
    assert log.one("session")["reason"] == "idle"
