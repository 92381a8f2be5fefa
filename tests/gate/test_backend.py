"""A backend's leg before the session, asked for directly. Most of its story is told by the session's tests."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
import trio.testing

from tests.e2e.peers import Backend as Listening
from tests.e2e.peers import Frame, request
from tests.gate.conftest import relay_to, route, tunnel_to
from tests.limits import no_descriptors, refusing
from wsgate.gate import backend as backend_module
from wsgate.gate.backend import Backend, open_relay, open_tunnel
from wsgate.net.dial import TlsClient
from wsgate.net.plain import PlainTransport, take_over
from wsgate.settings.model import BackendTls, Relay, Target, TargetRule, TcpAddress, Timeouts, Tunnel, WebSocketUrl
from wsgate.wire.handshake import Accepted, Declined, Upgrade, check_upgrade
from wsgate.wire.http import HttpServer, Refusal, Request

FORWARDED = [(b"X-Forwarded-For", b"192.0.2.7")]


def asked() -> tuple[Request, Upgrade]:
    http = HttpServer()
    http.receive(request("/chat?x"))
    read = http.next_request()
    assert isinstance(read, Request)
    upgrade = check_upgrade(read)
    assert isinstance(upgrade, Upgrade)
    return read, upgrade


async def ask(relay: Relay) -> Backend | Declined | Refusal:
    return await open_relay(route(relay), relay, *asked(), FORWARDED)


async def test_a_tunnel_is_open_when_it_is_connected(backend: Listening) -> None:
    tunnel = tunnel_to(backend.port)
    opened = await open_tunnel(route(tunnel), tunnel, tunnel.to)
    assert isinstance(opened, Backend)
    assert (opened.name, opened.answer) == (f"tcp://127.0.0.1:{backend.port}", None)
    opened.sock.close()


async def test_a_relay_is_open_when_it_was_accepted(backend: Listening) -> None:
    found: list[Backend | Declined | Refusal] = []
    async with trio.open_nursery() as nursery:

        async def ask_for_it() -> None:
            found.append(await ask(relay_to(backend.port, "/base")))

        nursery.start_soon(ask_for_it)
        server = await backend.accept_request()
        assert server.head.target == "/base/chat?x"
        assert server.head.one("X-Forwarded-For") == "192.0.2.7"
        await server.accept_upgrade(behind=[Frame(2, b"early")])
    (opened,) = found
    assert isinstance(opened, Backend)
    assert opened.name == f"ws://127.0.0.1:{backend.port}/base"
    assert opened.answer == Accepted(None, b"", [], b"\x82\x05early")
    opened.sock.close()


async def test_every_session_has_a_key_of_its_own(backend: Listening) -> None:
    """RFC 6455 §4.1: 16 random bytes; the client's key goes no further."""
    keys = set()
    for _ in range(3):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask, relay_to(backend.port))
            server = await backend.accept_request()
            keys.add(server.head.one("Sec-WebSocket-Key"))
            await server.vanish()
    assert len(keys) == 3
    assert asked()[1].key.decode() not in keys


async def test_a_backend_that_is_gone_before_it_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its reset came before our first byte went."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.close()

    async def dial(url: object, within: float, tls: object) -> PlainTransport:
        return take_over(ours)

    monkeypatch.setattr(backend_module, "dial", dial)
    refusal = await ask(relay_to(9000))
    assert refusal == Refusal(
        502,
        "the backend did not accept the upgrade",
        detail="ws://127.0.0.1:9000: ended without an answer; if it speaks TLS, write wss://127.0.0.1:9000 in to",
    )
    assert ours.fileno() == -1


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 101 Switching Protocols\r\n"])
async def test_a_backend_that_resets_while_it_is_asked(backend: Listening, said: bytes) -> None:
    found: list[Backend | Declined | Refusal] = []
    async with trio.open_nursery() as nursery:

        async def ask_for_it() -> None:
            found.append(await ask(relay_to(backend.port)))

        nursery.start_soon(ask_for_it)
        server = await backend.accept_request()
        await server.write(said)
        await trio.testing.wait_all_tasks_blocked()
        await server.reset()
    url = f"ws://127.0.0.1:{backend.port}"
    cure = "" if said else f"; if it speaks TLS, write wss://127.0.0.1:{backend.port} in to"
    detail = f"{url}: the connection was lost: Connection reset by peer{cure}"
    assert found == [Refusal(502, "the backend did not accept the upgrade", detail=detail)]


@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        (b"\x15\x03\x03\x00\x02\x02\x46", ": malformed answer: it is TLS: write wss://"),
        (b"", ": ended without an answer; if it speaks TLS, write wss://"),
        (
            b"HTTP/1.1 400 Bad Request\r\nContent-Length: 45\r\n\r\nThe plain HTTP request was sent to HTTPS port",
            " answered 400: it speaks TLS, write wss://",
        ),
        (
            b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n",
            " answered 400: it speaks TLS, write wss://",
        ),
    ],
)
async def test_ws_to_a_port_with_tls(backend: Listening, answer: bytes, detail: str) -> None:
    """However its server says so, the log says what to write."""
    found: list[Backend | Declined | Refusal] = []
    async with trio.open_nursery() as nursery:

        async def ask_for_it() -> None:
            found.append(await ask(relay_to(backend.port)))

        nursery.start_soon(ask_for_it)
        server = await backend.accept_request()
        await server.write(answer)
        await server.stream.send_eof()
    assert not isinstance(found[0], Backend)
    assert found[0].detail == f"ws://127.0.0.1:{backend.port}{detail}127.0.0.1:{backend.port} in to"


async def test_wss_to_a_port_without_tls(backend: Listening) -> None:
    context = ssl.create_default_context()
    found: list[Backend | Declined | Refusal] = []
    url = WebSocketUrl(TcpAddress("127.0.0.1", backend.port), None, tls=True)
    target = Target(TcpAddress("127.0.0.1", backend.port), tls=True)
    for action, plain in ((Relay(to=(url,)), "ws"), (Tunnel(to=(target,)), "tcp")):
        found.clear()
        async with trio.open_nursery() as nursery:

            async def open_it(action: Relay | Tunnel) -> None:
                tls = TlsClient(context)
                if isinstance(action, Relay):
                    found.append(await open_relay(route(action), action, *asked(), FORWARDED, tls))
                else:
                    found.append(await open_tunnel(route(action), action, action.to, tls))

            nursery.start_soon(open_it, action)
            server = await backend.accept()
            await server.stream.receive_some()
            await server.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        refusal = found[0]
        assert isinstance(refusal, Refusal)
        words = f"the peer does not speak TLS: write {plain}://127.0.0.1:{backend.port} if that is meant"
        assert refusal.detail == f"no TLS with 127.0.0.1:{backend.port}: {words}"


@pytest.mark.parametrize("kind", ["relay", "tunnel"])
async def test_out_of_descriptors(backend: Listening, kind: str) -> None:
    """Our own lack of room is not the backend's fault: 503, and when to come back."""
    tunnel = tunnel_to(backend.port)
    with no_descriptors():
        refusal = await (
            ask(relay_to(backend.port)) if kind == "relay" else open_tunnel(route(tunnel), tunnel, tunnel.to)
        )
    assert isinstance(refusal, Refusal)
    assert (refusal.status, refusal.headers) == (503, ((b"Retry-After", b"5"),))
    assert refusal.detail == f"cannot connect to 127.0.0.1:{backend.port}: Too many open files"


async def test_the_next_backends_turn_comes_also_behind_one_that_refuses() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, refusing() as closed:
        port = listener.getsockname()[1]
        tunnel = Tunnel(to=(Target(TcpAddress("127.0.0.1", closed)), Target(TcpAddress("127.0.0.1", port))))
        opened = await open_tunnel(route(tunnel), tunnel, tunnel.to)
        assert isinstance(opened, Backend)
        assert opened.name == f"tcp://127.0.0.1:{port}"
        opened.sock.close()


async def test_a_tunnel_leads_where_its_rules_allow(backend: Listening) -> None:
    """The client is told no more than that."""
    tunnel = tunnel_to(1, allow=(TargetRule("localhost"),), deny=(TargetRule(None, 1, 1),))
    targets = (*tunnel.to, Target(TcpAddress("localhost", backend.port)))
    opened = await open_tunnel(route(tunnel), tunnel, targets, greeting=b"hello")
    assert isinstance(opened, Backend)
    assert opened.name == f"tcp://localhost:{backend.port}"
    server = await backend.accept()
    assert await server.read(5) == b"hello"
    opened.sock.close()

    refusal = await open_tunnel(route(tunnel), tunnel, [Target(TcpAddress("127.0.0.1", backend.port))])
    assert refusal == Refusal(
        403, "this target may not be reached", detail=f"127.0.0.1:{backend.port} is not allowed on this route"
    )


async def opened_by(relay: Relay, answer: Callable[[], Awaitable[None]]) -> tuple[Any, list[tuple[str, str | None]]]:
    """What opening came to while ``answer`` played the backends, and what was noted of each."""
    noted: list[tuple[str, str | None]] = []
    found: list[Backend | Declined | Refusal] = []
    async with trio.open_nursery() as nursery:

        async def open_it() -> None:
            def note(url: Target | WebSocketUrl, error: str | None) -> None:
                noted.append((str(url), error))

            found.append(await open_relay(route(relay), relay, *asked(), FORWARDED, note=note))

        nursery.start_soon(open_it)
        await answer()
    return found[0], noted


def relay_to_all(*ports: int) -> Relay:
    return Relay(to=tuple(WebSocketUrl(TcpAddress("127.0.0.1", port), None) for port in ports))


async def test_the_next_backend_gives_the_session(backend: Listening) -> None:
    """Behind one that refuses; one that breaks off, has no room, or speaks no HTTP, each on the same port here."""
    no_room = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"

    async def answer() -> None:
        for said in (b"", no_room, b"SSH-2.0-x\r\n\r\n"):
            server = await backend.accept_request()
            await server.write(said)
            await server.stream.send_eof()
        await (await backend.accept_request()).accept_upgrade()

    with refusing() as closed:
        opened, noted = await opened_by(relay_to_all(closed, *[backend.port] * 4), answer)
    assert isinstance(opened, Backend)
    opened.sock.close()
    url = f"ws://127.0.0.1:{backend.port}"
    assert [name for name, _ in noted] == [f"ws://127.0.0.1:{closed}"] + [url] * 4
    assert [error is None for _, error in noted] == [False, False, False, False, True]
    assert noted[2][1] == f"{url} answered 503"


async def test_every_backend_has_its_own_time(backend: Listening, autojump_clock: trio.testing.MockClock) -> None:
    async def answer() -> None:
        for _ in range(2):
            await backend.accept_request()

    opened, noted = await opened_by(relay_to_all(backend.port, backend.port), answer)
    assert isinstance(opened, Refusal)
    assert opened.status == 504
    assert trio.current_time() == pytest.approx(2 * Timeouts().handshake)
    assert len(noted) == 2


@pytest.mark.parametrize("status", [b"401 Unauthorized", b"404 Not Found", b"429 Too Many Requests", b"302 Found"])
async def test_what_a_backend_says_to_the_client_is_its_answer(backend: Listening, status: bytes) -> None:
    async def answer() -> None:
        server = await backend.accept_request()
        await server.write(b"HTTP/1.1 %b\r\nContent-Length: 0\r\n\r\n" % status)

    opened, noted = await opened_by(relay_to_all(backend.port, backend.port), answer)
    assert isinstance(opened, Declined)
    assert noted == [(f"ws://127.0.0.1:{backend.port}", None)]


async def test_the_last_backends_words_are_the_answer(backend: Listening) -> None:
    async def answer() -> None:
        server = await backend.accept_request()
        await server.write(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy")

    with refusing() as closed:
        opened, _ = await opened_by(relay_to_all(closed, backend.port), answer)
    assert isinstance(opened, Declined)
    assert (opened.status, opened.body) == (503, b"busy")


@pytest.mark.parametrize(
    ("url", "relay", "expected"),
    [
        # The client's is kept, but for TLS and a name: SNI and Host then say the same
        (WebSocketUrl(TcpAddress("app.internal", 9000), None), {}, "gate.example"),
        (WebSocketUrl(TcpAddress("127.0.0.1", 443), None, tls=True), {}, "gate.example"),
        (WebSocketUrl(TcpAddress("app.internal", 443), None, tls=True), {}, "app.internal"),
        (WebSocketUrl(TcpAddress("app.internal.", 8443), None, tls=True), {}, "app.internal:8443"),
        (WebSocketUrl(TcpAddress("10.0.0.1", 443), None, tls=True), {"tls": BackendTls(server_name="app")}, "app"),
        # What the route says
        (WebSocketUrl(TcpAddress("app.internal", 443), None, tls=True), {"host": "keep"}, "gate.example"),
        (WebSocketUrl(TcpAddress("app.internal", 80), None), {"host": "backend"}, "app.internal"),
        (WebSocketUrl(TcpAddress("::1", 9000), None), {"host": "backend"}, "[::1]:9000"),
        (WebSocketUrl(TcpAddress("127.0.0.1", 9000), None), {"host": "other.example:1"}, "other.example:1"),
        (WebSocketUrl(TcpAddress("127.0.0.1", 9000), None), {"tls": BackendTls(server_name="app")}, "gate.example"),
    ],
)
def test_the_host_that_a_backend_is_asked_for(url: WebSocketUrl, relay: dict[str, Any], expected: str) -> None:
    http = HttpServer()
    http.receive(request("/chat", {"Host": "gate.example"}))
    read = http.next_request()
    assert isinstance(read, Request)
    assert backend_module._host(url, Relay(to=(url,), **relay), read) == expected.encode()


async def test_what_is_noted_of_a_tunnels_targets(backend: Listening) -> None:
    """Not what the route's own rules forbid."""
    noted: list[tuple[str, bool]] = []

    def note(target: Target | WebSocketUrl, error: str | None) -> None:
        noted.append((str(target), error is None))

    with refusing() as closed:
        tunnel = tunnel_to(
            1, allow=(TargetRule("localhost"), TargetRule(None, closed, closed)), deny=(TargetRule(None, 1, 1),)
        )
        targets = [
            Target(TcpAddress(*at)) for at in (("127.0.0.1", 1), ("127.0.0.1", closed), ("localhost", backend.port))
        ]
        opened = await open_tunnel(route(tunnel), tunnel, targets, note=note)
    assert isinstance(opened, Backend)
    opened.sock.close()
    assert noted == [(f"tcp://127.0.0.1:{closed}", False), (f"tcp://localhost:{backend.port}", True)]
