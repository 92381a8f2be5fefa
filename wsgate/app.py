"""The composition root: from settings to a running process. Nothing below imports it."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TextIO

import trio

from wsgate.events.emit import emit
from wsgate.gate.gateway import Gateway
from wsgate.gate.shared_counters import WorkerCounters
from wsgate.ops.descriptors import raise_limit
from wsgate.ops.drain import longest_drain
from wsgate.ops.lifecycle import Stage, run
from wsgate.ops.listeners import ListenError, open_listeners
from wsgate.ops.log import LineHandler, everything_logged, set_up, written_by
from wsgate.ops.log_writer import ProcessWriter, ThreadWriter
from wsgate.ops.reload import Load, log_warning
from wsgate.ops.stray_threads import bound_exit
from wsgate.ops.systemd import Notifier
from wsgate.ops.worker_channel import Report, ToParent
from wsgate.ops.workers import Plan, Workers, count_workers
from wsgate.relay import fast_relay
from wsgate.settings.model import Address, Settings
from wsgate.settings.problem import Problem
from wsgate.site.build import SourcesError, build
from wsgate.site.certificates import CertificateError
from wsgate.wire import kernel

__all__ = ["log_warning", "serve"]

Task = Callable[[], Awaitable[None]]


def serve(
    settings: Settings,
    *,
    load: Load | None = None,
    ready: Callable[[list[Address]], None] = lambda bound: None,
    beside: Sequence[Task] = (),
    log: TextIO | None = None,
    warnings: Sequence[Problem] = (),
) -> int:
    """Run the gateway until it is told to stop.

    load: reads the settings anew, for a reload
    ready: called when connections are being accepted, with the addresses that were bound
    beside: tasks that run as long as the gateway does; with them it is a single process
    log: a file for the log, if it is not to be standard error
    warnings: what the settings' file was warned of, to be logged

    Returns the exit status, one of those that ``wsgate --help`` lists.
    """
    threads = threading.enumerate()
    fd = sys.stderr.fileno() if log is None else log.fileno()
    handler = set_up(settings.log, fd)
    count = 1 if beside else count_workers(settings)
    with contextlib.ExitStack() as stack:
        writer = ThreadWriter(fd, handler.describe) if count == 1 else ProcessWriter(fd, handler.describe)
        stack.enter_context(written_by(handler, writer))
        for warning in warnings:
            log_warning(warning)
        emit(logging.DEBUG, "kernel", status=f"{kernel.STATUS}; {fast_relay.STATUS}")
        raise_limit()
        notifier = Notifier()
        try:
            # a worker opens the sources of tokens itself, after the fork: a connection that two processes share mixes
            # answers up
            site = build(settings, sources=count == 1)
            if isinstance(writer, ProcessWriter):
                _spare_the_collector()
                start = partial(_be_worker, count, notifier.watchdog, handler, fd)
                workers = Workers(
                    count,
                    Plan(site),
                    start,
                    load=load or (lambda: settings),
                    notifier=notifier,
                    ready=ready,
                    log=writer,
                )
                return workers.run()
            _spare_the_collector()
            sockets = open_listeners(settings.listeners)
        except (CertificateError, SourcesError) as error:
            for message in error.messages:
                print(f"wsgate: {message}", file=sys.stderr)
            return 1
        except ListenError as error:
            print(f"wsgate: {error}", file=sys.stderr)
            return error.status

        gateway = Gateway(site)
        reached = partial(_notify, notifier, gateway)
        if notifier.watchdog is not None:
            beside = [*beside, partial(_repeat, notifier.alive, notifier.watchdog / 2)]
        status = _run(beside, partial(run, gateway, sockets, load=load, ready=ready, reached=reached))
        bound_exit(status, threads)
        return status


def _spare_the_collector() -> None:
    """Let no full collection of garbage stop the sessions while thousands connect (docs/performance.md).

    A session that has ended is freed at once, without the collector. What is left for it are rare cycles, of exceptions
    and tasks, for which a tenth of the usual number of full collections will do. What there is now is never looked at,
    which also keeps it shared with the workers: no collection writes to it.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(700, 10, 100)


def _be_worker(
    count: int, watchdog: float | None, log: LineHandler, fd: int, plan: Plan, parent: ToParent, row: WorkerCounters
) -> int:
    """One of ``count`` workers, which shows within ``watchdog`` seconds that it is alive. Returns its exit status."""
    with written_by(log, ThreadWriter(fd, log.describe)):  # after the fork: a thread does not cross one
        return _serve_as_worker(count, watchdog, plan, parent, row)


def _serve_as_worker(count: int, watchdog: float | None, plan: Plan, parent: ToParent, row: WorkerCounters) -> int:
    settings = plan.settings
    try:
        # The contexts stay those of all workers, with their ticket keys, where their files are still the same
        site = build(settings, plan.site, keep=True, patient=not plan.starting)
        sockets = parent.open_more(settings.listeners)
    except (CertificateError, SourcesError, ListenError) as error:
        parent.fail(str(error))
        return error.status if isinstance(error, ListenError) else 1

    def reached(stage: Stage) -> None:
        if stage is not Stage.STOPPING:
            parent.report(Report.READY if stage is Stage.READY else Report.BUSY)

    def beat() -> None:
        row.beat = time.monotonic()

    gateway = Gateway(site, workers=count, counters=row)
    beside = [] if watchdog is None else [partial(_repeat, beat, watchdog / 4)]
    serve_all = partial(
        run,
        gateway,
        sockets,
        load=parent.load,
        open_more=parent.open_more,
        reached=reached,
        signals=parent,
    )
    return _run(beside, serve_all)


def _run(beside: Sequence[Task], main: Callable[[], Awaitable[int]]) -> int:
    try:
        return trio.run(_run_beside, beside, main)
    except Exception:  # a bug of ours that ends the process: loud, and waiting for nobody who might read it
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
    """The proof that this process's tasks have their turns."""
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
