from __future__ import annotations

import pytest

from bench.bounds import BOUNDS
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
    if row.goal.over:  # each has a case of its own that it is divided by, of the same proxy
        proxies = {case.label: case.proxy for case in row.cases}
        compared = (labels[0], *row.goal.against)
        assert [proxies[label] for label in row.goal.over] == [proxies[label] for label in compared]
        assert not set(row.goal.over) & set(compared)
    for case in row.cases:
        assert case.proxy == "direct" or case.proxy in PROXIES
        assert case.service in BACKENDS
        assert not (case.load.raw and case.load.tunnel)


@each_row
def test_the_least_of_several_slices_is_the_best_of_them(row: Row) -> None:
    assert row.least_of == 1 or (row.in_slices and not row.goal.higher_is_better)


@each_row
def test_an_aim_is_no_easier_than_what_must_be(row: Row) -> None:
    if row.goal.at_least is not None and row.goal.aim is not None:
        assert row.goal.reached(row.goal.aim, row.goal.at_least)


def test_every_case_of_a_row_does_the_same_work() -> None:
    for row in ROWS:
        if row.name.startswith(
            ("relay", "source", "sink", "tls", "observed", "limits", "sessions", "storm")
        ) or row.name in (
            "http",
            "http-64k",
        ):
            assert len({case.load for case in row.cases}) == 1, row.name
        assert len({case.load.size for case in row.cases}) == 1, row.name


def test_every_bound_is_that_of_a_row() -> None:
    goals = {row.name: (row.goal.at_least, row.goal.aim) for row in ROWS}
    assert {name: goal for name, goal in goals.items() if goal != (None, None)} == BOUNDS


def test_sessions_in_turn_may_cost_no_more_than_they_cost_nginx() -> None:
    row = next(row for row in ROWS if row.name == "turns-8000")
    assert (row.goal.against, row.goal.at_least) == (("nginx 64k, 8,000",), 1.0)
    assert [case.label for case in row.cases if not row.is_compared(case)] == ["haproxy 64k, 8,000"]


def test_enough_is_less_of_a_cost_and_more_of_a_rate() -> None:
    cost, rate = Goal(CPU), Goal("mb_s", higher_is_better=True)
    assert [cost.reached(value, 1.4) for value in (1.39, 1.4, 1.41)] == [True, True, False]
    assert [rate.reached(value, 1.4) for value in (1.39, 1.4, 1.41)] == [False, True, True]
