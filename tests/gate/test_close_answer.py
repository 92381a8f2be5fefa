"""``errors: close``: refusals that a browser's page can read."""

from __future__ import annotations

import base64
import contextlib
import ipaddress

import pytest
import trio
from trio.testing import MockClock

from tests.gate.conftest import NOWHERE, StartGate, exchange_for, relay_to, route, tunnel_to
from tests.log import Log
from tests.peers.frames import BINARY, MASK, PING, TEXT, Frame, close_frame
from tests.peers.heads import plain_request, request
from tests.peers.stream import Backend
from wsgate.gate.close_answer import by_close, close_for
from wsgate.settings.model import Auth, Basic, ClientTarget, Errors, Limits, Place, PlaceKind, Route, TargetRule, Tunnel
from wsgate.wire.close import Close
from wsgate.wire.http import Refusal


@pytest.mark.parametrize(
    ("refusal", "close"),
    [
        (Refusal(400, "no"), Close(4400, b"no")),
        (Refusal(401, "who are you"), Close(4401, b"who are you")),
        (Refusal(403, "no valid token"), Close(4403, b"no valid token")),
        (Refusal(429, "too many"), Close(4429, b"too many")),
        (Refusal(500, "ours"), Close(1011, b"ours")),
        (Refusal(502, "the backend cannot be reached"), Close(1011, b"Failed to connect to downstream server")),
        (Refusal(503, "full"), Close(1013, b"full")),
        (Refusal(504, "silent"), Close(1011, b"Failed to connect to downstream server")),
        (Refusal(302, "elsewhere"), Close(4401, b"elsewhere")),
        (Refusal(403, "x" * 200), Close(4403, b"x" * 123)),
        (Refusal(403, "n\N{LATIN SMALL LETTER O WITH DIAERESIS}"), Close(4403, b"n?")),
    ],
)
def test_the_close_of_each_status(refusal: Refusal, close: Close) -> None:
    assert close_for(refusal) == close


def test_only_who_asked_rightly_for_a_websocket_is_told_by_a_close() -> None:
    told = Route(name="it", action=NOWHERE, errors=Errors.CLOSE)
    no = Refusal(403, "no")
    assert by_close(exchange_for(told), no)
    assert not by_close(exchange_for(told, plain_request()), no)
    assert not by_close(exchange_for(Route(name="it", action=NOWHERE)), no)


CHALLENGE = ((b"WWW-Authenticate", b"Basic"),)


@pytest.mark.parametrize(
    ("sent", "answer", "told"),
    [
        ({}, Refusal(401, "who", CHALLENGE), False),
        ({}, Refusal(401, "backend", CHALLENGE, body=b""), False),
        ({"Authorization": "Basic eDp5"}, Refusal(401, "who", CHALLENGE), True),
        ({"Authorization": "Basic eDp5"}, Refusal(401, "backend", CHALLENGE, body=b""), True),
        ({}, Refusal(401, "no token"), True),
        ({}, Refusal(403, "no", CHALLENGE), True),
    ],
)
def test_a_challenge_is_a_status_until_it_was_answered(sent: dict[str, str], answer: Refusal, told: bool) -> None:
    """A browser sends the credentials of its URL only when it has heard the 401."""
    told_by_close = Route(name="it", action=NOWHERE, errors=Errors.CLOSE)
    assert by_close(exchange_for(told_by_close, request("/", sent)), answer) is told


async def test_who_has_shown_no_password_is_asked_for_it(start_gate: StartGate, backend: Backend) -> None:
    basic = Auth(basic=Basic(users=("me:{PLAIN}right",)))
    gate = start_gate(route(tunnel_to(backend.port), errors=Errors.CLOSE, auth=basic))
    peer = gate.connect()
    await peer.write(request())
    head = await peer.read_head()
    assert (head.status, head.one("WWW-Authenticate")) == (401, 'Basic realm="wsgate", charset="UTF-8"')
    for password, opened in ((b"wrong", False), (b"right", True)):
        peer = gate.connect()
        credentials = base64.b64encode(b"me:" + password).decode()
        await peer.upgrade(headers={"Authorization": f"Basic {credentials}"})
        if opened:
            await backend.accept()
        else:
            assert await peer.receive_close() == (4401, "user and password are needed")


async def test_a_target_that_cannot_be_reached(start_gate: StartGate, log: Log) -> None:
    gate = start_gate(route(NOWHERE, errors=Errors.CLOSE))
    peer = gate.connect()
    await peer.write(request())
    assert (await peer.read_head()).status == 101
    assert await peer.receive_close() == (1011, "Failed to connect to downstream server")
    await peer.send(close_frame(1011))
    await peer.read_end()
    await peer.vanish()
    assert log.one("refused")["status"] == 502
    assert not log.all("session")


async def test_a_backends_own_refusal(start_gate: StartGate, backend: Backend) -> None:
    gate = start_gate(route(relay_to(backend.port), errors=Errors.CLOSE))
    peer = gate.connect()
    await peer.write(request())
    server = await backend.accept_request()
    await server.write(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno")
    assert (await peer.read_head()).status == 101
    assert await peer.receive_close() == (4401, "refused by the backend")
    await peer.send(close_frame(4401))
    await peer.read_end()


async def test_the_first_subprotocol_that_was_offered(start_gate: StartGate) -> None:
    gate = start_gate(route(NOWHERE, errors=Errors.CLOSE))
    peer = gate.connect()
    await peer.write(request(headers={"Sec-WebSocket-Protocol": "chat, binary"}))
    head = await peer.read_head()
    assert (head.status, head.one("Sec-WebSocket-Protocol")) == (101, "chat")
    assert (await peer.receive_close())[0] == 1011


async def test_a_full_gateway(start_gate: StartGate, backend: Backend) -> None:
    gate = start_gate(route(tunnel_to(backend.port), errors=Errors.CLOSE), limits=Limits(sessions=1))
    first, second = gate.connect(), gate.connect()
    await first.upgrade()
    await second.upgrade()
    assert await second.receive_close() == (1013, "the gateway is full: try again later")


@pytest.mark.parametrize("bad", [plain_request(), request(headers={"Sec-WebSocket-Key": "short"})])
async def test_what_is_no_upgrade_gets_a_status(start_gate: StartGate, bad: bytes) -> None:
    gate = start_gate(route(NOWHERE, errors=Errors.CLOSE))
    peer = gate.connect()
    await peer.write(bad)
    assert (await peer.read_head()).status in (400, 426)


async def test_the_clients_close_is_awaited(start_gate: StartGate, autojump_clock: MockClock) -> None:
    """The client may send anything before, in any pieces: a browser reports an early end of the connection as
    unclean."""
    gate = start_gate(route(NOWHERE, errors=Errors.CLOSE))
    peer = gate.connect()
    early = Frame(TEXT, b"hello").encode(MASK)
    await peer.write(request() + early + Frame(PING, b"x").encode(MASK))
    assert (await peer.read_head()).status == 101
    await peer.receive_close()
    more = Frame(BINARY, bytes(70_000)).encode(MASK) + close_frame(1000).encode(MASK)
    for piece in (more[:3], more[3:40_000], more[40_000:-3]):
        await peer.write(piece)
        with trio.move_on_after(1) as waited:
            await peer.read_end()
        assert waited.cancelled_caught
    began = trio.current_time()
    await peer.write(more[-3:])
    await peer.read_end()
    assert trio.current_time() == began


@pytest.mark.parametrize("last", [b"\x81\x05hello", b"\xf8\x80\0\0\0\0", None], ids=["unmasked", "reserved", "end"])
async def test_who_breaks_a_rule_or_ends_is_not_waited_for(
    start_gate: StartGate, autojump_clock: MockClock, last: bytes | None
) -> None:
    gate = start_gate(route(NOWHERE, errors=Errors.CLOSE))
    peer = gate.connect()
    await peer.upgrade()
    await peer.receive_close()
    began = trio.current_time()
    await (peer.stream.send_eof() if last is None else peer.write(last))
    await peer.read_end()
    assert trio.current_time() == began


async def test_a_client_that_does_not_answer_the_close(start_gate: StartGate, autojump_clock: MockClock) -> None:
    """It has the close timeout, and then that of TCP's end."""
    gate = start_gate(route(NOWHERE, errors=Errors.CLOSE))
    peer = gate.connect()
    await peer.upgrade()
    await peer.receive_close()
    began = trio.current_time()
    await peer.read_end()
    assert trio.current_time() - began == 5.0
    await trio.sleep(4.9)
    assert gate.connections.child_tasks
    await trio.sleep(0.2)
    assert not gate.connections.child_tasks


async def test_a_client_that_floods_instead_of_closing(start_gate: StartGate, autojump_clock: MockClock) -> None:
    gate = start_gate(route(NOWHERE, errors=Errors.CLOSE))
    peer = gate.connect()
    await peer.upgrade()
    await peer.receive_close()
    began = trio.current_time()
    with contextlib.suppress(trio.BrokenResourceError):
        while trio.current_time() - began < 20:
            for _ in range(10):
                await peer.write(Frame(BINARY, bytes(1000)).encode(MASK))
            await trio.sleep(0.1)  # each costs real time (conftest.py)
    assert trio.current_time() - began <= 10.1


async def test_subprotocols_that_are_not_spoken_here(start_gate: StartGate, backend: Backend) -> None:
    """Where they are written, such a client is refused."""
    gate = start_gate(route(tunnel_to(backend.port, subprotocols=("binary",))))
    for offered, status in (("base64", 400), ("base64, binary", 101), (None, 101), ("Binary", 400)):
        peer = gate.connect()
        await peer.write(request(headers={"Sec-WebSocket-Protocol": offered}))
        assert (await peer.read_head()).status == status, offered


async def test_a_client_that_names_its_target(start_gate: StartGate, backend: Backend) -> None:
    allow = (TargetRule(ipaddress.ip_network("127.0.0.1"), backend.port, backend.port),)
    named = Tunnel(target=ClientTarget(from_=(Place(PlaceKind.QUERY, "address"),)), allow=allow)
    gate = start_gate(route(named))
    peer = gate.connect()
    await peer.upgrade(f"/?address=127.0.0.1:{backend.port}")
    await backend.accept()
    for query, status in (("address=127.0.0.1:1", 403), ("address=localhost", 400), ("", 400)):
        peer = gate.connect()
        await peer.write(request(f"/?{query}"))
        assert (await peer.read_head()).status == status, query
