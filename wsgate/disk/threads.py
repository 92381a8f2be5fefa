"""Threads for what may wait for a disk, so that one that hangs keeps nobody from another.

A call into a disk that hangs, or into a network file system whose server is gone, does not return, and nothing can end
its thread before. So each directory that the configuration names has a few threads of its own, and whoever waits for
one has a deadline. What was opened for somebody who has gone meanwhile is closed on the thread: closing may wait, too.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

import trio

T = TypeVar("T")

_limiters: trio.lowlevel.RunVar[dict[tuple[str, str], trio.CapacityLimiter]] = trio.lowlevel.RunVar("disk threads")


def threads(purpose: str, directory: str, number: int) -> trio.CapacityLimiter:
    """What bounds the threads of a directory, by what they are for. The first who asks says their number."""
    try:
        limiters = _limiters.get()
    except LookupError:
        _limiters.set(limiters := {})
    return limiters.setdefault((purpose, directory), trio.CapacityLimiter(number))


async def in_thread(
    limiter: trio.CapacityLimiter,
    within: float,
    work: Callable[[], T],
    give_back: Callable[[T | None], object] = lambda result: None,
) -> T:
    """What ``work`` returns or raises, from a thread.

    Raises ``trio.TooSlowError`` after ``within`` seconds, in which the wait for others is counted.

    give_back: called once, if nobody waits any more, and never while ``work`` runs: with its result, or with ``None``
      where it has none. It must not raise
    """
    errand = _Errand(work, give_back)
    try:
        with trio.fail_after(within):
            return await trio.to_thread.run_sync(errand.run, abandon_on_cancel=True, limiter=limiter)
    except (trio.Cancelled, trio.TooSlowError):
        errand.give_up()
        raise


class _Errand(Generic[T]):
    def __init__(self, work: Callable[[], T], give_back: Callable[[T | None], object]) -> None:
        self._work = work
        self._give_back = give_back
        self._result: T | None = None
        self._lock = threading.Lock()  # never held during a call that may wait for the disk
        self._begun = self._ended = self._given_up = False

    def run(self) -> T:
        """On the thread."""
        with self._lock:
            if self._given_up:
                raise RuntimeError("nobody waits any more")  # and nobody hears this
            self._begun = True
        try:
            self._result = result = self._work()
            return result
        finally:
            with self._lock:
                self._ended = True
                given_up = self._given_up
            if given_up:
                self._give_back(self._result)

    def give_up(self) -> None:
        with self._lock:
            self._given_up = True
            running = self._begun and not self._ended
        if not running:  # it has not begun, or its result came too late for whoever waited
            later(lambda: self._give_back(self._result))


def later(work: Callable[[], object]) -> None:
    """Do it on a thread, and wait for nothing. It must not raise."""
    trio.lowlevel.start_thread_soon(work, lambda outcome: outcome.unwrap())
