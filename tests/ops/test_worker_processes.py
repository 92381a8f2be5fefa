"""The processes that a parent starts: real ones. When it starts them is in ``test_workers``."""

from __future__ import annotations

import os
import select
import signal
import socket
from collections.abc import Iterator

import pytest
import trio

from tests.log import Log
from wsgate.gate.shared_counters import SharedCounters
from wsgate.ops.worker_channel import Report, ToParent
from wsgate.ops.worker_processes import WorkerProcesses, count_workers
from wsgate.settings.model import Listener, Settings, TcpAddress

LISTENER = Listener(bind=TcpAddress("127.0.0.1", 0))
SETTINGS = Settings(listeners=(LISTENER,), routes=())


@pytest.fixture
def processes() -> Iterator[WorkerProcesses]:
    processes = WorkerProcesses(SharedCounters(2).rows, None)
    processes.reserved.change(SETTINGS.listeners)
    yield processes
    for worker in processes.workers:
        if worker.pid:
            os.kill(worker.pid, signal.SIGKILL)
            os.waitpid(worker.pid, 0)
    processes.close_channels()
    processes.reserved.close()


def serve_once(parent: ToParent) -> int:
    """Accepts one connection at an inherited address, then ends."""
    (listener,) = parent.open_more(parent.load().listeners)
    parent.report(Report.READY, str(listener.getsockname()[1]))
    select.select([listener], [], [], 10)
    listener.accept()[0].close()
    return 3


def wait_for_the_parents_end(parent: ToParent) -> int:
    async def main() -> int:
        parent.report(Report.READY, "here")
        async for number in parent:
            return 0 if number == signal.SIGTERM else 1
        raise AssertionError("it never ends by itself")

    return trio.run(main)


def next_text(processes: WorkerProcesses) -> str:
    """What the next worker reports."""
    ((key, _), *_) = processes.selector.select(10)
    said = key.data.channel.receive()
    assert said is not None
    return str(said[1])


def test_a_worker_serves_at_the_reserved_address(processes: WorkerProcesses) -> None:
    worker = processes.workers[0]
    processes.start(worker, SETTINGS, serve_once)
    port = int(next_text(processes))
    assert processes.reserved.addresses == [TcpAddress("127.0.0.1", port)]
    with socket.create_connection(("127.0.0.1", port)):
        _, status = os.waitpid(worker.pid, 0)
    worker.pid = 0
    assert os.waitstatus_to_exitcode(status) == 3


def test_a_worker_holds_no_channel_of_another(processes: WorkerProcesses) -> None:
    """It would keep that one from noticing the parent's end."""
    first, second = processes.workers
    for worker in first, second:
        processes.start(worker, SETTINGS, wait_for_the_parents_end)
        assert next_text(processes) == "here"
    processes.close_channel(first)
    assert os.waitpid(first.pid, 0)[1] == 0
    first.pid = 0


def test_a_channel_may_be_closed_twice(processes: WorkerProcesses) -> None:
    worker = processes.workers[0]
    processes.start(worker, SETTINGS, wait_for_the_parents_end)
    processes.close_channel(worker)
    processes.close_channel(worker)
    assert worker.channel is None
    assert not processes.selector.get_map()


def test_auto_is_a_worker_for_each_core_that_may_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 3, 5})
    assert count_workers(Settings(listeners=(), routes=(), workers=0)) == 3
    assert count_workers(Settings(listeners=(), routes=(), workers=2)) == 2


def test_elsewhere_than_on_linux_it_is_one_process(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "memfd_create")
    assert count_workers(Settings(listeners=(), routes=(), workers=1)) == 1
    assert log.events() == []
    assert count_workers(Settings(listeners=(), routes=(), workers=0)) == 1
    assert log.events() == ["one process"]
