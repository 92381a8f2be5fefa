from __future__ import annotations

import dataclasses
import itertools
import os
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from bench.generator import Generator, LoadFailed
from bench.measure import SLICES_A_ROUND, TRIES, Plan, choose_cores, cores, measure, to_sample
from bench.rows import CPU, Case, Goal, Load, Row
from bench.stats import Sample

LATENCY = {"count": 1000, "p50_us": 10.0, "p99_us": 20.0, "p999_us": 30.0, "most_us": 40.0}
NONE = {"count": 0, "p50_us": 0.0, "p99_us": 0.0, "p999_us": 0.0, "most_us": 0.0}


def result(**changes: Any) -> dict[str, Any]:
    return {
        "seconds": 2.0,
        "messages": 1000,
        "requests": 0,
        "refused": 0,
        "cpu_ns": 1_600_000_000,
        "backend_ns": 400_000_000,
        "own_ns": 600_000_000,
        "proxy_core_ns": 1_700_000_000,
        "load_core_ns": 1_000_000_000,
        "latency": LATENCY,
        "joining": NONE,
        **changes,
    }


def test_an_echo() -> None:
    assert to_sample(Load(size=4096), result()) == Sample(
        cpu_us=1600,
        messages_s=500,
        mb_s=2.048,
        p50_us=10,
        p99_us=20,
        p999_us=30,
        busy=0.8,
        load_busy=0.5,
        foreign=0.05,
        load_foreign=0.0,
    )


def test_a_storm_counts_who_joined_and_times_who_was_there() -> None:
    storm = result(joining={**LATENCY, "count": 400}, messages=9999, refused=3)
    sample = to_sample(Load(mode="storm", burst=400), storm)
    assert (sample.cpu_us, sample.messages_s, sample.p99_us, sample.refused) == (4000, 200, 20, 3)
    assert sample.mb_s is None
    assert sample.up_s is None  # three are not
    everybody = to_sample(Load(mode="storm", burst=400), result(joining={**LATENCY, "count": 400}))
    assert everybody.up_s == 2.0


def test_too_few_requests_beside_messages_are_no_measurement() -> None:
    beside = Load(mode="beside", burst=4, rate=500, requests=2000)
    sample = to_sample(beside, result(requests=3900))
    assert (sample.messages_s, sample.p99_us, sample.cpu_us) == (500, 20, None)
    with pytest.raises(LoadFailed, match=r"1,500 of 2,000 requests per second"):
        to_sample(beside, result(requests=3000))


def test_one_way_has_no_latency() -> None:
    sample = to_sample(Load(mode="source"), result(latency=NONE))
    assert (sample.p50_us, sample.p99_us, sample.p999_us) == (None, None, None)


def test_without_a_proxy_nothing_is_charged_to_one() -> None:
    sample = to_sample(Load(), result(cpu_ns=0, proxy_core_ns=40_000_000))
    assert (sample.cpu_us, sample.busy, sample.foreign) == (None, None, 0.02)


def test_without_pinning_nobody_knows_who_else_ran() -> None:
    sample = to_sample(Load(), result(proxy_core_ns=None, load_core_ns=None))
    assert (sample.foreign, sample.load_foreign) == (None, None)


def test_nothing_done_is_a_failure() -> None:
    with pytest.raises(LoadFailed):
        to_sample(Load(), result(messages=0))


def test_cores() -> None:
    one, two, many = choose_cores({3}), choose_cores({1, 4}), choose_cores({0, 1, 2, 3})
    assert (one.proxy, one.load, one.apart) == (3, 3, False)
    assert (two.proxy, two.load, two.apart, two.free) == (1, 4, True, frozenset({1, 4}))
    # workers leave the load alone where there is room
    assert (many.proxy, many.load, many.free) == (0, 1, frozenset({0, 2, 3}))


ECHO, IDLE = Load(connections=2, size=64), Load(mode="idle", connections=2)
PLAN = Plan(seconds=0.03, warm_up=0.003, repetitions=2, cores=cores())


@pytest.fixture
def ask(programs: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The command lines of the generators that are started."""
    asked: list[list[str]] = []

    def start(words: Sequence[str], cores: frozenset[int], name: str = "load") -> Generator:
        asked.append(list(words))
        return Generator(words, cores, name)

    monkeypatch.setattr("bench.generator.BUILD", programs)
    monkeypatch.setattr("bench.measure.Generator", start)
    return asked


def direct(*labels: str, load: Load = ECHO, against: tuple[str, ...] = (), at_least: float | None = 1) -> Row:
    return Row("row", "a row", tuple(Case(label, "direct", load) for label in labels), Goal(CPU, against, at_least))


@pytest.mark.needs("gcc")
def test_slices_keep_sessions_and_scale_work(roles: dict[str, int], ask: list[list[str]]) -> None:
    said: list[str] = []
    measured = measure(direct("ours", "theirs", "stock", against=("theirs",)), PLAN, os.getpid(), roles, said.append)
    assert measured.why_not == {}
    assert {label: len(samples) for label, samples in measured.samples.items()} == {
        "ours": 2 * SLICES_A_ROUND,
        "theirs": 2 * SLICES_A_ROUND,
        "stock": 2,
    }
    assert len(ask) == 3
    order = [line.split(": ")[1].split(",")[0] for line in said if " of " in line]
    assert order[:5] == ["ours", "theirs", "stock", "theirs", "ours"]


@pytest.mark.needs("gcc")
@pytest.mark.usefixtures("ask")
def test_of_several_slices_the_least_counts(roles: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    values = itertools.count(1000, -1)
    monkeypatch.setattr("bench.measure.to_sample", lambda load, result: Sample(cpu_us=next(values)))
    row = dataclasses.replace(direct("ours"), least_of=4)
    measured = measure(row, PLAN, os.getpid(), roles, lambda line: None)
    assert [sample.cpu_us for sample in measured.samples["ours"]] == [
        997 - 4 * number for number in range(2 * SLICES_A_ROUND)
    ]


@pytest.mark.needs("gcc")
@pytest.mark.usefixtures("ask")
@pytest.mark.parametrize(
    ("least_of", "failing", "works"), [(1, TRIES - 1, True), (1, TRIES, False), (4, 3, True), (4, 4, False)]
)
def test_a_slice_that_fails_is_no_failure_of_the_round(
    roles: dict[str, int], monkeypatch: pytest.MonkeyPatch, least_of: int, failing: int, works: bool
) -> None:
    """A virtual machine may stand still for a whole slice."""
    left = failing

    def sample(load: Load, result: dict[str, Any]) -> Sample:
        nonlocal left
        left -= 1
        if left >= 0:
            raise LoadFailed("under load: nothing came back")
        return Sample(cpu_us=1.0)

    monkeypatch.setattr("bench.measure.to_sample", sample)
    row = dataclasses.replace(direct("ours"), least_of=least_of)
    measured = measure(row, PLAN, os.getpid(), roles, lambda line: None)
    assert ("ours" not in measured.why_not) == works


@pytest.mark.needs("gcc")
def test_in_rounds_sessions_are_opened_anew(roles: dict[str, int], ask: list[list[str]]) -> None:
    measured = measure(direct("ours", "theirs", load=IDLE), PLAN, os.getpid(), roles, lambda line: None)
    assert {label: len(samples) for label, samples in measured.samples.items()} == {"ours": 2, "theirs": 2}
    assert len(ask) == 4


@pytest.mark.needs("gcc")
@pytest.mark.usefixtures("ask")
def test_a_row_without_a_bound_has_half_the_rounds(roles: dict[str, int]) -> None:
    plan = dataclasses.replace(PLAN, repetitions=3)
    measured = measure(direct("ours", at_least=None), plan, os.getpid(), roles, lambda line: None)
    assert len(measured.samples["ours"]) == 2 * SLICES_A_ROUND


@pytest.mark.needs("gcc")
@pytest.mark.parametrize("load", [ECHO, IDLE])
@pytest.mark.usefixtures("ask")
def test_a_case_that_fails_says_why_and_the_others_go_on(roles: dict[str, int], load: Load) -> None:
    row = direct("ours", "theirs", load=load)
    row = dataclasses.replace(row, cases=(row.cases[0], dataclasses.replace(row.cases[1], service="refused")))
    with socket.socket() as refusing:
        refusing.bind(("127.0.0.1", 0))
        ports = {**roles, "refused": refusing.getsockname()[1]}
        measured = measure(row, PLAN, os.getpid(), ports, lambda line: None)
    assert list(measured.samples) == ["ours"]
    assert measured.why_not["theirs"].startswith("failed while it opened sessions: ")
