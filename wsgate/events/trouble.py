"""Something that may fail for everybody: said once when it does, and once when it is well again."""

from __future__ import annotations

import logging

import trio

from wsgate.events.emit import emit

REPEAT = 60.0  # seconds before the same trouble is said again, should it come and go


class Trouble:
    """Of one thing; ``failed`` and ``well`` are the events, ``fields`` say which thing it is."""

    __slots__ = ("_failed", "_fields", "_said", "_saying", "_well")

    def __init__(self, failed: str, well: str, **fields: object) -> None:
        self._failed = failed
        self._well = well
        self._fields = fields
        self._saying = False  # that it failed, and not yet that it is well
        self._said = -REPEAT

    def begin(self, error: str, **more: object) -> None:
        """It has failed. Said where it was well before, but not more often than once in ``REPEAT``."""
        now = trio.current_time()
        if not self._saying and now >= self._said + REPEAT:
            self._said = now
            self._saying = True
            emit(logging.WARNING, self._failed, **self._fields, error=error, **more)

    def end(self) -> None:
        """It has worked."""
        if self._saying:
            self._saying = False
            emit(logging.WARNING, self._well, **self._fields)
