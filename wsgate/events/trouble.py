"""Logs a lasting failure once when it begins, and once when it is over."""

from __future__ import annotations

import logging

import trio

from wsgate.events.emit import emit

REPEAT = 60.0  # seconds until the same failure is logged again, if it comes and goes


class Trouble:
    """The failure of one thing.

    failed, well: the events when it begins and when it is over
    fields: say which thing it is
    """

    __slots__ = ("_failed", "_fields", "_said", "_saying", "_well")

    def __init__(self, failed: str, well: str, **fields: object) -> None:
        self._failed = failed
        self._well = well
        self._fields = fields
        self._saying = False  # the failure is logged, and its end is not
        self._said = -REPEAT

    def begin(self, error: str, **more: object) -> None:
        """It has failed. Logs this unless it is logged already, at most once in ``REPEAT`` seconds."""
        now = trio.current_time()
        if not self._saying and now >= self._said + REPEAT:
            self._said = now
            self._saying = True
            emit(logging.WARNING, self._failed, **self._fields, error=error, **more)

    def end(self) -> None:
        """It has worked. Logs this if the failure was logged."""
        if self._saying:
            self._saying = False
            emit(logging.WARNING, self._well, **self._fields)
