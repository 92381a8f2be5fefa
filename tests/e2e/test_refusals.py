"""Refusals before the upgrade: the right status, one answer, then the end of the connection.

The tables in ``tests.hostile`` have the malformed requests and backend answers.
"""

from __future__ import annotations

import http.client
import io
from typing import Any

import pytest

from tests.peers.heads import plain_request, request
from tests.peers.sockets import free_port
from tests.peers.stream import Peer

from .gateway import OpenBackend, OpenClient, StartGateway, StartSession, relay, tunnel


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
    return Answer(await client.read_all())


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
    """A browser's spare connection: it has asked nothing, so it gets no answer, and nothing is logged."""
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
