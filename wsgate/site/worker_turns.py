"""Which worker has the session that has waited longest for a place: the queues of all workers are served as one.

Each worker shows the others since when the first session in its queue has waited. A worker at which a place becomes
free gives it to its own first session, or wakes the worker whose session has waited longer. If nobody there may have
the place, it goes on to the worker with the next one, which takes it although others have waited longer (``is_left``).
"""

from __future__ import annotations

import time

from wsgate.site.shared_table import WorkerTable
from wsgate.site.wakeup import Reason

LATE = 1.0  # seconds behind the end of its wait, after which a session is one of a worker that hangs


class WorkerTurns:
    """The turns of the workers at one route.

    table: of this worker
    patience: seconds that a session waits at most
    """

    def __init__(self, table: WorkerTable, route: str, patience: float) -> None:
        self._table = table
        self._since = table.number(f"{route}\0")  # no backend has an empty name
        self._patience = patience

    def now(self) -> float:
        """Returns the time, the same in all workers."""
        return time.monotonic()

    def show(self, since: float | None) -> None:
        """Shows since when the first session waits here; ``None`` if none does."""
        self._since.set(0 if since is None else int(since * 1e6))

    def wake_elder(self, than: float | None) -> bool:
        """Wakes the worker whose session has waited longest, if there is one. Returns whether there is.

        than: it must have waited since before; ``None``: any will do
        """
        elder = self._oldest(before=than)
        if elder is not None:
            self._table.wakeups[elder].wake(Reason.PLACE)
        return elder is not None

    def pass_on(self, since: float | None) -> None:
        """Wakes the worker whose session is the next one, behind one that has waited since ``since``."""
        following = self._oldest(after=since)
        if following is not None:
            self._table.wakeups[following].wake(Reason.LEFT)

    @property
    def is_awaited(self) -> bool:
        """Whether a session of another worker waits."""
        return self._oldest() is not None

    def _oldest(self, *, before: float | None = None, after: float | None = None) -> int | None:
        """Returns which of the other workers has it."""
        least = int((self.now() - self._patience - LATE) * 1e6)
        if after is not None:
            least = max(least, int(after * 1e6) + 1)
        most = None if before is None else int(before * 1e6) - 1
        found = [
            (since, index)
            for index, since in enumerate(self._since.of_others())
            if since >= least and since and (most is None or since <= most)
        ]
        return min(found)[1] if found else None
