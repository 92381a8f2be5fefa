"""The policies that choose the backend for the next session: without I/O or clock, with randomness as an argument.

Each policy knows all backends of a group. ``choose`` returns one of those that are ``usable`` and not excluded, or
``None`` if there is none; the policy is asked again, with the last one excluded, when a backend could not be used. The
cost of a choice does not grow with the number of backends, or grows with its logarithm (docs/performance.md).

``RoundRobin``, ``Random`` and ``LeastSessions`` hold back backends that have just come back (``slow_start.py``), unless
there is no other. ``First`` and ``Hash`` do not, as in nginx: they choose a backend by its place, and not by its load.
"""

from __future__ import annotations

import array
import bisect
import functools
import hashlib
import heapq
import itertools
import math
from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from wsgate.site.slow_start import MOST_HELD, SlowStart, Starting

_INDEX_BITS = 20
_INDEX_MASK = (1 << _INDEX_BITS) - 1

POINTS = 128  # of a backend with weight 1 on the circle of ``Hash``: shares differ by a tenth or so


class Member(Starting, Protocol):
    """A backend, as a policy sees it.

    name: the same name has the same place in ``Hash``, in every process and after a restart
    weight: its share, 1 or more
    all_sessions: how many it has now, of all workers
    usable: it takes sessions now
    works: it takes requests over plain HTTP now, also if it has as many sessions as it may have
    """

    @property
    def name(self) -> str: ...

    @property
    def weight(self) -> int: ...

    @property
    def all_sessions(self) -> int: ...

    @property
    def usable(self) -> bool: ...

    @property
    def works(self) -> bool: ...


class Policy(Protocol):
    def choose(self, key: bytes, excluded: Collection[int], now: float = 0.0, *, plain: bool = False) -> int | None:
        """Returns the index of a backend.

        key: of the request, for a policy that needs one
        excluded: indices of the backends that were tried already
        now: seconds, for slow start
        plain: for a request over plain HTTP, not for a session
        """

    def changed(self, index: int) -> None:
        """The sessions of a backend are more or fewer now."""


def _takes(member: Member, plain: bool) -> bool:
    return member.works if plain else member.usable


class First:
    """Chooses the first usable backend in the order of the configuration; the others are used only if it fails."""

    def __init__(self, members: Sequence[Member]) -> None:
        self._members = members

    def choose(self, key: bytes, excluded: Collection[int], now: float = 0.0, *, plain: bool = False) -> int | None:
        for index, member in enumerate(self._members):
            if _takes(member, plain) and index not in excluded:
                return index
        return None

    def changed(self, index: int) -> None:
        pass


class RoundRobin:
    """Chooses one after the other; a backend of weight 2 twice as often, evenly spread.

    Earliest deadline first: each choice of a backend puts its next one off by 1 / weight, in whole numbers.
    """

    def __init__(self, members: Sequence[Member]) -> None:
        self._members = members
        self._order = itertools.count()
        whole = math.lcm(*(each.weight for each in members))
        self._steps = [whole // each.weight for each in members]
        self._due = [(step, next(self._order), index) for index, step in enumerate(self._steps)]
        heapq.heapify(self._due)
        self._slow_start = SlowStart(members)

    def choose(self, key: bytes, excluded: Collection[int], now: float = 0.0, *, plain: bool = False) -> int | None:
        passed_over = []
        chosen = None
        held = 0
        while self._due:
            entry = heapq.heappop(self._due)
            due, _, index = entry
            if index in excluded or not _takes(self._members[index], plain):
                passed_over.append(entry)
                continue
            heapq.heappush(self._due, (due + self._steps[index], next(self._order), index))
            if held < MOST_HELD and self._slow_start.holds_back(index, now):
                held += 1  # its turn is over, without a session
                continue
            chosen = index
            break
        for due, order, index in passed_over:
            # One that was not usable must not get all the sessions that it has missed when it is usable again
            late = self._due[0][0] if self._due and not _takes(self._members[index], plain) else due
            heapq.heappush(self._due, (max(due, late), order, index))
        return chosen

    def changed(self, index: int) -> None:
        pass


class Random:
    """Draws two backends by weight, and chooses the one with fewer sessions per weight ("power of two choices").

    draw: returns a number from 0 to its argument, without it
    """

    def __init__(self, members: Sequence[Member], draw: Callable[[int], int]) -> None:
        self._members = members
        self._draw = draw
        self._sums = list(itertools.accumulate(each.weight for each in members))
        self._slow_start = SlowStart(members)

    def choose(self, key: bytes, excluded: Collection[int], now: float = 0.0, *, plain: bool = False) -> int | None:
        two = [self._one(excluded, now, plain) for _ in range(2)]
        found = [index for index in two if index is not None]
        return min(found, key=self._load, default=None)

    def changed(self, index: int) -> None:
        pass

    def _load(self, index: int) -> float:
        return self._members[index].all_sessions / self._members[index].weight

    def _one(self, excluded: Collection[int], now: float, plain: bool) -> int | None:
        missed = held = 0
        index = -1
        while missed < 4 and held < MOST_HELD:  # nearly always the first one can be used
            index = bisect.bisect_right(self._sums, self._draw(self._sums[-1]))
            if index in excluded or not _takes(self._members[index], plain):
                missed += 1
            elif self._slow_start.holds_back(index, now):
                held += 1
            else:
                return index
        if held == MOST_HELD:
            return index
        left = [i for i, each in enumerate(self._members) if _takes(each, plain) and i not in excluded]
        left = [i for i in left if not self._slow_start.holds_back(i, now)] or left
        if not left:
            return None
        sums = list(itertools.accumulate(self._members[i].weight for i in left))
        return left[bisect.bisect_right(sums, self._draw(sums[-1]))]


class LeastSessions:
    """Chooses the backend with the fewest sessions per weight; of several, the one that was chosen longest ago.

    looks: if other workers have sessions with the backends, too, so many backends are looked at again for each choice,
        in turn; they report no change
    """

    def __init__(self, members: Sequence[Member], looks: int = 0) -> None:
        self._members = members
        self._looks = looks
        self._next_look = 0
        self._order = itertools.count()
        self._heap: list[tuple[float, int, int]] = []
        self._entry: list[tuple[float, int, int]] = []  # the valid one of each backend; others in the heap are old
        for index in range(len(members)):
            self._entry.append(self._enter(index))
        self._slow_start = SlowStart(members)

    def choose(self, key: bytes, excluded: Collection[int], now: float = 0.0, *, plain: bool = False) -> int | None:
        passed_over = []
        held: list[int] = []
        chosen = None
        outdated = self._look_again() if self._looks else 0
        while self._heap and chosen is None:
            entry = heapq.heappop(self._heap)
            index = entry[2]
            if entry != self._entry[index]:
                continue
            if outdated and entry[0] != self._load(index):
                outdated -= 1
                self._entry[index] = self._enter(index)
                continue
            if index in excluded or not _takes(self._members[index], plain):
                passed_over.append(entry)
            elif len(held) < MOST_HELD and self._slow_start.holds_back(index, now):
                held.append(index)
            else:
                chosen = index
        for entry in passed_over:
            heapq.heappush(self._heap, entry)
        if chosen is None and held:
            chosen = held.pop(0)
        if chosen is not None:
            held.append(chosen)
        for index in held:
            self._entry[index] = self._enter(index)  # behind the others with as many
        return chosen

    def changed(self, index: int) -> None:
        """The sessions of a backend are more or fewer now."""
        if len(self._heap) > 4 * len(self._members) + 16:  # mostly old entries
            self._heap = list(self._entry)
            heapq.heapify(self._heap)
        self._entry[index] = self._enter(index)

    def _look_again(self) -> int:
        """Returns how many backends that are outdated may be passed by in this choice."""
        count = len(self._members)
        for _ in range(min(self._looks, count)):
            index = self._next_look = (self._next_look + 1) % count
            if self._entry[index][0] != self._load(index):
                self.changed(index)
        return self._looks

    def _load(self, index: int) -> float:
        return self._members[index].all_sessions / self._members[index].weight

    def _enter(self, index: int) -> tuple[float, int, int]:
        entry = (self._load(index), next(self._order), index)
        heapq.heappush(self._heap, entry)
        return entry


class Hash:
    """Chooses the same backend for equal keys, while it is usable ("consistent hashing").

    Each backend has points on a circle, as many as its weight asks for. A key belongs to the next point behind its own
    hash. So a backend that comes or goes moves only the keys of its own points.
    """

    def __init__(self, members: Sequence[Member]) -> None:
        self._members = members
        # Each point with the index of its backend in the lowest bits: whole numbers are sorted fast, and take 8 bytes
        self._points = array.array(
            "Q",
            sorted(
                point << _INDEX_BITS | index
                for index, each in enumerate(members)
                for point in _points(each.name, POINTS * each.weight)
            ),
        )

    def choose(self, key: bytes, excluded: Collection[int], now: float = 0.0, *, plain: bool = False) -> int | None:
        start = bisect.bisect_right(self._points, _hash(key) << _INDEX_BITS | _INDEX_MASK)
        seen: set[int] = set()
        for place in range(start, start + len(self._points)):
            index = self._points[place % len(self._points)] & _INDEX_MASK
            if index in seen:
                continue
            if _takes(self._members[index], plain) and index not in excluded:
                return index
            seen.add(index)
            if len(seen) == len(self._members):
                break
        return None

    def changed(self, index: int) -> None:
        pass


@functools.lru_cache(1024)  # a backend that comes or goes makes new ones of all that stay
def _points(name: str, number: int) -> Sequence[int]:
    """Returns the points of a backend on the circle."""
    return array.array("Q", [_hash(b"%d %s" % (each, name.encode())) for each in range(number)])


def _hash(text: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") >> _INDEX_BITS
