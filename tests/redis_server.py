"""Debian's Redis server, which a test kills, restarts and stops, and a Sentinel beside it."""

from __future__ import annotations

import contextlib
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import redis

from tests.peers.sockets import free_port
from tests.programs import find
from wsgate.settings.model import RedisUrl, TcpAddress


class RedisServer:
    """A server on a port of its own, which keeps nothing on disk."""

    _READY = b"Ready to accept connections"

    def __init__(self, directory: Path, *options: str) -> None:
        self.port = free_port()
        program = find("redis-server")
        assert program is not None
        usual = ["--bind", "127.0.0.1", "--save", "", "--repl-diskless-sync-delay", "0", "--dir", str(directory)]
        self._command = [program, "--port", str(self.port), *usual, *options]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> RedisUrl:
        return RedisUrl(False, (TcpAddress("127.0.0.1", self.port),))

    @property
    def client(self) -> Any:
        return redis.Redis(port=self.port, decode_responses=True)

    def start(self) -> None:
        """Returns when it accepts connections."""
        self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if self._READY in line:
                return
        raise AssertionError("it ended")

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def hang(self) -> None:
        """It accepts connections, and answers nothing."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)


class Sentinel(RedisServer):
    """A Sentinel that calls a server ``main``, and promotes a replica of it soon after it is gone.

    options: lines of its configuration
    """

    _READY = b"+monitor master main"

    def __init__(self, directory: Path, master: RedisServer, *options: str) -> None:
        super().__init__(directory)
        lines = [
            f"port {self.port}",
            f"sentinel monitor main 127.0.0.1 {master.port} 1",
            "sentinel down-after-milliseconds main 500",
            "sentinel failover-timeout main 2000",
            *options,
        ]
        file = directory / f"sentinel-{self.port}.conf"  # it writes what it learns into this
        file.write_text("\n".join(lines) + "\n")
        self._command = [self._command[0], str(file), "--sentinel", "--bind", "127.0.0.1", "--dir", str(directory)]

    def find_master(self, *servers: RedisServer) -> tuple[RedisServer, RedisServer]:
        """Returns which of two servers is the master, and the other one. On a machine that is slow for a moment the
        Sentinel may have promoted the replica already."""
        with contextlib.closing(self.client) as client:
            _, port = client.sentinel_get_master_addr_by_name("main")
        first, second = servers
        return (first, second) if port == first.port else (second, first)

    def url_of(self, server: RedisServer) -> RedisUrl:
        """The URL of a server by two Sentinels, of which the first is gone."""
        gone = TcpAddress("127.0.0.1", free_port())
        return replace(server.url, addresses=(gone, TcpAddress("127.0.0.1", self.port)), service="main")


@contextlib.contextmanager
def watched_servers(directory: Path) -> Iterator[tuple[RedisServer, RedisServer, Sentinel]]:
    """A server, its replica, and a Sentinel that knows both."""
    with contextlib.ExitStack() as stack:
        master = stack.enter_context(redis_server(directory))
        replica = stack.enter_context(redis_server(directory, "--replicaof", "127.0.0.1", str(master.port)))
        with contextlib.closing(replica.client) as client:
            while client.info("replication")["master_link_status"] != "up":
                pass
        sentinel = Sentinel(directory, master)
        stack.callback(sentinel.kill)
        sentinel.start()
        with contextlib.closing(sentinel.client) as client:
            while not any(known["master-link-status"] == "ok" for known in client.sentinel_slaves("main")):
                pass
        yield master, replica, sentinel


@contextlib.contextmanager
def redis_server(directory: Path, *options: str) -> Iterator[RedisServer]:
    server = RedisServer(directory, *options)
    try:
        server.start()
        yield server
    finally:
        server.kill()
