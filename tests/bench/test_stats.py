from __future__ import annotations

import pytest

from bench.rows import CPU, MEMORY, RATE, Goal
from bench.stats import Ratio, Sample, foreign, median, ratio


def cpu(*values: float | None) -> list[Sample]:
    return [Sample(cpu_us=value) for value in values]


def rate(*values: float) -> list[Sample]:
    return [Sample(messages_s=value) for value in values]


def test_median_passes_over_what_was_not_measured() -> None:
    assert median(cpu(3, 1, 2), "cpu_us") == 2
    assert median(cpu(3, None, 2), "cpu_us") == 2.5
    assert median(cpu(None), "cpu_us") is None
    assert median([], "cpu_us") is None


def test_a_cost_is_held_against_the_cheapest_and_a_rate_against_the_fastest() -> None:
    goal = Goal(CPU, ("nginx", "haproxy"))
    assert ratio(goal, cpu(12), {"nginx": cpu(10), "haproxy": cpu(8)}) == Ratio(1.5, 1.5, 1.5, "haproxy")
    goal = Goal(RATE, ("slow", "fast"), higher_is_better=True)
    assert ratio(goal, rate(12), {"slow": rate(2), "fast": rate(4)}) == Ratio(3, 3, 3, "fast")


def test_only_those_that_the_goal_names_count() -> None:
    found = ratio(Goal(CPU, ("tuned",)), cpu(12), {"tuned": cpu(10), "stock": cpu(1)})
    assert found is not None
    assert found.against == "tuned"


def test_repetitions_are_paired() -> None:
    # the machine was slow in the second: for both
    found = ratio(Goal(CPU, ("nginx",)), cpu(12, 24, 12), {"nginx": cpu(10, 20, 10)})
    assert found is not None
    assert (found.value, found.least, found.most) == (1.2, 1.2, 1.2)
    assert not found.disturbed


@pytest.mark.parametrize(("values", "disturbed"), [((9.1, 10, 11), False), ((9, 10, 11.1), True)])
def test_a_spread_of_more_than_a_fifth_is_a_disturbed_run(values: tuple[float, ...], disturbed: bool) -> None:
    found = ratio(Goal(CPU, ("nginx",)), cpu(*values), {"nginx": cpu(10, 10, 10)})
    assert found is not None
    assert found.disturbed is disturbed


def test_without_another_the_quantity_itself_counts() -> None:
    memory = [Sample(kb_session=6.5)]
    assert ratio(Goal(MEMORY), memory, {"wsgate": memory}) == Ratio(6.5, 6.5, 6.5, "")


@pytest.mark.parametrize("others", [{}, {"nginx": []}, {"nginx": cpu(None)}])
def test_no_ratio_without_two_sides(others: dict[str, list[Sample]]) -> None:
    assert ratio(Goal(CPU, ("nginx",)), cpu(12), others) is None


def test_no_ratio_without_numbers_of_the_first() -> None:
    assert ratio(Goal(CPU, ("nginx",)), [], {"nginx": cpu(10)}) is None
    assert ratio(Goal(MEMORY), cpu(1), {}) is None


def test_foreign_is_the_worst_of_a_row() -> None:
    assert foreign({"a": [Sample(foreign=0.01), Sample(foreign=0.3)], "b": [Sample()]}) == 0.3
    assert foreign({}) == 0
