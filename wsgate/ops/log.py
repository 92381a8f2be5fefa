"""The log on standard error: one line per event, as JSON for machines or as text for people."""

from __future__ import annotations

import datetime
import json
import logging
import sys
from typing import TextIO

from wsgate.settings.model import Log, LogFormat

# The session's fields that make up its line for people; any other event shows all of its fields.
_SESSION_LINE = (
    "{route}: {client} -> {backend}{protocol} {reason} by {ended_by}, codes {client_code}/{backend_code}, "
    "{duration} s, up {messages_up} messages {bytes_up} bytes, down {messages_down} messages {bytes_down} bytes{detail}"
)


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, event, then the event's own fields."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": _time(record).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "event": getattr(record, "event", record.name),
        }
        if not hasattr(record, "event") or record.exc_info:
            line["message"] = record.getMessage()
        line.update(getattr(record, "fields", {}))
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


class TextFormatter(logging.Formatter):
    """A sentence a line."""

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, object] = getattr(record, "fields", {})
        event = getattr(record, "event", None)
        if event == "session":
            text = _SESSION_LINE.format_map(
                {
                    **fields,
                    "protocol": f" ({fields['subprotocol']})" if fields["subprotocol"] else "",
                    "client_code": fields["client_code"] or "-",
                    "backend_code": fields["backend_code"] or "-",
                    "detail": f": {fields['detail']}" if fields["detail"] else "",
                }
            )
        else:
            shown = " ".join(f"{name}={_quote(value)}" for name, value in fields.items() if value is not None)
            text = f"{record.getMessage()} {shown}".rstrip()
        line = f"{_time(record):%H:%M:%S} {record.levelname.lower():7} {event or record.name}: {text}"
        if event and line.endswith(f"{event}: {event}"):
            line = line.removesuffix(f": {event}")
        line = line.replace(f"{event}: {event} ", f"{event}: ", 1)
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


def _quote(value: object) -> str:
    text = str(value)
    # a stranger's path must not look like a second line or another field
    return json.dumps(text, ensure_ascii=True) if not text.isprintable() or " " in text or '"' in text else text


def _time(record: logging.LogRecord) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(record.created, datetime.UTC)


def set_up(settings: Log, stream: TextIO | None = None) -> None:
    """Send the "wsgate" logger, and the warnings of libraries, to ``stream`` (standard error)."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if settings.format is LogFormat.JSON else TextFormatter())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("wsgate").setLevel(settings.level.value.upper())
