"""Slow start: a backend that has come back gets its share of the sessions slowly, without I/O or clock.

The part grows with time, in a straight line from ``SMALLEST`` to the whole. A policy asks ``SlowStart`` about the
backend that it would choose, and if that is held back it chooses the next one. So each policy gives such a backend a
part of what it would give it otherwise. A backend gets credit whenever it is held back, so the part is exact without
randomness.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

SMALLEST = 0.1  # of its share, at the beginning; Envoy's default, too

# Backends that are held back in one choice, so that the choice takes little time if all have just come back
MOST_HELD = 8


def part_of(elapsed: float, duration: float) -> float:
    """Returns the part of its share that a backend gets, up to 1.

    elapsed: seconds since it came back
    duration: seconds until it gets its whole share
    """
    return min(1.0, max(SMALLEST, elapsed / duration))


class Starting(Protocol):
    def part(self, now: float) -> float:
        """Returns the part of its share that it gets now, up to 1. ``now``: seconds."""


class SlowStart:
    """Says which backends of a policy are held back."""

    def __init__(self, members: Sequence[Starting]) -> None:
        self._members = members
        self._credit: dict[int, float] = {}  # sessions that it was held back from, times its part then

    def holds_back(self, index: int, now: float) -> bool:
        """Whether this turn of a backend, which would get a session now, goes to another one.

        now: seconds
        """
        part = self._members[index].part(now)
        if part >= 1.0:
            return False
        credit = self._credit.get(index, 0.0) + part
        held = credit < 1.0
        self._credit[index] = credit if held else credit - 1.0
        return held
