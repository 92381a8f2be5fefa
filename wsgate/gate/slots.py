"""Random times for things that are done one after the other, evenly over a time. Without I/O or clock."""

from __future__ import annotations

import random

FASTER = 1.25  # than usual, at most, are those that are left when some were late


class Slots:
    """Each of ``number`` things has a slot of its own within ``seconds``, and a random time in it.

    Who was late, because the machine was busy, does not make up for it at once: a thousand clients would be told in the
    same moment, just when there is no time for them. The slots that are left become a little shorter instead.

    now: when the first slot begins, like all times here in seconds of any clock
    """

    def __init__(self, number: int, seconds: float, now: float) -> None:
        self._left = number
        self._begin = now
        self._end = now + seconds
        self._least = seconds / number / FASTER if number else 0.0

    def next(self, now: float) -> float:
        """Returns the time of the next one. To be called ``number`` times, each when the one before is done."""
        begin = max(self._begin, now)
        slot = max((self._end - begin) / self._left, self._least)
        self._begin = begin + slot
        self._left -= 1
        return begin + slot * random.random()
