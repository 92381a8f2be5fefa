"""One event for the log.

It goes through the standard logger "wsgate"; the ``event`` and its ``fields`` travel in the record's ``extra``, and
``ops.log`` writes them as JSON or for people.
"""

from __future__ import annotations

import logging

HIDDEN = "…"  # what the log has in a secret's place

_log = logging.getLogger("wsgate")


def emit(level: int, event: str, **fields: object) -> None:
    """Log an event with its fields."""
    if _log.isEnabledFor(level):
        _log.log(level, event, extra={"event": event, "fields": fields})
