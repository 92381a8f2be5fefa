"""Emits an event for the log.

The event goes through the standard logger "wsgate", with its name and fields in the ``extra`` of the ``LogRecord``.
``ops.log`` writes it as JSON or as text.
"""

from __future__ import annotations

import logging

HIDDEN = "…"  # replaces a secret in the log

_log = logging.getLogger("wsgate")


def emit(level: int, event: str, **fields: object) -> None:
    """Logs an event.

    level: of ``logging``
    event: its name
    fields: JSON values, or what ``str`` shows
    """
    if _log.isEnabledFor(level):
        # what Logger.log does, without looking for the caller, which costs as much as the rest
        made = logging.LogRecord(_log.name, level, "", 0, event, (), None)
        made.event, made.fields = event, fields
        _log.handle(made)
