from __future__ import annotations

from collections import Counter

import pytest

from bench.scale import figures

from .stories import CONNECTED, DEAD, RESTARTED, tally


def test_what_clients_have_met_is_counted() -> None:
    events = tally(CONNECTED, RESTARTED, DEAD).events
    counts = figures.counts(figures.between(events, 9.0, 30.0))
    assert counts.ends == Counter({1: 2, 2: 2})
    assert counts.codes == Counter({1001: 4})
    assert counts.opened == 6
    assert counts.refused == Counter({0: 1})
    assert counts.busiest == 0
    assert figures.counts(tally(["1 dial 0", "1.5 dial 1", "2.2 dial 2"]).events).busiest == 2


@pytest.mark.parametrize(
    ("times", "most"), [([], 0), ([1.0], 1), ([1.0, 1.9, 2.0], 2), ([1.0, 1.5, 1.9, 2.4, 5.0], 3), ([1.0] * 4, 4)]
)
def test_the_most_in_any_second(times: list[float], most: int) -> None:
    assert figures.most_within(times) == most


def test_sessions_over_time() -> None:
    found = figures.samples(tally(CONNECTED, ["2.5 lost 0"]).events, 1.0)
    assert [sample.at for sample in found] == [1.0, 2.0, 3.0]
    assert [sample.replicas["r1"] for sample in found] == [0, 2, 1]
    assert [sample.backends["b2"] for sample in found] == [0, 2, 2]
    assert figures.samples([], 1.0) == []


@pytest.mark.parametrize(
    ("numbers", "slack", "worst"),
    [([10, 10], 0, 0.0), ([9, 11], 0, 0.1), ([9, 11], 1, 0.0), ([0, 0], 0, 0.0), ([0, 4], 0, 1.0)],
)
def test_how_uneven_numbers_are(numbers: list[int], slack: int, worst: float) -> None:
    assert figures.unevenness(numbers, slack) == pytest.approx(worst)


def test_how_long_the_clients_of_a_dead_replica_are_away() -> None:
    events = tally(CONNECTED, ["2 lost 1", "2.5 open 1 r1 b1", "12 lost 0", "13 silent 2", "14 open 2 r2 b1"]).events
    assert figures.seconds_until_back(events, "r1", 10.0) == ([2.0, 3.0], [4.0])
