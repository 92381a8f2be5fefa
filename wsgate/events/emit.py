"""Emits an event for the log.

The event goes through the standard logger "wsgate", as a ``LogRecord`` with its name and fields. ``ops.log`` writes it
as JSON or as text.
"""

from __future__ import annotations

import logging
import time

HIDDEN = "…"  # replaces a secret in the log

_log = logging.getLogger("wsgate")


class EventRecord(logging.LogRecord):
    """The ``LogRecord`` of an event, made at a quarter of the usual cost.

    It does not look for the caller's file, line, thread and process, which no line shows.
    """

    def __init__(self, level: int, event: str, fields: dict[str, object]) -> None:
        self.name = _log.name
        self.levelno, self.levelname = level, logging.getLevelName(level)
        self.msg = self.event = event
        self.args = ()
        self.fields = fields
        self.created = time.time()
        self.msecs = self.relativeCreated = 0.0
        self.exc_info = self.exc_text = self.stack_info = None
        self.pathname = self.filename = self.module = self.funcName = ""
        self.lineno = 0
        self.thread = self.threadName = self.process = self.processName = None


def emit(level: int, event: str, **fields: object) -> None:
    """Logs an event.

    level: of ``logging``
    event: its name, one of ``events.table``
    fields: JSON values, or what ``str`` shows
    """
    if _log.isEnabledFor(level):
        _log.handle(EventRecord(level, event, fields))
