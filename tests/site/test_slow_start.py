"""Slow start: what part of its share a backend gets, and that all others get the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from random import Random as Source

import pytest

from tests.site.test_balance import Backend, backends
from wsgate.site.balance import First, Hash, LeastSessions, Member, Policy, Random, RoundRobin
from wsgate.site.slow_start import MOST_HELD, SlowStart, part_of


def drawn(members: Sequence[Member]) -> Random:
    return Random(members, Source(7).randrange)


SHARING: list[Callable[[Sequence[Member]], Policy]] = [RoundRobin, drawn, LeastSessions]


@pytest.mark.parametrize(
    ("elapsed", "part"), [(0, 0.1), (1, 0.1), (3, 0.1), (6, 0.2), (15, 0.5), (27, 0.9), (30, 1.0), (31, 1.0)]
)
def test_the_part_grows_in_a_straight_line(elapsed: float, part: float) -> None:
    assert part_of(elapsed, 30) == pytest.approx(part)


@pytest.mark.parametrize("part", [0.125, 0.25, 0.5, 0.75, 1.0])
def test_so_many_turns_are_its_own(part: float) -> None:
    slow_start = SlowStart([Backend("a", starting=part)])
    held = [slow_start.holds_back(0, 0.0) for _ in range(80)]
    assert held.count(False) == 80 * part


def place(policy: Policy, members: Sequence[Backend], count: int) -> Counter[int]:
    """Sessions begin, each of which ends before the next."""
    found: Counter[int] = Counter()
    for _ in range(count):
        index = policy.choose(b"", ())
        assert index is not None
        found[index] += 1
    return found


@pytest.mark.parametrize("make", SHARING)
@pytest.mark.parametrize(
    ("weights", "part", "share"),
    [
        ((1, 1), 0.1, 0.1 / 1.1),
        ((1, 1), 0.5, 0.5 / 1.5),
        ((1, 1, 1, 1), 0.25, 0.25 / 3.25),
        ((2, 1, 1), 0.5, 1 / 3),
        ((1, 1), 1.0, 0.5),
    ],
)
def test_its_part_of_its_share(
    make: Callable[[Sequence[Member]], Policy], weights: tuple[int, ...], part: float, share: float
) -> None:
    members = backends(*weights)
    members[0].starting = part
    policy = make(members)
    if make is LeastSessions:  # nobody has sessions, so it does not matter of how many
        share = part / (part + len(weights) - 1)
    found = place(policy, members, 4000)
    assert found[0] / 4000 == pytest.approx(share, rel=0.1)
    others = {found[index] for index in range(1, len(weights))}
    assert max(others) - min(others) < 250


def test_least_sessions_does_not_overrun_one_that_is_empty() -> None:
    """It has the fewest sessions, so that it would get every one."""
    members = backends(1, 1)
    members[1].sessions = 1000
    for part in (0.1, 0.5, 1.0):
        members[0].starting = part
        assert place(LeastSessions(members), members, 1000)[0] == pytest.approx(1000 * part, abs=2)


@pytest.mark.parametrize("make", SHARING)
def test_alone_it_is_not_held_back(make: Callable[[Sequence[Member]], Policy]) -> None:
    members = backends(1, 1, 1)
    members[0].starting = 0.1
    members[1].usable = False
    policy = make(members)
    assert [policy.choose(b"", {2}) for _ in range(20)] == [0] * 20
    members[2].usable = False
    assert [policy.choose(b"", ()) for _ in range(20)] == [0] * 20


@pytest.mark.parametrize("make", SHARING)
@pytest.mark.parametrize("count", [2, MOST_HELD + 5, 40])
def test_all_that_come_back_at_once_share_alike(make: Callable[[Sequence[Member]], Policy], count: int) -> None:
    members = backends(*[1] * count)
    for each in members:
        each.starting = 0.1
    found = place(make(members), members, 100 * count)
    assert all(60 < found[index] < 140 for index in range(count))


@pytest.mark.parametrize("make", SHARING)
def test_all_are_tried(make: Callable[[Sequence[Member]], Policy]) -> None:
    members = backends(1, 2, 3, 1)
    for each in members[1:]:
        each.starting = 0.1
    policy = make(members)
    tried: list[int] = []
    while (index := policy.choose(b"", tried)) is not None:
        tried.append(index)
    assert sorted(tried) == [0, 1, 2, 3]


def test_most_cannot_be_used() -> None:
    """Random looks at those that can, and holds back those that have just come back."""
    members = backends(*[1] * 100)
    for each in members[2:]:
        each.usable = False
    members[0].starting = 0.1
    found = place(drawn(members), members, 1000)
    assert found[0] + found[1] == 1000
    assert found[0] < 250


@pytest.mark.parametrize("make", [First, Hash])
def test_a_place_is_a_place(make: Callable[[Sequence[Member]], Policy]) -> None:
    members = backends(1, 1)
    policy = make(members)
    before = policy.choose(b"key", ())
    members[0].starting = members[1].starting = 0.1
    assert policy.choose(b"key", ()) == before
