"""Keys at a URL: of a server that rotates them, that fails, and that answers as none should."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.log import Log
from tests.peers.sockets import serve_tcp
from tests.pki import Authority, client_context, server_context
from tests.site.jwt.signing import jwk, key_set
from wsgate.settings.model import BackendTls, HttpUrl, TcpAddress
from wsgate.site.jwt.key_url import LEAST, MAX_SIZE, KeyUrl
from wsgate.site.tokens.source import SourceError

REFRESH, WITHIN = 300.0, 5.0

pytestmark = pytest.mark.usefixtures("no_threads")


class Server:
    """A service with a key set. ``answer``: what it sends; ``None``: nothing, ever"""

    def __init__(self) -> None:
        self.answer: bytes | None = b""
        self.asked = 0
        self.has()

    def has(self, *kids: str, status: str = "200 OK", body: bytes | None = None) -> None:
        body = key_set(*(jwk("P256", kid=kid) for kid in kids)) if body is None else body
        self.answer = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body

    async def serve(self, stream: trio.SocketStream) -> None:
        self.asked += 1
        request = await stream.receive_some()
        assert request.startswith(b"GET /keys?x=1 HTTP/1.1\r\n")
        if self.answer is None:
            await stream.receive_some()
            return
        try:
            await stream.send_all(self.answer)
            await stream.send_eof()
        except trio.BrokenResourceError:
            pass  # the gateway reads no more than it may


@asynccontextmanager
async def running(server: Server) -> AsyncIterator[KeyUrl]:
    async with trio.open_nursery() as nursery:
        port = await serve_tcp(nursery, server.serve)
        url = HttpUrl(False, TcpAddress("127.0.0.1", port), "/keys?x=1")
        keys = KeyUrl(url, ["ES256"], BackendTls(), None, REFRESH, WITHIN)
        nursery.start_soon(keys.run)
        yield keys
        nursery.cancel_scope.cancel()


def kids(keys: object) -> list[str | None]:
    assert isinstance(keys, tuple)
    return [key.kid for key in keys]


async def test_a_server_that_rotates_its_keys(autojump_clock: MockClock) -> None:
    server = Server()
    server.has("a")
    async with running(server) as keys:
        assert kids(await keys.get()) == ["a"]
        server.has("b")
        assert kids(await keys.get()) == ["a"]
        # anybody may name an unknown key: not before LEAST seconds
        assert kids(await keys.get_newer()) == ["a"]
        assert server.asked == 1
        await trio.sleep(LEAST)
        found: list[list[str | None]] = []

        async def ask() -> None:
            found.append(kids(await keys.get_newer()))

        async with trio.open_nursery() as nursery:  # all wait for the same answer
            for _ in range(100):
                nursery.start_soon(ask)
        assert found == [["b"]] * 100
        assert kids(await keys.get_newer()) == ["b"]
        assert server.asked == 2
        # in time, without being asked
        server.has("c")
        await trio.sleep(REFRESH * 1.2)
        assert kids(await keys.get()) == ["c"]
        assert server.asked == 3


@pytest.mark.parametrize(
    ("status", "body", "problem"),
    [
        ("500 Oops", b"", "answered with status 500"),
        ("302 Found", b"", "answered with status 302"),
        ("200 OK", b"<html>", "its answer is no JSON"),
        ("200 OK", b'{"keys": []}', "its answer has no key that verifies signatures"),
        ("200 OK", b"[" * 100_000, "its answer is no JSON"),
        ("200 OK", key_set(jwk("RSA")), "its answer fits none of algorithms (ES256)"),
        ("200 OK", b" " * (MAX_SIZE + 1), f"its body is longer than {MAX_SIZE} bytes"),
    ],
)
async def test_a_server_that_fails(autojump_clock: MockClock, log: Log, status: str, body: bytes, problem: str) -> None:
    server = Server()
    server.has(status=status, body=body)
    async with running(server) as keys:
        for _ in range(3):  # no client waits twice for what has failed
            with pytest.raises(SourceError) as caught:
                await keys.get()
        assert problem in str(caught.value)
        assert server.asked == 1
        await trio.sleep(LEAST * 3.5)
        assert server.asked == 4
        line = log.one("token keys not read")
        assert problem in line["error"]
        assert line["consequence"] == "clients get 503 until there are keys"
        server.has("a")
        await trio.sleep(LEAST)
        assert kids(await keys.get()) == ["a"]
        assert log.events().count("token keys read again") == 1


async def test_old_keys_stay(autojump_clock: MockClock, log: Log) -> None:
    server = Server()
    server.has("a")
    async with running(server) as keys:
        await keys.get()
        server.answer = None
        await trio.sleep(REFRESH * 4)
        assert kids(await keys.get()) == ["a"]
        assert kids(keys.known()) == ["a"]
        line = log.one("token keys not read")
        assert line["error"].endswith(f"did not answer within {WITHIN:g} s")
        assert line["consequence"] == "the keys that are known stay"
        with pytest.raises(SourceError, match="did not answer"):  # nobody knows whether there are new ones
            await keys.get_newer()


async def test_an_answer_without_end() -> None:
    """A gibibyte of it: it is left after the first bytes that are too many."""
    sent = 0

    async def endless(stream: trio.SocketStream) -> None:
        nonlocal sent
        await stream.receive_some()
        try:
            await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n")
            for _ in range(1024):
                await stream.send_all(bytes(1 << 20))
                sent += 1
        except trio.BrokenResourceError:
            pass

    async with trio.open_nursery() as nursery:
        url = HttpUrl(False, TcpAddress("127.0.0.1", await serve_tcp(nursery, endless)), "/")
        keys = KeyUrl(url, ["ES256"], BackendTls(), None, REFRESH, WITHIN)
        nursery.start_soon(keys.run)
        with pytest.raises(SourceError, match="is longer than"):
            await keys.get()
        nursery.cancel_scope.cancel()
    assert sent < 64


async def test_one_that_does_not_run_any_more(autojump_clock: MockClock) -> None:
    """The site of an exchange may be replaced meanwhile."""
    server = Server()
    server.has("a")
    async with running(server) as keys:
        await keys.get()
    await trio.sleep(LEAST)
    assert kids(await keys.get_newer()) == ["a"]


async def test_who_waits_when_it_ends(autojump_clock: MockClock) -> None:
    server = Server()
    server.answer = None
    failed: list[str] = []

    async def ask(keys: KeyUrl) -> None:
        try:
            await keys.get()
        except SourceError as error:
            failed.append(str(error))

    async with trio.open_nursery() as nursery, running(server) as keys:
        nursery.start_soon(ask, keys)
        await wait_all_tasks_blocked()
    assert failed == ["no keys were read"]


async def test_https(autojump_clock: MockClock, tmp_path: Path) -> None:
    """The server's certificate is checked."""
    authority = Authority(tmp_path)
    context, trusted = server_context(authority.issue("localhost")), client_context(authority)
    body = key_set(jwk("P256", kid="a"))

    async def serve(stream: trio.SocketStream) -> None:
        secured = trio.SSLStream(stream, context, server_side=True, https_compatible=True)
        try:
            await secured.receive_some()
            await secured.send_all(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        except trio.BrokenResourceError:
            pass

    async with trio.open_nursery() as nursery:
        url = HttpUrl(True, TcpAddress("127.0.0.1", await serve_tcp(nursery, serve)), "/keys")
        for name, problem in (("localhost", ""), ("other.example", "no TLS with")):
            tls = BackendTls(server_name=name)
            keys = KeyUrl(url, ["ES256"], tls, lambda: trusted, REFRESH, WITHIN)
            nursery.start_soon(keys.run)
            if problem:
                with pytest.raises(SourceError, match=problem):
                    await keys.get()
            else:
                assert kids(await keys.get()) == ["a"]
        nursery.cancel_scope.cancel()
