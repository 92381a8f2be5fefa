from __future__ import annotations

import math
import random
from collections.abc import Sequence

import pytest

from bench.rows import CPU, MEMORY, RATE, Goal
from bench.stats import Ratio, Sample, compared, foreign, least, median, ratio


def cpu(*values: float | None) -> list[Sample]:
    return [Sample(cpu_us=value) for value in values]


def rate(*values: float) -> list[Sample]:
    return [Sample(messages_s=value) for value in values]


def test_median_passes_over_what_was_not_measured() -> None:
    assert median(cpu(3, 1, 2), "cpu_us") == 2
    assert median(cpu(3, None, 2), "cpu_us") == 2.5
    assert median(cpu(None), "cpu_us") is None
    assert median([], "cpu_us") is None


def test_costs_compare_to_lowest_and_rates_to_highest() -> None:
    goal = Goal(CPU, ("nginx", "haproxy"))
    assert ratio(goal, "wsgate", {"wsgate": cpu(12), "nginx": cpu(10), "haproxy": cpu(8)}) == Ratio(
        1.5, 1.5, 1.5, "haproxy"
    )
    goal = Goal(RATE, ("slow", "fast"), higher_is_better=True)
    assert ratio(goal, "wsgate", {"wsgate": rate(12), "slow": rate(2), "fast": rate(4)}) == Ratio(3, 3, 3, "fast")


def test_only_those_that_the_goal_names_count() -> None:
    found = ratio(Goal(CPU, ("tuned",)), "wsgate", {"wsgate": cpu(12), "tuned": cpu(10), "stock": cpu(1)})
    assert found is not None
    assert found.against == "tuned"


def test_rounds_are_paired() -> None:
    # the machine was slow in the second: for both
    found = ratio(Goal(CPU, ("nginx",)), "wsgate", {"wsgate": cpu(12, 24, 12), "nginx": cpu(10, 20, 10)})
    assert found is not None
    assert (found.value, found.low, found.high) == (1.2, 1.2, 1.2)
    assert not found.disturbed


def against_ten(values: Sequence[float]) -> Ratio:
    found = ratio(Goal(CPU, ("nginx",)), "wsgate", {"wsgate": cpu(*values), "nginx": cpu(*[10] * len(values))})
    assert found is not None
    return found


@pytest.mark.parametrize(("values", "disturbed"), [((9.1, 10, 11), False), ((9, 10, 11.1), True)])
def test_a_spread_of_more_than_a_fifth_is_a_disturbed_row(values: tuple[float, ...], disturbed: bool) -> None:
    assert against_ten(values).disturbed is disturbed


@pytest.mark.parametrize(
    ("rounds", "low", "high"), [(1, 1, 1), (3, 1, 3), (5, 1, 5), (7, 2, 6), (9, 2, 8), (35, 13, 23)]
)
def test_the_interval_holds_the_true_median_seven_times_in_eight(rounds: int, low: int, high: int) -> None:
    found = against_ten([10 * (rounds - turn) for turn in range(rounds)])  # in any order: here from above
    assert (found.low, found.high) == (low, high)
    if rounds < 7:
        return  # too few for any certainty: all of them are shown
    chance = random.Random(rounds)
    inside = 0
    for _ in range(2000):
        rounds_of_one = against_ten([10 * math.exp(chance.gauss(0, 0.3)) for _ in range(rounds)])
        inside += rounds_of_one.low <= 1 <= rounds_of_one.high
    assert inside / 2000 > 7 / 8 - 0.03  # four standard errors


def test_short_disturbances_are_no_disturbed_row_and_long_ones_are() -> None:
    short = against_ten([12, 12, 12, 12, 12, 12, 6, 12, 40])
    assert (short.value, short.disturbed) == (1.2, False)
    assert against_ten([12, 12, 30, 12, 12, 25, 12, 6, 40]).disturbed


def test_without_another_the_quantity_itself_counts() -> None:
    memory = [Sample(kb_session=6.5)]
    assert ratio(Goal(MEMORY), "wsgate", {"wsgate": memory}) == Ratio(6.5, 6.5, 6.5, "")


@pytest.mark.parametrize("others", [{}, {"nginx": []}, {"nginx": cpu(None)}])
def test_no_ratio_without_two_sides(others: dict[str, list[Sample]]) -> None:
    assert ratio(Goal(CPU, ("nginx",)), "wsgate", {"wsgate": cpu(12), **others}) is None


def test_no_ratio_without_numbers_of_the_first() -> None:
    assert ratio(Goal(CPU, ("nginx",)), "wsgate", {"nginx": cpu(10)}) is None
    assert ratio(Goal(MEMORY), "wsgate", {"wsgate": cpu(1)}) is None


OVER = Goal(CPU, ("nginx, many", "haproxy, many"), over=("few", "nginx, few", "haproxy, few"))


def test_what_a_circumstance_costs_is_compared_by_round() -> None:
    samples = {
        "many": cpu(15, 45, 15),
        "few": cpu(10, 30, 10),  # the machine was slow in the second round, for both
        "nginx, many": cpu(12, 32, 16),
        "nginx, few": cpu(8, 16, 8),
        "haproxy, many": cpu(16, 48, 16),
        "haproxy, few": cpu(8, 24, 8),
    }
    assert compared(OVER, "many", samples) == [1.5, 1.5, 1.5]
    assert compared(OVER, "nginx, many", samples) == [1.5, 2.0, 2.0]
    assert ratio(OVER, "many", samples) == Ratio(
        0.75, 0.75, 1.0, "nginx, many"
    )  # haproxy's is 2, too: the first of both


def test_the_best_of_the_others_is_the_one_whom_the_circumstance_costs_least() -> None:
    samples = {"many": cpu(18), "few": cpu(10), "nginx, many": cpu(11), "nginx, few": cpu(5)}
    samples |= {"haproxy, many": cpu(30), "haproxy, few": cpu(20)}
    found = ratio(OVER, "many", samples)
    assert found is not None
    assert (found.against, round(found.value, 3)) == ("haproxy, many", 1.2)


@pytest.mark.parametrize("missing", ["many", "few", "nginx, few", "nginx, many"])
def test_no_comparison_of_what_a_circumstance_costs_without_all_four(missing: str) -> None:
    samples = {"many": cpu(18), "few": cpu(10), "nginx, many": cpu(11), "nginx, few": cpu(5)}
    del samples[missing]
    assert ratio(OVER, "many", samples) is None


def test_foreign_is_that_of_the_core_that_had_more_of_it() -> None:
    row = {"a": [Sample(foreign=0.25), Sample(foreign=0.5)], "b": [Sample(foreign=0.0)]}
    assert foreign(row) == 0.25
    assert foreign({**row, "c": [Sample(foreign=0.25, load_foreign=0.375)]}) == 0.375
    # a tick too few in one slice and one too many in the next, on either core
    ticks = [Sample(foreign=0.1, load_foreign=-0.1), Sample(foreign=-0.1, load_foreign=0.1)]
    assert foreign({"a": ticks, "b": ticks}) == 0
    assert foreign({"a": [Sample(foreign=-0.03)]}) == 0
    assert foreign({"a": [Sample()]}) == 0
    assert foreign({}) == 0


def test_the_least_of_samples() -> None:
    samples = [Sample(), Sample(p99_us=300.0), Sample(p99_us=200.0), Sample(p99_us=250.0)]
    assert least(samples, "p99_us") is samples[2]
    assert least(samples[:1], "p99_us") is samples[0]
