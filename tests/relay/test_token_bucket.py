from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgate.relay.token_bucket import TokenBucket


def test_it_begins_full_and_fills_to_its_capacity() -> None:
    bucket = TokenBucket(10, 20, 100.0)
    assert bucket.take(20, 100.0) == 0
    assert bucket.take(25, 100.0) == pytest.approx(0.5)
    assert bucket.take(25, 100.5) == 0
    assert bucket.take(45, 200.0) == 0  # it is not more than full after 99.5 s
    assert bucket.take(46, 200.0) == pytest.approx(0.1)


def test_a_debt_is_paid_before_more_may_pass() -> None:
    bucket = TokenBucket(10, 10, 0.0)
    assert bucket.take(60, 0.0) == pytest.approx(5)
    assert bucket.take(70, 5.0) == pytest.approx(1)


def test_time_in_which_nothing_could_pass_counts_beyond_the_capacity() -> None:
    bucket = TokenBucket(10, 10, 0.0)
    bucket.fill(30.0)
    assert bucket.take(310, 30.0) == 0
    bucket.fill(31.0)
    assert bucket.take(310, 90.0) == 0
    assert bucket.take(321, 90.0) == pytest.approx(0.1)  # once used it is gone


@given(
    steps=st.lists(st.tuples(st.floats(0, 10), st.integers(0, 100)), max_size=50),
    rate=st.integers(1, 100),
    capacity=st.integers(1, 100),
)
def test_never_more_than_the_capacity_and_the_rate(steps: list[tuple[float, int]], rate: int, capacity: int) -> None:
    """Whoever waits as long as he is told passes no more than this, but for what he passed last."""
    bucket = TokenBucket(rate, capacity, 0.0)
    now, total, wait = 0.0, 0, 0.0
    for pause, units in steps:
        now += max(pause, wait)
        assert total <= capacity + rate * now + 1e-6
        total += units
        wait = bucket.take(total, now)


@given(
    steps=st.lists(st.tuples(st.floats(0, 10), st.integers(0, 100)), max_size=50),
    rate=st.integers(1, 100),
    capacity=st.integers(1, 1000),
)
def test_to_count_only_when_it_is_due_lets_no_more_pass_and_little_less(
    steps: list[tuple[float, int]], rate: int, capacity: int
) -> None:
    exact, lazy = TokenBucket(rate, capacity, 0.0), TokenBucket(rate, capacity, 0.0)
    now, total, wait = 0.0, 0, 0.0
    for pause, units in steps:
        now += max(pause, wait)
        total += units
        wait = exact.take(total, now)
        if total >= lazy.due:
            later = lazy.take(total, now)
            assert wait - 1e-6 <= later <= wait + max(1, capacity / 16) / rate + 1e-6
            wait = max(wait, later)
        else:
            assert wait < 1e-6  # rounding
