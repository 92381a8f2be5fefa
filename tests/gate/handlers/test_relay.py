"""The relay handler, called directly. The tests of connections cover most of it."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from tests.gate.conftest import exchange_for, relay_to, route
from tests.gate.handlers.conftest import COMPRESSED, TEXT, Ends, Made, meanwhile
from tests.limits import no_descriptors, refusing
from tests.peers.frames import BINARY, MASK, Frame
from tests.peers.heads import KEY, request
from tests.peers.stream import Backend
from wsgate.gate.exchange import Answer, Opened
from wsgate.gate.handlers import relay as relay_module
from wsgate.gate.handlers.compression import Agreement
from wsgate.gate.handlers.relay import LOOP, handle
from wsgate.net.plain import PlainTransport, take_over
from wsgate.relay.relay_flow import RelayFlow
from wsgate.relay.websocket_leg import WebSocketLeg
from wsgate.settings.model import (
    BackendTls,
    Compression,
    Pings,
    Relay,
    RelayBackend,
    Retry,
    RetryOn,
    Rewrite,
    RouteLimits,
    TcpAddress,
    Timeouts,
    WebSocketUrl,
)
from wsgate.site.backend import LiveBackend
from wsgate.site.rewriting import LEADS_OUT
from wsgate.wire.close import CloseCode
from wsgate.wire.extensions import DeflateTerms
from wsgate.wire.http import HttpServer, Refusal, Request


async def ask(relay: Relay) -> Answer:
    return await handle(exchange_for(route(relay), request("/chat?x")))


async def test_a_relay_is_open_when_it_was_accepted(backend: Backend) -> None:
    async with meanwhile(ask(relay_to(backend.port, "/base"))) as found:
        server = await backend.accept_request()
        assert server.head.target == "/base/chat?x"
        assert server.head.one("X-Forwarded-For") == "192.0.2.7"
        await server.accept_upgrade(behind=[Frame(2, b"early")])
    (opened,) = found
    assert isinstance(opened, Opened)
    assert opened.name == f"ws://127.0.0.1:{backend.port}/base"
    assert (opened.subprotocol, opened.extensions, opened.headers) == (None, b"", [])
    assert opened.early == b"\x82\x05early"
    opened.transport.close()


async def test_a_path_that_is_rewritten(backend: Backend) -> None:
    relay = route(relay_to(backend.port, rewrite=Rewrite(strip="/chat")))
    async with meanwhile(handle(exchange_for(relay, request("/chat/a%2Bb?x")))) as found:
        server = await backend.accept_request()
        assert server.head.target == "/a%2Bb?x"
        await server.accept_upgrade()
    (opened,) = found
    assert isinstance(opened, Opened)
    opened.transport.close()


async def test_a_redirect_of_the_backend_to_itself(backend: Backend) -> None:
    async with meanwhile(ask(relay_to(backend.port))) as found:
        server = await backend.accept_request()
        await server.respond("302 Found", {"Location": f"ws://127.0.0.1:{backend.port}/login"})
    (refusal,) = found
    assert isinstance(refusal, Refusal)
    assert (refusal.status, dict(refusal.headers)[b"Location"]) == (302, b"/login")


async def test_a_loop(backend: Backend) -> None:
    """Every gateway on the way adds itself to Via; the fifth one refuses."""
    passed = "1.1 wsgate, 1.1 other, 1.1 wsgate, 1.1 wsgate"
    async with meanwhile(
        handle(exchange_for(route(relay_to(backend.port)), request(headers={"Via": passed})))
    ) as found:
        server = await backend.accept_request()
        assert server.head.all("Via") == [passed, "1.1 wsgate"]
        await server.accept_upgrade()
    (opened,) = found
    assert isinstance(opened, Opened)
    opened.transport.close()
    asked = request(headers={"Via": f"{passed}, 1.1 wsgate"})
    assert await handle(exchange_for(route(relay_to(backend.port)), asked)) is LOOP


async def test_a_path_that_leads_out_is_no_failure_of_the_backend() -> None:
    exchange = exchange_for(route(relay_to(1, rewrite=Rewrite(strip="/chat"))), request("/chat/..%2fx"))
    assert await handle(exchange) is LEADS_OUT


async def test_every_session_has_a_key_of_its_own(backend: Backend) -> None:
    """RFC 6455 §4.1: 16 random bytes; the client's key goes no further."""
    keys = set()
    for _ in range(3):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask, relay_to(backend.port))
            server = await backend.accept_request()
            keys.add(server.head.one("Sec-WebSocket-Key"))
            await server.vanish()
    assert len(keys) == 3
    assert KEY not in keys


async def test_a_backend_that_is_gone_before_it_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its reset came before our first byte went."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.close()

    async def dial(url: object, within: float, tls: object, *, at: object) -> PlainTransport:
        return take_over(ours)

    monkeypatch.setattr(relay_module, "dial", dial)
    refusal = await ask(relay_to(9000))
    assert refusal == Refusal(
        502,
        "the backend did not accept the upgrade",
        detail="ws://127.0.0.1:9000: ended without an answer; if it speaks TLS, write wss://127.0.0.1:9000 in to",
    )
    assert ours.fileno() == -1


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 101 Switching Protocols\r\n"])
async def test_a_backend_that_resets_while_it_is_asked(backend: Backend, said: bytes) -> None:
    async with meanwhile(ask(relay_to(backend.port))) as found:
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
async def test_ws_to_a_port_with_tls(backend: Backend, answer: bytes, detail: str) -> None:
    """The log has the cure, for every answer of such servers."""
    async with meanwhile(ask(relay_to(backend.port))) as found:
        server = await backend.accept_request()
        await server.write(answer)
        await server.stream.send_eof()
    assert isinstance(found[0], Refusal)
    assert found[0].detail == f"ws://127.0.0.1:{backend.port}{detail}127.0.0.1:{backend.port} in to"


async def test_wss_to_a_port_without_tls(backend: Backend) -> None:
    url = WebSocketUrl(TcpAddress("127.0.0.1", backend.port), None, tls=True)
    async with meanwhile(ask(Relay(to=(RelayBackend(url=url),)))) as found:
        server = await backend.accept()
        await server.stream.receive_some()
        await server.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    refusal = found[0]
    assert isinstance(refusal, Refusal)
    words = f"the peer does not speak TLS: write ws://127.0.0.1:{backend.port} if that is meant"
    assert refusal.detail == f"no TLS with 127.0.0.1:{backend.port}: {words}"


async def test_out_of_descriptors(backend: Backend) -> None:
    """Our own lack of room is not the backend's fault: 503, and when to come back."""
    exchange = exchange_for(route(relay_to(backend.port)))
    with no_descriptors():
        refusal = await handle(exchange)
    assert isinstance(refusal, Refusal)
    assert (refusal.status, refusal.headers) == (503, ((b"Retry-After", b"5"),))
    assert refusal.detail == f"cannot connect to 127.0.0.1:{backend.port}: Too many open files"


async def opened_by(relay: Relay, answer: Callable[[], Awaitable[None]]) -> tuple[Any, list[tuple[str, str | None]]]:
    """What opening came to while ``answer`` played the backends, and what was noted of each."""
    noted: list[tuple[str, str | None]] = []
    exchange = exchange_for(route(relay), request("/chat?x"))

    class Noting(LiveBackend[WebSocketUrl]):
        def failed(self, error: str) -> None:
            noted.append((self.name, error))

        def worked(self) -> None:
            noted.append((self.name, None))

        __slots__ = ()

    assert exchange.route.upstream is not None
    for each in exchange.route.upstream.backends:
        each.__class__ = Noting
    async with meanwhile(handle(exchange)) as found:
        await answer()
    return found[0], noted


def relay_to_all(*ports: int) -> Relay:
    """Each backend has a path of its own, /0 and so on, so that several may be at one port."""
    urls = (WebSocketUrl(TcpAddress("127.0.0.1", port), f"/{number}") for number, port in enumerate(ports))
    return Relay(to=tuple(RelayBackend(url=url) for url in urls))


async def test_the_next_backend_gives_the_session(backend: Backend) -> None:
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
    assert isinstance(opened, Opened)
    opened.transport.close()
    url = f"ws://127.0.0.1:{backend.port}"
    assert [name for name, _ in noted] == [f"ws://127.0.0.1:{closed}/0", *(f"{url}/{number}" for number in range(1, 5))]
    assert [error is None for _, error in noted] == [False, False, False, False, True]
    assert noted[2][1] == f"{url}/2 answered 503"


async def test_every_backend_has_its_own_time(backend: Backend, autojump_clock: MockClock) -> None:
    async def answer() -> None:
        for _ in range(2):
            await backend.accept_request()

    opened, noted = await opened_by(relay_to_all(backend.port, backend.port), answer)
    assert isinstance(opened, Refusal)
    assert opened.status == 504
    assert trio.current_time() == pytest.approx(2 * Timeouts().handshake)
    assert len(noted) == 2


@pytest.mark.parametrize(
    ("retry", "tried", "status"),
    [
        (Retry(), 4, 101),
        (Retry(attempts=2), 2, 503),
        (Retry(on=(RetryOn.CONNECT,)), 2, 503),
        (Retry(on=(RetryOn.UNAVAILABLE,)), 1, 502),
        (Retry(attempts=1), 1, 502),
    ],
)
async def test_how_often_another_one_is_tried(backend: Backend, retry: Retry, tried: int, status: int) -> None:
    """The first breaks off, the second and third have no room, the fourth would take it."""
    said = [b"", *[b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"] * 2]

    async def answer() -> None:
        for number in range(tried):
            server = await backend.accept_request()
            if number == 3:
                await server.accept_upgrade()
                return
            await server.write(said[number])
            await server.stream.send_eof()

    opened, noted = await opened_by(replace(relay_to_all(*[backend.port] * 4), retry=retry), answer)
    assert len(noted) == tried
    if isinstance(opened, Opened):
        opened.transport.close()
    assert (101 if isinstance(opened, Opened) else opened.status) == status


@pytest.mark.parametrize("status", [b"401 Unauthorized", b"404 Not Found", b"429 Too Many Requests", b"302 Found"])
async def test_what_a_backend_says_to_the_client_is_its_answer(backend: Backend, status: bytes) -> None:
    async def answer() -> None:
        server = await backend.accept_request()
        await server.write(b"HTTP/1.1 %b\r\nContent-Length: 0\r\n\r\n" % status)

    opened, noted = await opened_by(relay_to_all(backend.port, backend.port), answer)
    assert isinstance(opened, Refusal)
    assert opened.body == b""
    assert noted == [(f"ws://127.0.0.1:{backend.port}/0", None)]


async def test_the_last_backends_words_are_the_answer(backend: Backend) -> None:
    async def answer() -> None:
        server = await backend.accept_request()
        await server.write(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy")

    with refusing() as closed:
        opened, _ = await opened_by(relay_to_all(closed, backend.port), answer)
    assert isinstance(opened, Refusal)
    assert (opened.status, opened.body) == (503, b"busy")


@pytest.mark.parametrize(
    ("url", "relay", "expected"),
    [
        # The client's Host is kept, except over TLS to a name: SNI and Host are then the same
        (WebSocketUrl(TcpAddress("app.internal", 9000), None), {}, "gate.example"),
        (WebSocketUrl(TcpAddress("127.0.0.1", 443), None, tls=True), {}, "gate.example"),
        (WebSocketUrl(TcpAddress("app.internal", 443), None, tls=True), {}, "app.internal"),
        (WebSocketUrl(TcpAddress("app.internal.", 8443), None, tls=True), {}, "app.internal:8443"),
        (WebSocketUrl(TcpAddress("10.0.0.1", 443), None, tls=True), {"tls": BackendTls(server_name="app")}, "app"),
        # The route's own value
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
    assert relay_module.host_for(url, Relay(to=(RelayBackend(url=url),), **relay), read.host) == expected.encode()


# -- the session -------------------------------------------------------------------------------------------------------


async def test_the_session_of_a_relay(ends: Ends) -> None:
    made = Made(ends, relay_to(1))
    assert isinstance(made.client, WebSocketLeg)
    assert isinstance(made.backend, WebSocketLeg)
    assert (made.client.masks, made.backend.masks) == (False, True)
    assert isinstance(made.up, RelayFlow)
    assert isinstance(made.down, RelayFlow)
    assert not made.up._answers_pings
    assert made.code(TEXT + b"\xff") == CloseCode.INVALID_DATA
    assert made.code(COMPRESSED) == CloseCode.PROTOCOL_ERROR


UNSEEN = Agreement(b"permessage-deflate", DeflateTerms(), DeflateTerms())


async def test_what_a_relay_can_be_told(ends: Ends) -> None:
    made = Made(
        ends,
        relay_to(1, validate_text=False, pings=Pings.ANSWER),
        agreement=UNSEEN,
        compression=Compression(inspect=False),
    )
    assert isinstance(made.up, RelayFlow)
    assert made.up._answers_pings
    assert made.code(TEXT + b"\xff") is None
    assert made.code(COMPRESSED) is None


@pytest.mark.parametrize(("limit", "code"), [(1, CloseCode.TOO_BIG), (2, None), (None, None)])
async def test_the_largest_message(ends: Ends, limit: int | None, code: int | None) -> None:
    made = Made(ends, relay_to(1), limits=RouteLimits(message=limit))
    assert made.code(Frame(BINARY, b"xx").encode(MASK)) == code
