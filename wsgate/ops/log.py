"""The log on standard error: one line per event, as JSON for machines or as text for people."""

from __future__ import annotations

import contextlib
import datetime
import json
import logging
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, TextIO

from wsgate.settings.model import Log, LogFormat

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

# The session's fields that make up its line for people; any other event shows all of its fields.
_SESSION_LINE = (
    "{route}: {client}{through} -> {backend}{protocol} {reason} by {ended_by}, codes {client_code}/{backend_code}, "
    "{duration} s, up {messages_up} messages {bytes_up} bytes, down {messages_down} messages {bytes_down} bytes"
    "{worker}{detail}"
)

# What a parent says for all of its workers
_SAID_BY_PARENT = frozenset({"listening", "ready", "draining", "cutting", "stopped", "kernel"})


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
                    "through": f" (through {fields['peer']})" if "peer" in fields else "",
                    "protocol": f" ({fields['subprotocol']})" if fields["subprotocol"] else "",
                    "client_code": fields["client_code"] or "-",
                    "backend_code": fields["backend_code"] or "-",
                    "detail": f": {fields['detail']}" if fields["detail"] else "",
                    "worker": f", worker {fields['worker']}" if "worker" in fields else "",
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


class _OfWorker(logging.Filter):
    """Says in every line which worker it is from."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._number = number

    def filter(self, record: logging.LogRecord) -> bool:
        if getattr(record, "event", None) in _SAID_BY_PARENT:
            return False
        record.fields = {"worker": self._number, **getattr(record, "fields", {})}
        return True


def mark_worker(number: int) -> None:
    """From now on this process is the worker with this number, and its parent speaks for the whole."""
    logging.getLogger("wsgate").addFilter(_OfWorker(number))


def set_up(settings: Log, stream: TextIO | None = None) -> None:
    """Send the "wsgate" logger, and the warnings of libraries, to ``stream`` (standard error)."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if settings.format is LogFormat.JSON else TextFormatter())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("wsgate").setLevel(settings.level.value.upper())


@contextlib.contextmanager
def unraisable_logged() -> Iterator[None]:
    """What Python can raise to nobody becomes a log line, not a traceback between them."""
    before, sys.unraisablehook = sys.unraisablehook, _log_unraisable
    try:
        yield
    finally:
        sys.unraisablehook = before


def _log_unraisable(unraisable: UnraisableHookArgs) -> None:
    error = unraisable.exc_value
    # ssl reports a client's SNI that is not ASCII so; that handshake fails, and its own line says why
    if error is None or (isinstance(error, UnicodeDecodeError) and isinstance(unraisable.object, bytes)):
        return
    logging.getLogger("wsgate").error(
        "internal error: please report it",
        exc_info=(type(error), error, unraisable.exc_traceback),
        extra={
            "event": "bug",
            "fields": {"where": f"{unraisable.err_msg or 'ignored in'}: {unraisable.object!r:.200}"},
        },
    )
