"""How many lines of the log a process has dropped, as a metric."""

from __future__ import annotations

from collections.abc import Callable

from wsgate.events.metric_rows import MetricRow
from wsgate.events.metrics import LOG_DROPPED


class DroppedLines:
    """Brings the counter in the row of a process up to date.

    A process that replaces a dead one goes on with its counter, but has dropped nothing yet.

    total: returns how many lines this process has dropped so far
    """

    def __init__(self, row: MetricRow, total: Callable[[], int]) -> None:
        self._cell = row.cell(LOG_DROPPED)
        self._total = total
        self._before = 0

    def update(self) -> None:
        total = self._total()
        self._cell.add(total - self._before)
        self._before = total
