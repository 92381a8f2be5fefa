"""What a file means, for a loop that cannot wait for its disk.

Each look at the file is a thread's, so that an edit counts at once. Where the thread does not answer soon, because the
disk is slow or a busy loop leaves it no turn, what it read before is the answer: for a minute, since a token may have
been taken out of the file meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Generic, TypeVar

import trio

T = TypeVar("T")

PATIENCE = 0.1  # seconds
STALE = 60.0  # seconds after the last look that told anything


class Memory(Generic[T]):
    """``look`` reads what has changed, on a thread, one at a time; what it raises is raised, and nothing is known."""

    def __init__(self, look: Callable[[], T]) -> None:
        self._look = look
        self._thread = trio.CapacityLimiter(1)  # held until it ends, also by one that nobody waits for
        self._known: tuple[float, T] | None = None

    def look(self) -> T:
        """On the thread."""
        began = time.monotonic()
        try:
            found = self._look()
        except Exception:
            self._known = None
            raise
        self._known = began, found  # though nobody may wait any longer
        return found

    async def get(self) -> T:
        """What the file means. The caller bounds the time."""
        known = self._known
        young = known is not None and time.monotonic() - known[0] <= STALE
        with trio.move_on_after(PATIENCE if young else float("inf")):
            return await trio.to_thread.run_sync(self.look, abandon_on_cancel=True, limiter=self._thread)
        known = self._known or known
        assert known is not None
        return known[1]
