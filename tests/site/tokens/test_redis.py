"""Tokens in a real Redis server."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from tests.e2e.services import start
from tests.peers.sockets import free_port, serve_tcp
from tests.pki import Authority, client_context
from wsgate.settings.model import Address, BackendTls, Redis, Target, TcpAddress, UnixAddress
from wsgate.site.tokens import redis as module
from wsgate.site.tokens.redis import RedisSource
from wsgate.site.tokens.source import SourceError
from wsgate.wire.resp import Replies, Reply, command

WITHIN = 20.0
DESK = (Target(TcpAddress("10.0.0.1", 5900)),)

pytestmark = pytest.mark.needs("redis-server")


async def ask(address: UnixAddress, *commands: tuple[str, ...]) -> list[Reply]:
    """What an operator does with redis-cli."""
    replies, found = Replies(), list[Reply]()
    async with await trio.open_unix_socket(address.path) as stream:
        for words in commands:
            await stream.send_all(command(*(word.encode() for word in words)))
            while (reply := replies.next()) is None:
                replies.receive(await stream.receive_some())
            found += reply
    return found


async def serve(nursery: trio.Nursery, handler: Callable[[trio.SocketStream], Awaitable[object]]) -> TcpAddress:
    return TcpAddress("127.0.0.1", await serve_tcp(nursery, handler))


StartRedis = Callable[..., Awaitable[UnixAddress]]


@pytest.fixture
async def start_redis(tmp_path: Path) -> AsyncIterator[StartRedis]:
    async with trio.open_nursery() as nursery:

        async def start_redis(*options: str | Path) -> UnixAddress:
            own: list[str | Path] = ["--save", "", "--dir", tmp_path, "--unixsocket", tmp_path / "redis.sock"]
            if "--port" not in options:
                own += ["--port", "0"]
            await start(nursery, "redis-server", [*own, *options], ready=b"ready to accept connections at")
            return UnixAddress(str(tmp_path / "redis.sock"))

        yield start_redis
        nursery.cancel_scope.cancel()


@pytest.fixture
def open_redis() -> Any:
    opened: list[RedisSource] = []

    def open_redis(
        address: Address,
        *,
        tls: bool = False,
        by_tls: BackendTls | None = None,
        context: ssl.SSLContext | None = None,
        **more: Any,
    ) -> RedisSource:
        given = None if context is None else lambda: context
        opened.append(RedisSource(Redis(address=address, tls=by_tls, **more), tls, given, WITHIN))
        return opened[-1]

    yield open_redis
    for source in opened:
        source.close()


async def test_values(start_redis: StartRedis, open_redis: Any) -> None:
    address = await start_redis()
    await ask(
        address,
        ("SET", "a", "10.0.0.1:5900"),
        ("SET", "b", '{"host": "10.0.0.1:5900"}'),
        ("SET", "c", '{"host": "10.0.0.1", "port": 5900}'),
        ("SET", "six", "[::1]:5900"),
        ("SET", "bad", "nonsense"),
        ("SET", "large", "x" * 70_000),
        ("RPUSH", "list", "a:1"),
        ("SET", "grün\r\n", "10.0.0.1:5900"),
    )
    source = open_redis(address)
    for token in ("a", "b", "c", "grün\r\n"):
        assert await source.look_up(token) == DESK
    assert await source.look_up("six") == (Target(TcpAddress("::1", 5900)),)
    assert await source.look_up("other") is None
    with pytest.raises(SourceError, match=f"^redis at {address}: a token's value has no port"):
        await source.look_up("bad")
    with pytest.raises(SourceError, match="sent a value of 70000 bytes"):
        await source.look_up("large")
    with pytest.raises(SourceError, match="answered WRONGTYPE: a token's key holds no string"):
        await source.look_up("list")
    assert await source.look_up("a") == DESK
    tls = open_redis(address, tls=True)
    assert await tls.look_up("a") == (Target(TcpAddress("10.0.0.1", 5900), tls=True),)


async def test_prefix_database_user_and_password(start_redis: StartRedis, open_redis: Any, tmp_path: Path) -> None:
    address = await start_redis()
    await ask(address, ("ACL", "SETUSER", "desk", "on", ">secret", "~vnc:*", "+get", "+select"))
    await ask(address, ("SELECT", "3"), ("SET", "vnc:a", "10.0.0.1:5900"), ("SET", "a", "h:1"))
    password = tmp_path / "password"
    password.write_text("secret\n")
    settings = {"database": 3, "prefix": "vnc:", "user": "desk", "password_file": str(password)}
    assert await open_redis(address, **settings).look_up("a") == DESK
    assert await open_redis(address, database=3).look_up("a") == (Target(TcpAddress("h", 1)),)
    assert await open_redis(address).look_up("a") is None
    with pytest.raises(SourceError, match="answered NOPERM: the user may not GET"):
        await open_redis(address, **{**settings, "prefix": "x"}).look_up("a")
    password.write_text("wrong")
    source = open_redis(address, **settings)
    with pytest.raises(SourceError, match="answered WRONGPASS: is the password"):
        await source.look_up("a")
    password.write_text("secret")  # it is read for each connection
    assert await source.look_up("a") == DESK
    with pytest.raises(SourceError, match="answered ERR"):
        await open_redis(address, database=99).look_up("a")


async def test_a_password_alone(start_redis: StartRedis, open_redis: Any, tmp_path: Path) -> None:
    address = await start_redis("--requirepass", "secret")
    assert await ask(address, ("AUTH", "secret"), ("SET", "a", "10.0.0.1:5900")) == [b"OK", b"OK"]
    (tmp_path / "password").write_text("secret\n")
    assert await open_redis(address, password_file=str(tmp_path / "password")).look_up("a") == DESK
    with pytest.raises(SourceError, match="answered NOAUTH: it wants a password: name its file"):
        await open_redis(address).look_up("a")


async def test_one_connection_is_used_again_and_made_anew(start_redis: StartRedis, open_redis: Any) -> None:
    address = await start_redis()
    await ask(address, ("SET", "a", "10.0.0.1:5900"))
    source = open_redis(address, database=1)
    assert await source.look_up("a") is None
    await ask(address, ("SELECT", "1"), ("SET", "a", "10.0.0.1:5900"))
    for _ in range(5):
        assert await source.look_up("a") == DESK
    clients = (await ask(address, ("CLIENT", "LIST")))[0]
    assert isinstance(clients, bytes)
    assert clients.count(b"cmd=get") == 1
    # the server ends it, as one that is started anew does
    assert await ask(address, ("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")) == [1]
    assert await source.look_up("a") == DESK


async def test_many_at_once(start_redis: StartRedis, open_redis: Any) -> None:
    address = await start_redis()
    await ask(address, *(("SET", f"t{n}", f"h:{n + 1}") for n in range(40)))
    source, found = open_redis(address), dict[int, Any]()

    async def look_up(number: int) -> None:
        found[number] = await source.look_up(f"t{number}")

    async with trio.open_nursery() as nursery:
        for number in range(40):
            nursery.start_soon(look_up, number)
    assert found == {number: (Target(TcpAddress("h", number + 1)),) for number in range(40)}
    assert len(source._idle) == module._KEPT
    source.close()
    assert await source.look_up("t1") == (Target(TcpAddress("h", 2)),)
    assert source._idle == []


async def test_tls(start_redis: StartRedis, open_redis: Any, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pair = authority.issue("redis.example")
    port = free_port()
    address = await start_redis(
        *("--tls-port", str(port), "--port", "0", "--bind", "127.0.0.1", "--tls-auth-clients", "no"),
        *("--tls-cert-file", pair.certificate, "--tls-key-file", pair.key, "--tls-ca-cert-file", authority.file),
    )
    await ask(address, ("SET", "a", "10.0.0.1:5900"))
    server, context = TcpAddress("127.0.0.1", port), client_context(authority)
    source = open_redis(server, context=context, by_tls=BackendTls(server_name="redis.example"))
    for _ in range(2):
        assert await source.look_up("a") == DESK
    with pytest.raises(SourceError, match=r"no TLS with .*certificate is not accepted"):
        await open_redis(server, context=context, by_tls=BackendTls()).look_up("a")
    with pytest.raises(SourceError, match=r"without an answer|was lost"):
        await open_redis(server).look_up("a")


async def test_nobody_there(open_redis: Any, tmp_path: Path) -> None:
    source = open_redis(UnixAddress(str(tmp_path / "nothing")))
    with pytest.raises(SourceError, match=r"^redis at unix:.*/nothing: cannot connect .*No such file"):
        await source.look_up("secret")


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", r"sent something else than Redis's protocol: is it a Redis server\?"),
        (b":5\r\n", "answered GET with a number"),
        (b"$3\r\na:1\r\n+OK\r\n", "sent more than it was asked for"),
        (b"$1\r\n\xff\r\n", "a token's value is not UTF-8"),
        (b"-FUTURE error\r\n", "answered FUTURE: see its log"),
    ],
)
async def test_a_server_that_is_none(open_redis: Any, said: bytes, problem: str) -> None:
    async def answer(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(said)
        await stream.receive_some()

    async with trio.open_nursery() as nursery:
        source = open_redis(await serve(nursery, answer))
        with pytest.raises(SourceError, match=problem):
            await source.look_up("a")
        nursery.cancel_scope.cancel()


async def test_a_lookup_that_is_given_up_leaves_no_half_read_connection(open_redis: Any) -> None:
    asked, ended = trio.Event(), trio.Event()

    async def hang(stream: trio.SocketStream) -> None:
        async for _ in stream:
            asked.set()
        ended.set()

    async with trio.open_nursery() as nursery:
        source = open_redis(await serve(nursery, hang))
        async with trio.open_nursery() as lookups:
            lookups.start_soon(source.look_up, "a")
            await asked.wait()
            lookups.cancel_scope.cancel()
        with trio.fail_after(WITHIN):
            await ended.wait()
        assert source._idle == []
        nursery.cancel_scope.cancel()


def test_wrong_at_the_start(open_redis: Any, tmp_path: Path) -> None:
    address = UnixAddress("/nothing")
    with pytest.raises(SourceError, match=r"/password' does not exist"):
        open_redis(address, password_file=str(tmp_path / "password"))
    (tmp_path / "password").write_text("\n")
    with pytest.raises(SourceError, match=r"/password: the file has no password in its first line"):
        open_redis(address, password_file=str(tmp_path / "password"))
