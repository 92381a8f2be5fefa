"""The content of a file, for an event loop that cannot wait for its disk.

A thread checks the file each time, so that an edit has an immediate effect. If the thread does not answer soon, because
the disk or the machine is slow, the content that was read before is used; at most for a minute, because a token may
have been removed from the file.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Generic, TypeVar

import trio

T = TypeVar("T")

PATIENCE = 0.1  # seconds
STALE = 60.0  # seconds for which the content of the last check may be used


class Memory(Generic[T]):
    """Keeps the last content.

    look: reads what has changed, in one thread at a time; what it raises is raised, and nothing is kept
    """

    def __init__(self, look: Callable[[], T]) -> None:
        self._look = look
        self._thread = trio.CapacityLimiter(1)  # held until the thread ends, also after it was abandoned
        self._known: tuple[float, T] | None = None

    def look(self) -> T:
        """Runs in the thread."""
        began = time.monotonic()
        try:
            found = self._look()
        except Exception:
            self._known = None
            raise
        self._known = began, found  # also if the caller has stopped waiting
        return found

    async def get(self) -> T:
        """Returns the content. The caller bounds the time."""
        known = self._known
        young = known is not None and time.monotonic() - known[0] <= STALE
        with trio.move_on_after(PATIENCE if young else float("inf")):
            return await trio.to_thread.run_sync(self.look, abandon_on_cancel=True, limiter=self._thread)
        known = self._known or known
        assert known is not None
        return known[1]
