"""Token buckets by name, which all workers share."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgate.site.shared_buckets import PROBES, SECOND, SharedBuckets, take

NOW = 1_000 * SECOND


def takes(rate: int, *times: float) -> list[float]:
    """The seconds that each of these lacks, who come at these seconds to a full bucket."""
    full_at, lacking = 0, []
    for time in times:
        full_at, wait = take(full_at, rate, NOW + round(time * SECOND))
        lacking.append(wait / SECOND)
    return lacking


@pytest.mark.parametrize(
    ("rate", "times", "lacking"),
    [
        (3, [0, 0, 0, 0], [0, 0, 0, 1 / 3]),
        (3, [0, 0, 0, 0.25, 0.3334, 0.3334], [0, 0, 0, 1 / 3 - 0.25, 0, 1 / 3]),
        (1, [0, 0.5, 0.5, 1, 1], [0, 0.5, 0.5, 0, 1]),
        (2, [0, 0, 5, 5, 5], [0, 0, 0, 0, 0.5]),  # it holds those of one second, however long nobody came
    ],
)
def test_a_bucket(rate: int, times: list[float], lacking: list[float]) -> None:
    assert takes(rate, *times) == pytest.approx(lacking, abs=1e-3)


@given(st.integers(1, 50), st.lists(st.floats(0, 10), min_size=1, max_size=200).map(sorted))
def test_what_comes_through(rate: int, times: list[float]) -> None:
    """In no stretch of time more than its rate, and one second's more; and who waits as long as told gets one."""
    admitted = [time for time, lacking in zip(times, takes(rate, *times), strict=True) if not lacking]
    for first in range(len(admitted)):
        for last in range(first, len(admitted)):
            assert last - first + 1 <= rate * (admitted[last] - admitted[first] + 1) + 1e-3
    full_at = 0
    for time in times:
        now = NOW + round(time * SECOND)
        full_at, wait = take(full_at, rate, now)
        if wait:
            assert take(full_at, rate, now + wait)[1] == 0
            assert take(full_at, rate, now + wait - 1)[1] == 1


def test_any_rate() -> None:
    assert take(0, (1 << 31) - 1, NOW) == (NOW + 1, 0)


def test_each_name_has_its_own() -> None:
    buckets = SharedBuckets()
    assert [buckets.take(name, 1, NOW) for name in ("a", "b", "a")] == [0, 0, SECOND]
    assert buckets.take("a", 2, NOW) == SECOND // 2  # a reload has changed it
    assert buckets.take("a", 1, NOW + SECOND) == 0


def test_workers_share_them() -> None:
    buckets = SharedBuckets()
    child = os.fork()
    if not child:
        buckets.take("a", 2, NOW)
        os._exit(0)
    os.waitpid(child, 0)
    assert [buckets.take("a", 2, NOW) for _ in range(2)] == [0, SECOND // 2]


def test_buckets_that_are_full_take_no_room() -> None:
    buckets = SharedBuckets(slots=1)
    for second in range(3):
        for name in range(PROBES):
            assert buckets.take(f"{second} {name}", 1, NOW + second * SECOND) == 0
        for name in range(PROBES):
            assert buckets.take(f"{second} {name}", 1, NOW + second * SECOND) == SECOND


def test_of_too_many_the_fullest_is_forgotten() -> None:
    buckets = SharedBuckets(slots=1)
    for name in range(PROBES):
        for _ in range(2 if name else 1):
            buckets.take(str(name), 2, NOW)
    assert buckets.take("new", 2, NOW) == 0
    assert [buckets.take(str(name), 2, NOW) > 0 for name in range(1, PROBES)] == [True] * (PROBES - 1)
    assert buckets.take("0", 2, NOW) == 0
