"""The process of the admin listener: a real one, which is replaced when it dies, and ends with its parent."""

from __future__ import annotations

import errno
import math
import os
import signal
import socket
import time
from collections.abc import Iterator

import pytest
import trio

from tests.log import Log
from wsgate.events.metric_rows import MetricRows
from wsgate.events.metrics import SERVING
from wsgate.ops.admin.asking import ask_workers, tap_workers
from wsgate.ops.admin.process import AdminProcess, open_admin_listener, serve_until_end
from wsgate.ops.admin.server import AdminServer
from wsgate.ops.listeners import call_directly
from wsgate.settings.model import Admin, TcpAddress

SETTINGS = Admin(bind=TcpAddress("127.0.0.1", 0))


class Parent:
    def __init__(self) -> None:
        self.rows = MetricRows(2)
        self.listener = open_admin_listener(SETTINGS)
        self.port: int = self.listener.getsockname()[1]
        self.process = AdminProcess(self.listener, self._main)

    def _main(self, listener: socket.socket, channel: socket.socket) -> int:
        server = AdminServer(SETTINGS, self.rows, self.rows.row(1), ask=ask_workers([]), tap=tap_workers([]), main=0)
        return trio.run(serve_until_end, server, listener, channel)

    def act(self) -> None:
        self.process.act(time.monotonic(), lambda: None)

    def ask(self) -> bytes:
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as client:
            client.sendall(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            return client.recv(4096)

    def wait_death(self) -> None:
        assert self.process._pid
        os.waitid(os.P_PID, self.process._pid, os.WEXITED | os.WNOWAIT)


@pytest.fixture
def parent() -> Iterator[Parent]:
    parent = Parent()
    yield parent
    parent.process.close(call_directly)


def test_it_answers_from_the_shared_memory(parent: Parent) -> None:
    parent.act()
    assert parent.process.due == math.inf
    assert b" 503 " in parent.ask()
    parent.rows.row(0).cell(SERVING).set(1)
    assert b" 200 " in parent.ask()
    parent.act()  # it runs already
    parent.process.find_dead(time.monotonic())


def test_one_that_dies_is_replaced(parent: Parent, log: Log) -> None:
    parent.act()
    parent.ask()
    os.kill(parent.process._pid, signal.SIGKILL)
    parent.wait_death()
    parent.process.find_dead(time.monotonic())
    assert log.one("admin died")["replaced_in"] == 0
    assert parent.process.due <= time.monotonic()
    parent.act()
    assert b" 503 " in parent.ask()
    os.kill(parent.process._pid, signal.SIGKILL)
    parent.wait_death()
    parent.process.find_dead(time.monotonic())
    parent.act()  # not yet
    assert time.monotonic() < parent.process.due < math.inf


def test_no_process(parent: Parent, monkeypatch: pytest.MonkeyPatch, log: Log) -> None:
    def fail() -> int:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", fail)
    parent.act()
    assert log.one("admin not started")["replaced_in"] == 0


def test_other_children_close_what_is_its_own(parent: Parent) -> None:
    parent.act()
    parent.ask()
    listener, channel = parent.process._listener, parent.process._channel
    assert channel is not None
    copies = [socket.socket(fileno=os.dup(sock.fileno())) for sock in (listener, channel)]
    parent.process.close_in_child()
    assert (listener.fileno(), channel.fileno()) == (-1, -1)
    parent.process._listener, parent.process._channel = copies


def test_it_ends_with_its_parent(parent: Parent) -> None:
    parent.act()
    parent.ask()
    pid = parent.process._pid
    parent.process.close(call_directly)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert parent.listener.fileno() == -1


def test_one_that_does_not_end_is_killed(parent: Parent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wsgate.ops.admin.process.END_TIME", 0.0)
    parent.act()
    parent.ask()
    pid = parent.process._pid
    os.kill(pid, signal.SIGSTOP)
    parent.process.close(call_directly)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_one_that_somebody_else_has_waited_for(parent: Parent) -> None:
    parent.act()
    os.kill(parent.process._pid, signal.SIGKILL)
    os.waitpid(parent.process._pid, 0)
    parent.process.close(call_directly)
    assert not parent.process._pid
