"""The parent of workers: starts, replaces and stops them. It serves no connection itself.

A worker is a complete gateway in one process. The parent reserves the addresses (``ops.reserved``), handles the
signals, and supervises the workers. Only counters are shared (``gate.shared_counters``).

Workers are forked, not started as new programs. So a replacement serves within milliseconds. All workers have the same
settings and the same TLS ticket keys, so a client can resume its TLS session at any worker. A file that has become
invalid since the start does not prevent a replacement: that has the certificate of the start, or awaits it.

Forking is safe because the parent never runs trio or a thread: its loop waits in ``poll`` for signals, messages of
workers and deadlines. Everything with a connection, a thread, a lock or code of the operator is made in the worker, in
particular token sources. A child that ends afterwards checks the settings of a reload (``ops.reload_check``), so the
parent reads no file and imports nothing. A child also makes and removes the file of a Unix socket (``call_in_child``),
because its disk may hang.

A worker that dies is replaced at once, and with growing pauses if it keeps dying. At the start all workers must
succeed, or none runs. If the parent dies, its workers drain.
"""

from __future__ import annotations

import contextlib
import enum
import logging
import math
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from wsgate.events.emit import emit
from wsgate.events.metric_rows import MetricRows
from wsgate.events.metrics import DRAINING, LOG_DROPPED, WORKERS_DIED
from wsgate.gate.shared_counters import SharedCounters, WorkerCounters
from wsgate.ops.admin.process import AdminProcess
from wsgate.ops.checking import Checked
from wsgate.ops.descriptors import said_of_sessions, sessions_allowed
from wsgate.ops.drain import longest_drain
from wsgate.ops.idle import IdleTimer, log_idle
from wsgate.ops.inherited import InheritedSockets, log_unused
from wsgate.ops.listeners import ListenError
from wsgate.ops.log import reopen_log, set_up
from wsgate.ops.log_writer import ProcessWriter
from wsgate.ops.processes import caught_signals
from wsgate.ops.reload_check import ReloadCheck
from wsgate.ops.reread import Load, keep_fixed
from wsgate.ops.systemd import Notifier
from wsgate.ops.worker import Worker
from wsgate.ops.worker_channel import Report, ToParent
from wsgate.ops.worker_processes import WorkerProcesses
from wsgate.settings.model import Address, Settings
from wsgate.site.site import Site

_log = logging.getLogger("wsgate")

SLOW_START = 10.0  # seconds after which the log says that a worker does not serve yet
REPORT_INTERVAL = 1.0  # seconds between two attempts to report dropped log lines
PARENT = 0  # the number of the parent's row of metrics; those of the workers follow
CUT_TIME = 5.0  # seconds until workers that were told to cut are killed


@dataclass(frozen=True, slots=True)
class Plan:
    """What a worker starts with.

    site: of the present settings, without token sources
    starting: at the start of the gateway, when a fault prevents the start; later it does not stop the rest
    """

    site: Site
    starting: bool = True

    @property
    def settings(self) -> Settings:
        return self.site.settings


# The main function of a worker; returns its exit status
Start = Callable[[Plan, ToParent, WorkerCounters], int]


class _Stage(enum.Enum):
    STARTING = 0
    SERVING = 1
    FAILED = 2  # at the start: the others are stopped
    STOPPING = 3


class Workers:
    """Runs ``count`` workers, each with ``start``, until a signal."""

    def __init__(
        self,
        count: int,
        plan: Plan,
        start: Start,
        *,
        load: Load,
        notifier: Notifier,
        ready: Callable[[list[Address]], None] = lambda bound: None,
        log: ProcessWriter | None = None,
        metrics: MetricRows | None = None,
        admin: AdminProcess | None = None,
        inherited: InheritedSockets | None = None,
    ) -> None:
        self._plan = plan
        self._log = log
        self._start = start
        self._announced = False
        self._notifier = notifier
        self._tell_ready = ready
        self._board = SharedCounters(count)
        self._metrics = metrics or MetricRows(1 + count)
        self._log_dropped = self._metrics.row(PARENT).cell(LOG_DROPPED)
        self._admin = admin
        self._inherited = inherited or InheritedSockets()
        self._processes = WorkerProcesses(self._board.rows, log, admin, self._inherited)
        self._workers = self._processes.workers
        self._reserved = self._processes.reserved
        self._check = ReloadCheck(load, self._processes.close_in_child, self._metrics.row(PARENT))
        self._stage = _Stage.STARTING
        self._kill_at = math.inf
        self._give_up_at = math.inf  # the same for workers that have never served
        self._idle = IdleTimer(self._board.counts)
        self._look_at = math.inf  # when to check again whether there are sessions
        self._status = 0
        self._before = self._board.counts()  # when the drain began

    def run(self) -> int:
        """Runs until a signal to stop.

        Returns the exit status: 0, or 1 if sessions were cut or workers failed. Raises ``ListenError`` when an address
        cannot be reserved.
        """
        with contextlib.closing(self._reserved), caught_signals() as signals, contextlib.ExitStack() as stack:
            stack.callback(self._processes.end_admin)
            self._reserved.change(self._plan.settings.listeners)
            log_unused(self._inherited)
            self._processes.selector.register(signals, selectors.EVENT_READ)
            try:
                while self._act(now := time.monotonic()):
                    for key, _ in self._processes.selector.select(self._wait(now)):
                        if key.fileobj is signals:
                            self._handle_signals(signals)
                        else:
                            self._read_messages(key.data)
            finally:  # where this is a bug of our own, the workers see it and drain
                self._processes.close_channels()
        return self._end()

    # -- what happens --------------------------------------------------------------------------------------------------

    def _handle_signals(self, wakeups: socket.socket) -> None:
        received = set(wakeups.recv(4096))
        if signal.SIGCHLD in received:
            self._find_dead()
        for number in (signal.SIGTERM, signal.SIGINT):
            if number in received:
                self._stop(number)
        if signal.SIGHUP in received or signal.SIGUSR1 in received:
            reopen_log()
            for worker in self._workers:
                if worker.channel is not None:
                    worker.channel.reopen_log()
        if signal.SIGHUP in received:
            self._reload()

    def _stop(self, number: int) -> None:
        now = time.monotonic()
        drain = self._plan.settings.drain
        if self._stage is _Stage.STOPPING:
            emit(logging.WARNING, "cutting", signal=signal.Signals(number).name)
            self._kill_at = min(self._kill_at, now + CUT_TIME)
        else:
            self._stage = _Stage.STOPPING
            self._metrics.row(PARENT).cell(DRAINING).set(1)
            self._before = self._board.counts()
            emit(
                logging.INFO,
                "draining",
                signal=signal.Signals(number).name,
                sessions=self._before.sessions,
                delay=drain.delay,
                spread=drain.spread,
                grace=drain.grace,
            )
            longest = longest_drain(self._plan.settings)
            self._notifier.stopping(longest)
            self._kill_at = now + longest
            self._give_up_at = now + CUT_TIME
            if self._check.running:
                self._check.give_up()
                emit(logging.WARNING, "reload ignored", reason="the gateway is stopping")
        for worker in self._workers:
            if worker.channel is not None:
                worker.channel.stop(number)

    def _reload(self) -> None:
        if self._stage is not _Stage.SERVING:
            emit(logging.WARNING, "reload ignored", reason="the gateway is starting or stopping")
            return
        self._notifier.reloading()
        self._announced = False
        self._check.begin(self._plan.site, time.monotonic())

    def _look_at_check(self, now: float) -> None:
        """Handles the result of a reload's check, if there is one."""
        try:
            checked = self._check.look(now)
            if checked is not None:
                self._adopt(checked)
        except ListenError as error:
            self._check.refuse(error)
        except Exception:  # a bug of ours must not end the sessions
            _log.exception("internal error: please report it", extra={"event": "bug", "fields": {}})
        self._say_when_ready()

    def _adopt(self, checked: Checked) -> None:
        self._check.accept()
        before, now = self._plan.settings, checked.settings
        new = self._reserved.change(now.listeners, checked.looked_up)
        now = keep_fixed(before, now)
        if now.log != before.log:
            set_up(now.log)
        self._plan = replace(self._plan, site=replace(self._plan.site, settings=now))
        for worker in self._workers:
            if worker.channel is not None:
                worker.ready = False
                worker.channel.reload(now, new)

    def _read_messages(self, worker: Worker) -> None:
        while worker.channel is not None:  # it may have died since
            try:
                said = worker.channel.receive()
            except BlockingIOError:
                return
            if said is None:  # SIGCHLD follows
                self._processes.close_channel(worker)
                break
            report, text = said
            worker.ready = report is Report.READY
            worker.served |= worker.ready
            if report is Report.FAILED:
                worker.reason = text
            self._say_when_ready()

    def _find_dead(self) -> None:
        """Finds the processes that have died."""
        if self._admin is not None:
            self._admin.find_dead(time.monotonic())
        for worker in self._workers:
            if worker.pid:
                pid, status = os.waitpid(worker.pid, os.WNOHANG)
                if pid:
                    self._handle_death(worker, os.waitstatus_to_exitcode(status))

    def _handle_death(self, worker: Worker, code: int) -> None:
        self._read_messages(worker)  # its last messages
        self._processes.close_channel(worker)
        pid, worker.pid, worker.ready = worker.pid, 0, False
        lost = worker.row.abandon()
        self._metrics.row(worker.number).clear_gauges()
        how, value = ("signal", signal.Signals(-code).name) if code < 0 else ("exit_status", code)
        if self._stage is _Stage.STARTING:
            self._fail(worker.reason or f"a worker ended as it began, with {how.removeprefix('exit_')} {value}", code)
        elif self._stage is _Stage.SERVING:
            self._metrics.row(PARENT).cell(WORKERS_DIED).add()
            fields = {"pid": pid, how: value, "reason": worker.reason or None, "sessions": lost}
            self._replace_later(worker, "worker died", **fields)
            self._say_when_ready()
        elif self._stage is _Stage.STOPPING and code not in (0, 1) and worker.served:
            self._status = 1
            emit(logging.ERROR, "worker died", worker=worker.number, pid=pid, **{how: value}, sessions=lost)

    def _fail(self, reason: str, code: int) -> None:
        """A worker failed at the start, so stops all of them."""
        for line in reason.splitlines():
            print(f"wsgate: {line}", file=sys.stderr)
        self._stage = _Stage.FAILED
        self._status = code if code > 0 else 1
        self._kill_at = time.monotonic() + CUT_TIME
        for worker in self._workers:
            if worker.channel is not None:
                worker.channel.stop(signal.SIGTERM)
                worker.channel.stop(signal.SIGTERM)  # cut: the gateway has not reported that it serves

    def _replace_later(self, worker: Worker, event: str, **fields: object) -> None:
        now = time.monotonic()
        pause = worker.backoff.pause(now - worker.began)
        worker.start_at = now + pause
        emit(logging.ERROR, event, worker=worker.number, **fields, replaced_in=pause)

    def _say_when_ready(self) -> None:
        """Reports readiness when all living workers serve, or have finished their reload."""
        waiting = [worker for worker in self._workers if not worker.ready and (worker.pid or not worker.began)]
        if waiting or self._check.running or self._announced or self._stage not in (_Stage.STARTING, _Stage.SERVING):
            return
        self._announced = True
        if self._stage is _Stage.STARTING:
            self._stage = _Stage.SERVING
            self._plan = replace(self._plan, starting=False)
            addresses = self._reserved.addresses
            for address in addresses:
                emit(logging.INFO, "listening", address=str(address))
            may = said_of_sessions(self._plan.settings.limits.sessions, sessions_allowed(len(self._workers)))
            emit(logging.INFO, "ready", workers=len(self._workers), **may)
            self._tell_ready(addresses)
        self._notifier.ready()

    # -- time ----------------------------------------------------------------------------------------------------------

    def _act(self, now: float) -> bool:
        """Does what is due. Returns whether there is anything left to wait for."""
        if self._log is not None:
            self._log.report_dropped()
            self._log_dropped.set(self._log.total_dropped)
        self._look_at_check(now)
        if self._stage is not _Stage.FAILED:
            self._processes.start_admin(now)
        for worker in self._workers:
            if not worker.pid and worker.start_at <= now and self._stage in (_Stage.STARTING, _Stage.SERVING):
                self._begin(worker, now)
            if worker.is_starting and now >= worker.began + SLOW_START:
                worker.slow = True
                reason = "the disk of a file that the configuration names may hang, or the import of a plugin"
                emit(logging.WARNING, "worker not ready", worker=worker.number, pid=worker.pid, reason=reason)
        if now >= self._give_up_at:
            self._give_up_at = math.inf
            for worker in self._workers:
                if worker.pid and not worker.served:  # it has no sessions, and may not read its channel yet
                    os.kill(worker.pid, signal.SIGKILL)
        if now >= self._kill_at:
            self._kill_at = math.inf
            self._status = 1
            for worker in self._workers:
                if worker.pid:
                    emit(logging.ERROR, "worker killed", worker=worker.number, pid=worker.pid, reason="it did not end")
                    os.kill(worker.pid, signal.SIGKILL)
        if self._stage is _Stage.SERVING:
            self._end_if_idle(now)
        limit = self._notifier.watchdog
        if limit is not None:
            self._notifier.alive()
            for worker in self._workers:
                if worker.pid and now - max(worker.began, worker.row.beat) > limit:
                    emit(logging.ERROR, "worker hangs", worker=worker.number, pid=worker.pid, seconds=limit)
                    worker.began = now  # it may take a while to die
                    os.kill(worker.pid, signal.SIGABRT)
        return self._stage in (_Stage.STARTING, _Stage.SERVING) or any(worker.pid for worker in self._workers)

    def _end_if_idle(self, now: float) -> None:
        limit = self._plan.settings.exit_when_idle
        wait = self._idle.wait(limit, now)
        self._look_at = now + wait
        if limit is not None and not wait:
            log_idle(limit)
            self._stop(signal.SIGTERM)

    def _wait(self, now: float) -> float | None:
        """Returns the seconds until something is due; ``None`` if nothing is."""
        due = min(self._kill_at, self._give_up_at)
        if self._stage is _Stage.SERVING:
            due = min([due, self._look_at, *(worker.start_at for worker in self._workers if not worker.pid)])
        due = min(due, now + self._check.wait(now))
        if self._admin is not None:
            due = min(due, self._admin.due)
        due = min([due, *(worker.began + SLOW_START for worker in self._workers if worker.is_starting)])
        if self._notifier.watchdog is not None:
            due = min(due, now + self._notifier.watchdog / 2)
        if self._log is not None and self._log.has_unreported:
            due = min(due, now + REPORT_INTERVAL)
        return None if due == math.inf else max(0.0, due - now)

    def _end(self) -> int:
        if self._stage is _Stage.FAILED:
            return self._status
        now, before = self._board.counts(), self._before
        cut = now.cut - before.cut
        emit(logging.INFO, "stopped", ended=now.ended - before.ended - cut, cut=cut)
        return 1 if cut else self._status

    def _begin(self, worker: Worker, now: float) -> None:
        worker.began, worker.ready, worker.reason = now, False, ""
        worker.served = worker.slow = False
        plan = self._plan
        try:
            self._processes.start(worker, plan.settings, lambda parent: self._start(plan, parent, worker.row))
        except OSError as error:
            if self._stage is _Stage.STARTING:
                self._fail(f"cannot start a worker: {error.strerror}", os.EX_OSERR)
            else:
                self._replace_later(worker, "worker not started", error=error.strerror)
