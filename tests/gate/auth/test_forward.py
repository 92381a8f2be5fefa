"""Forward auth: what the service is asked, and what becomes of its answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

from tests.gate.asking import asking
from tests.gate.conftest import NOWHERE, route
from tests.peers.sockets import serve_tcp
from wsgate.gate.admission import admit
from wsgate.gate.exchange import Exchange
from wsgate.gate.fields import fields_for_backend, fields_for_client
from wsgate.settings.model import Auth, ForwardAuth, HttpUrl, TcpAddress
from wsgate.wire.http import Refusal


class Service:
    """A service that answers with ``answer``, and remembers what it was asked."""

    def __init__(self) -> None:
        self.answer = b""
        self.asked: list[bytes] = []
        self.port = 0

    async def serve(self, stream: trio.SocketStream) -> None:
        self.asked.append(await stream.receive_some())
        await stream.send_all(self.answer + b"Content-Length: 0\r\n\r\n")

    def client(self, *fields: tuple[str, str], target: bytes = b"/", **settings: Any) -> Exchange:
        url = HttpUrl(False, TcpAddress("127.0.0.1", self.port), "/check")
        forward = ForwardAuth(url=url, **{"fields": ("X-Auth-Team", "X-Auth-User"), **settings})
        return asking(route(NOWHERE, auth=Auth(forward=forward)), *fields, target=target)


@asynccontextmanager
async def serving(answer: bytes) -> AsyncIterator[Service]:
    service = Service()
    service.answer = answer
    async with trio.open_nursery() as nursery:
        service.port = await serve_tcp(nursery, service.serve)
        yield service
        nursery.cancel_scope.cancel()


async def refusal(exchange: Exchange) -> Refusal:
    found = await admit(exchange)
    assert found is not None
    assert exchange.user is None
    return found


async def test_what_the_service_is_asked() -> None:
    async with serving(b"HTTP/1.1 200 OK\r\n") as service:
        sent = [("Cookie", "a=1"), ("Cookie", "b=2"), ("Authorization", "Bearer x"), ("X-Forwarded-Uri", "/lies")]
        sent += [("User-Agent", "Mozilla/5.0"), ("Accept", "text/html"), ("Sec-WebSocket-Protocol", "chat")]
        assert await admit(service.client(*sent, ("X-Forwarded-For", "1.2.3.4"), target=b"/room?x=1")) is None
    head, *lines = service.asked[0].decode().split("\r\n")
    assert head == "GET /check HTTP/1.1"
    fields = [line.lower() for line in lines]
    for line in (
        "cookie: a=1; b=2",
        "authorization: bearer x",
        "x-forwarded-method: get",
        "x-forwarded-uri: /room?x=1",
        "x-forwarded-proto: http",
        "user-agent: mozilla/5.0",
        "accept: text/html",
        f"host: 127.0.0.1:{service.port}",
    ):
        assert fields.count(line) == 1, line
    assert "1.2.3.4" not in "".join(fields)
    assert "lies" not in "".join(fields)
    assert not [line for line in fields if line.startswith(("sec-", "upgrade"))]


async def test_whom_it_admits() -> None:
    answer = b"HTTP/1.1 202 Fine\r\nx-auth-user: alice\r\nX-AUTH-TEAM: red\r\nX-Auth-Team: blue\r\nX-Other: 1\r\n"
    async with serving(answer + b"Set-Cookie: a=1\r\nSet-Cookie: b=2\r\n") as service:
        exchange = service.client(("X-Auth-Team", "root"), ("X_Auth_User", "root"))
        assert await admit(exchange) is None
    assert exchange.user == "alice"
    fields = fields_for_backend(exchange)
    found = [field for field in fields.written if field[0].startswith(b"X-Auth")]
    assert found == [(b"X-Auth-Team", b"red"), (b"X-Auth-Team", b"blue"), (b"X-Auth-User", b"alice")]
    assert {b"x-auth-team", b"x-auth-user"} <= fields.dropped
    # A session with the service goes on with a new cookie
    assert list(fields_for_client(exchange, [(b"A", b"b")])) == [
        (b"A", b"b"),
        (b"Set-Cookie", b"a=1"),
        (b"Set-Cookie", b"b=2"),
    ]


async def test_the_user_of_another_field() -> None:
    async with serving("HTTP/1.1 200 OK\r\nRemote-User: jürgen\r\n".encode()) as service:
        exchange = service.client(user="Remote-User", fields=())
        assert await admit(exchange) is None
        assert exchange.user == "jürgen"
        assert (b"X-Auth-User", b"j%C3%BCrgen") in list(fields_for_backend(exchange).written)
        nameless = service.client(fields=())
        assert await admit(nameless) is None
        assert nameless.user is None


@pytest.mark.parametrize(
    ("status", "fields", "reason"),
    [
        (b"401 Who", [(b"WWW-Authenticate", b"Bearer"), (b"Set-Cookie", b"a=1")], "authentication is needed"),
        (b"403 No", [], "this client may not use the route"),
        (b"302 Found", [(b"Location", b"https://login.example.com/?a=b"), (b"Set-Cookie", b"a=1")], "log in on"),
    ],
)
async def test_whom_it_refuses(status: bytes, fields: list[tuple[bytes, bytes]], reason: str) -> None:
    lines = b"".join(b"%b: %b\r\n" % (name.lower(), value) for name, value in [*fields, (b"X-Secret", b"s3cr3t")])
    async with serving(b"HTTP/1.1 %b\r\n%b" % (status, lines)) as service:
        found = await refusal(service.client())
    assert (found.status, list(found.headers)) == (int(status[:3]), fields)
    assert found.reason.startswith(reason)
    assert found.detail.endswith(f"/check answered with status {found.status}")


async def test_a_service_that_is_broken() -> None:
    async with serving(b"HTTP/1.1 500 Oops\r\n") as service:
        found = await refusal(service.client())
    assert (found.status, dict(found.headers)) == (503, {b"Retry-After": b"5"})
    assert found.detail.endswith("answered with status 500")
    gone = await refusal(service.client())
    assert gone.status == 503
    assert "cannot connect" in gone.detail


async def test_two_passwords() -> None:
    """The service might read one, and the backend the other."""
    async with serving(b"HTTP/1.1 200 OK\r\n") as service:
        found = await refusal(service.client(("Authorization", "Basic YTpi"), ("Authorization", "Basic Yzpk")))
        assert (found.status, service.asked) == (400, [])
