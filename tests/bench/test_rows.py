from __future__ import annotations

import pytest

from bench.proxies import PROXIES
from bench.rows import CPU, ROWS, Goal, Row
from bench.stats import Sample

BACKENDS = {"ws", "tcp-echo", "tcp-sink", "tcp-source"}
each_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)


def test_names_are_unique() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)


@each_row
def test_a_row_fits_together(row: Row) -> None:
    labels = [case.label for case in row.cases]
    assert len(set(labels)) == len(labels)
    assert row.goal.quantity in Sample.__dataclass_fields__
    # a ratio is of the first case over others
    assert set(row.goal.against) <= set(labels[1:])
    for case in row.cases:
        assert case.proxy == "direct" or case.proxy in PROXIES
        assert case.service in BACKENDS
        assert not (case.load.raw and case.load.tunnel)


@each_row
def test_an_aim_is_no_easier_than_what_must_be(row: Row) -> None:
    if row.goal.at_least is not None and row.goal.aim is not None:
        assert row.goal.reached(row.goal.aim, row.goal.at_least)


def test_every_case_of_a_row_does_the_same_work() -> None:
    for row in ROWS:
        if row.name.startswith(("relay", "source", "sink", "tls", "observed", "sessions", "storm")) or row.name in (
            "http",
            "http-64k",
        ):
            assert len({case.load for case in row.cases}) == 1, row.name
        assert len({case.load.size for case in row.cases}) == 1, row.name


@pytest.mark.parametrize(
    ("name", "at_least", "aim"),
    [
        ("relay-64", 1.4, 1.0),
        ("relay-4k", 1.3, 1.0),
        ("relay-64k", 1.0, 1.0),
        ("relay-1m", 1.5, 1.0),
        ("relay-64-16", 2.0, 1.0),
        ("tls-64", 1.4, 1.1),
        ("tls-64k", 1.4, 1.0),
        ("text-64", 1.3, 1.1),
        ("text-4k", 1.3, 1.1),
        ("tunnel-64", 4, 6),
        ("tunnel-64k", 3.5, 6),
        ("tunnel-1m", 5, 10),
        ("idle-tunnel", 1 / 300, 1 / 600),
        ("idle-1000", 6, 4.5),
        ("idle-8000", 6, 4.5),
        ("idle-tls", 20, 16),
        ("turns-8000", 1.4, None),
        ("observed", 1.03, None),
        ("deflate-1k", 1.0, 0.5),
        ("deflate-64k", 1.0, 0.5),
        ("inspect-1k", None, None),
        ("inspect-64k", None, None),
        ("idle-deflate", 1.26, 1.0),
        ("sessions", 8, 5),
        ("open-8000", 1.3, 1.1),
        ("storm", 5, 2),
        ("http", 12, 6),
        ("http-beside", 2, None),
    ],
)
def test_the_goals_that_were_set(name: str, at_least: float | None, aim: float | None) -> None:
    goal = next(row.goal for row in ROWS if row.name == name)
    assert (goal.at_least, goal.aim) == (at_least, aim)


def test_enough_is_less_of_a_cost_and_more_of_a_rate() -> None:
    cost, rate = Goal(CPU), Goal("mb_s", higher_is_better=True)
    assert [cost.reached(value, 1.4) for value in (1.39, 1.4, 1.41)] == [True, True, False]
    assert [rate.reached(value, 1.4) for value in (1.39, 1.4, 1.41)] == [False, True, True]
