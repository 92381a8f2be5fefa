"""The last hour in points of five seconds, for the page: from the metrics in shared memory, so no worker is asked."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import trio

from wsgate.events.metrics import BYTES, MESSAGES, SESSIONS, Metric
from wsgate.ops.admin.exposition import Gathered

INTERVAL = 5.0  # seconds between two points
POINTS = 720  # an hour


@dataclass(frozen=True, slots=True)
class Point:
    """at: seconds since 1970; the others: open sessions, and messages and bytes per second in each direction"""

    at: float
    sessions: int
    messages_up: float
    messages_down: float
    bytes_up: float
    bytes_down: float

    def plain(self) -> list[float]:
        """Returns the fields in their order, as JSON has them."""
        rates = (self.messages_up, self.messages_down, self.bytes_up, self.bytes_down)
        return [round(self.at, 1), self.sessions, *(round(rate, 2) for rate in rates)]


class History:
    """Takes a point every ``INTERVAL`` seconds. ``gather``: returns the present metrics of all processes"""

    def __init__(self, gather: Callable[[], Awaitable[Gathered]], clock: Callable[[], float] = time.time) -> None:
        self._gather = gather
        self._clock = clock
        self.points: deque[Point] = deque(maxlen=POINTS)
        self._totals: tuple[int, ...] = ()
        self._at = 0.0

    async def run(self) -> None:
        """Takes points until cancelled."""
        while True:
            self.add(await self._gather())
            await trio.sleep(INTERVAL)

    def add(self, gathered: Gathered) -> None:
        """Adds a point, from the second time on: a rate needs two."""
        now = self._clock()
        totals = tuple(
            _total(gathered, metric, direction) for metric in (MESSAGES, BYTES) for direction in ("up", "down")
        )
        if self._totals and now > self._at:
            passed = now - self._at
            rates = [max(0, after - before) / passed for before, after in zip(self._totals, totals, strict=True)]
            self.points.append(Point(now, _total(gathered, SESSIONS), *rates))
        self._totals, self._at = totals, now


def _total(gathered: Gathered, metric: Metric, label: str | None = None) -> int:
    found = gathered.get(metric.name, {}).items()
    return sum(values[0] for labels, values in found if label is None or label in labels)
