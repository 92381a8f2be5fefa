"""Until when each worker has ejected a backend, so that the others need not fail at it, too."""

from __future__ import annotations

import time

from wsgate.site.shared_table import WorkerTable
from wsgate.site.wakeup import Reason


class SharedEjection:
    """The ejections of one backend.

    table: of this worker
    name: of the backend, with its route
    """

    def __init__(self, table: WorkerTable, name: str) -> None:
        self._table = table
        self._until = table.number(f"{name}\0ejected")  # milliseconds of the clock that all processes have

    def show(self, seconds: float) -> None:
        """This worker has ejected it for ``seconds``, or for 0: not any more. Wakes the others."""
        self._until.set(int((time.monotonic() + seconds) * 1000) if seconds else 0)
        for wakeup in self._table.wakeups:
            wakeup.wake(Reason.EJECTION)

    def forget(self) -> None:
        """The ejection of this worker is over by time, which the others see themselves."""
        self._until.set(0)

    def left(self) -> float:
        """Returns the seconds until no other worker ejects it; 0 if none does."""
        until = max(self._until.of_others(), default=0)
        return max(0.0, until / 1000 - time.monotonic()) if until else 0.0
