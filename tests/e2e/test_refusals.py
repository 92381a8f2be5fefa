"""What is said before the upgrade instead of 101: the right status, one answer, then the end of the connection."""

from __future__ import annotations

import http.client
import io
from typing import Any

import pytest

from tests.peers.frames import Frame
from tests.peers.heads import KEY, plain_request, request
from tests.peers.sockets import free_port
from tests.peers.stream import Peer

from .gateway import OpenBackend, OpenClient, StartGateway, StartSession, relay, tunnel

NO_HOST = {"Host": None}
REQUESTS = {
    "plain HTTP": (plain_request("/ws"), 426),
    "no route": (request("/nowhere"), 404),
    "plain HTTP, no route": (plain_request("/nowhere"), 404),
    "another host": (request("/ws", {"Host": "example.com"}), 404),
    "old version": (request("/ws", {"Sec-WebSocket-Version": "8"}), 426),
    "no version": (request("/ws", {"Sec-WebSocket-Version": None}), 400),
    "no key": (request("/ws", {"Sec-WebSocket-Key": None}), 400),
    "short key": (request("/ws", {"Sec-WebSocket-Key": "c2hvcnQ="}), 400),
    "key that is no base64": (request("/ws", {"Sec-WebSocket-Key": "!" * 24}), 400),
    "two keys": (request("/ws", {"sec-websocket-key": KEY[:-4] + "AA=="}), 400),
    "no Connection: Upgrade": (request("/ws", {"Connection": "keep-alive"}), 400),
    "HTTP/1.0": (request("/ws", version="HTTP/1.0"), 400),
    "POST": (request("/ws", method="POST"), 405),
    "no Host": (request("/ws", NO_HOST), 400),
    "two Hosts": (request("/ws", {"host": "example.com"}), 400),
    "a body": (request("/ws", {"Content-Length": "5"}) + b"hello", 400),
    "a chunked body": (request("/ws", {"Transfer-Encoding": "chunked"}) + b"0\r\n\r\n", 400),
    "quoted subprotocols": (request("/ws", {"Sec-WebSocket-Protocol": '"a, b"'}), 400),
    "no HTTP": (b"SSH-2.0-OpenSSH_9.2p1\r\n\r\n", 400),
    "space in a field name": (request("/ws", {"X Y": "z"}), 400),
    "fragment in the target": (request("/ws#here"), 400),
    "target too long": (request("/ws?" + "x" * 17000), 414),
    "head too long": (request("/ws", {f"X-{number}": "x" * 4000 for number in range(40)}), 431),
}
EXTRA_FIELDS = {
    "plain HTTP": ("Upgrade", "websocket"),
    "old version": ("Sec-WebSocket-Version", "13"),
    "POST": ("Allow", "GET"),
}


class Answer:
    """All that came until the end of the connection, which must be exactly one HTTP response."""

    def __init__(self, data: bytes) -> None:
        source = io.BytesIO(data)

        class Connection:
            def makefile(self, mode: str) -> io.BytesIO:
                return source

        response = http.client.HTTPResponse(Connection())  # type: ignore[arg-type]
        response.begin()
        self.status = response.status
        self.headers = response.headers
        self.body = source.read(int(response.headers["Content-Length"]))
        self.rest = source.read()


async def read_answer(client: Peer) -> Answer:
    data = b""
    while chunk := await client.stream.receive_some():
        data += chunk
    return Answer(data)


async def test_requests_that_get_no_session(
    start_gateway: StartGateway, open_backend: OpenBackend, open_client: OpenClient
) -> None:
    """Every one of them is followed by a good request, which must not be answered, nor reach the backend."""
    backend = await open_backend()
    gateway = await start_gateway(relay(backend.port, match={"host": ["gateway.test"], "path": "/ws"}))
    seen: dict[str, Any] = {}
    expected: dict[str, Any] = {}
    for name, (head, status) in REQUESTS.items():
        client = await open_client(gateway)
        await client.write(head + request("/ws"))
        answer = await read_answer(client)
        line = await gateway.refused_line(client=client.address)
        explained = bool(answer.body.strip()) and bool(line["reason"])
        closes = "close" in answer.headers.get_all("Connection", [])
        seen[name] = (answer.status, line["status"], closes, answer.rest, explained)
        expected[name] = (status, status, True, b"", True)
        if name in EXTRA_FIELDS:
            field, value = EXTRA_FIELDS[name]
            assert answer.headers[field] == value, name
    assert seen == expected

    client = await open_client(gateway)
    await client.write(request("/ws?the=first"))
    assert (await backend.accept_request()).head.target == "/ws?the=first"


async def test_the_line_of_a_refusal(start_gateway: StartGateway, open_client: OpenClient) -> None:
    gateway = await start_gateway(relay(free_port(), match={"path": "/ws"}))
    client = await open_client(gateway)
    await client.write(request("/elsewhere?token=secret"))
    await read_answer(client)
    line = await gateway.refused_line()
    expected = {"level": "info", "status": 404, "client": client.address, "path": "/elsewhere", "route": None}
    assert {name: line[name] for name in expected} == expected
    assert "secret" not in str(gateway.log), "a query may hold a token"

    client = await open_client(gateway)
    await client.write(plain_request("/ws"))
    await read_answer(client)
    assert (await gateway.refused_line())["route"] == "relay"


async def test_a_slow_client(start_relay: StartSession) -> None:
    gateway, client, _ = await start_relay(settings={"defaults": {"timeouts": {"handshake": "200ms"}}})
    await client.write(request()[:-2])
    answer = await read_answer(client)
    assert (answer.status, answer.rest) == (408, b"")
    assert (await gateway.refused_line())["status"] == 408


async def test_a_client_that_says_nothing(start_relay: StartSession) -> None:
    """A browser's spare connection: nobody asked, so nobody is answered (and nothing is logged)."""
    gateway, client, _ = await start_relay(settings={"defaults": {"timeouts": {"handshake": "200ms"}}})
    await client.read_end()
    assert gateway.untaken("refused") == []


@pytest.mark.parametrize("kind", [relay, tunnel])
async def test_a_backend_that_is_down(start_gateway: StartGateway, open_client: OpenClient, kind: Any) -> None:
    port = free_port()
    gateway = await start_gateway(kind(port))
    client = await open_client(gateway)
    await client.write(request("/ws"))
    answer = await read_answer(client)
    assert answer.status == 502
    line = await gateway.refused_line()
    assert (line["status"], line["path"], line["route"]) == (502, "/ws", kind.__name__)
    assert str(port) in str(line), "the log names the backend"
    assert str(port) not in answer.body.decode(), "the client learns nothing about the inside"


async def test_the_next_backend_is_tried(
    start_gateway: StartGateway, open_backend: OpenBackend, open_client: OpenClient
) -> None:
    service = await open_backend()
    to = [f"tcp://127.0.0.1:{free_port()}", f"tcp://127.0.0.1:{service.port}"]
    gateway = await start_gateway({"name": "two", "tunnel": {"to": to}})
    client = await open_client(gateway)
    await client.upgrade()
    await (await service.accept()).write(b"here")
    assert (await client.receive()).payload == b"here"


BROKEN = {
    "accept": {"Sec-WebSocket-Accept": "AAAAAAAAAAAAAAAAAAAAAAAAAAA="},
    "subprotocol": {"Sec-WebSocket-Protocol": "not-offered"},
    "extension": {"Sec-WebSocket-Extensions": "permessage-deflate"},
    "upgrade": {"Upgrade": "h2c"},
}


async def test_a_backend_whose_101_is_broken(
    start_gateway: StartGateway, open_backend: OpenBackend, open_client: OpenClient
) -> None:
    backend = await open_backend()
    gateway = await start_gateway(relay(backend.port))
    seen = {}
    for name, headers in BROKEN.items():
        client = await open_client(gateway)
        await client.write(request())
        server = await backend.accept_request()
        await server.accept_upgrade(headers, behind=[Frame(1, b"never to be seen")])
        answer = await read_answer(client)
        seen[name] = (answer.status, answer.rest, (await gateway.refused_line())["status"])
        await server.read_end()  # the gateway does not keep what it cannot use
    assert seen == dict.fromkeys(BROKEN, (502, b"", 502))


async def test_a_backend_that_speaks_no_http(start_relay: StartSession) -> None:
    _, client, backend = await start_relay()
    await client.write(request())
    server = await backend.accept_request()
    await server.write(b"220 mail.example.com ESMTP\r\n\r\n")
    assert (await read_answer(client)).status == 502


async def test_a_backend_that_hangs_up(start_relay: StartSession) -> None:
    _, client, backend = await start_relay()
    await client.write(request())
    await (await backend.accept_request()).vanish()
    assert (await read_answer(client)).status == 502


async def test_a_backend_that_is_too_slow(start_relay: StartSession) -> None:
    gateway, client, backend = await start_relay(timeouts={"handshake": "200ms"})
    await client.write(request())
    server = await backend.accept_request()
    answer = await read_answer(client)
    assert answer.status == 504
    assert (await gateway.refused_line())["status"] == 504
    await server.read_end()


async def test_the_backends_own_refusal_is_passed_on(start_relay: StartSession) -> None:
    gateway, client, backend = await start_relay()
    await client.write(request() + request("/smuggled"))
    server = await backend.accept_request()
    body = b'{"error": "log in first"}'
    headers = {"WWW-Authenticate": 'Bearer realm="chat"', "Content-Type": "application/json", "Connection": "close"}
    await server.respond("401 Unauthorized", headers, body)
    answer = await read_answer(client)
    assert (answer.status, answer.body, answer.rest) == (401, body, b"")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="chat"'
    assert answer.headers["Content-Type"] == "application/json"
    line = await gateway.refused_line()
    assert (line["status"], line["route"]) == (401, "relay")
    await server.read_end()  # not one byte of a second request


async def test_a_redirect_of_the_backend_is_passed_on(start_relay: StartSession) -> None:
    _, client, backend = await start_relay()
    await client.write(request())
    server = await backend.accept_request()
    await server.write(
        b"HTTP/1.1 302 Found\r\nLocation: https://login.example.com/\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"5\r\nhello\r\n0\r\n\r\n"
    )
    answer = await read_answer(client)
    assert (answer.status, answer.headers["Location"]) == (302, "https://login.example.com/")
    assert (answer.body, answer.rest) == (b"hello", b"")
