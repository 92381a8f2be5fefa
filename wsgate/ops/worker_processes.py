"""The processes of the workers, from the parent's side: what each inherits, and what it must close.

A child has a copy of everything that the parent has open. What belongs to the parent is closed in each child first:
the channels to the workers, or their other ends would never see the parent's end, and the log's.
"""

from __future__ import annotations

import logging
import os
import selectors
import socket
from collections.abc import Callable, Sequence
from typing import TypeVar

from wsgate.events.emit import emit
from wsgate.gate.shared_counters import WorkerCounters
from wsgate.ops.admin.process import AdminProcess
from wsgate.ops.inherited import InheritedSockets
from wsgate.ops.log import mark_worker
from wsgate.ops.log_writer import ProcessWriter
from wsgate.ops.processes import call_in_child, fork
from wsgate.ops.reserved import Reservations
from wsgate.ops.worker import Worker
from wsgate.ops.worker_channel import ToParent, ToWorker
from wsgate.settings.model import Settings

T = TypeVar("T")

DISK_TIME = 2.0  # seconds that the parent waits for the disk of a Unix socket's file


class WorkerProcesses:
    """Starts the processes of workers, and other children of the parent.

    workers: one for each of ``rows``; they do not run yet
    reserved: the addresses, which workers inherit
    selector: has the channel of each worker that runs, with the worker as its data
    """

    def __init__(
        self,
        rows: Sequence[WorkerCounters],
        log: ProcessWriter | None,
        admin: AdminProcess | None = None,
        inherited: InheritedSockets | None = None,
    ) -> None:
        self.workers = [Worker(number, row) for number, row in enumerate(rows, 1)]
        self.reserved = Reservations([], self._call_in_child, inherited)
        self.selector = selectors.PollSelector()
        self._log = log
        self._admin = admin
        if log is not None:
            log.prepare = self.close_in_child

    def start(self, worker: Worker, settings: Settings, work: Callable[[ToParent], int]) -> None:
        """Starts the process of a worker, which exits with the status that ``work`` returns.

        settings: the present ones, for the worker's end of the channel

        Raises ``OSError`` when there is no process.
        """

        def be_worker(channel: socket.socket) -> int:
            mark_worker(worker.number)
            return work(ToParent(channel, settings, self.reserved.inherit()))

        worker.pid, channel = fork(be_worker, prepare=self._close_in_worker)
        worker.channel = ToWorker(channel)
        self.selector.register(channel, selectors.EVENT_READ, worker)
        emit(logging.DEBUG, "worker started", worker=worker.number, pid=worker.pid)

    def start_admin(self, now: float) -> None:
        """Starts the process of the admin listener, if there is one to be started now (``time.monotonic``)."""
        if self._admin is not None:
            self._admin.act(now, self._close_in_admin)

    def close_channel(self, worker: Worker) -> None:
        """Ends the connection to a worker, which may be dead."""
        if worker.channel is not None:
            self.selector.unregister(worker.channel.channel)
            worker.channel.channel.close()
            worker.channel = None

    def close_channels(self) -> None:
        """Closes the channels: in the parent at its end, and in a worker, so that other workers notice the parent's
        end."""
        for worker in self.workers:
            self.close_channel(worker)
        self.selector.close()

    def end_admin(self) -> None:
        """Ends the process of the admin listener, and closes that."""
        if self._admin is not None:
            self._admin.close(self._call_in_child)
            self._admin = None

    def close_in_child(self) -> None:
        """Closes in a child that is no worker everything that belongs to the parent."""
        self._close_in_worker()
        self.reserved.close_in_child()

    def _close_in_worker(self) -> None:
        """Closes in a child what belongs to the parent. A worker keeps the reserved addresses."""
        self._close_common()
        if self._admin is not None:
            self._admin.close_in_child()

    def _close_in_admin(self) -> None:
        self._close_common()
        self.reserved.close_in_child()

    def _close_common(self) -> None:
        if self._log is not None:
            self._log.close_in_child()
        self.close_channels()

    def _call_in_child(self, work: Callable[[], T], /) -> T:
        return call_in_child(work, self.close_in_child, DISK_TIME)


def count_workers(settings: Settings) -> int:
    """Returns the number of workers in the settings; 1 on other systems than Linux, which do not distribute connections
    among processes."""
    if not hasattr(os, "memfd_create"):
        if settings.workers != 1:
            emit(logging.WARNING, "one process", reason="workers need Linux")
        return 1
    return settings.workers or len(os.sched_getaffinity(0))
