"""Debian's Redis server, which a test kills, restarts and stops."""

from __future__ import annotations

import contextlib
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.peers.sockets import free_port
from tests.programs import find
from wsgate.settings.model import RedisUrl, TcpAddress


class RedisServer:
    """A server on a port of its own, which keeps nothing on disk."""

    def __init__(self, directory: Path, *options: str) -> None:
        self.port = free_port()
        program = find("redis-server")
        assert program is not None
        usual = ["--bind", "127.0.0.1", "--save", "", "--dir", str(directory)]
        self._command = [program, "--port", str(self.port), *usual, *options]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> RedisUrl:
        return RedisUrl(False, TcpAddress("127.0.0.1", self.port))

    def start(self) -> None:
        """Returns when it accepts connections."""
        self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if b"Ready to accept connections" in line:
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


@contextlib.contextmanager
def redis_server(directory: Path, *options: str) -> Iterator[RedisServer]:
    server = RedisServer(directory, *options)
    try:
        server.start()
        yield server
    finally:
        server.kill()
