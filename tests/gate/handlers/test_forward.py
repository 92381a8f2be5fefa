"""Plain HTTP through the gateway: what a backend gets, what a client gets, what becomes of either when one fails."""

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from tests.gate.conftest import CLIENT, Gate, StartGate, relay_to, route
from tests.limits import refusing
from tests.log import Log
from tests.peers.heads import plain_request, request, write_head
from tests.peers.stream import Backend, Peer
from wsgate.net.plain import PlainTransport
from wsgate.settings.model import (
    Balance,
    PlainHttp,
    Policy,
    Relay,
    RelayBackend,
    Retry,
    RetryOn,
    Rewrite,
    Route,
    TcpAddress,
    Timeouts,
    WebSocketUrl,
)
from wsgate.site.idle_connections import MAX_AGE

HOST = "gateway.test"


def forwarding(*ports: int, path: str | None = None, **more: Any) -> Route:
    urls = tuple(RelayBackend(url=WebSocketUrl(TcpAddress("127.0.0.1", port), path)) for port in ports)
    return route(Relay(to=urls), http=PlainHttp.FORWARD, **more)


def ask(method: str = "GET", path: str = "/", version: str = "HTTP/1.1", **fields: str) -> bytes:
    named = {name.replace("_", "-"): value for name, value in fields.items()}
    return write_head(f"{method} {path} {version}", {"Host": HOST, **named})


async def asked(gate: Gate, backend: Backend, data: bytes | None = None) -> tuple[Peer, Peer]:
    """A client that has asked, and the backend's end."""
    client = gate.connect()
    await client.write(plain_request() if data is None else data)
    return client, await backend.accept_request()


async def answered(client: Peer, server: Peer, body: bytes = b"hi", **fields: str) -> bytes:
    await server.respond("200 OK", fields, body)
    head = await client.read_head()
    assert head.status == 200
    return await client.read_body()


@pytest.fixture
async def second() -> Any:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    backend = Backend(listener)
    yield backend
    await backend.aclose()


async def test_a_backend_with_all_its_sessions(start_gate: StartGate, backend: Backend) -> None:
    """Its cap is for sessions: polls and pages go through."""
    url = WebSocketUrl(TcpAddress("127.0.0.1", backend.port), None)
    gate = start_gate(route(Relay(to=(RelayBackend(url=url, sessions=1),)), http=PlainHttp.FORWARD))
    session = gate.connect()
    await session.write(request())
    end = await backend.accept_request()
    await end.accept_upgrade()
    assert (await session.read_head()).status == 101
    refused = gate.connect()
    await refused.write(request())
    assert (await refused.read_head()).status == 503
    client, server = await asked(gate, backend)
    assert await answered(client, server) == b"hi"
    for each in (session, end, refused, client, server):
        await each.vanish()


async def test_each_is_unhealthy(start_gate: StartGate, backend: Backend, log: Log) -> None:
    gate = start_gate(forwarding(backend.port))
    upstream = gate.gateway.site.routes[0].upstream
    assert upstream is not None
    upstream.backends[0].healthy = False
    client = gate.connect()
    await client.write(plain_request())
    assert (await client.read_head()).status == 503
    assert log.one("refused")["detail"] == "each is unhealthy"
    await client.vanish()


# -- both heads --------------------------------------------------------------------------------------------------------


async def test_a_request_and_its_answer(start_gate: StartGate, backend: Backend, log: Log) -> None:
    gate = start_gate(forwarding(backend.port))
    client, server = await asked(gate, backend, ask(path="/a/%2e?q=1", Connection="X-Own", X_Own="1", X_Other="2"))
    assert server.head.line == "GET /a/%2e?q=1 HTTP/1.1"
    assert server.head.one("Host") == HOST
    assert server.head.one("X-Other") == "2"
    assert server.head.one("X-Own") is None
    assert server.head.one("Connection") is None
    assert server.head.one("Via") == "1.1 wsgate"
    assert server.head.one("X-Forwarded-For") == "192.0.2.7"
    assert server.head.one("X-Forwarded-Host") == HOST
    await server.respond("201 Made", {"Set-Cookie": "a=b", "Keep-Alive": "timeout=5"}, b"hi")
    head = await client.read_head()
    assert (head.status, head.one("Set-Cookie"), head.one("Keep-Alive")) == (201, "a=b", None)
    assert head.one("Connection") is None
    assert await client.read_body() == b"hi"
    line = log.one("answered")
    assert line.pop("duration") >= 0
    assert line.pop("request_id") == server.head.one("X-Request-Id")
    assert line == {
        "status": 201,
        "method": "GET",
        "client": CLIENT,
        "host": HOST,
        "path": "/a/",
        "route": "it",
        "backend": f"ws://127.0.0.1:{backend.port}",
        "bytes_up": 0,
        "bytes_down": 2,
        "cause": None,
        "reason": None,
        "detail": None,
    }


async def test_a_path_of_the_backends(start_gate: StartGate, backend: Backend) -> None:
    gate = start_gate(forwarding(backend.port, path="/base"))
    _, server = await asked(gate, backend, ask(path="/x?y"))
    assert server.head.target == "/base/x?y"


async def test_a_path_that_is_rewritten(start_gate: StartGate, backend: Backend) -> None:
    relay = relay_to(backend.port, "/base", rewrite=Rewrite(strip="/chat"))
    gate = start_gate(route(relay, http=PlainHttp.FORWARD))
    client, server = await asked(gate, backend, ask(path="/chat/a%2Bb?y"))
    assert server.head.target == "/base/a%2Bb?y"
    await answered(client, server)
    await client.write(ask(path="/chat/..%2fadmin"))
    assert (await client.read_head()).status == 400


async def test_a_redirect_of_the_backend_to_itself(start_gate: StartGate, backend: Backend) -> None:
    relay = relay_to(backend.port, host="app.internal", rewrite=Rewrite(strip="/chat"))
    gate = start_gate(route(relay, http=PlainHttp.FORWARD))
    client, server = await asked(gate, backend, ask(path="/chat/a"))
    await server.respond("302 Found", {"Location": "http://app.internal/login?next=/a"})
    assert (await client.read_head()).one("Location") == "/chat/login?next=/a"


async def test_connections_are_kept_on_both_sides(start_gate: StartGate, backend: Backend) -> None:
    gate = start_gate(forwarding(backend.port))
    client, server = await asked(gate, backend)
    await answered(client, server)
    await client.write(ask("POST", Content_Length="3") + b"abc")
    assert (await server.read_head()).line == "POST / HTTP/1.1"
    assert await server.read_body() == b"abc"
    await answered(client, server)
    other = gate.connect()
    await other.write(plain_request())
    await server.read_head()
    await answered(other, server)


async def test_the_sessions_have_a_round_between_two_steps(
    start_gate: StartGate, backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many requests are served in one iteration of trio's loop."""
    gate = start_gate(forwarding(backend.port))
    pump: Any = gate.gateway.pump
    steps: list[str] = []
    now = 100.0  # a step takes 10 us, a round no time
    monkeypatch.setattr("wsgate.relay.pump.monotonic", lambda: now)
    send, serve_round = PlainTransport.send, pump._serve_round

    def noted_send(*arguments: Any) -> int:
        nonlocal now
        now += 0.00001
        steps.append("send")
        return send(*arguments)

    def noted_round() -> int:
        steps.append("round")
        served: int = serve_round()
        return served

    monkeypatch.setattr(PlainTransport, "send", noted_send)
    monkeypatch.setattr(pump, "_serve_round", noted_round)
    clients = [gate.connect() for _ in range(10)]
    for client in clients:
        await client.write(plain_request())
    servers = [await backend.accept_request() for _ in clients]
    for server in servers:
        await server.respond("200 OK", {}, b"hi")
    for client in clients:
        assert (await client.read_head()).status == 200
    assert steps.count("send") == 2 * len(clients)
    assert "send,send" not in ",".join(steps)


async def test_requests_that_come_at_once_are_answered_in_order(start_gate: StartGate, backend: Backend) -> None:
    gate = start_gate(forwarding(backend.port))
    both = ask("POST", "/1", Transfer_Encoding="chunked") + b"1\r\nx\r\n0\r\n\r\n" + ask(path="/2")
    client, server = await asked(gate, backend, both)
    assert await server.read(11) == b"1\r\nx\r\n0\r\n\r\n"
    await answered(client, server)
    assert (await server.read_head()).target == "/2"
    await answered(client, server)


async def test_a_websocket_on_the_same_route(start_gate: StartGate, backend: Backend) -> None:
    gate = start_gate(forwarding(backend.port))
    client, server = await asked(gate, backend)
    await answered(client, server)
    await client.write(request())
    upgraded = await backend.accept_request()
    await upgraded.accept_upgrade()
    assert (await client.read_head()).status == 101


@pytest.mark.parametrize(
    ("method", "status", "fields"),
    [
        ("HEAD", "200 OK", {"Content-Length": "5"}),
        ("GET", "304 Not Modified", {"Content-Length": "5", "ETag": '"x"'}),
        ("GET", "204 No Content", {"Content-Length": None}),
        ("HEAD", "200 OK", {"Content-Length": None, "Transfer-Encoding": "chunked"}),
    ],
)
async def test_answers_without_a_body(
    start_gate: StartGate, backend: Backend, method: str, status: str, fields: dict[str, str | None]
) -> None:
    gate = start_gate(forwarding(backend.port))
    client, server = await asked(gate, backend, ask(method))
    await server.write(write_head(f"HTTP/1.1 {status}", fields))
    head = await client.read_head()
    assert head.line == f"HTTP/1.1 {status}"
    assert head.one("Content-Length") == fields["Content-Length"]
    await client.write(plain_request())  # nothing is behind the head
    await server.read_head()
    await answered(client, server)


async def test_chunks_and_trailers_go_through(start_gate: StartGate, backend: Backend) -> None:
    gate = start_gate(forwarding(backend.port))
    sent = ask("POST", Transfer_Encoding="chunked", Trailer="Sum") + b"2\r\nhi\r\n0\r\nSum: 1\r\nHost: x\r\n\r\n"
    client, server = await asked(gate, backend, sent)
    assert server.head.one("Trailer") == "Sum"
    assert await server.read(20) == b"2\r\nhi\r\n0\r\nSum: 1\r\n\r\n"
    chunked = write_head("HTTP/1.1 200 OK", {"Transfer-Encoding": "chunked"})
    await server.write(chunked + b"2\r\nho\r\n0\r\nSum: 2\r\n\r\n")
    head = await client.read_head()
    assert head.one("Transfer-Encoding") == "chunked"
    assert await client.read(20) == b"2\r\nho\r\n0\r\nSum: 2\r\n\r\n"


async def test_a_client_of_http_1_0_gets_no_chunks(start_gate: StartGate, backend: Backend) -> None:
    gate = start_gate(forwarding(backend.port))
    client, server = await asked(gate, backend, ask(version="HTTP/1.0"))
    assert server.head.one("Via") == "1.0 wsgate"
    chunked = write_head("HTTP/1.1 200 OK", {"Transfer-Encoding": "chunked"})
    await server.write(chunked + b"2\r\nho\r\n0\r\n\r\n")
    head = await client.read_head()
    assert head.one("Transfer-Encoding") is None
    assert await client.read_all() == b"ho"


async def test_a_body_that_ends_with_the_backends_connection(start_gate: StartGate, backend: Backend) -> None:
    gate = start_gate(forwarding(backend.port))
    client, server = await asked(gate, backend)
    await server.write(b"HTTP/1.0 200 OK\r\n\r\nhi")
    await server.vanish()
    assert (await client.read_head()).one("Transfer-Encoding") == "chunked"
    chunks = await client.read(12)
    assert chunks == b"2\r\nhi\r\n0\r\n\r\n"[:12]


# -- streams -----------------------------------------------------------------------------------------------------------


async def test_events_come_at_once(start_gate: StartGate, backend: Backend, log: Log) -> None:
    """Nothing waits for more: neither the head nor any event. A client that leaves ends the backend's connection."""
    gate = start_gate(forwarding(backend.port))
    client, server = await asked(gate, backend)
    await server.write(write_head("HTTP/1.1 200 OK", {"Content-Type": "text/event-stream"}))
    assert (await client.read_head()).one("Content-Type") == "text/event-stream"
    for _ in range(3):
        await server.write(b"data: x\n\n")
        assert await client.read(14) == b"9\r\ndata: x\n\n\r\n"
    await client.vanish()
    await server.read_end()
    line = log.one("answered")
    assert (line["status"], line["bytes_down"], line["detail"]) == (200, 27, "the client went away before its answer")


async def test_interim_answers_go_through(start_gate: StartGate, backend: Backend) -> None:
    gate = start_gate(forwarding(backend.port))
    client, server = await asked(gate, backend, ask("PUT", Expect="100-continue", Content_Length="2"))
    assert server.head.one("Expect") == "100-continue"
    await server.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert (await client.read_head()).status == 100
    await client.write(b"hi")
    assert await server.read(2) == b"hi"
    await server.write(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
    assert (await client.read_head()).one("Link") == "</x>"
    await answered(client, server)


async def test_an_answer_before_the_request_is_whole(start_gate: StartGate, backend: Backend) -> None:
    """The client hears it, and is told that the connection ends."""
    gate = start_gate(forwarding(backend.port))
    client, server = await asked(gate, backend, ask("POST", Content_Length="1000") + b"abc")
    await server.read(3)
    await server.respond("413 Too Large", {}, b"no")
    head = await client.read_head()
    assert (head.status, head.one("Connection")) == (413, "close")
    assert await client.read_body() == b"no"
    await client.read_end()
    await server.read_end()


async def test_a_request_and_an_answer_at_the_same_time(start_gate: StartGate, backend: Backend) -> None:
    """The rest of the request still goes to the backend while the answer is sent."""
    gate = start_gate(forwarding(backend.port))
    client, server = await asked(gate, backend, ask("POST", Content_Length="6") + b"abc")
    assert await server.read(3) == b"abc"
    await server.write(write_head("HTTP/1.1 200 OK", {"Content-Length": "6"}) + b"ABC")
    await client.read_head()
    assert await client.read(3) == b"ABC"
    await client.write(b"def")
    assert await server.read(3) == b"def"
    await server.write(b"DEF")
    assert await client.read(3) == b"DEF"
    await client.read_end()


# -- what fails --------------------------------------------------------------------------------------------------------


BROKEN = {
    "nothing": (b"", "ended without an answer"),
    "half a head": (b"HTTP/1.1 200 OK\r\nX", "ended inside its answer's head"),
    "garbage": (b"\x00\x01\x02\x03\x04", "malformed answer"),
    "two lengths": (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "malformed answer"),
    "a length and chunks": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "malformed answer",
    ),
    "a CR in a field": (b"HTTP/1.1 200 OK\r\nX: a\rSet-Cookie: b\r\nContent-Length: 0\r\n\r\n", "malformed answer"),
    "a NUL in a field": (b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n", "malformed answer"),
    "an unknown coding": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", "malformed answer"),
    "chunked is not the last": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n", "malformed answer"),
    "a negative length": (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "malformed answer"),
}


@pytest.mark.parametrize(("data", "detail"), BROKEN.values(), ids=BROKEN)
async def test_no_answer(start_gate: StartGate, backend: Backend, log: Log, data: bytes, detail: str) -> None:
    gate = start_gate(forwarding(backend.port))
    client, server = await asked(gate, backend)
    if data:
        await server.write(data)
    await server.vanish()
    assert (await client.read_head()).status == 502
    assert detail in log.one("refused")["detail"]
    assert detail in log.one("backend failed")["error"]


async def test_a_name_without_an_address(start_gate: StartGate, log: Log) -> None:
    gate = start_gate(
        route(
            Relay(to=(RelayBackend(url=WebSocketUrl(TcpAddress("nowhere.invalid", 80), None)),)), http=PlainHttp.FORWARD
        )
    )
    client = gate.connect()
    await client.write(ask())
    assert (await client.read_head()).status == 502
    assert "nowhere.invalid" in log.one("backend failed")["error"]


async def test_a_body_that_is_longer_than_its_length(start_gate: StartGate, backend: Backend) -> None:
    """What is behind it is the next request, or none."""
    gate = start_gate(forwarding(backend.port))
    client, server = await asked(gate, backend, ask("POST", Content_Length="3") + b"abcdef\r\n\r\n")
    assert await server.read_body() == b"abc"
    await answered(client, server)
    assert (await client.read_head()).status == 400
    assert await client.read_all() == b"400 malformed request\n"


async def test_a_connection_that_is_lost_before_the_answer(start_gate: StartGate, backend: Backend, log: Log) -> None:
    gate = start_gate(forwarding(backend.port))
    client, server = await asked(gate, backend)
    await server.reset()
    assert (await client.read_head()).status == 502
    assert "Connection reset by peer" in log.one("refused")["detail"]


async def test_a_body_that_is_malformed_at_once(start_gate: StartGate, backend: Backend) -> None:
    gate = start_gate(forwarding(backend.port))
    client = gate.connect()
    await client.write(ask("POST", Transfer_Encoding="chunked") + b"nonsense\r\n")
    assert (await client.read_head()).status == 400


async def test_a_silent_backend(start_gate: StartGate, backend: Backend, log: Log, autojump_clock: MockClock) -> None:
    gate = start_gate(forwarding(backend.port, timeouts=Timeouts(response=60)))
    client, server = await asked(gate, backend)
    assert (await client.read_head()).status == 504
    assert trio.current_time() >= 60
    assert "did not answer within 60 s" in log.one("refused")["detail"]
    await server.read_end()


CUT = {
    "a length": {"Content-Length": "5"},
    "chunks": {"Transfer-Encoding": "chunked"},
}


@pytest.mark.parametrize("fields", CUT.values(), ids=CUT)
async def test_a_body_that_breaks_off(
    start_gate: StartGate, backend: Backend, log: Log, fields: dict[str, str]
) -> None:
    """The client's connection ends, so that it notices."""
    gate = start_gate(forwarding(backend.port))
    client, server = await asked(gate, backend)
    body = b"hi" if "Content-Length" in fields else b"2\r\nhi\r\n"
    await server.write(write_head("HTTP/1.1 200 OK", fields) + body)
    await server.vanish()
    await client.read_head()
    assert await client.read_all() == body
    assert log.one("answered")["detail"] == "the backend's answer: its body broke off"


async def test_a_backend_that_falls_silent_in_its_body(
    start_gate: StartGate, backend: Backend, log: Log, autojump_clock: MockClock
) -> None:
    gate = start_gate(forwarding(backend.port, timeouts=Timeouts(idle=7)))
    client, server = await asked(gate, backend)
    await server.write(write_head("HTTP/1.1 200 OK", {"Content-Length": "5"}) + b"hi")
    await client.read_head()
    assert await client.read_all() == b"hi"
    assert log.one("answered")["detail"] == "the backend sent nothing for 7 s"


async def test_a_connection_that_is_lost_in_a_body(start_gate: StartGate, backend: Backend, log: Log) -> None:
    gate = start_gate(forwarding(backend.port))
    client, server = await asked(gate, backend)
    await server.write(b"HTTP/1.1 200 OK\r\n\r\nhi")  # it would end with the connection
    assert (await client.read_head()).status == 200
    await client.read(7)
    await server.reset()
    assert await client.read_all() == b""
    assert log.one("answered")["detail"].startswith("the backend's answer broke off: ")


async def test_a_client_that_leaves_in_its_request(start_gate: StartGate, backend: Backend, log: Log) -> None:
    gate = start_gate(forwarding(backend.port))
    client, server = await asked(gate, backend, ask("POST", Content_Length="1000") + b"abc")
    await server.read(3)
    await client.vanish()
    await server.read_end()
    await trio.testing.wait_all_tasks_blocked()
    assert log.one("refused")["status"] == 499
    assert log.all("backend failed") == []


async def test_a_client_that_leaves_before_its_answer(start_gate: StartGate, backend: Backend, log: Log) -> None:
    gate = start_gate(forwarding(backend.port))
    client, server = await asked(gate, backend)
    await client.vanish()
    await server.read_end()
    await trio.testing.wait_all_tasks_blocked()
    assert log.one("refused")["status"] == 499


async def test_a_client_that_falls_silent_in_its_request(
    start_gate: StartGate, backend: Backend, autojump_clock: MockClock
) -> None:
    gate = start_gate(forwarding(backend.port, timeouts=Timeouts(write=30)))
    client, server = await asked(gate, backend, ask("POST", Content_Length="1000") + b"abc")
    await server.read(3)
    assert (await client.read_head()).status == 408
    await server.read_end()


async def test_a_malformed_body(start_gate: StartGate, backend: Backend, log: Log) -> None:
    gate = start_gate(forwarding(backend.port))
    client, server = await asked(gate, backend, ask("POST", Transfer_Encoding="chunked") + b"1\r\nx\r\n")
    await server.read(6)
    await client.write(b"nonsense\r\n")
    assert (await client.read_head()).status == 400
    assert log.one("refused")["reason"] == "malformed request body"
    await server.read_end()


async def test_a_backend_that_takes_no_more(
    start_gate: StartGate, backend: Backend, log: Log, autojump_clock: MockClock
) -> None:
    gate = start_gate(forwarding(backend.port, timeouts=Timeouts(write=30)))
    client, _ = await asked(gate, backend, ask("POST", Content_Length=str(1 << 30)))
    async with trio.open_nursery() as nursery:

        async def send() -> None:
            while True:
                await client.write(bytes(1 << 16))

        nursery.start_soon(send)
        assert (await client.read_head()).status == 504
        nursery.cancel_scope.cancel()
    assert "the backend did not take the request in time" in log.one("refused")["detail"]


# -- the next backend, or another connection ---------------------------------------------------------------------------


async def test_the_next_backend_where_one_cannot_be_reached(start_gate: StartGate, backend: Backend) -> None:
    """Nothing was sent, so it may be any request."""
    with refusing() as closed:
        gate = start_gate(forwarding(closed, backend.port))
        client, server = await asked(gate, backend, ask("POST", Content_Length="3") + b"abc")
        assert await server.read_body() == b"abc"
        await answered(client, server)


@pytest.mark.parametrize("data", [b"", b"nonsense", b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"])
async def test_the_next_backend_where_one_fails(
    start_gate: StartGate, backend: Backend, second: Backend, data: bytes
) -> None:
    gate = start_gate(forwarding(backend.port, second.port))
    client, server = await asked(gate, backend)
    if data:
        await server.write(data)
    await server.vanish()
    await answered(client, await second.accept_request())


@pytest.mark.parametrize("retry", [Retry(attempts=1), Retry(on=(RetryOn.CONNECT,))], ids=["attempts", "on"])
async def test_the_routes_own_rule_of_retries(
    start_gate: StartGate, backend: Backend, second: Backend, retry: Retry
) -> None:
    urls = tuple(RelayBackend(url=WebSocketUrl(TcpAddress("127.0.0.1", each.port), None)) for each in (backend, second))
    gate = start_gate(route(Relay(to=urls, retry=retry), http=PlainHttp.FORWARD))
    client, server = await asked(gate, backend)
    await server.respond("503 No")
    assert (await client.read_head()).status == 503


@pytest.mark.parametrize(
    "sent", [ask("POST", Content_Length="0"), ask("PUT", Content_Length="3") + b"abc"], ids=["not idempotent", "body"]
)
async def test_what_may_have_been_done_is_asked_once(
    start_gate: StartGate, backend: Backend, second: Backend, sent: bytes
) -> None:
    gate = start_gate(forwarding(backend.port, second.port))
    client, server = await asked(gate, backend, sent)
    await server.read_body()
    await server.vanish()
    assert (await client.read_head()).status == 502


async def test_the_last_backends_answer_is_the_answer(start_gate: StartGate, backend: Backend, second: Backend) -> None:
    gate = start_gate(forwarding(backend.port, second.port))
    client, server = await asked(gate, backend)
    await server.respond("503 No")
    server = await second.accept_request()
    await server.respond("503 No", {"Retry-After": "7"})
    assert (await client.read_head()).one("Retry-After") == "7"


async def test_a_kept_connection_that_the_backend_ends_as_it_is_used(start_gate: StartGate, backend: Backend) -> None:
    gate = start_gate(forwarding(backend.port))
    client, server = await asked(gate, backend)
    await answered(client, server)
    await client.write(plain_request())
    await server.read_head()
    await server.vanish()
    await answered(client, await backend.accept_request())


async def test_such_a_connection_and_a_request_that_cannot_be_repeated(start_gate: StartGate, backend: Backend) -> None:
    gate = start_gate(forwarding(backend.port))
    client, server = await asked(gate, backend)
    await answered(client, server)
    await client.write(ask("POST", Content_Length="0"))
    await server.read_head()
    await server.vanish()
    assert (await client.read_head()).status == 502


async def test_non_idempotent_request_avoids_long_idle_connections(
    start_gate: StartGate, backend: Backend, autojump_clock: MockClock
) -> None:
    gate = start_gate(forwarding(backend.port))
    client, server = await asked(gate, backend)
    await answered(client, server)
    await trio.sleep(5)
    await client.write(ask("POST", Content_Length="0"))
    await answered(client, await backend.accept_request())
    assert MAX_AGE > 5


async def test_connections_that_are_not_kept(start_gate: StartGate, backend: Backend) -> None:
    gate = start_gate(forwarding(backend.port))
    client, server = await asked(gate, backend)
    await answered(client, server, Connection="close")
    await server.read_end()
    await client.write(plain_request())
    server = await backend.accept_request()
    await server.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx and more")
    await client.read_head()
    assert await client.read_body() == b"x"
    await server.read_end()


async def test_a_cookie_brings_the_client_back(start_gate: StartGate, backend: Backend, second: Backend) -> None:
    urls = tuple(RelayBackend(url=WebSocketUrl(TcpAddress("127.0.0.1", each.port), None)) for each in (backend, second))
    action = Relay(to=urls, balance=Balance(policy=Policy.ROUND_ROBIN, cookie="chosen"))
    gate = start_gate(route(action, http=PlainHttp.FORWARD))
    client, server = await asked(gate, backend)
    await server.respond("200 OK", {"Set-Cookie": "own=1"}, b"")
    cookies = (await client.read_head()).all("Set-Cookie")
    assert cookies[0] == "own=1"
    chosen = cookies[1].partition(";")[0]
    assert chosen.startswith("chosen=")
    for _ in range(3):
        await client.write(ask(Cookie=chosen))
        await server.read_head()
        await server.respond("200 OK")
        assert (await client.read_head()).all("Set-Cookie") == []


async def test_no_backend_is_usable(start_gate: StartGate, backend: Backend) -> None:
    gate = start_gate(forwarding(backend.port))
    upstream = gate.gateway.site.routes[0].upstream
    assert upstream is not None
    upstream.backends[0].healthy = False
    client = gate.connect()
    await client.write(ask())
    assert (await client.read_head()).status == 503


# -- refused -----------------------------------------------------------------------------------------------------------


async def test_a_loop(start_gate: StartGate, backend: Backend) -> None:
    gate = start_gate(forwarding(backend.port))
    client = gate.connect()
    await client.write(ask(Via=", ".join(["1.1 wsgate"] * 4)))
    assert (await client.read_head()).status == 508


@pytest.mark.parametrize("protocol", ["h2c", "SPDY/3.1", "TLS/1.0"])
async def test_other_upgrades(start_gate: StartGate, backend: Backend, protocol: str) -> None:
    gate = start_gate(forwarding(backend.port))
    client = gate.connect()
    await client.write(ask(Upgrade=protocol, Connection="Upgrade"))
    head = await client.read_head()
    assert (head.status, head.one("Upgrade")) == (426, "websocket")


SMUGGLING = {
    "two lengths": b"Content-Length: 0\r\nContent-Length: 44\r\n",
    "the same length twice": b"Content-Length: 5\r\nContent-Length: 5\r\n",
    "a list of lengths": b"Content-Length: 5, 5\r\n",
    "a length with a sign": b"Content-Length: +5\r\n",
    "a length in hexadecimal": b"Content-Length: 0x5\r\n",
    "both": b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
    "both, the other order": b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
    "a blank before the colon": b"Transfer-Encoding : chunked\r\n",
    "an unknown coding": b"Transfer-Encoding: xchunked\r\n",
    "identity": b"Transfer-Encoding: identity\r\n",
    "chunked is not the last": b"Transfer-Encoding: chunked, identity\r\n",
    "two codings": b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n",
    "a vertical tab": b"Transfer-Encoding: \x0bchunked\r\n",
    "a line that is folded": b"Transfer-Encoding:\r\n identity, chunked\r\n",
    "a CR alone": b"X: x\rTransfer-Encoding: chunked\r\n",
}


@pytest.mark.parametrize("fields", SMUGGLING.values(), ids=SMUGGLING)
async def test_a_body_that_could_end_in_two_places(start_gate: StartGate, backend: Backend, fields: bytes) -> None:
    """One answer, and the end of the connection. The backend gets neither this request nor what is behind it."""
    gate = start_gate(forwarding(backend.port))
    client = gate.connect()
    await client.write(
        b"POST / HTTP/1.1\r\nHost: x\r\n" + fields + b"\r\n0\r\n\r\nGET /secret HTTP/1.1\r\nHost: x\r\n\r\n"
    )
    assert (await client.read_head()).status in (400, 501)
    assert b"HTTP/1.1" not in await client.read_all()
    _, server = await asked(gate, backend, ask(path="/first"))
    assert server.head.target == "/first"


async def test_a_name_that_only_looks_like_transfer_encoding_does_not_go_on(
    start_gate: StartGate, backend: Backend
) -> None:
    gate = start_gate(forwarding(backend.port))
    _, server = await asked(gate, backend, b"GET / HTTP/1.1\r\nHost: x\r\nTransfer_Encoding: chunked\r\n\r\n")
    assert server.head.one("Transfer_Encoding") is None


async def test_what_is_refused_without_http_forward(start_gate: StartGate, backend: Backend, log: Log) -> None:
    gate = start_gate(route(relay_to(backend.port)))
    for data, status in ((ask(), 426), (ask("POST", Content_Length="3") + b"abc", 400)):
        client = gate.connect()
        await client.write(data)
        assert (await client.read_head()).status == status


async def test_a_websocket_with_a_body(start_gate: StartGate, backend: Backend) -> None:
    gate = start_gate(forwarding(backend.port))
    client = gate.connect()
    await client.write(request(headers={"Content-Length": "3"}) + b"abc")
    assert (await client.read_head()).status == 400


async def test_a_gateway_that_stops_ends_the_connection(start_gate: StartGate, backend: Backend) -> None:
    gate = start_gate(forwarding(backend.port))
    client, server = await asked(gate, backend)
    gate.gateway.stop_accepting()
    await server.respond("200 OK", {}, b"hi")
    assert (await client.read_head()).one("Connection") == "close"
    await client.read_body()
    await client.read_end()


@pytest.mark.parametrize(("method", "status"), [("OPTIONS", 204), ("TRACE", 405)])
async def test_a_request_that_goes_no_further(start_gate: StartGate, method: str, status: int) -> None:
    """Twice: the connection goes on."""
    client = start_gate(forwarding(1)).connect()
    for _ in range(2):
        await client.write(ask(method, Max_Forwards="0"))
        head = await client.read_head()
        assert head.status == status
        if status == 405:
            await client.read_body()
