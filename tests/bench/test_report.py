from __future__ import annotations

import pytest

from bench import markdown, report
from bench.measure import Measured
from bench.rows import CPU, ROWS, Goal
from bench.stats import Ratio, Sample

RELAY = next(row for row in ROWS if row.name == "relay-64")
GOAL = Goal(CPU, ("nginx 64k",), 1.4, 1.0)


@pytest.mark.parametrize(
    ("value", "quantity", "shown"),
    [
        (None, "", "-"),
        (0.123, "busy", "12%"),
        (1.234, "", "1.23"),
        (12.34, "", "12.3"),
        (1234.5, "cpu_us", "1,234"),
        (1 / 472, "", "1/472"),
        (0.04, "cpu_us", "0.04"),
    ],
)
def test_numbers(value: float | None, quantity: str, shown: str) -> None:
    assert report.number(value, quantity) == shown


def test_limits_say_which_way_is_enough() -> None:
    assert report.limit(GOAL, GOAL.at_least) == "≤ 1.4"
    assert report.limit(Goal("mb_s", (), 3.5, higher_is_better=True), 3.5) == "≥ 3.5"
    assert report.limit(GOAL, 1 / 300) == "≤ 1/300"
    assert report.limit(GOAL, None) == "-"


@pytest.mark.parametrize(("value", "word"), [(0.9, "aim"), (1.0, "aim"), (1.4, "yes"), (1.5, "**no**")])
def test_reached(value: float, word: str) -> None:
    assert report.reached(GOAL, Ratio(value, value, value, "nginx 64k")) == word


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [(0.8, 1.0, "aim"), (1.1, 1.4, "yes"), (0.8, 1.4, "yes"), (1.1, 1.5, ""), (1.5, 2.0, "**no**")],
)
def test_an_unsure_number_may_still_give_a_verdict(low: float, high: float, word: str) -> None:
    assert report.reached(GOAL, Ratio((low + high) / 2, low, high, "nginx 64k")) == word
    more = Goal("mb_s", ("websockify",), 1 / 1.4, 1.0, higher_is_better=True)
    assert report.reached(more, Ratio(2 / (low + high), 1 / high, 1 / low, "websockify")) == word


def test_an_unsure_number_is_no_number() -> None:
    unsure = Ratio(1.2, 1.0, 1.5, "nginx 64k")
    assert report.outcome(unsure, 0.0) == "disturbed: 1.00 to 1.50"
    assert report.reached(GOAL, unsure) == ""
    assert report.outcome(None, 0.0) == "no comparison"
    assert report.reached(GOAL, None) == ""


def test_a_busy_machine_is_said() -> None:
    assert report.outcome(Ratio(1.2, 1.2, 1.2, ""), 0.04) == "1.20"
    assert report.outcome(Ratio(1.2, 1.2, 1.2, ""), 0.4) == "1.20 (machine busy, 40%)"


def test_a_row_as_text() -> None:
    measured = Measured(
        RELAY,
        {
            "wsgate": [Sample(cpu_us=12.0, messages_s=70_000)],
            "nginx 64k": [Sample(cpu_us=10.0, messages_s=80_000, refused=2)],
        },
        {"haproxy 64k": "not installed (apt-get install haproxy)"},
    )
    lines = report.text(measured).splitlines()
    assert lines[0] == "relay 64 B, 64 connections, ping-pong  [relay-64]"
    assert lines[1].split() == ["CPU", "us", "per", "s"]
    assert lines[2].split() == ["wsgate", "12.0", "70,000"]
    assert lines[3].split() == ["nginx", "64k", "10.0", "80,000", "2", "refused"]
    assert lines[4].split(maxsplit=2) == ["haproxy", "64k", "not installed (apt-get install haproxy)"]
    assert lines[5] == "  => CPU per message 1.20, against nginx 64k; must be ≤ 1.05, aim ≤ 1: NOT REACHED"


TURNS = Measured(
    next(row for row in ROWS if row.name == "turns-8000"),
    {
        "all 8,000 in turn": [Sample(cpu_us=15.0)],
        "64 open": [Sample(cpu_us=10.0)],
        "nginx 64k, 8,000": [Sample(cpu_us=14.4)],
        "nginx 64k, 64 open": [Sample(cpu_us=9.0)],
    },
)


def test_a_row_that_compares_what_a_circumstance_costs_shows_both_costs() -> None:
    words, verdict = report.sentence(TURNS).split("; ")
    assert words == "CPU per message, times that of 64 open 0.94, against nginx 64k, 8,000 (1.50 against 1.60)"
    assert verdict == "must be ≤ 1: reached"
    line = markdown.goals([TURNS]).splitlines()[2]
    assert line.endswith(
        "| CPU per message, times that of 64 open | 1.50 | 1.60 (nginx 64k, 8,000) | 0.94 | ≤ 1 | - | yes |"
    )


def test_a_row_that_cannot_be_measured() -> None:
    measured = Measured(RELAY, {}, {"wsgate": "did not start: exit status 2"})
    assert report.text(measured).splitlines()[1:] == ["  wsgate              did not start: exit status 2"]


@pytest.mark.parametrize(
    ("busy", "load_busy", "shown"),
    [(0.7, 1.0, "≥ 1,500"), (0.99, 1.0, "1,500"), (0.7, 0.9, "1,500"), (None, 1.0, "1,500")],
)
def test_a_rate_that_the_generator_held_up_says_so(busy: float | None, load_busy: float, shown: str) -> None:
    samples = [Sample(cpu_us=400, messages_s=1500, busy=busy, load_busy=load_busy)]
    assert report.cell(samples, "messages_s") == shown
    assert report.cell(samples, "cpu_us") == "400"
