"""The log of the real process, if its reader stops or goes away, or its disk is full."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.peers.heads import plain_request
from tests.peers.threads import Backend, Client, echo

from .gateway import COMMAND, ENVIRONMENT, STOP_DEADLINE, relay, write_config

REQUESTS = 2500
PATH = "/" + "x" * 1000  # in each line: together they are more than the pipe and two processes' queues hold
SETTINGS = {"defaults": {"timeouts": {"close": "100ms"}}, "log": {"level": "info", "flood": "off"}}
OTHER_LINES = {"listening", "ready", "opened", "session", "draining", "stopped"}

pytestmark = pytest.mark.parametrize("workers", [1, 2])


class Running:
    """A gateway on a Unix socket, whose log goes to ``log``, and an open session through it."""

    def __init__(self, directory: Path, workers: int, log: int) -> None:
        self._address = str(directory / "gate.sock")
        self.backend = Backend(echo)
        listeners = [{"bind": f"unix:{self._address}"}]
        file = write_config(directory, [relay(self.backend.port)], listeners=listeners, workers=workers, **SETTINGS)
        command = [*COMMAND, "serve", str(file)]
        self.process = subprocess.Popen(command, env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._session = self._until_it_listens()
        self._session.upgrade()

    def _until_it_listens(self) -> Client:
        deadline = time.monotonic() + STOP_DEADLINE
        while True:
            try:
                return Client(self._address)
            except OSError:
                assert time.monotonic() < deadline
                assert self.process.poll() is None
                time.sleep(0.01)

    def round_trip(self) -> None:
        self._session.round_trip()

    def refuse(self, number: int) -> None:
        """Requests that get an answer and a line in the log each."""
        for _ in range(number):
            with Client(self._address) as client:
                client.send(plain_request(PATH))
                assert client.read_head().status == 426

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_DEADLINE)

    def close(self) -> None:
        self._session.close()
        self.backend.close()
        self.process.kill()
        self.process.wait()


Start = Callable[[int], Running]


@pytest.fixture
def start(tmp_path: Path, workers: int) -> Iterator[Start]:
    with contextlib.ExitStack() as stack:

        def start(log: int) -> Running:
            running = Running(tmp_path, workers, log)
            stack.callback(running.close)
            return running

        yield start


def test_whoever_reads_it_stops_reading(start: Start, pipe: tuple[int, int], workers: int) -> None:
    running = start(pipe[1])
    running.round_trip()
    running.refuse(REQUESTS)
    running.round_trip()
    running.process.send_signal(signal.SIGHUP)
    running.refuse(1)
    running.round_trip()
    assert running.stop() in (0, 1)


def test_what_is_missing_is_counted_when_it_is_read_again(start: Start, pipe: tuple[int, int], workers: int) -> None:
    running = start(pipe[1])
    running.refuse(REQUESTS)
    data = bytearray()

    def read() -> None:
        while piece := os.read(pipe[0], 1 << 16):
            data.extend(piece)

    reading = threading.Thread(target=read, daemon=True)
    reading.start()
    assert running.stop() == 0
    os.close(pipe[1])
    reading.join(STOP_DEADLINE)
    lines = [json.loads(line) for line in data.splitlines()]
    dropped = [line for line in lines if line["event"] == "log lines dropped"]
    assert dropped
    assert all(line["reason"] == "whoever reads the log was too slow" for line in dropped)
    others = [line for line in lines if line["event"] != "log lines dropped"]
    assert {line["event"] for line in others} <= OTHER_LINES | {"refused"}
    meant = len(others) + sum(line["lines"] for line in dropped)
    assert meant == REQUESTS + len(OTHER_LINES)


def test_whoever_reads_it_goes_away(start: Start, pipe: tuple[int, int], workers: int) -> None:
    running = start(pipe[1])
    os.close(pipe[0])
    running.refuse(100)
    running.round_trip()
    assert running.stop() == 0


def test_a_disk_that_is_full(start: Start, workers: int) -> None:
    with open("/dev/full", "wb") as full:
        running = start(full.fileno())
    running.refuse(100)
    running.round_trip()
    assert running.stop() == 0
