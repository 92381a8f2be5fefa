"""Calls sessions at times: one task and one heap for all of them.

A task of trio that waits for a time takes two kilobytes, and a cancel scope one more. An idle session has one timer
here instead, of about 150 bytes, and no task.
"""

from __future__ import annotations

import heapq
import itertools
import math
from typing import TYPE_CHECKING, Protocol, TypeAlias

import trio

if TYPE_CHECKING:
    from collections.abc import Callable

_FEW = 64  # timers that were taken back and may stay in the heap whatever its size
_TURN = 0.005  # seconds of calls between two checkpoints


class Owner(Protocol):
    def crash(self, error: Exception) -> None:
        """An exception was raised in a call: a bug of ours."""
        ...


class Sleeper(Protocol):
    """Who is called."""

    @property
    def owner(self) -> Owner: ...

    def wake(self, now: float) -> None:
        """The time has come."""
        ...


# The time (trio seconds); a number, so that no two timers are equal; the sleeper, ``None`` if the timer was taken back.
# A list, because heapq compares lists in C, and not objects of a class of ours
Timer: TypeAlias = "list[float | int | Sleeper | None]"


class TimerHeap:
    """The timers of all sessions. ``run`` calls.

    between: called between two calls, because thousands of sessions may have a timer for the same time
    """

    def __init__(self, between: Callable[[], None]) -> None:
        self._between = between
        self._heap: list[Timer] = []
        self._numbers = itertools.count()
        self._cancelled = 0  # timers in the heap that were taken back
        self._scope = trio.CancelScope()
        self._wakes = math.inf  # when the task wakes up (trio seconds): the deadline of its scope

    def __len__(self) -> int:
        """How many timers wait."""
        return len(self._heap) - self._cancelled

    def at(self, when: float, sleeper: Sleeper) -> Timer:
        """Calls ``sleeper.wake`` at a time (trio seconds), once. Never before this returns."""
        timer: Timer = [when, next(self._numbers), sleeper]
        heapq.heappush(self._heap, timer)
        if when < self._wakes:
            self._wakes = self._scope.deadline = when
        return timer

    def is_due_by(self, timer: Timer, when: float) -> bool:
        """Whether a timer that waits is for that time or an earlier one (trio seconds)."""
        return timer[0] <= when  # type: ignore[operator]  # the first item is a number

    def cancel(self, timer: Timer) -> None:
        """Takes a timer back. Does nothing if its time has come already."""
        if timer[2] is None:
            return
        timer[2] = None
        self._cancelled += 1
        if self._cancelled > _FEW + len(self._heap) // 2:
            self._heap = [each for each in self._heap if each[2] is not None]
            heapq.heapify(self._heap)
            self._cancelled = 0

    async def run(self) -> None:
        """Calls until cancelled."""
        while True:
            deadline = self._heap[0][0] if self._heap else math.inf
            assert isinstance(deadline, float)
            self._wakes = deadline
            with trio.CancelScope(deadline=deadline) as self._scope:
                await trio.sleep_forever()
            now = began = trio.current_time()
            while self._heap and self._heap[0][0] <= now:  # type: ignore[operator]  # the first item is a number
                self._call(heapq.heappop(self._heap), now)
                self._between()
                now = trio.current_time()
                if now > began + _TURN:
                    await trio.lowlevel.checkpoint()
                    now = began = trio.current_time()

    def _call(self, timer: Timer, now: float) -> None:
        sleeper = timer[2]
        if sleeper is None:
            self._cancelled -= 1
            return
        assert not isinstance(sleeper, float | int)
        timer[2] = None
        try:
            sleeper.wake(now)
        except Exception as error:
            sleeper.owner.crash(error)
