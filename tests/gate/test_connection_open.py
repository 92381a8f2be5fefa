"""Sessions that come about, and those that do not because of the backend; drain, cut, and bugs of our own."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
import trio
import trio.testing

from tests.gate.conftest import (
    CLIENT,
    NOWHERE,
    Gate,
    StartGate,
    address_of,
    at,
    below,
    closed,
    relay_to,
    route,
    tunnel_to,
)
from tests.limits import refusing
from tests.log import Log
from tests.peers.frames import BINARY, MASK, PING, PONG, TEXT, Frame, close_frame, header
from tests.peers.heads import plain_request, request
from tests.peers.sockets import reset
from tests.peers.stream import Backend, Peer
from wsgate.gate import connection, switch
from wsgate.net.plain import take_over
from wsgate.relay.session import Session
from wsgate.settings.model import (
    Drain,
    Files,
    Match,
    OnReload,
    Route,
    RouteLimits,
    Target,
    TcpAddress,
    TextFrames,
    Timeouts,
    UnixAddress,
)
from wsgate.site.build import build
from wsgate.site.site import Site
from wsgate.wire.handshake import accept_headers

HALF_A_HEADER = b"\x81"


async def say_no(gate: Gate, backend: Backend) -> Peer:
    """Ends a client whose upgrade waits for the backend with a refusal."""
    peer = gate.connect()
    await peer.write(request())
    return peer


async def open_relay(
    gate: Gate,
    backend: Backend,
    headers: Mapping[str, str | None] = {},
    answer: Mapping[str, str] = {},
    *,
    client: str = CLIENT,
) -> tuple[Peer, Peer]:
    """The client's and the backend's end of a session."""
    peer = gate.connect(client)
    await peer.write(request(headers=headers))
    server = await backend.accept_request()
    await server.accept_upgrade(answer)
    assert (await peer.read_head()).status == 101
    return peer, server


def reload(gate: Gate, *routes: Route) -> None:
    gate.gateway.use_site(build(replace(gate.gateway.settings, routes=routes), gate.gateway.site))


async def open_tunnel(gate: Gate, backend: Backend, headers: Mapping[str, str | None] = {}) -> tuple[Peer, Peer]:
    peer = gate.connect()
    await peer.write(request(headers=headers))
    service = await backend.accept()
    assert (await peer.read_head()).status == 101
    return peer, service


# -- a relay -----------------------------------------------------------------------------------------------------------


async def test_a_relay(start_gate: StartGate, backend: Backend, log: Log) -> None:
    """From the first request to the last line."""
    gate = start_gate(route(relay_to(backend.port, "/base"), match=below("/chat/")))
    peer = gate.connect()
    asked = {"Host": "gate.test:81", "Sec-WebSocket-Protocol": "v2, v1", "X-Forwarded-For": "6.6.6.6"}
    await peer.write(request("/chat/room?x=1", asked))
    server = await backend.accept_request()
    assert server.head.target == "/base/room?x=1"
    assert server.head.one("Host") == "gate.test:81"
    assert server.head.one("Sec-WebSocket-Protocol") == "v2, v1"
    assert server.head.one("X-Forwarded-For") == "192.0.2.7"
    assert server.head.one("X-Forwarded-Host") == "gate.test:81"
    assert server.head.one("X-Forwarded-Proto") == "http"
    await server.accept_upgrade({"Sec-WebSocket-Protocol": "v1", "Set-Cookie": "a=1"})
    head = await peer.read_head()
    assert (head.status, head.one("Sec-WebSocket-Protocol"), head.one("Set-Cookie")) == (101, "v1", "a=1")
    assert log.one("opened")["path"] == "/chat/room"

    await peer.send(Frame(TEXT, b"hello"), Frame(BINARY, b"\x00"))
    assert [await server.receive(), await server.receive()] == [Frame(TEXT, b"hello"), Frame(BINARY, b"\x00")]
    await server.send(Frame(TEXT, b"back"))
    assert await peer.receive() == Frame(TEXT, b"back")

    await peer.send(close_frame(1000, "bye"))
    assert await server.receive_close() == (1000, "bye")
    await server.send(close_frame(1000, "bye"))
    assert await peer.receive_close() == (1000, "bye")
    await server.vanish()
    await peer.read_end()
    await peer.vanish()
    await closed(gate)
    line = log.one("session")
    assert line.pop("duration") < 5
    assert line.pop("request_id")
    assert line == {
        "id": "1",
        "route": "it",
        "client": CLIENT,
        "host": "gate.test:81",
        "backend": f"ws://127.0.0.1:{backend.port}/base",
        "path": "/chat/room",
        "subprotocol": "v1",
        "messages_up": 2,
        "messages_down": 1,
        "largest_up": 5,
        "largest_down": 4,
        "bytes_up": (6 + 5) + (6 + 1) + (6 + 5),
        "bytes_down": (2 + 4) + (2 + 5),
        "client_code": 1000,
        "backend_code": 1000,
        "client_rtt_ms": None,
        "backend_rtt_ms": None,
        "client_reason": "bye",
        "backend_reason": "bye",
        "ended_by": "client",
        "reason": "closed",
        "detail": None,
    }


async def test_what_came_behind_the_handshakes(start_gate: StartGate, backend: Backend) -> None:
    """It is the beginning of the session, wherever it was cut."""
    gate = start_gate(route(relay_to(backend.port)))
    peer = gate.connect()
    await peer.write(request() + Frame(TEXT, b"early").encode(MASK) + HALF_A_HEADER)
    server = await backend.accept_request()
    await server.accept_upgrade(behind=[Frame(TEXT, b"welcome"), Frame(PING)])
    await peer.read_head()
    assert [await peer.receive(), await peer.receive()] == [Frame(TEXT, b"welcome"), Frame(PING)]
    assert await server.receive() == Frame(TEXT, b"early")
    await peer.write(Frame(TEXT, b"late").encode(MASK).removeprefix(HALF_A_HEADER))
    assert await server.receive() == Frame(TEXT, b"late")


async def test_compression_is_the_ends_own(start_gate: StartGate, backend: Backend) -> None:
    gate = start_gate(route(relay_to(backend.port)))
    offer = {"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits, x-other"}
    answer = {"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits=10"}
    peer, server = await open_relay(gate, backend, offer, answer)
    assert server.head.one("Sec-WebSocket-Extensions") == "permessage-deflate; client_max_window_bits"
    assert peer.head.one("Sec-WebSocket-Extensions") == answer["Sec-WebSocket-Extensions"]
    compressed = Frame(TEXT, b"\xf2\x48\xcd\xc9\xc9\x07\x00", rsv=4)  # RFC 7692 §7.2.3.1
    await peer.send(compressed)
    assert await server.receive() == compressed
    await server.send(compressed)
    assert await peer.receive() == compressed


async def test_compression_that_was_not_agreed_on(start_gate: StartGate, backend: Backend) -> None:
    gate = start_gate(route(relay_to(backend.port)))
    peer, server = await open_relay(gate, backend, {"Sec-WebSocket-Extensions": "permessage-deflate"})
    assert peer.head.one("Sec-WebSocket-Extensions") is None
    await peer.send(Frame(TEXT, b"\xf2\x48\xcd\xc9\xc9\x07\x00", rsv=4))
    assert (await peer.receive_close())[0] == 1002
    assert (await server.receive_close())[0] == 1001


@pytest.mark.parametrize("side", ["client", "backend"])
@pytest.mark.parametrize(
    ("frame", "code", "checked"),
    [(Frame(BINARY, b"x" * 101), 1009, True), (Frame(TEXT, b"\xff"), 1007, True), (Frame(TEXT, b"\xff"), None, False)],
)
async def test_a_routes_limits_hold_both_ways(
    start_gate: StartGate, backend: Backend, frame: Frame, code: int | None, checked: bool, side: str
) -> None:
    gate = start_gate(route(relay_to(backend.port, validate_text=checked), limits=RouteLimits(message=100)))
    peer, server = await open_relay(gate, backend)
    sender, receiver = (peer, server) if side == "client" else (server, peer)
    await sender.send(frame)
    if code is None:
        assert await receiver.receive() == frame
    else:
        assert (await sender.receive_close())[0] == code


async def test_without_a_limit(start_gate: StartGate, backend: Backend) -> None:
    gate = start_gate(route(relay_to(backend.port), limits=RouteLimits(message=None)))
    peer, server = await open_relay(gate, backend)
    await peer.write(header(BINARY, 1 << 62, key=MASK) + b"x" * 100)
    assert await server.read(14 + 100) == header(BINARY, 1 << 62, key=MASK) + b"x" * 100


@pytest.mark.parametrize(
    ("client", "address"),
    [("192.0.2.7:50000", "192.0.2.7"), ("[2001:db8::7]:50000", "2001:db8::7"), ("unix:/run/x:y", None)],
)
async def test_the_clients_address_for_the_backend(
    start_gate: StartGate, backend: Backend, client: str, address: str | None
) -> None:
    """The client of a Unix socket has no address."""
    _, server = await open_relay(start_gate(route(relay_to(backend.port))), backend, client=client)
    assert server.head.one("X-Forwarded-For") == address


async def test_the_next_backend_has_its_turn(start_gate: StartGate, backend: Backend, log: Log) -> None:
    with refusing() as port:
        both = relay_to(port).to + relay_to(backend.port, "/x").to
        gate = start_gate(route(type(relay_to(port))(to=both)))
        await open_relay(gate, backend)
    assert log.one("opened")["backend"] == f"ws://127.0.0.1:{backend.port}/x"


# -- a tunnel ----------------------------------------------------------------------------------------------------------


async def test_a_tunnel(start_gate: StartGate, backend: Backend, log: Log) -> None:
    gate = start_gate(route(tunnel_to(backend.port, subprotocols=("mqtt", "binary"))))
    peer = gate.connect()
    early = Frame(BINARY, b"CONNECT").encode(MASK)
    await peer.write(request(headers={"Sec-WebSocket-Protocol": "binary, mqtt"}) + early)
    service = await backend.accept()
    assert (await peer.read_head()).one("Sec-WebSocket-Protocol") == "mqtt"
    assert await service.read(7) == b"CONNECT"
    await service.write(b"CONNACK")
    assert await peer.receive() == Frame(BINARY, b"CONNACK")
    await peer.send(Frame(PING, b"?"))
    assert await peer.receive() == Frame(PONG, b"?")
    await peer.send(close_frame(1000))
    await service.read_end()
    await service.vanish()
    assert (await peer.receive_close())[0] == 1000
    await peer.vanish()
    await closed(gate)
    line = log.one("session")
    assert (line["backend"], line["subprotocol"]) == (f"tcp://127.0.0.1:{backend.port}", "mqtt")
    assert (line["ended_by"], line["reason"], line["client_code"], line["backend_code"]) == (
        "client",
        "closed",
        1000,
        None,
    )


@pytest.mark.parametrize(("offer", "chosen"), [(None, None), ("chat", "chat"), ("chat, binary", "binary")])
async def test_a_tunnels_subprotocol(
    start_gate: StartGate, backend: Backend, offer: str | None, chosen: str | None
) -> None:
    gate = start_gate(route(tunnel_to(backend.port)))
    peer, _ = await open_tunnel(gate, backend, {"Sec-WebSocket-Protocol": offer})
    assert peer.head.one("Sec-WebSocket-Protocol") == chosen
    assert peer.head.one("Sec-WebSocket-Extensions") is None


async def test_text_in_a_tunnel(start_gate: StartGate, backend: Backend) -> None:
    gate = start_gate(
        route(tunnel_to(backend.port, text=TextFrames.ACCEPT), "accepts", match=at("/")),
        route(tunnel_to(backend.port), "rejects"),
    )
    peer, service = await open_tunnel(gate, backend)
    await peer.send(Frame(TEXT, b"hello"))
    assert await service.read(5) == b"hello"
    other = gate.connect()
    await other.write(request("/rejects"))
    await other.read_head()
    await other.send(Frame(TEXT, b"hello"))
    assert (await other.receive_close())[0] == 1003


async def test_a_tunnels_limit(start_gate: StartGate, backend: Backend) -> None:
    gate = start_gate(route(tunnel_to(backend.port), limits=RouteLimits(frame=10)))
    peer, service = await open_tunnel(gate, backend)
    await peer.send(Frame(BINARY, b"x" * 10), Frame(BINARY, b"x" * 11))
    assert (await peer.receive_close())[0] == 1009
    assert await service.read(10) == b"x" * 10
    await service.read_end()


# -- backends that do not ----------------------------------------------------------------------------------------------


async def test_a_backend_that_refuses_the_connection(start_gate: StartGate, log: Log) -> None:
    with refusing() as port:
        gate = start_gate(route(relay_to(port), "relay", match=at("/relay")), route(tunnel_to(port), "tunnel"))
        for path in ("/relay", "/tunnel"):
            peer = gate.connect()
            await peer.write(request(path))
            assert (await peer.read_head()).status == 502
            body = await peer.read_body()
            await peer.read_end()
            assert str(port).encode() not in body, "addresses are for the log"
    assert [fields["detail"] for fields in log.all("refused")] == [
        f"cannot connect to 127.0.0.1:{port}: Connection refused"
    ] * 2
    assert {fields["reason"] for fields in log.all("refused")} == {"the backend cannot be reached"}


@pytest.mark.parametrize("kind", ["relay", "tunnel"])
async def test_a_backend_that_does_not_answer_the_connection(
    start_gate: StartGate, log: Log, kind: str, autojump_clock: trio.testing.MockClock
) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        with socket.create_connection(listener.getsockname()):  # the backlog is full: the next SYN is dropped
            port = listener.getsockname()[1]
            action = relay_to(port) if kind == "relay" else tunnel_to(port)
            peer = start_gate(route(action, timeouts=Timeouts(connect=2.0))).connect()
            began = trio.current_time()
            await peer.write(request())
            assert (await peer.read_head()).status == 504
            assert trio.current_time() - began == 2.0
    assert log.one("refused")["detail"] == f"127.0.0.1:{port} did not answer within 2 s"


async def test_a_backend_that_does_not_answer_the_upgrade(
    start_gate: StartGate, backend: Backend, log: Log, autojump_clock: trio.testing.MockClock
) -> None:
    peer = start_gate(route(relay_to(backend.port), timeouts=Timeouts(handshake=3.0))).connect()
    began = trio.current_time()
    await peer.write(request())
    server = await backend.accept_request()
    await server.write(b"HTTP/1.1 101 Switching")
    assert (await peer.read_head()).status == 504
    assert trio.current_time() - began == 3.0
    await server.read_end()
    assert log.one("refused")["detail"] == f"ws://127.0.0.1:{backend.port} did not answer the upgrade within 3 s"


@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        (b"", "ended without an answer"),
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "malformed answer: "),
        (b"HTTP/1.1 101 x\r\n\r\n", "101 without Upgrade: websocket and Connection: Upgrade"),
    ],
)
async def test_a_backend_that_breaks_the_upgrade(
    start_gate: StartGate, backend: Backend, log: Log, answer: bytes, detail: str
) -> None:
    peer = start_gate(route(relay_to(backend.port))).connect()
    await peer.write(request())
    server = await backend.accept_request()
    await server.write(answer)
    await server.stream.send_eof()
    assert (await peer.read_head()).status == 502
    assert await peer.read_body() == b"502 the backend did not accept the upgrade\n"
    await peer.read_end()
    await server.read_end()
    fields = log.one("refused")
    assert fields["status"] == 502
    assert fields["detail"].startswith(f"ws://127.0.0.1:{backend.port}: {detail}")


async def test_a_backend_that_is_gone_before_it_was_asked(start_gate: StartGate, backend: Backend, log: Log) -> None:
    peer = start_gate(route(relay_to(backend.port))).connect()
    await peer.write(request())
    await (await backend.accept()).reset()
    assert (await peer.read_head()).status == 502
    detail = log.one("refused")["detail"]
    assert ("ended without an answer" in detail) or ("Connection reset by peer" in detail), detail


@pytest.mark.parametrize(
    "status", ["401 Unauthorized", "429 Too Many Requests", "499 Client Closed Request", "200 OK", "302 Found"]
)
async def test_a_backends_own_refusal_is_passed_on(
    start_gate: StartGate, backend: Backend, log: Log, status: str
) -> None:
    peer = start_gate(route(relay_to(backend.port))).connect()
    await peer.write(request() + Frame(TEXT, b"early").encode(MASK))
    server = await backend.accept_request()
    await server.respond(
        status, {"WWW-Authenticate": "Basic", "Connection": "X-Hop", "X-Hop": "1", "Location": "/x"}, b"why\n"
    )
    head = await peer.read_head()
    assert head.status == int(status[:3])
    assert (head.one("WWW-Authenticate"), head.one("X-Hop"), head.one("Location")) == ("Basic", None, "/x")
    assert head.one("Connection") == "close"
    assert await peer.read_body() == b"why\n"
    await peer.read_end()
    line = log.one("refused")
    assert (line["status"], line["reason"], line["detail"]) == (
        int(status[:3]),
        "refused by the backend",
        f"ws://127.0.0.1:{backend.port} answered {status[:3]}",
    )


async def test_a_backends_own_refusal_that_breaks_off(start_gate: StartGate, backend: Backend, log: Log) -> None:
    """The log says that the answer is incomplete, and which backend sent it."""
    peer = start_gate(route(relay_to(backend.port))).connect()
    await peer.write(request())
    server = await backend.accept_request()
    await server.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 10\r\n\r\nno")
    await server.stream.send_eof()
    head = await peer.read_head()
    assert (head.status, head.one("Content-Length"), await peer.read_body()) == (403, "2", b"no")
    url = f"ws://127.0.0.1:{backend.port}"
    assert log.one("refused")["detail"] == f"{url} answered 403, its body broke off after 2 bytes"


async def test_a_client_that_does_not_read_a_backends_refusal(
    start_gate: StartGate, backend: Backend, autojump_clock: trio.testing.MockClock
) -> None:
    gate = start_gate(route(relay_to(backend.port)))
    peer = gate.connect()
    await peer.write(request())
    server = await backend.accept_request()
    await server.respond("403 Forbidden", body=b"x" * (64 << 10))
    began = trio.current_time()
    while gate.connections.child_tasks:  # noqa: ASYNC110 - a nursery has no event for its last child
        await trio.sleep(0.5)
    assert trio.current_time() - began <= 10.5


async def test_a_client_that_is_gone_before_its_101(start_gate: StartGate, backend: Backend) -> None:
    """The backend is let go: a session needs two."""
    gate = start_gate(route(relay_to(backend.port)), route(tunnel_to(backend.port)))
    peer = gate.connect()
    await peer.write(request())
    server = await backend.accept_request()
    await peer.vanish()
    with contextlib.suppress(trio.BrokenResourceError):
        await server.accept_upgrade()
    await server.read_end()
    await closed(gate)


async def test_a_client_that_asks_and_leaves_is_not_dialled_for(start_gate: StartGate, log: Log) -> None:
    """Thousands can do so; the backend would have to take each of them."""
    with socket.create_server(("127.0.0.1", 0)) as backend, socket.create_server(("127.0.0.1", 0)) as listener:
        backend.setblocking(False)
        gate = start_gate(route(relay_to(backend.getsockname()[1])))
        client = socket.create_connection(listener.getsockname())
        accepted, _ = listener.accept()
        client.sendall(request())
        reset(client)
        gate.connections.start_soon(
            connection.serve, gate.gateway, gate.listener, take_over(accepted), address_of(CLIENT)
        )
        await closed(gate)
        with pytest.raises(BlockingIOError):
            backend.accept()
    line = log.one("refused")
    assert (line["status"], line["route"]) == (499, "it")


# -- the end of the process --------------------------------------------------------------------------------------------


async def test_a_drain(start_gate: StartGate, backend: Backend, log: Log) -> None:
    """Idle connections end at once, sessions get a Close, new ones are refused; files are still served."""
    gate = start_gate(route(relay_to(backend.port), match=at("/")), route(Files(root="/"), "files"))
    idle = gate.connect()
    used = gate.connect()
    await used.write(plain_request("/missing"))
    assert (await used.read_head()).status == 404
    await used.read_body()
    asking = gate.connect()
    await asking.write(b"GET / HT")
    peer, server = await open_relay(gate, backend)
    await trio.testing.wait_all_tasks_blocked()

    gate.gateway.stop_accepting()
    (join,) = gate.gateway.sessions
    join.drain(1012)
    await idle.read_end()
    await used.read_end()
    assert (await peer.receive_close())[0] == 1012
    assert (await server.receive_close())[0] == 1012
    late = gate.connect()
    await late.write(request())
    head = await late.read_head()
    assert (head.status, head.one("Retry-After")) == (503, "5")
    await late.read_body()
    await late.read_end()
    await asking.write(request().removeprefix(b"GET / HT"))
    assert (await asking.read_head()).status == 503
    last = gate.connect()
    await last.write(plain_request("/missing"))
    head = await last.read_head()
    assert (head.status, head.one("Connection")) == (404, "close")
    await last.read_body()
    await last.read_end()

    for end in (peer, server):
        await end.send(close_frame(1012))
    await server.vanish()
    await peer.read_end()
    await peer.stream.aclose()
    await trio.testing.wait_all_tasks_blocked(0.02)
    for end in (peer, late, asking, last):
        await end.vanish()
    await closed(gate)
    assert (log.one("session")["reason"], log.one("session")["ended_by"]) == ("drain", "gateway")
    assert gate.gateway.cut == 0


async def test_a_drain_while_the_backend_is_asked(start_gate: StartGate, backend: Backend) -> None:
    gate = start_gate(route(relay_to(backend.port), match=at("/")), route(tunnel_to(backend.port)))
    peer = gate.connect()
    await peer.write(request())
    server = await backend.accept_request()
    gate.gateway.stop_accepting()
    await server.accept_upgrade()
    assert (await peer.read_head()).status == 503
    await server.read_end()


async def test_its_route_changes_while_the_backend_is_asked(start_gate: StartGate, backend: Backend) -> None:
    """The exchange keeps its route: its session begins, and gets the Close that the other sessions got."""
    gate = start_gate(route(relay_to(backend.port), on_reload=OnReload.DRAIN))
    peer = gate.connect()
    await peer.write(request())
    server = await backend.accept_request()
    before = gate.gateway.site
    reload(gate, route(relay_to(1)))
    before.routes[0].drained = True  # as a reload does
    await server.accept_upgrade()
    assert (await peer.read_head()).status == 101
    assert (await peer.receive_close())[0] == 1001
    assert (await server.receive_close())[0] == 1001
    for end in (peer, server):
        await end.vanish()


@pytest.mark.parametrize("on_reload", list(OnReload))
async def test_the_route_that_was_found_is_kept(start_gate: StartGate, backend: Backend, on_reload: OnReload) -> None:
    """Also if a reload changes it; and a change of another route has no effect."""
    found = route(relay_to(backend.port), on_reload=on_reload)
    gate = start_gate(found, route(NOWHERE, "other", match=at("/other")))
    peer = gate.connect()
    await peer.write(request())
    server = await backend.accept_request()
    reload(gate, found if on_reload is OnReload.DRAIN else route(NOWHERE))
    await server.accept_upgrade()
    assert (await peer.read_head()).status == 101
    (session,) = gate.gateway.sessions
    assert session.route.settings is found
    for end in (peer, server):
        await end.vanish()
    await closed(gate)
    assert len(gate.gateway.sessions) == 0


async def test_drain_close_follows_a_slowly_read_101(
    start_gate: StartGate, backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other sessions have got their Close by then. Bytes that came with the 101 are sent first."""
    gate = start_gate(route(relay_to(backend.port)), drain=Drain(code=1012))

    def drain_meanwhile(*accepted: Any) -> list[tuple[bytes, bytes]]:
        gate.gateway.stop_accepting()
        return accept_headers(*accepted)

    monkeypatch.setattr(switch, "accept_headers", drain_meanwhile)
    peer = gate.connect()
    await peer.write(request())
    server = await backend.accept_request()
    await server.accept_upgrade(behind=[Frame(TEXT, b"welcome")])
    assert (await peer.read_head()).status == 101
    assert await peer.receive() == Frame(TEXT, b"welcome")
    assert (await peer.receive_close())[0] == 1012
    assert (await server.receive_close())[0] == 1012


async def test_a_connection_accepted_just_before_a_drain(
    start_gate: StartGate, autojump_clock: trio.testing.MockClock
) -> None:
    """It has sent nothing yet, so it gets only a short time; a request within it is answered."""
    gate = start_gate(route(tunnel_to(1)))
    silent, asking = gate.connect(), gate.connect()
    gate.gateway.stop_accepting()  # before their tasks have run
    await asking.write(request())
    assert (await asking.read_head()).status == 503
    began = trio.current_time()
    await silent.read_end()
    assert trio.current_time() - began <= 1.0


async def test_a_request_that_is_there_when_a_drain_begins(start_gate: StartGate) -> None:
    """Also if it was not read yet: for connections that wait for a request, and for those that have just begun to."""
    gate = start_gate(route(tunnel_to(1)))
    waiting = gate.connect()
    await trio.testing.wait_all_tasks_blocked()
    beginning = [gate.connect() for _ in range(10)]
    while len(gate.gateway.idle) < 11:
        await trio.lowlevel.checkpoint()
    for peer in (waiting, *beginning):
        os.write(peer.stream.socket.fileno(), request())
    gate.gateway.stop_accepting()
    for peer in (waiting, *beginning):
        assert (await peer.read_head()).status == 503


async def test_a_cut(start_gate: StartGate, backend: Backend, log: Log) -> None:
    """Cancelled, a session leaves its line, its place in the count, and no socket."""
    gate = start_gate(route(relay_to(backend.port)))
    peer, server = await open_relay(gate, backend)
    await peer.send(Frame(TEXT, b"hello"))
    await server.receive()
    waiting = gate.connect()
    await waiting.write(request())
    other = await backend.accept_request()
    gate.connections.cancel_scope.cancel()
    for end in (peer, server, waiting, other):
        await end.read_end()
    assert gate.gateway.cut == 1
    line = log.one("session")
    assert (line["reason"], line["ended_by"], line["messages_up"], line["client_code"]) == ("cut", "gateway", 1, None)
    assert gate.gateway.pump.legs == 0


async def test_a_session_that_begins_after_a_cut_is_cut(start_gate: StartGate, backend: Backend, log: Log) -> None:
    gate = start_gate(route(relay_to(backend.port)))
    peer = gate.connect()
    await peer.write(request())
    server = await backend.accept_request()
    gate.gateway.sessions.cut()
    await server.accept_upgrade()
    assert (await peer.read_head()).status == 101
    for end in (peer, server):
        await end.read_end()
    assert (gate.gateway.cut, log.one("session")["reason"]) == (1, "cut")


# -- bugs of our own ---------------------------------------------------------------------------------------------------


async def test_a_bug_ends_one_connection(
    start_gate: StartGate, backend: Backend, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loudly, with its traceback; the others go on."""
    gate = start_gate(route(relay_to(backend.port), match=Match()))
    peer, server = await open_relay(gate, backend)

    def find(self: Site, host: bytes, *rest: object, **more: object) -> None:
        raise ZeroDivisionError("a bug")

    with monkeypatch.context() as patch:
        patch.setattr(Site, "find", find)
        unlucky = gate.connect()
        await unlucky.write(request())
        await unlucky.read_end()
    (record,) = [record for record in log.records if record.levelname == "ERROR"]
    assert record.getMessage() == "internal error: please report it"
    assert log.one("bug") == {"client": CLIENT}
    assert record.exc_info is not None
    assert record.exc_info[0] is ZeroDivisionError
    await peer.send(Frame(TEXT, b"hello"))
    assert await server.receive() == Frame(TEXT, b"hello")


async def test_a_bug_behind_the_dial_leaves_no_backend_open(
    start_gate: StartGate, backend: Backend, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object, **more: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(Session, "__init__", fail)
    gate = start_gate(route(tunnel_to(backend.port)))
    peer = gate.connect()
    await peer.write(request())
    service = await backend.accept()
    await service.read_end()
    await peer.read_head()
    await peer.read_end()
    assert log.one("bug") == {"client": CLIENT}


@pytest.mark.parametrize("at", ["begin", "end"])
async def test_a_bug_in_what_begins_or_ends_a_session_is_loud_and_ends_it_alone(
    start_gate: StartGate, backend: Backend, log: Log, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    """What comes before it in the session's ending is done all the same."""

    def fail(*arguments: object) -> None:
        raise ZeroDivisionError("a bug")

    gate = start_gate(route(relay_to(backend.port)))
    other, other_server = await open_relay(gate, backend)
    with monkeypatch.context() as patch:
        patch.setattr(switch, "opened" if at == "begin" else "ended", fail)
        peer, server = await open_relay(gate, backend)
        if at == "end":
            await peer.vanish()
            await server.vanish()
        else:
            await server.read_end()
            await peer.read_end()
        while len(gate.gateway.sessions) > 1:
            await trio.lowlevel.checkpoint()
    assert log.one("bug") == {"client": CLIENT, "id": "2", "route": "it"}
    assert gate.gateway.counters.sessions == 1
    await other.send(Frame(TEXT, b"hello"))
    assert await other_server.receive() == Frame(TEXT, b"hello")


async def test_a_service_on_a_unix_socket(start_gate: StartGate, log: Log, tmp_path: object) -> None:
    path = f"{tmp_path}/s.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        tunnel = type(tunnel_to(1))(to=(Target(TcpAddress("127.0.0.1", 1)), Target(UnixAddress(path))))
        peer = start_gate(route(tunnel)).connect()
        await peer.write(request())
        assert (await peer.read_head()).status == 101
        service, _ = listener.accept()
        with service:
            service.send(b"hello")
            assert await peer.receive() == Frame(BINARY, b"hello")
    assert log.one("opened")["backend"] == f"unix:{path}"
