"""Counters that all workers share: a row for each worker in inherited shared memory, which only this worker writes.

So no lock is needed. A sum over all rows may be outdated by a moment.
"""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from dataclasses import dataclass

from wsgate.site.shared_buckets import SharedBuckets
from wsgate.site.shared_table import SharedTable, WorkerTable

_COLUMNS = 4
_SESSIONS, _ENDED, _CUT, _BEAT = range(_COLUMNS)
_WIDTH = 8  # bytes of a counter; aligned, so reads and writes are atomic


@dataclass(frozen=True, slots=True)
class Counts:
    """Numbers of sessions.

    sessions: open now
    ended: since the start, including the cut ones
    cut: ended by cancellation, or by the end of their worker
    """

    sessions: int
    ended: int
    cut: int


class SharedCounters:
    """The shared memory; forked children share it. ``rows``: one for each worker, or one for a process without
    workers."""

    def __init__(self, workers: int = 1) -> None:
        memory = mmap.mmap(-1, workers * _COLUMNS * _WIDTH)
        self._cells = memoryview(memory).cast("Q")
        self.buckets = SharedBuckets()
        tables: Sequence[WorkerTable | None] = SharedTable(workers).rows if workers > 1 else [None]
        self.rows = [WorkerCounters(self, self._cells, index * _COLUMNS, table) for index, table in enumerate(tables)]

    def counts(self) -> Counts:
        """All workers together."""
        return Counts(self._sum(_SESSIONS), self._sum(_ENDED), self._sum(_CUT))

    @property
    def sessions(self) -> int:
        """Open sessions of all workers."""
        return self._sum(_SESSIONS)

    def _sum(self, column: int) -> int:
        return self._cells[column] if len(self.rows) == 1 else sum(self._cells[column::_COLUMNS])


class WorkerCounters:
    """The row of one worker. ``table``: its numbers by name; ``None`` for a process without workers."""

    __slots__ = ("_board", "_cells", "_first", "table")

    def __init__(self, board: SharedCounters, cells: memoryview, first: int, table: WorkerTable | None) -> None:
        self._board = board
        self._cells = cells
        self._first = first
        self.table = table

    @property
    def number(self) -> int:
        """The worker's number, from 1."""
        return self._first // _COLUMNS + 1

    @property
    def sessions(self) -> int:
        return self._cells[self._first + _SESSIONS]

    @property
    def buckets(self) -> SharedBuckets:
        """The token buckets of all workers."""
        return self._board.buckets

    def counts(self) -> Counts:
        """All workers together."""
        return self._board.counts()

    def full(self, limit: int | None) -> bool:
        """Whether there are ``limit`` sessions, of all workers together."""
        return limit is not None and self._board.sessions >= limit

    def enter(self, limit: int | None) -> bool:
        """Adds a session, unless all workers together would have more than ``limit``. Returns whether it did.

        It adds first and compares then. So if two workers try to add the last allowed session, both may refuse, but
        never both succeed.
        """
        self._cells[self._first + _SESSIONS] += 1
        if limit is not None and self._board.sessions > limit:
            self._cells[self._first + _SESSIONS] -= 1
            return False
        return True

    def leave(self, *, cut: bool = False, never_opened: bool = False) -> None:
        """Removes a session."""
        self._cells[self._first + _SESSIONS] -= 1
        self._cells[self._first + _ENDED] += not never_opened
        self._cells[self._first + _CUT] += cut

    def abandon(self) -> int:
        """Counts all sessions of a dead worker as cut, and clears its table. Returns how many."""
        lost = self.sessions
        if self.table is not None:
            self.table.clear()
        self._cells[self._first + _SESSIONS] = 0
        self._cells[self._first + _ENDED] += lost
        self._cells[self._first + _CUT] += lost
        return lost

    @property
    def beat(self) -> float:
        """When the worker last reported that it is alive (``time.monotonic``, in whole milliseconds)."""
        return self._cells[self._first + _BEAT] / 1000

    @beat.setter
    def beat(self, now: float) -> None:
        self._cells[self._first + _BEAT] = int(now * 1000)
