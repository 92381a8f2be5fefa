"""The policies of balance: tables, and what must hold for all backends."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random as Source

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgate.site.balance import First, Hash, LeastSessions, Member, Policy, Random, RoundRobin


@dataclass
class Backend:
    name: str
    weight: int = 1
    sessions: int = 0
    usable: bool = True
    works: bool = True
    starting: float = 1.0

    @property
    def all_sessions(self) -> int:
        return self.sessions

    def part(self, now: float) -> float:
        return self.starting


def backends(*weights: int) -> list[Backend]:
    return [Backend(f"ws://b{number}", weight) for number, weight in enumerate(weights)]


def rest(members: Sequence[Member]) -> Random:
    return Random(members, Source(7).randrange)


ALL: list[Callable[[Sequence[Member]], Policy]] = [First, RoundRobin, rest, LeastSessions, Hash]


def chosen(policy: Policy, count: int) -> list[int | None]:
    return [policy.choose(b"%d" % number, ()) for number in range(count)]


def test_first_is_the_first_that_can_be_used() -> None:
    members = backends(1, 1, 1)
    policy = First(members)
    assert policy.choose(b"", ()) == 0
    members[0].usable = False
    assert policy.choose(b"", ()) == 1
    assert policy.choose(b"", {1}) == 2
    assert policy.choose(b"", {1, 2}) is None


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ((1, 1, 1), [0, 1, 2, 0, 1, 2]),
        ((1,), [0, 0, 0]),
        ((2, 1), [0, 0, 1, 0, 0, 1]),
        ((3, 1), [0, 0, 0, 1, 0, 0, 0, 1]),
    ],
)
def test_round_robin(weights: tuple[int, ...], expected: list[int]) -> None:
    found = chosen(RoundRobin(backends(*weights)), len(expected))
    assert Counter(found) == Counter(expected)
    # evenly: no backend waits longer than its share
    for index, weight in enumerate(weights):
        gap = -(-sum(weights) // weight)
        places = [place for place, each in enumerate(found) if each == index]
        assert all(after - before <= gap for before, after in itertools.pairwise(places))


def test_one_that_is_back_does_not_get_all_that_it_has_missed() -> None:
    members = backends(1, 1)
    policy = RoundRobin(members)
    members[0].usable = False
    assert set(chosen(policy, 100)) == {1}
    members[0].usable = True
    assert Counter(chosen(policy, 10)) == {0: 5, 1: 5}


def test_one_that_was_tried_in_vain_keeps_its_share() -> None:
    policy = RoundRobin(backends(1, 1, 1))
    first = policy.choose(b"", ())
    assert first is not None
    assert policy.choose(b"", {first}) not in (None, first)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=6))
def test_shares_are_as_the_weights(weights: list[int]) -> None:
    rounds = 20
    found = Counter(chosen(RoundRobin(backends(*weights)), rounds * sum(weights)))
    for index, weight in enumerate(weights):
        assert abs(found[index] - rounds * weight) <= 1 + weight


def test_least_sessions() -> None:
    members = backends(1, 1, 2)
    policy = LeastSessions(members)
    for _ in range(40):
        index = policy.choose(b"", ())
        assert index is not None
        members[index].sessions += 1
        policy.changed(index)
    assert [each.sessions for each in members] == [10, 10, 20]
    members[1].sessions = 0
    policy.changed(1)
    assert policy.choose(b"", ()) == 1
    assert policy.choose(b"", {1}) in (0, 2)


def test_least_sessions_with_none_takes_turns() -> None:
    policy = LeastSessions(backends(1, 1, 1))
    assert sorted(index for index in chosen(policy, 3) if index is not None) == [0, 1, 2]


def test_least_sessions_holds_no_more_than_it_needs() -> None:
    members = backends(1, 1)
    policy = LeastSessions(members)
    for number in range(10_000):
        members[number % 2].sessions = number % 7
        policy.changed(number % 2)
    assert len(policy._heap) < 50
    members[0].sessions, members[1].sessions = 5, 3
    policy.changed(0)
    policy.changed(1)
    assert policy.choose(b"", ()) == 1


def test_random_takes_the_one_with_fewer_sessions_of_two() -> None:
    members = backends(1, 1)
    members[0].sessions = 10
    draws = iter([0, 1, 1, 0, 0, 0])
    policy = Random(members, lambda limit: next(draws))
    assert [policy.choose(b"", ()) for _ in range(3)] == [1, 1, 0]


def test_random_is_even() -> None:
    found = Counter(chosen(rest(backends(1, 1, 2)), 4000))
    assert [round(found[index] / 1000) for index in range(3)] == [1, 1, 2]


def test_equal_keys_have_the_same_backend() -> None:
    first, second = Hash(backends(1, 1, 1)), Hash(backends(1, 1, 1))
    assert chosen(first, 500) == chosen(second, 500)
    shares = Counter(chosen(first, 6000))
    assert all(1400 < share < 2600 for share in shares.values())


def test_a_backend_that_goes_moves_its_own_keys_alone() -> None:
    members = backends(*[1] * 10)
    whole = Hash(members)
    before = [whole.choose(b"%d" % key, ()) for key in range(5000)]
    members[3].usable = False
    after = [whole.choose(b"%d" % key, ()) for key in range(5000)]
    assert all(now == then for now, then in zip(after, before, strict=True) if then != 3)
    assert 3 not in after
    # one that is added takes its share, and from the others nothing else
    more = Hash(backends(*[1] * 11))
    members[3].usable = True
    moved = [
        now
        for now, then in zip((more.choose(b"%d" % key, ()) for key in range(5000)), before, strict=True)
        if now != then
    ]
    assert set(moved) == {10}
    assert len(moved) < 5000 / 11 * 1.5


def test_a_heavier_backend_has_more_keys() -> None:
    found = Counter(chosen(Hash(backends(1, 3)), 4000))
    assert 2.2 < found[1] / found[0] < 4


@pytest.mark.parametrize("make", ALL)
def test_plain_requests_go_where_no_session_can(make: Callable[[Sequence[Member]], Policy]) -> None:
    members = backends(1, 1)
    policy = make(members)
    members[0].usable = members[1].usable = members[1].works = False
    assert policy.choose(b"x", ()) is None
    assert policy.choose(b"x", (), plain=True) == 0
    assert policy.choose(b"x", {0}, plain=True) is None


@pytest.mark.parametrize("make", ALL)
def test_nobody_is_left(make: Callable[[Sequence[Member]], Policy]) -> None:
    members = backends(1, 1)
    policy = make(members)
    assert policy.choose(b"x", {0, 1}) is None
    for each in members:
        each.usable = False
    assert policy.choose(b"x", ()) is None
    members[1].usable = True
    assert policy.choose(b"x", ()) == 1
    policy.changed(1)


@pytest.mark.parametrize("make", ALL)
def test_all_are_tried_once(make: Callable[[Sequence[Member]], Policy]) -> None:
    policy = make(backends(1, 2, 3, 1))
    tried: list[int] = []
    while (index := policy.choose(b"key", tried)) is not None:
        tried.append(index)
    assert sorted(tried) == [0, 1, 2, 3]
