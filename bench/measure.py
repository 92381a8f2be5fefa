"""A row, measured: its proxies started, the work done in alternation, the samples kept."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from bench import proc
from bench.configs import Ends
from bench.generator import Generator, LoadFailed, arguments
from bench.processes import NotStarted, free_port, start, stop, wait_until_accepting, wait_until_quiet
from bench.proxies import BUILD, PROJECT, PROXIES, certificate, missing
from bench.rows import Case, Load, Row
from bench.stats import Sample

OPEN_TIMEOUT = 60.0  # seconds for 8,000 upgrades through the slowest
SETTLE = 0.5  # seconds between the last upgrade and a look at memory


@dataclass(frozen=True, slots=True)
class Cores:
    """Who runs where. On a machine with one core everything shares it, and no figure means much."""

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
    """A row and what came of it; ``why_not`` has a line for each case without numbers."""

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
    """The first two cores of those that we may use."""
    order = sorted(allowed)
    proxy, load = (order[0], order[1]) if len(order) > 1 else (order[0], order[0])
    return Cores(proxy, load, frozenset(allowed - {load} if len(order) > 2 else allowed))


def cores() -> Cores:
    return choose_cores(os.sched_getaffinity(0))


@contextlib.contextmanager
def running(case: Case, backend: int, cores: Cores) -> Iterator[Running]:
    """The case's proxy in front of a backend's port."""
    if case.proxy == "direct":
        yield Running(case, backend, None)
        return
    proxy = PROXIES[case.proxy]
    ends = Ends(free_port(), backend, str(certificate()) if case.load.tls else "", tunnel=case.service != "ws")
    directory = BUILD / "run" / case.label.replace(" ", "-").replace(",", "")
    directory.mkdir(parents=True, exist_ok=True)
    process = start(
        proxy.command(directory, ends),
        cores=frozenset({cores.proxy}) if proxy.pinned else cores.free,
        directory=directory,
        environment={"PYTHONPATH": str(PROJECT)},
    )
    try:
        wait_until_accepting(process, ends.port, directory)
        yield Running(case, ends.port, process)
    finally:
        stop(process)


def measure(row: Row, plan: Plan, backend: int, roles: dict[str, int], say: Callable[[str], None]) -> Measured:
    """Run every case of a row as often as the plan says, one after another, round after round.

    ``backend`` is the backends' process id, ``roles`` has the port of each of them.
    """
    measured = Measured(row)
    with contextlib.ExitStack() as stack:
        started: list[Running] = []
        for case in row.cases:
            why_not = None if case.proxy == "direct" else missing(case.proxy)
            if why_not is None:
                try:
                    started.append(stack.enter_context(running(case, roles[case.service], plan.cores)))
                except NotStarted as error:
                    why_not = f"did not start: {error}"
            if why_not is not None:
                measured.why_not[case.label] = why_not
                if case is row.cases[0]:
                    return measured  # there is nothing to compare the others with
        repetitions = min(row.repetitions or plan.repetitions, plan.repetitions)
        for turn in range(repetitions):
            # there and back again, so that what gets slower or faster meanwhile favours nobody
            for each in started if turn % 2 == 0 else reversed(started):
                label = each.case.label
                if label in measured.why_not:
                    continue
                say(f"{row.title}: {label}, {turn + 1} of {repetitions}")
                try:
                    sample = _once(each, plan, backend)
                except LoadFailed as error:
                    measured.why_not[label] = f"failed {error}"
                    measured.samples.pop(label, None)
                else:
                    measured.samples.setdefault(label, []).append(sample)
                wait_until_quiet([backend, *each.pids()])
    return measured


def _once(each: Running, plan: Plan, backend: int) -> Sample:
    load = each.case.load
    words = arguments(load, each.port, seconds=plan.seconds, warm_up=plan.warm_up)
    before = proc.memory(each.pids())
    with Generator(words, frozenset({plan.cores.load})) as generator:
        generator.opened(OPEN_TIMEOUT)
        if load.mode == "idle":
            time.sleep(SETTLE)
            return Sample(kb_session=(proc.memory(each.pids()) - before) / load.connections / 1e3)
        timeout = max(load.seconds, plan.seconds) + max(load.warm_up, plan.warm_up) + 30
        pinned = plan.cores.apart and (each.process is None or PROXIES[each.case.proxy].pinned)
        watched = (plan.cores.proxy, plan.cores.load) if pinned else (-1, -1)
        return to_sample(load, generator.go(watched, each.pids(), [backend], timeout))


def to_sample(load: Load, result: dict[str, Any]) -> Sample:
    """The generator's result in the units of the table. Raises ``LoadFailed`` when there is nothing to count."""
    seconds = result["seconds"]
    counted = result["joining"]["count"] if load.mode == "storm" else result["messages"]
    if not counted:
        raise LoadFailed("under load: nothing came back")
    cpu = result["cpu_ns"]
    ours = (result["backend_ns"] or 0) + result["own_ns"]
    foreign = [
        (result[core] - (used or 0)) / 1e9 / seconds
        for core, used in (("proxy_core_ns", cpu), ("load_core_ns", ours))
        if result[core] is not None
    ]
    latency = result["latency"]
    timed = latency["count"] > 0
    return Sample(
        cpu_us=cpu / 1e3 / counted if cpu else None,
        messages_s=counted / seconds,
        mb_s=counted * load.size / 1e6 / seconds if load.mode in ("echo", "sink", "source") else None,
        p50_us=latency["p50_us"] if timed else None,
        p99_us=latency["p99_us"] if timed else None,
        p999_us=latency["p999_us"] if timed else None,
        busy=cpu / 1e9 / seconds if cpu else None,
        load_busy=ours / 1e9 / seconds,
        foreign=max(foreign) if foreign else None,
        refused=result["refused"],
    )
