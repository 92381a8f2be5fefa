"""Measures a row: starts its proxies, alternates between them, keeps the samples."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import ceil
from typing import Any

from bench import proc
from bench.configs import Ends
from bench.generator import Generator, LoadFailed, arguments
from bench.processes import NotStarted, free_port, start, stop, wait_until_accepting, wait_until_quiet
from bench.proxies import BUILD, PROJECT, PROXIES, certificate, missing
from bench.rows import Case, Load, Row
from bench.scraper import Scraper
from bench.stats import Sample, least

OPEN_TIMEOUT = 60.0  # seconds for 8,000 upgrades through the slowest
SETTLE = 0.5  # seconds between the last upgrade and a look at memory

SLICES = 3  # a measurement in slices is shorter by this factor, also its warm-up
SLICES_A_ROUND = 5  # and repeated so many times
TRIES = 3  # other virtual machines may use the processor during a whole slice, or nearly
ENOUGH = 0.9  # of the requests that were asked for beside messages
UNCOUNTED = 3  # slices that do not count, in which the interpreter specialises its code and socket buffers grow


@dataclass(frozen=True, slots=True)
class Cores:
    """The cores of proxy and load. On a machine with one core all share it, and the figures are not reliable."""

    proxy: int
    load: int
    free: frozenset[int]  # for a proxy with several workers: all but the load's, or all of two

    @property
    def apart(self) -> bool:
        return self.proxy != self.load


@dataclass(frozen=True, slots=True)
class Plan:
    seconds: float  # of each measurement
    warm_up: float
    repetitions: int
    cores: Cores


@dataclass(slots=True)
class Measured:
    """A row and its results; ``why_not`` has a line for each case without numbers."""

    row: Row
    samples: dict[str, list[Sample]] = field(default_factory=dict)
    why_not: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Running:
    """A case, the port that its load goes to, and the proxy that listens there; ``direct`` has none."""

    case: Case
    port: int
    process: subprocess.Popen[bytes] | None

    def pids(self) -> list[int]:
        return proc.tree(self.process.pid) if self.process else []


def choose_cores(allowed: set[int]) -> Cores:
    """Chooses the first two of the allowed cores."""
    order = sorted(allowed)
    proxy, load = (order[0], order[1]) if len(order) > 1 else (order[0], order[0])
    return Cores(proxy, load, frozenset(allowed - {load} if len(order) > 2 else allowed))


def cores() -> Cores:
    return choose_cores(os.sched_getaffinity(0))


def file_name(case: Case) -> str:
    return case.label.replace(" ", "-").replace(",", "")


@contextlib.contextmanager
def running(case: Case, backend: int, cores: Cores, *, http: bool = False) -> Iterator[Running]:
    """Runs the case's proxy in front of a backend's port. ``http``: it also forwards requests without an upgrade."""
    if case.proxy == "direct":
        yield Running(case, backend, None)
        return
    proxy = PROXIES[case.proxy]
    secure = str(certificate()) if case.load.tls else ""
    directory = BUILD / "run" / file_name(case)
    directory.mkdir(parents=True, exist_ok=True)
    ends = Ends(free_port(), backend, secure, tunnel=case.service != "ws", http=http)
    if proxy.observed:
        ends = replace(ends, admin=free_port(), log=str(directory / "log"))
    process = start(
        proxy.command(directory, ends),
        cores=frozenset({cores.proxy}) if proxy.pinned else cores.free,
        directory=directory,
        environment={"PYTHONPATH": str(PROJECT)},
    )
    try:
        wait_until_accepting(process, ends.port, directory)
        with Scraper(ends.admin) if proxy.observed else contextlib.nullcontext():
            yield Running(case, ends.port, process)
    finally:
        stop(process)


def measure(row: Row, plan: Plan, backend: int, roles: dict[str, int], say: Callable[[str], None]) -> Measured:
    """Runs every case of a row in turn, for as many rounds as the plan has.

    backend: the process id of the backends
    roles: their ports
    """
    measured = Measured(row)
    with contextlib.ExitStack() as stack:
        started: list[Running] = []
        for case in row.cases:
            why_not = None if case.proxy == "direct" else missing(case.proxy)
            if why_not is None:
                try:
                    proxy = running(case, roles[case.service], plan.cores, http=row.forwards_http)
                    started.append(stack.enter_context(proxy))
                except NotStarted as error:
                    why_not = f"did not start: {error}"
            if why_not is not None:
                measured.why_not[case.label] = why_not
                if case is row.cases[0]:
                    return measured  # there is nothing to compare the others with
        take_turns = _in_slices if row.in_slices else _in_rounds
        take_turns(measured, started, plan, backend, say)
    return measured


def rounds(plan: Plan) -> str:
    """Says how often and for how long each proxy works."""
    slices = (
        f"{plan.repetitions * SLICES_A_ROUND} of {plan.seconds / SLICES:g} s for each proxy where its work can pause"
    )
    return f"{slices}, {plan.repetitions} of {plan.seconds:g} s elsewhere"


def _rounds(row: Row, plan: Plan) -> int:
    """Returns the number of rounds: half of the plan's if the row has no goal that must be reached."""
    most = plan.repetitions if row.goal.at_least is not None else ceil(plan.repetitions / 2)
    return min(row.repetitions or most, most)


def _in_slices(
    measured: Measured, started: Sequence[Running], plan: Plan, backend: int, say: Callable[[str], None]
) -> None:
    """Keeps all generators with open sessions, and alternates quickly between the proxies, by slices of a round.

    A disturbance of a second then slows all of them, and the median has many pairs.
    """
    row = measured.row
    with contextlib.ExitStack() as stack:
        generators: dict[str, Generator] = {}

        def go(each: Running) -> dict[str, Any]:
            return _go(generators[each.case.label], each, plan, backend)

        def work(each: Running) -> Sample:
            """Works for a round."""
            samples: list[Sample] = []
            failures: list[LoadFailed] = []
            while len(samples) < row.least_of and len(samples) + len(failures) < max(row.least_of, TRIES):
                result = go(each)
                try:
                    samples.append(to_sample(each.case.load, result))
                except LoadFailed as failure:
                    failures.append(failure)
            if not samples:
                raise failures[-1]
            return least(samples, row.goal.quantity)

        for each in started:
            load = each.case.load
            words = arguments(load, each.port, seconds=plan.seconds, warm_up=plan.warm_up, share=1 / SLICES)
            name = "load-" + file_name(each.case)
            generators[each.case.label] = stack.enter_context(Generator(words, frozenset({plan.cores.load}), name))
        for each in started:
            say(f"{row.title}: {each.case.label} opens its sessions")
            with _failing(measured, each.case):
                generators[each.case.label].opened(OPEN_TIMEOUT)
                for _ in range(UNCOUNTED):
                    go(each)
        total = _rounds(row, plan) * SLICES_A_ROUND
        for number in range(total):
            # in both orders, so that a machine that becomes slower or faster favours no proxy
            for each in started if number % 2 == 0 else reversed(started):
                label = each.case.label
                if label in measured.why_not or (number % SLICES_A_ROUND and not row.is_compared(each.case)):
                    continue
                say(f"{row.title}: {label}, {number + 1} of {total}")
                with _failing(measured, each.case):
                    measured.samples.setdefault(label, []).append(work(each))


def _in_rounds(
    measured: Measured, started: Sequence[Running], plan: Plan, backend: int, say: Callable[[str], None]
) -> None:
    """Opens new sessions for each measurement."""
    row = measured.row
    repetitions = _rounds(row, plan)
    for turn in range(repetitions):
        for each in started if turn % 2 == 0 else reversed(started):
            label = each.case.label
            if label in measured.why_not:
                continue
            say(f"{row.title}: {label}, {turn + 1} of {repetitions}")
            with _failing(measured, each.case):
                measured.samples.setdefault(label, []).append(_once(each, plan, backend))
            wait_until_quiet([backend, *each.pids()])


@contextlib.contextmanager
def _failing(measured: Measured, case: Case) -> Iterator[None]:
    """Removes all numbers of a case that fails, and notes why."""
    try:
        yield
    except LoadFailed as error:
        measured.why_not[case.label] = f"failed {error}"
        measured.samples.pop(case.label, None)


def _once(each: Running, plan: Plan, backend: int) -> Sample:
    load = each.case.load
    words = arguments(load, each.port, seconds=plan.seconds, warm_up=plan.warm_up)
    before = proc.memory(each.pids())
    with Generator(words, frozenset({plan.cores.load})) as generator:
        generator.opened(OPEN_TIMEOUT)
        if load.mode == "idle":
            time.sleep(SETTLE)
            return Sample(kb_session=(proc.memory(each.pids()) - before) / load.connections / 1e3)
        return to_sample(load, _go(generator, each, plan, backend))


def _go(generator: Generator, each: Running, plan: Plan, backend: int) -> dict[str, Any]:
    load = each.case.load
    timeout = max(load.seconds, plan.seconds) + max(load.warm_up, plan.warm_up) + 30
    pinned = plan.cores.apart and (each.process is None or PROXIES[each.case.proxy].pinned)
    watched = (plan.cores.proxy, plan.cores.load) if pinned else (-1, -1)
    return generator.go(watched, each.pids(), [backend], timeout)


def to_sample(load: Load, result: dict[str, Any]) -> Sample:
    """Returns the generator's result in the units of the table. Raises ``LoadFailed`` when nothing was counted."""
    seconds = result["seconds"]
    counted = result["joining"]["count"] if load.mode == "storm" else result["messages"]
    if not counted:
        raise LoadFailed("under load: nothing came back")
    if result["requests"] < ENOUGH * load.requests * seconds:
        raise LoadFailed(f"under load: {result['requests'] / seconds:,.0f} of {load.requests:,g} requests per second")
    cpu = result["cpu_ns"]
    ours = (result["backend_ns"] or 0) + result["own_ns"]
    foreign, load_foreign = (
        None if result[core] is None else (result[core] - (used or 0)) / 1e9 / seconds
        for core, used in (("proxy_core_ns", cpu), ("load_core_ns", ours))
    )
    latency = result["latency"]
    timed = latency["count"] > 0
    return Sample(
        cpu_us=cpu / 1e3 / counted if cpu and load.mode != "beside" else None,  # there it is for two kinds of work
        messages_s=counted / seconds,
        mb_s=counted * load.size / 1e6 / seconds if load.mode in ("echo", "sink", "source") else None,
        p50_us=latency["p50_us"] if timed else None,
        p99_us=latency["p99_us"] if timed else None,
        p999_us=latency["p999_us"] if timed else None,
        up_s=seconds if load.mode == "storm" and not result["refused"] else None,
        busy=cpu / 1e9 / seconds if cpu else None,
        load_busy=ours / 1e9 / seconds,
        foreign=foreign,
        load_foreign=load_foreign,
        refused=result["refused"],
    )
