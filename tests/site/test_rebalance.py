"""Which sessions are moved to new backends, as tables; and by any numbers, what must always be so."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgate.site.rebalance import Load, plan

INF = math.inf


def new(sessions: int, weight: float = 1, room: float = INF) -> Load:
    return Load(sessions, weight, room)


def test_a_worker_makes_its_part_of_the_moves() -> None:
    """It takes only what it has."""
    half = plan([Load(100, 1, here=50), new(0)], 100, 0.5)
    assert (half.taken, half.given, half.is_complete) == ([25, 0], [0, 25], [True, True])
    none = plan([Load(100, 1, here=0), Load(70, 1, here=3), new(0)], 100, 0.01)
    assert (none.taken, none.given) == ([0, 1, 0], [0, 0, 1])
    little = plan([Load(100, 1, here=2), new(0)], 100, 0.5)
    assert (little.taken, little.given, little.is_complete) == ([2, 0], [0, 2], [True, False])


@pytest.mark.parametrize(
    ("loads", "most", "taken", "given", "complete"),
    [
        ([Load(100, 1), Load(100, 1), new(0)], 10, [5, 5, 0], [0, 0, 10], [True, True, False]),
        ([Load(100, 1), Load(40, 1), new(0)], 10, [10, 0, 0], [0, 0, 10], [True, False, False]),
        ([Load(68, 1), Load(68, 1), new(64)], 10, [1, 1, 0], [0, 0, 2], [True, True, True]),
        ([Load(67, 1), Load(67, 1), new(66)], 10, [0, 0, 0], [0, 0, 0], [True, True, True]),
        ([Load(100, 1), new(0, 3)], 100, [75, 0], [0, 75], [True, True]),
        ([Load(100, 2), Load(50, 1), new(0)], 6, [4, 2, 0], [0, 0, 6], [True, True, False]),
        ([Load(100, 1), new(0, 0.1)], 100, [9, 0], [0, 9], [True, True]),  # it starts slowly
        ([Load(100, 1), new(0), new(20)], 10, [10, 0, 0], [0, 7, 3], [True, False, False]),
        ([Load(100, 1), new(0, room=3)], 10, [3, 0], [0, 3], [True, False]),
        ([Load(100, 1), Load(0, 1)], 10, [0, 0], [0, 0], [True, False]),  # it is not new: it will fill by itself
        ([Load(1, 1), new(0)], 10, [0, 0], [0, 0], [True, True]),
        ([Load(0, 1), new(0)], 10, [0, 0], [0, 0], [True, True]),
        ([Load(100, 1), new(0)], 0, [0, 0], [0, 0], [True, False]),
        ([new(50), new(0)], 9, [9, 0], [0, 9], [True, False]),
        ([], 10, [], [], []),
    ],
)
def test_moves(loads: list[Load], most: int, taken: list[int], given: list[int], complete: list[bool]) -> None:
    moves = plan(loads, most)
    assert (list(moves.taken), list(moves.given), list(moves.is_complete)) == (taken, given, complete)


_LOADS = st.lists(st.builds(Load, st.integers(0, 200), st.integers(1, 5), st.sampled_from([0, 3, INF])), max_size=8)


@given(_LOADS, st.integers(0, 50))
def test_nobody_gets_too_much_or_is_left_with_too_little(loads: list[Load], most: int) -> None:
    moves = plan(loads, most)
    total, weights = sum(load.sessions for load in loads), sum(load.weight for load in loads)
    assert sum(moves.taken) == sum(moves.given) <= most
    for load, taken, came in zip(loads, moves.taken, moves.given, strict=True):
        share = total * load.weight / weights
        assert not taken or load.sessions - taken >= math.floor(share)
        assert not came or (load.sessions + came <= share and came <= load.room)
        assert not (taken and came)


@given(_LOADS)
def test_it_comes_to_an_end(loads: list[Load]) -> None:
    loads = [Load(load.sessions, load.weight, INF if load.room else 0) for load in loads]
    for _ in range(2000):
        moves = plan(loads, 10)
        if not any(moves.taken):
            break
        loads = [
            Load(load.sessions - taken + came, load.weight, load.room)
            for load, taken, came in zip(loads, moves.taken, moves.given, strict=True)
        ]
    assert not any(moves.taken)
