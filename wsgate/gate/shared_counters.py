"""The counts that all workers share: a row for each in memory that they inherit, written by nobody else.

So there is no lock. A sum over rows that others are writing is right a moment ago or a moment from now.
"""

from __future__ import annotations

import mmap
from dataclasses import dataclass

_COLUMNS = 4
_SESSIONS, _ENDED, _CUT, _BEAT = range(_COLUMNS)
_WIDTH = 8  # bytes of a count: aligned, so that it is read and written whole


@dataclass(frozen=True, slots=True)
class Counts:
    """sessions: at this time
    ended: since the start, with those that were cut
    cut: ended by cancellation, or by the end of their worker
    """

    sessions: int
    ended: int
    cut: int


class SharedCounters:
    """``rows`` has one for each worker; a process without workers has one for itself. Forked children share it."""

    def __init__(self, workers: int = 1) -> None:
        memory = mmap.mmap(-1, workers * _COLUMNS * _WIDTH)
        self._cells = memoryview(memory).cast("Q")
        self.rows = [WorkerCounters(self, self._cells, index * _COLUMNS) for index in range(workers)]

    def counts(self) -> Counts:
        """All workers together."""
        return Counts(self._sum(_SESSIONS), self._sum(_ENDED), self._sum(_CUT))

    @property
    def sessions(self) -> int:
        """All workers' at this time."""
        return self._sum(_SESSIONS)

    def _sum(self, column: int) -> int:
        return sum(self._cells[column::_COLUMNS])


class WorkerCounters:
    """One worker's own."""

    __slots__ = ("_board", "_cells", "_first")

    def __init__(self, board: SharedCounters, cells: memoryview, first: int) -> None:
        self._board = board
        self._cells = cells
        self._first = first

    @property
    def number(self) -> int:
        """Its place among the workers, from 1."""
        return self._first // _COLUMNS + 1

    @property
    def sessions(self) -> int:
        return self._cells[self._first + _SESSIONS]

    def counts(self) -> Counts:
        """All workers together."""
        return self._board.counts()

    def full(self, limit: int | None) -> bool:
        """Whether there are ``limit`` sessions, of all workers together."""
        return limit is not None and self._board.sessions >= limit

    def enter(self, limit: int | None) -> bool:
        """Count a session in, unless there would be more than ``limit``.

        Counted first and looked at then: of two workers at the last place both may refuse, but never both enter.
        """
        self._cells[self._first + _SESSIONS] += 1
        if limit is not None and self._board.sessions > limit:
            self._cells[self._first + _SESSIONS] -= 1
            return False
        return True

    def leave(self, *, cut: bool = False, never_opened: bool = False) -> None:
        """Count a session out."""
        self._cells[self._first + _SESSIONS] -= 1
        self._cells[self._first + _ENDED] += not never_opened
        self._cells[self._first + _CUT] += cut

    def abandon(self) -> int:
        """Its worker is dead: its sessions are cut. Returns how many."""
        lost = self.sessions
        self._cells[self._first + _SESSIONS] = 0
        self._cells[self._first + _ENDED] += lost
        self._cells[self._first + _CUT] += lost
        return lost

    @property
    def beat(self) -> float:
        """When its worker was last seen alive (``time.monotonic``, in whole milliseconds)."""
        return self._cells[self._first + _BEAT] / 1000

    @beat.setter
    def beat(self, now: float) -> None:
        self._cells[self._first + _BEAT] = int(now * 1000)
