"""Real Sentinels are asked which server is the master."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis
import trustme

from tests.peers.sockets import free_port
from tests.redis_server import RedisServer, Sentinel, redis_server, watched_servers
from wsgate.settings.model import RedisUrl, TcpAddress
from wsgate.site.redis_client import redis_client

pytestmark = pytest.mark.needs("redis-server")

PATIENCE = 10.0  # seconds in which this machine answers

Open = Callable[[RedisUrl], Any]


@pytest.fixture
def open_client() -> Iterator[Open]:
    with contextlib.ExitStack() as stack:
        yield lambda url: stack.enter_context(contextlib.closing(redis_client(url, PATIENCE)))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(tmp_path) as server:
        yield server


@contextlib.contextmanager
def running(sentinel: Sentinel) -> Iterator[Sentinel]:
    try:
        sentinel.start()
        yield sentinel
    finally:
        sentinel.kill()


def test_a_replica_that_was_promoted_is_the_server(tmp_path: Path, open_client: Open) -> None:
    with watched_servers(tmp_path) as (first, second, sentinel):
        client = open_client(sentinel.url_of(first))
        client.set("x", "1")
        _, replica = sentinel.find_master(first, second)
        with contextlib.closing(sentinel.client) as operator:
            operator.execute_command("SENTINEL", "FAILOVER", "main")
        with contextlib.closing(replica.client) as promoted:
            while not promoted.get("y"):
                with contextlib.suppress(redis.RedisError):  # those are asked again a second later
                    client.set("y", "2")


def test_a_former_master_that_is_asked_to_write(tmp_path: Path, server: RedisServer, open_client: Open) -> None:
    """It has been cut off, so nobody has ended the connection to it."""
    with redis_server(tmp_path) as other, running(Sentinel(tmp_path, server)) as sentinel:
        client = open_client(sentinel.url_of(server))
        client.set("x", "1")
        with contextlib.closing(sentinel.client) as operator, contextlib.closing(server.client) as former:
            operator.sentinel_remove("main")
            operator.sentinel_monitor("main", "127.0.0.1", other.port, 1)
            former.replicaof("127.0.0.1", other.port)
        with pytest.raises(redis.ConnectionError, match="previous master is now a"):
            client.set("x", "2")
        client.set("x", "3")
        with contextlib.closing(other.client) as present:
            assert present.get("x") == "3"


@pytest.mark.parametrize("wanted", [(), ("requirepass S3cr3t",)])
def test_a_sentinel_that_wants_a_login_gets_that_of_the_server(
    tmp_path: Path, open_client: Open, wanted: tuple[str, ...]
) -> None:
    lines = ["sentinel auth-pass main S3cr3t", *wanted]
    with (
        redis_server(tmp_path, "--requirepass", "S3cr3t") as server,
        running(Sentinel(tmp_path, server, *lines)) as sentinel,
    ):
        url = sentinel.url_of(server)
        client = open_client(replace(url, password="S3cr3t", database=3))
        assert client.set("x", "1")
        with pytest.raises(redis.ConnectionError) as caught:
            open_client(replace(url, password="wr0ng")).set("x", "1")
        assert "wr0ng" not in str(caught.value)


def test_tls(tmp_path: Path, open_client: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    ca, files = trustme.CA(), [str(tmp_path / name) for name in ("cert.pem", "key.pem", "ca.pem")]
    issued = ca.issue_cert("127.0.0.1")
    issued.cert_chain_pems[0].write_to_path(files[0])
    issued.private_key_pem.write_to_path(files[1])
    ca.cert_pem.write_to_path(files[2])
    options = [f"tls-cert-file {files[0]}", f"tls-key-file {files[1]}", f"tls-ca-cert-file {files[2]}"]
    options += ["tls-auth-clients no", "tls-replication yes"]
    flags = [word for option in options for word in f"--{option}".split()]
    ports = free_port(), free_port()
    with redis_server(tmp_path, "--tls-port", str(ports[0]), *flags) as server:
        server.port = ports[0]
        with running(Sentinel(tmp_path, server, f"tls-port {ports[1]}", *options)) as sentinel:
            sentinel.port = ports[1]
            url = replace(sentinel.url_of(server), tls=True)
            with pytest.raises(redis.ConnectionError, match="certificate verify failed"):
                open_client(url).set("x", "1")
            monkeypatch.setenv("SSL_CERT_FILE", files[2])
            assert open_client(url).set("x", "1")


def test_a_service_that_no_sentinel_knows(tmp_path: Path, server: RedisServer, open_client: Open) -> None:
    with running(Sentinel(tmp_path, server)) as sentinel:
        url = replace(sentinel.url_of(server), addresses=(TcpAddress("127.0.0.1", sentinel.port),), service="other")
        with pytest.raises(redis.ConnectionError, match="no Sentinel knows the service 'other'"):
            open_client(url).ping()


def test_no_sentinel_answers(open_client: Open) -> None:
    url = RedisUrl(False, (TcpAddress("127.0.0.1", free_port()),), service="main")
    with pytest.raises(redis.ConnectionError, match=rf"Sentinel at {url.addresses[0]}: .*refused"):
        open_client(url).ping()


def test_a_server_is_no_sentinel(server: RedisServer, open_client: Open) -> None:
    with pytest.raises(redis.ConnectionError, match="unknown command 'SENTINEL'"):
        open_client(replace(server.url, service="main")).ping()


def test_something_else_is_no_sentinel(open_client: Open) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            with listener.accept()[0] as sock:
                while data := sock.recv(1000):
                    sock.sendall(b"+OK\r\n" * data.count(b"*"))

        thread = threading.Thread(target=answer)
        thread.start()
        url = RedisUrl(False, (TcpAddress("127.0.0.1", listener.getsockname()[1]),), service="main")
        with pytest.raises(redis.ConnectionError, match="is it a Sentinel"):
            open_client(url).ping()
        thread.join()
