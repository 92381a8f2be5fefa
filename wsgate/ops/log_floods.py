"""Floods of the log: the same event of the same cause, so often that one line stands for thousands.

Lines of a cause are written while there are at most so many in a second. Beyond that they are counted, and every 10 s
the last of them is written, with how many more there were. Sessions and answered requests are never left out.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass

from wsgate.events.emit import EventRecord

WINDOW = 10.0  # seconds for which one line stands
MOST = 1024  # causes that are remembered

_NEVER = frozenset({"opened", "still open", "session", "answered", "log lines dropped"})
# What makes a cause. None of these fields has as many values as strangers like
_CAUSE = ("route", "listener", "backend", "status", "file")

Cause = tuple[object, ...]


@dataclass(slots=True)
class _Count:
    """The lines of a cause.

    since: when the present second began
    lines: in this second
    more: lines that were not written
    until: when ``more`` is written; infinite outside of a flood
    last: the last line that was not written
    """

    since: float
    lines: int = 0
    more: int = 0
    until: float = math.inf
    last: logging.LogRecord | None = None


class Floods:
    """Decides which lines are written.

    most: lines of a cause in a second; ``None``: any number
    due: when ``over`` has something to return
    """

    def __init__(self, most: int | None) -> None:
        self._most = most
        self._counts: dict[Cause, _Count] = {}
        self.due = math.inf

    def holds_back(self, record: logging.LogRecord, now: float) -> bool:
        """Whether a line is counted and not written.

        now: seconds of a clock that does not jump
        """
        event = getattr(record, "event", None)
        if self._most is None or event is None or event in _NEVER:
            return False
        fields = getattr(record, "fields", {})
        cause = (event, *[fields.get(name) for name in _CAUSE])
        count = self._counts.get(cause)
        if count is None:
            if len(self._counts) >= MOST:
                self._forget(now)
            count = self._counts[cause] = _Count(now)
        if count.until == math.inf:
            if now >= count.since + 1.0:
                count.since, count.lines = now, 0
            count.lines += 1
            if count.lines <= self._most:
                return False
            count.until = now + WINDOW
            self.due = min(self.due, count.until)
        count.more += 1
        count.last = record
        return True

    def over(self, now: float) -> Iterator[logging.LogRecord]:
        """Yields the lines that stand for many; at infinity, all that are owed. A flood goes on while lines come as
        fast."""
        most = self._most or 0
        for cause, count in list(self._counts.items()):
            if count.until > now and now != math.inf:
                continue
            if count.last is not None:
                yield _line(count)
            if count.more > most * WINDOW and now != math.inf:
                count.more, count.last, count.until = 0, None, now + WINDOW
            else:
                del self._counts[cause]
        self.due = min((count.until for count in self._counts.values()), default=math.inf)

    def _forget(self, now: float) -> None:
        """Makes room: first for causes that are quiet."""
        quiet = [cause for cause, count in self._counts.items() if count.until == math.inf and now >= count.since + 1.0]
        for cause in quiet or [next(iter(self._counts))]:
            del self._counts[cause]


def _line(count: _Count) -> logging.LogRecord:
    last = count.last
    assert last is not None
    fields: dict[str, object] = getattr(last, "fields", {})
    if count.more > 1:
        fields = {**fields, "more": count.more - 1, "within": WINDOW}
    made = EventRecord(last.levelno, getattr(last, "event", ""), fields)
    made.exc_info = last.exc_info
    return made
