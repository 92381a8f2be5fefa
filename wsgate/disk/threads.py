"""Threads for calls that may wait for a disk, so that a disk that hangs does not delay work on other disks.

A call to a disk that hangs, or to a network file system without its server, does not return, and its thread cannot be
stopped. So each directory of the configuration has a few threads of its own, and every wait for one has a deadline. A
file that was opened for a caller that has gone is closed on the thread, because closing may wait too.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

import trio

T = TypeVar("T")

_limiters: trio.lowlevel.RunVar[dict[tuple[str, str], trio.CapacityLimiter]] = trio.lowlevel.RunVar("disk threads")


def thread_limiter(purpose: str, directory: str, number: int) -> trio.CapacityLimiter:
    """Returns the limiter for the threads of a directory. The first call for ``purpose`` and ``directory`` sets the
    number."""
    try:
        limiters = _limiters.get()
    except LookupError:
        _limiters.set(limiters := {})
    return limiters.setdefault((purpose, directory), trio.CapacityLimiter(number))


async def in_thread(
    limiter: trio.CapacityLimiter,
    within: float,
    work: Callable[[], T],
    on_abandoned: Callable[[T | None], object] = lambda result: None,
) -> T:
    """Runs ``work`` in a thread.

    within: seconds, with the wait for a free thread
    on_abandoned: called once if the caller stops waiting, after ``work``: with its result, or ``None`` if it has
      none; it must not raise

    Returns what ``work`` returns and raises what it raises. Raises ``trio.TooSlowError`` after ``within`` seconds.
    """
    job = _Job(work, on_abandoned)
    try:
        with trio.fail_after(within):
            return await trio.to_thread.run_sync(job.run, abandon_on_cancel=True, limiter=limiter)
    except (trio.Cancelled, trio.TooSlowError):
        job.give_up()
        raise


class _Job(Generic[T]):
    """A call in a thread, and what happens to its result if nobody waits for it any more."""

    def __init__(self, work: Callable[[], T], on_abandoned: Callable[[T | None], object]) -> None:
        self._work = work
        self._on_abandoned = on_abandoned
        self._result: T | None = None
        self._lock = threading.Lock()  # never held during a call that may wait for the disk
        self._begun = self._ended = self._given_up = False

    def run(self) -> T:
        """Runs in the thread."""
        with self._lock:
            if self._given_up:
                raise RuntimeError("nobody waits any more")  # trio discards it
            self._begun = True
        try:
            self._result = result = self._work()
            return result
        finally:
            with self._lock:
                self._ended = True
                given_up = self._given_up
            if given_up:
                self._on_abandoned(self._result)

    def give_up(self) -> None:
        with self._lock:
            self._given_up = True
            running = self._begun and not self._ended
        if not running:  # it has not begun, or its result came too late
            run_in_background(lambda: self._on_abandoned(self._result))


def run_in_background(work: Callable[[], object]) -> None:
    """Runs ``work`` in a thread without waiting for it. It must not raise."""
    trio.lowlevel.start_thread_soon(work, lambda outcome: outcome.unwrap())
