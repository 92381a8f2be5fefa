"""Tokens that an HTTP service knows: Python's own server, and peers that answer as no server should."""

from __future__ import annotations

import http.server
import json
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from tests.peers.sockets import reset, serve_tcp
from tests.pki import Authority, client_context, server_context
from wsgate.settings.model import BackendTls, Target, TcpAddress, TokenUrl
from wsgate.site.tokens.source import SourceError
from wsgate.site.tokens.url import UrlSource
from wsgate.wire.fetch import MAX_BODY

WITHIN = 20.0
DESK = (Target(TcpAddress("10.0.0.1", 5900)),)

ANSWERS: dict[str, tuple[int, bytes]] = {
    "text": (200, b"10.0.0.1:5900\n"),
    "json": (200, json.dumps({"host": "10.0.0.1", "port": 5900}).encode()),
    "empty": (200, b"\n"),
    "none": (204, b""),
    "unauthorized": (401, b"10.0.0.1:5900"),
    "forbidden": (403, b"no"),
    "gone": (410, b""),
    "moved": (302, b"10.0.0.1:5900"),
    "created": (201, b"10.0.0.1:5900"),
    "broken": (500, b"10.0.0.1:5900"),
    "nonsense": (200, b"<html>"),
    "bytes": (200, b"\xff\xfe"),
    "large": (200, b"x" * (MAX_BODY + 1)),
}


class Service(http.server.ThreadingHTTPServer):
    asked: list[tuple[str, str]]

    @property
    def address(self) -> TcpAddress:
        return TcpAddress("127.0.0.1", self.server_address[1])


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Service)
        self.server.asked.append((self.path, self.headers["Host"]))
        status, body = ANSWERS.get(self.path.removeprefix("/desks/"), (404, b"nothing"))
        self.send_response(status)
        if status in (301, 302):
            self.send_header("Location", "/desks/text")
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture
def service() -> Iterator[Service]:
    with Service(("127.0.0.1", 0), Handler) as service:
        service.asked = []
        thread = threading.Thread(target=service.serve_forever, args=(0.01,))
        thread.start()
        yield service
        service.shutdown()
        thread.join()


def source(address: TcpAddress, target: str = "/desks/{token}", *, tls: bool = False) -> UrlSource:
    return UrlSource(TokenUrl(False, address, target), BackendTls(), tls, None, WITHIN)


@pytest.mark.parametrize("token", ["text", "json"])
async def test_a_target(service: Service, token: str) -> None:
    assert await source(service.address).look_up(token) == DESK
    assert service.asked == [(f"/desks/{token}", str(service.address))]
    assert await source(service.address, tls=True).look_up(token) == (
        Target(TcpAddress("10.0.0.1", 5900), tls=True),
    )  # fmt: skip


@pytest.mark.parametrize("token", ["unknown", "empty", "none", "unauthorized", "forbidden", "gone"])
async def test_no_target(service: Service, token: str) -> None:
    assert await source(service.address).look_up(token) is None
    assert len(service.asked) == 1


@pytest.mark.parametrize(
    ("token", "problem"),
    [
        ("moved", "answered with status 302"),
        ("created", "answered with status 201"),
        ("broken", "answered with status 500"),
        ("nonsense", "its answer has no port"),
        ("bytes", "its answer is not UTF-8"),
        ("large", f"its body is longer than {MAX_BODY} bytes"),
    ],
)
async def test_a_service_that_is_broken(service: Service, token: str, problem: str) -> None:
    with pytest.raises(SourceError, match=problem) as caught:
        await source(service.address).look_up(token)
    assert str(caught.value).startswith(f"http://{service.address}/desks/{{token}}")
    assert len(service.asked) == 1  # a redirect is not followed


@pytest.mark.parametrize(
    ("token", "asked"),
    [
        ("a b", "a%20b"),
        ("a/b?c#d&e=%", "a%2Fb%3Fc%23d%26e%3D%25"),
        ("\r\nHost: evil", "%0D%0AHost%3A%20evil"),
        ("grün", "gr%C3%BCn"),
        ("{token}", "%7Btoken%7D"),
        ("../x", "..%2Fx"),
    ],
)
async def test_a_token_is_quoted(service: Service, token: str, asked: str) -> None:
    assert await source(service.address, "/v1/{token}/x?token={token}").look_up(token) is None
    assert service.asked == [(f"/v1/{asked}/x?token={asked}", str(service.address))]


@pytest.mark.parametrize("token", [".", ".."])
async def test_steps_in_a_path_are_not_asked_for(service: Service, token: str) -> None:
    assert await source(service.address).look_up(token) is None
    assert service.asked == []


async def test_https(service: Service, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pair = authority.issue("localhost")
    context = server_context(pair)
    service.socket = context.wrap_socket(service.socket, server_side=True)
    url = TokenUrl(True, service.address, "/desks/{token}")
    trusted = client_context(authority)
    good = UrlSource(url, BackendTls(server_name="localhost"), False, lambda: trusted, WITHIN)
    assert await good.look_up("text") == DESK
    with pytest.raises(SourceError, match=r"^https://127.0.0.1:\d+/desks/{token}: no TLS with .*not accepted"):
        await UrlSource(url, BackendTls(), False, lambda: trusted, WITHIN).look_up("text")
    assert len(service.asked) == 1


async def peer(nursery: trio.Nursery, handler: Callable[[trio.SocketStream], Awaitable[object]]) -> TcpAddress:
    return TcpAddress("127.0.0.1", await serve_tcp(nursery, handler))


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (b"", "ended without an answer"),
        (b"SSH-2.0-OpenSSH_9.2p1\r\n\r\n", "malformed answer: it begins with 'SSH-2.0"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n10.0.0.1:5900", "its body broke off"),
    ],
)
async def test_what_is_no_answer(answer: bytes, problem: str) -> None:
    async def handle(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(answer)
        await stream.send_eof()

    async with trio.open_nursery() as nursery:
        with pytest.raises(SourceError, match=problem):
            await source(await peer(nursery, handle)).look_up("secret")
        nursery.cancel_scope.cancel()


HALF = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n10.0.0.1:590"  # of 5900, or of 5901


async def test_an_answer_that_a_reset_has_cut_is_none() -> None:
    """Its body has no length: only a regular end shows that it is complete. 10.0.0.1:590 is a target too."""

    async def handle(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(HALF)
        await trio.testing.wait_all_tasks_blocked()  # until that is read: a reset throws away what is not
        reset(stream.socket)

    async with trio.open_nursery() as nursery:
        with pytest.raises(SourceError, match=r"its body broke off after 12 bytes$"):
            await source(await peer(nursery, handle)).look_up("secret")
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("in_order", [True, False], ids=["close_notify", "cut"])
async def test_an_answer_over_tls_is_whole_only_behind_a_close_notify(tmp_path: Path, in_order: bool) -> None:
    """RFC 8446 §6.1: an attacker on the network can forge a FIN."""
    authority = Authority(tmp_path)
    pair = authority.issue("localhost")
    context = server_context(pair)

    async def handle(stream: trio.SocketStream) -> None:
        tls = trio.SSLStream(stream, context, server_side=True)
        await tls.receive_some()
        await tls.send_all(HALF)
        if in_order:
            await tls.unwrap()
        await stream.send_eof()

    trusted = client_context(authority)
    async with trio.open_nursery() as nursery:
        url = TokenUrl(True, await peer(nursery, handle), "/{token}")
        asked = UrlSource(url, BackendTls(server_name="localhost"), False, lambda: trusted, WITHIN)
        if in_order:
            assert await asked.look_up("text") == (Target(TcpAddress("10.0.0.1", 590)),)
        else:
            with pytest.raises(SourceError, match=r"its body broke off after 12 bytes$"):
                await asked.look_up("secret")
        nursery.cancel_scope.cancel()


async def test_a_lookup_that_is_given_up_ends_its_connection() -> None:
    """The deadline is the caller's."""
    asked, ended = trio.Event(), trio.Event()

    async def hang(stream: trio.SocketStream) -> None:
        async for _ in stream:
            asked.set()
        ended.set()

    async with trio.open_nursery() as nursery:
        address = await peer(nursery, hang)
        async with trio.open_nursery() as lookups:
            lookups.start_soon(source(address).look_up, "a")
            await asked.wait()
            lookups.cancel_scope.cancel()
        with trio.fail_after(WITHIN):
            await ended.wait()
        nursery.cancel_scope.cancel()


async def test_nobody_there() -> None:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    address = TcpAddress("127.0.0.1", listener.socket.getsockname()[1])
    await listener.aclose()
    with pytest.raises(SourceError, match=f"^http://{address}/desks/{{token}}: cannot connect to {address}: "):
        await source(address).look_up("secret")


async def test_the_disk_of_a_ca_that_hangs() -> None:
    """It keeps one thread, the source's own, however many ask; the deadline is the caller's."""
    disk, hung = threading.Event(), threading.Event()

    def context() -> ssl.SSLContext:
        hung.set()
        disk.wait(20)
        return ssl.create_default_context()

    url = TokenUrl(True, TcpAddress("127.0.0.1", 1), "/{token}")
    it = UrlSource(url, BackendTls(), False, context, WITHIN)
    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(it.look_up, "a")
        await trio.to_thread.run_sync(hung.wait)
        assert trio.to_thread.current_default_thread_limiter().borrowed_tokens == 0
        nursery.cancel_scope.cancel()
    disk.set()
