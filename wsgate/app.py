"""The composition root: makes a running process from settings. No lower layer imports it."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from typing import TextIO

import trio

from wsgate.events.emit import emit
from wsgate.events.metric_rows import MetricRows
from wsgate.events.metrics import LOG_DROPPED
from wsgate.gate.gateway import Gateway
from wsgate.gate.metrics import GatewayMetrics
from wsgate.gate.shared_counters import WorkerCounters
from wsgate.ops.admin.api import Check
from wsgate.ops.admin.asking import (
    answer_questions,
    ask_here,
    ask_workers,
    open_listeners_for_questions,
    tap_workers,
)
from wsgate.ops.admin.process import AdminProcess, open_admin_listener, serve_until_end
from wsgate.ops.admin.server import AdminServer
from wsgate.ops.admin.tapping import tap_here
from wsgate.ops.container import log_short_stop
from wsgate.ops.descriptors import raise_limit, sessions_allowed
from wsgate.ops.drain import longest_drain
from wsgate.ops.file_watch import WatchedFile, is_refused, watch
from wsgate.ops.inherited import InheritError, inherit_sockets, log_unused
from wsgate.ops.lifecycle import Stage, run
from wsgate.ops.listeners import ListenError, close_listeners, open_listeners
from wsgate.ops.log import LineHandler, everything_logged, set_up, written_by
from wsgate.ops.log_dropped import DroppedLines
from wsgate.ops.log_sinks import open_sink
from wsgate.ops.log_writer import ProcessWriter, Sink, ThreadWriter
from wsgate.ops.processes import run_in_child
from wsgate.ops.reread import Load, log_warnings
from wsgate.ops.stray_threads import bound_exit
from wsgate.ops.systemd import Notifier
from wsgate.ops.worker_channel import Report, ToParent
from wsgate.ops.worker_processes import count_workers
from wsgate.ops.workers import Plan, Workers
from wsgate.relay import fast_path
from wsgate.settings.draft import Draft
from wsgate.settings.model import Address, Settings
from wsgate.settings.problem import ConfigError, Problem
from wsgate.site.build import build, discard, try_out
from wsgate.site.site import Site
from wsgate.wire import deflate, kernel

Task = Callable[[], Awaitable[None]]


def serve(
    draft: Draft | Settings,
    *,
    load: Load | None = None,
    watched: WatchedFile | None = None,
    ready: Callable[[list[Address]], None] = lambda bound: None,
    beside: Sequence[Task] = (),
    log: TextIO | None = None,
    admin: socket.socket | None = None,
) -> int:
    """Runs the gateway until a signal to stop.

    draft: the settings; build() reports there what is wrong on this machine
    load: reads the settings again, for a reload
    watched: the file that is read again when it changes; ``None``: it is read at HUP only
    ready: called with the bound addresses when connections are accepted
    beside: tasks that run with the gateway, in a single process without workers
    log: a file for the log; ``None``: standard error
    admin: the open admin listener; ``None``: the one of the settings, if any, is opened

    Returns the exit status, one of those in ``wsgate --help``. Raises ``ConfigError`` when anything is wrong with the
    settings; nothing was started then.
    """
    draft = draft if isinstance(draft, Draft) else Draft.of(draft)
    if draft.problems:
        try_out(draft)  # finds the rest, and raises
    settings = draft.finish()
    # A missing certificate may come later, but one that a command line names is a mistake in it
    starting = load is not None
    count = 1 if beside else count_workers(settings)
    if count > 1:
        try:
            _try_out_in_child(draft, starting=starting)
        except OSError as error:  # there is no process, or the import of a plugin has killed it
            print(f"wsgate: {draft.places.file}: cannot be tried out: {error}", file=sys.stderr)
            return os.EX_OSERR
    threads = threading.enumerate()
    fd = sys.stderr.fileno() if log is None else log.fileno()
    new_sink = partial(open_sink, settings.log.to, fd)
    handler = set_up(settings.log, new_sink())
    with contextlib.ExitStack() as stack:
        # with workers the rows are their parent's, theirs, the admin process's, and that of the log's child
        rows = MetricRows(1 if count == 1 else count + 3)
        writer: ThreadWriter | ProcessWriter
        if count == 1:
            writer = ThreadWriter(new_sink(), handler.describe)
        else:
            writer = ProcessWriter(new_sink(), handler.describe, rows.row(count + 2).cell(LOG_DROPPED).add)
        stack.enter_context(written_by(handler, writer))
        # each worker opens the token sources itself, after the fork: two processes must not share a connection
        site = build(draft, starting=starting) if count == 1 else build(settings, sources=False, starting=starting)
        log_warnings(draft)
        log_short_stop(settings.drain)
        level = logging.DEBUG if fast_path.FULL_SPEED else logging.INFO
        emit(level, "kernel", detail=f"{kernel.STATUS}; {fast_path.STATUS}; {deflate.STATUS}")
        raise_limit()
        notifier = Notifier()
        try:
            inherited = inherit_sockets()
            stack.callback(inherited.close)
            if admin is None and settings.admin is not None:
                admin = open_admin_listener(settings.admin, inherited)
            if isinstance(writer, ProcessWriter):
                _spare_the_collector()
                questions = [] if admin is None else open_listeners_for_questions(count)
                for each in questions:
                    stack.callback(each.close)
                start = partial(_be_worker, count, notifier.watchdog, handler, new_sink, rows, questions, watched)
                check = _checker(load, lambda: site)
                be_admin = partial(_be_admin, handler, new_sink, settings, rows, count + 1, questions, check)
                workers = Workers(
                    count,
                    Plan(site),
                    start,
                    load=load or (lambda: settings),
                    notifier=notifier,
                    ready=ready,
                    log=writer,
                    metrics=rows,
                    admin=None if admin is None else AdminProcess(admin, be_admin),
                    inherited=inherited,
                )
                return workers.run()
            _spare_the_collector()
            open_more = partial(open_listeners, inherited=inherited)
            sockets = open_more(settings.listeners)
            log_unused(inherited)
        except (InheritError, ListenError) as error:
            if admin is not None:
                close_listeners([admin])
            print(f"wsgate: {error}", file=sys.stderr)
            return error.status if isinstance(error, ListenError) else 1

        counts = GatewayMetrics(rows.row(), lambda: writer.total_dropped)
        gateway = Gateway(site, metrics=counts, descriptor_sessions=sessions_allowed(1))
        if admin is not None and settings.admin is not None:
            server = AdminServer(
                settings.admin,
                rows,
                gateway.metrics.row,
                lambda: gateway.metrics.refresh(),
                ask=ask_here(gateway),
                tap=tap_here(gateway),
                main=os.getpid(),
                check=_checker(load, lambda: gateway.site),
            )
            beside = [*beside, partial(server.run, admin)]
        if watched is not None:
            beside = [*beside, _watching(watched, os.getpid(), rows)]
        reached = partial(_notify, notifier, gateway)
        if notifier.watchdog is not None:
            beside = [*beside, partial(_repeat, notifier.alive, notifier.watchdog / 2)]
        stack.enter_context(_traced(gateway))
        status = _run(
            beside, partial(run, gateway, sockets, load=load, open_more=open_more, ready=ready, reached=reached)
        )
        bound_exit(status, threads)
        return status


def _try_out_in_child(draft: Draft, *, starting: bool) -> None:
    """Tries everything that the settings name, also code of the operator, which the parent of workers never imports.

    starting: as for ``build``

    Raises ``ConfigError`` when something is wrong, ``OSError`` when there is no process or it dies.
    """

    def work() -> tuple[Draft, ConfigError | None]:
        try:
            try_out(draft, starting=starting)
        except ConfigError as error:
            return draft, error
        return draft, None

    tried, error = run_in_child(work)
    draft.warnings = tried.warnings
    if error is not None:
        raise error


def _spare_the_collector() -> None:
    """Makes full garbage collections rare: they stop all sessions while thousands connect (docs/performance.md).

    A session is freed at its end without the collector. Only rare cycles of exceptions and tasks remain, for which a
    tenth of the usual collections is enough. Present objects are frozen: the collector never visits them, so their
    memory stays shared with the workers.

    The first threshold is above what the sessions hold that begin and end at the same time, as always some do: else
    they would be visited for nothing. No collection but the full ones visits many more objects than by default.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(3500, 2, 70)


def _be_worker(
    count: int,
    watchdog: float | None,
    log: LineHandler,
    new_sink: Callable[[], Sink],
    rows: MetricRows,
    questions: Sequence[socket.socket],
    watched: WatchedFile | None,
    plan: Plan,
    parent: ToParent,
    row: WorkerCounters,
) -> int:
    """Runs one of ``count`` workers. Returns its exit status.

    watchdog: seconds within which it must report that it is alive; ``None``: it need not
    """
    writer = ThreadWriter(new_sink(), log.describe)  # after the fork, because a fork does not copy threads
    with written_by(log, writer):
        metrics = GatewayMetrics(rows.row(row.number), lambda: writer.total_dropped)
        asked = questions[row.number - 1] if questions else None
        beside: list[Task] = []
        if watched is not None and row.number == 1:
            beside.append(_watching(watched, os.getppid(), rows))
        return _serve_as_worker(count, watchdog, metrics, asked, beside, plan, parent, row)


def _watching(watched: WatchedFile, process: int, rows: MetricRows) -> Task:
    """Returns the task that watches the configuration file. ``process``: is sent HUP"""
    return partial(watch, watched, partial(os.kill, process, signal.SIGHUP), partial(is_refused, rows))


def _be_admin(
    log: LineHandler,
    new_sink: Callable[[], Sink],
    settings: Settings,
    rows: MetricRows,
    number: int,
    questions: Sequence[socket.socket],
    check: Check | None,
    listener: socket.socket,
    channel: socket.socket,
) -> int:
    """Runs the process of the admin listener beside workers. Returns its exit status.

    number: of its own row
    """
    assert settings.admin is not None
    writer = ThreadWriter(new_sink(), log.describe)
    row = rows.row(number)
    dropped = DroppedLines(row, lambda: writer.total_dropped)

    async def refresh() -> None:
        dropped.update()
        await trio.lowlevel.checkpoint()

    with written_by(log, writer):
        ask, tap, main = ask_workers(questions), tap_workers(questions), os.getppid()
        server = AdminServer(settings.admin, rows, row, refresh, ask=ask, tap=tap, main=main, check=check)
        return _run([], partial(serve_until_end, server, listener, channel))


def _serve_as_worker(
    count: int,
    watchdog: float | None,
    metrics: GatewayMetrics,
    asked: socket.socket | None,
    beside: Sequence[Task],
    plan: Plan,
    parent: ToParent,
    row: WorkerCounters,
) -> int:
    settings = plan.settings
    try:
        # If their files are unchanged, the contexts are those of all workers, with the same ticket keys
        site = build(settings, plan.site, patient=not plan.starting)
        sockets = parent.open_more(settings.listeners)
    except (ConfigError, ListenError) as error:
        parent.fail(str(error))
        return error.status if isinstance(error, ListenError) else 1

    def reached(stage: Stage) -> None:
        if stage is not Stage.STOPPING:
            parent.report(Report.READY if stage is Stage.READY else Report.BUSY)

    def beat() -> None:
        row.beat = time.monotonic()

    gateway = Gateway(site, workers=count, counters=row, metrics=metrics, descriptor_sessions=sessions_allowed(count))
    if watchdog is not None:
        beside = [*beside, partial(_repeat, beat, watchdog / 4)]
    if asked is not None:
        beside = [*beside, partial(answer_questions, gateway, asked)]
    serve_all = partial(
        run,
        gateway,
        sockets,
        load=parent.load,
        open_more=parent.open_more,
        reached=reached,
        signals=parent,
    )
    with _traced(gateway):
        return _run(beside, serve_all)


def _checker(load: Load | None, site: Callable[[], Site]) -> Check | None:
    """Returns a function that tries the configuration as a reload would, beside the present site."""
    if load is None:
        return None

    def check() -> list[Problem]:
        try:
            present = site()
            discard(build(load(), present), present)
        except ConfigError as error:
            return list(error.problems)
        return []

    return check


@contextlib.contextmanager
def _traced(gateway: Gateway) -> Iterator[None]:
    """Gives the gateway a tracer, if its settings ask for one, and exports the last spans at the end."""
    settings = gateway.settings.tracing
    if settings is None:
        yield
        return
    from wsgate.ops.tracing import Tracer  # of the extra otel

    tracer = Tracer(settings)
    gateway.tracer = tracer
    try:
        yield
    finally:
        tracer.close()


def _run(beside: Sequence[Task], main: Callable[[], Awaitable[int]]) -> int:
    try:
        return trio.run(_run_beside, beside, main)
    except Exception:  # a bug of ours that ends the process: log it, without waiting for the log's reader
        logging.getLogger("wsgate").exception("internal error: please report it", extra={"event": "bug", "fields": {}})
        return os.EX_SOFTWARE


async def _run_beside(beside: Sequence[Task], main: Callable[[], Awaitable[int]]) -> int:
    with everything_logged():
        async with trio.open_nursery() as nursery:
            for task in beside:
                nursery.start_soon(task)
            status = await main()
            nursery.cancel_scope.cancel()
    return status


async def _repeat(action: Callable[[], None], interval: float) -> None:
    """Calls ``action`` every ``interval`` seconds, which proves that the tasks of this process run."""
    while True:
        action()
        await trio.sleep(interval)


def _notify(notifier: Notifier, gateway: Gateway, stage: Stage) -> None:
    if stage is Stage.READY:
        notifier.ready()
    elif stage is Stage.RELOADING:
        notifier.reloading()
    else:
        notifier.stopping(longest_drain(gateway.settings))
