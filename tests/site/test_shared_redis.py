"""Numbers of sessions and token buckets in a real Redis server."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import redis
import trustme

from tests.peers.sockets import free_port
from tests.redis_server import RedisServer, redis_server
from wsgate.settings.model import RedisUrl, TcpAddress
from wsgate.site.shared_redis import Bucket, RedisError, SharedRedis

pytestmark = pytest.mark.needs("redis-server")

ACCESS = Path(__file__).parents[2] / "docs" / "access.md"
PATIENCE = 10.0  # seconds in which this machine answers


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(tmp_path) as server:
        yield server


@contextlib.contextmanager
def process(server: RedisServer, lease: float = PATIENCE) -> Iterator[SharedRedis]:
    """What a process of a gateway has."""
    opened = SharedRedis(server.url, PATIENCE, lease)
    try:
        yield opened
    finally:
        opened.close()


def others(process: SharedRedis, *counts: tuple[str, int]) -> list[int]:
    empty, found = process.tell([], counts)
    assert empty == []
    return found


def keys(server: RedisServer) -> int:
    client = redis.Redis(port=server.port)
    try:
        number = client.dbsize()
        assert isinstance(number, int)
        return number
    finally:
        client.close()


def test_each_sees_what_the_others_have(server: RedisServer) -> None:
    with process(server) as a, process(server) as b, process(server) as c:
        assert others(a, ("x", 2), ("y", 1)) == [0, 0]
        assert others(b, ("x", 3)) == [2]
        assert others(c, ("x", 1), ("y", 0), ("z", 0)) == [5, 1, 0]
        assert others(a, ("x", 1)) == [4]
        assert others(c, ("x", 0)) == [4]


def test_nothing_stays_when_nobody_has_sessions(server: RedisServer) -> None:
    with process(server) as a, process(server) as b:
        others(a, ("x", 1))
        others(b, ("x", 1))
        others(a, ("x", 0))
        others(b, ("x", 0), ("never", 0))
    assert keys(server) == 0


def test_what_is_not_told_again_ends_with_its_lease(server: RedisServer) -> None:
    with process(server) as living, process(server, lease=0.001) as dead:
        others(living, ("x", 1))
        others(dead, ("x", 5), ("y", 5))
        while others(living, ("x", 1), ("y", 1)) != [0, 0]:
            pass
        assert others(dead, ("x", 0)) == [1]


def test_names_of_any_kind(server: RedisServer) -> None:
    names = ["", " ", "ü\n", "\udcff", "n" * 100_000]
    with process(server) as a, process(server) as b:
        others(a, *((name, 1) for name in names))
        assert others(b, *((name, 0) for name in names)) == [1] * 5


def test_a_bucket_of_all(server: RedisServer) -> None:
    with process(server) as a, process(server) as b:
        bucket = [Bucket("x", 2)]
        (first, second), _ = a.tell([bucket, bucket], [])
        assert (first, second) == (None, None)
        (third, other), _ = b.tell([bucket, [Bucket("other", 1)]], [])
        assert third is not None
        assert (third.bucket, other) == (0, None)
        assert 0 < third.lacking <= 500_000_000


def test_who_lacks_a_token_takes_none_of_the_next_bucket(server: RedisServer) -> None:
    with process(server) as a:
        address, gateway = Bucket("address", 1), Bucket("gateway", 2)
        answers, _ = a.tell([[address, gateway], [address, gateway], [gateway], [gateway]], [])
        assert [None if each is None else each.bucket for each in answers] == [None, 0, None, 0]


def test_a_server_that_was_restarted(server: RedisServer) -> None:
    with process(server) as a:
        others(a, ("x", 1))
        server.kill()
        with pytest.raises(RedisError, match="refused"):
            others(a, ("x", 1))
        server.start()
        assert others(a, ("x", 1)) == [0]


def test_an_idle_connection_that_was_lost(server: RedisServer) -> None:
    with process(server) as a:
        others(a, ("x", 1))
        server.kill()
        server.start()
        assert others(a, ("x", 1)) == [0]


def test_a_password(tmp_path: Path) -> None:
    with redis_server(tmp_path, "--requirepass", "S3cr3t") as server:
        for password in (None, "wr0ng"):
            stranger = SharedRedis(replace(server.url, password=password), PATIENCE)
            with pytest.raises(RedisError) as caught:
                stranger.tell([], [("x", 1)])
            assert "wr0ng" not in str(caught.value)
            stranger.close()
        friend = SharedRedis(replace(server.url, password="S3cr3t", database=3), PATIENCE)
        assert others(friend, ("x", 1)) == [0]
        friend.close()


def test_what_a_user_of_an_acl_needs(tmp_path: Path) -> None:
    commands = "+@connection +eval +evalsha +script|load +select +time +get +set +hgetall +hset +hdel +pexpire"
    assert f"~wsgate:* {commands}" in " ".join(ACCESS.read_text(encoding="utf-8").split())
    with redis_server(tmp_path, "--user", *f"gate on >S3cr3t ~wsgate:* {commands}".split()) as server:
        friend = SharedRedis(replace(server.url, user="gate", password="S3cr3t", database=1), PATIENCE)
        assert friend.tell([[Bucket("x", 1)]], [("x", 1)]) == ([None], [0])
        assert others(friend, ("x", 0)) == [0]
        friend.close()


def test_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ca, files = trustme.CA(), [str(tmp_path / name) for name in ("cert.pem", "key.pem", "ca.pem")]
    issued = ca.issue_cert("localhost")
    issued.cert_chain_pems[0].write_to_path(files[0])
    issued.private_key_pem.write_to_path(files[1])
    ca.cert_pem.write_to_path(files[2])
    port = free_port()
    options = ["--tls-port", str(port), "--tls-auth-clients", "no", "--tls-cert-file", files[0]]
    with redis_server(tmp_path, *options, "--tls-key-file", files[1], "--tls-ca-cert-file", files[2]):

        def ask(host: str) -> list[int]:
            asker = SharedRedis(RedisUrl(True, (TcpAddress(host, port),)), PATIENCE)
            try:
                return others(asker, ("x", 1))
            finally:
                asker.close()

        with pytest.raises(RedisError, match="certificate verify failed"):
            ask("localhost")
        monkeypatch.setenv("SSL_CERT_FILE", files[2])
        assert ask("localhost") == [0]
        with pytest.raises(RedisError, match="certificate is not valid for"):
            ask("127.0.0.1")


def test_no_redis_server() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            for _ in range(2):  # it is asked twice
                with contextlib.suppress(OSError), listener.accept()[0] as sock:
                    sock.recv(1000)
                    sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        server = RedisServer(Path())
        server.port = listener.getsockname()[1]
        with process(server) as a, pytest.raises(RedisError):
            others(a, ("x", 1))
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_a_server_that_hangs(server: RedisServer) -> None:
    impatient = SharedRedis(server.url, 0.01)
    server.hang()
    with pytest.raises(RedisError, match="Timeout"):
        others(impatient, ("x", 1))
    server.go_on()
    impatient.close()
