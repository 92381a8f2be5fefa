"""The log: one line per event, as JSON or as text.

The writers of ``ops.log_writer`` write the lines. Before one is set, and in short-lived children, lines are written
directly.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import logging
import math
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Protocol

import trio

from wsgate.ops.log_floods import WINDOW, Floods
from wsgate.ops.log_journald import JournalFormatter
from wsgate.ops.log_sentences import quote, sentence
from wsgate.ops.log_syslog import SyslogFormatter
from wsgate.ops.log_writer import DescriptorSink, Sink, Writer
from wsgate.settings.model import Log, LogFormat, LogToKind

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

# Events that the parent logs for all of its workers
_SAID_BY_PARENT = frozenset({"listening", "ready", "draining", "cutting", "stopped", "kernel"})


# Characters of a field. So a line is rarely more than 4 KiB, which several processes can write to a pipe without mixing
# their lines (pipe(7), PIPE_BUF). A traceback, which has line breaks, is not cut.
LONGEST_FIELD = 1024


# json.dumps would make an encoder for each line
_encode = json.JSONEncoder(ensure_ascii=False, default=str).encode


class LineFormatter(Protocol):
    """Makes what a sink gets of a ``LogRecord``. Lone surrogates, from a name that is not UTF-8, are escaped."""

    def line(self, record: logging.LogRecord) -> bytes: ...


class _Lines(logging.Formatter):
    def line(self, record: logging.LogRecord) -> bytes:
        return f"{self.format(record)}\n".encode(errors="backslashreplace")


class JsonFormatter(_Lines):
    """One JSON object a line: time, level, event, then the event's own fields."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": f"{_second(int(record.created))}.{int(record.created * 1000) % 1000:03}Z",
            "level": record.levelname.lower(),
            "event": getattr(record, "event", record.name),
        }
        if not hasattr(record, "event") or record.exc_info:
            line["message"] = record.getMessage()
        line.update(_fields(record))
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        text = _encode(line)
        # what JSON does not escape, and a terminal obeys: C1 controls, marks of direction (U+202E)
        return text if text.isprintable() else "".join(map(_visible, text))


class TextFormatter(_Lines):
    """One line of text for each event."""

    def format(self, record: logging.LogRecord) -> str:
        return f"{_second(int(record.created))[11:]} {record.levelname.lower():7} {self.message(record)}"

    def message(self, record: logging.LogRecord) -> str:
        """Returns the line without its time and level."""
        fields = _fields(record)
        event = getattr(record, "event", None)
        text = sentence(event, fields)
        if text is None:
            said = record.getMessage()
            shown = [f"{name}={quote(value)}" for name, value in fields.items() if value is not None]
            text = " ".join(shown if said == event else [said, *shown])
        line = f"{event or record.name}: {text}" if text else event or record.name
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


def _fields(record: logging.LogRecord) -> dict[str, object]:
    """Returns the fields of an event, long texts cut, because a client may have chosen them."""
    fields: dict[str, object] = getattr(record, "fields", {})
    for name, value in fields.items():
        if isinstance(value, str) and len(value) > LONGEST_FIELD and "\n" not in value:
            fields = {**fields, name: f"{value[:LONGEST_FIELD]}…"}
    return fields


def _visible(char: str) -> str:
    return char if char.isprintable() else json.dumps(char)[1:-1]


@lru_cache(2)  # all lines of a second have the same text
def _second(seconds: int) -> str:
    """Returns a time of the system's clock as RFC 3339 has it, without its zone, which is UTC."""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S")


class _OfWorker(logging.Filter):
    """Adds the worker's number to every line, and drops the events that the parent logs."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._number = number

    def filter(self, record: logging.LogRecord) -> bool:
        if getattr(record, "event", None) in _SAID_BY_PARENT:
            return False
        record.fields = {"worker": self._number, **getattr(record, "fields", {})}
        return True


def mark_worker(number: int) -> None:
    """From now on this process logs as the worker with this number."""
    logging.getLogger("wsgate").addFilter(_OfWorker(number))


class LineHandler(logging.Handler):
    """Makes a line of each ``LogRecord`` and gives it to ``put``.

    reopen: reopens the sink
    floods: decides which lines are written
    """

    def __init__(self, put: Callable[[bytes], object], lines: LineFormatter) -> None:
        super().__init__()
        self.put = put
        self.lines = lines
        self.reopen: Callable[[], object] = lambda: None
        self.floods = Floods(None)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            now = time.monotonic()
            if now >= self.floods.due:
                self._write_owed(now)
            if not self.floods.holds_back(record, now):
                self.put(self.line(record))
        except Exception as error:  # our own bug; logging's own handler would wait for standard error
            self.put(f"wsgate: a log line could not be made: {type(error).__name__}: {error}\n".encode())

    def write_owed(self, now: float) -> None:
        """Writes the lines that stand for floods. ``now``: ``time.monotonic()``; at infinity, all of them."""
        with self.lock or contextlib.nullcontext():
            self._write_owed(now)

    def _write_owed(self, now: float) -> None:
        for record in self.floods.over(now):
            self.put(self.line(record))

    def line(self, record: logging.LogRecord) -> bytes:
        """Returns the line of a ``LogRecord``."""
        return self.lines.line(record)

    def describe(self, lines: int, reason: str) -> bytes:
        """Returns the line that replaces ``lines`` lines that were dropped."""
        logger = logging.getLogger("wsgate")
        made = logger.makeRecord(
            logger.name,
            logging.WARNING,
            "",
            0,
            "log lines dropped",
            (),
            None,
            extra={"event": "log lines dropped", "fields": {"lines": lines, "reason": reason}},
        )
        logger.filter(made)  # adds the worker's number
        return self.line(made)


def set_up(settings: Log, sink: Sink | None = None) -> LineHandler:
    """Makes the "wsgate" logger and the warnings of libraries write lines directly to ``sink``.

    sink: ``None``: to the present place, at first standard error

    Returns the handler.
    """
    # no line shows what a LogRecord finds out about its thread and process
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    root = logging.getLogger()
    handler = _handler()
    lines = _formatter(settings)
    if sink is not None or handler is None:
        handler = LineHandler(partial(_write, DescriptorSink(sys.stderr.fileno()) if sink is None else sink), lines)
    handler.write_owed(math.inf)
    handler.lines = lines
    handler.floods = Floods(settings.flood)
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("wsgate").setLevel(settings.level.value.upper())
    return handler


async def write_owed_lines() -> None:
    """Writes the lines that stand for floods, until cancelled, also if no other line comes."""
    while True:
        await trio.sleep(WINDOW)
        handler = _handler()
        if handler is not None and (now := time.monotonic()) >= handler.floods.due:
            handler.write_owed(now)


def reopen_log() -> None:
    """Opens the log's file again, or its connection: after logrotate(8), for example."""
    handler = _handler()
    if handler is not None:
        handler.reopen()


def _handler() -> LineHandler | None:
    return next((handler for handler in logging.getLogger().handlers if isinstance(handler, LineHandler)), None)


def _formatter(settings: Log) -> LineFormatter:
    kind = settings.to.kind
    text, json_lines = TextFormatter(), JsonFormatter()
    if kind is LogToKind.JOURNALD:
        return JournalFormatter(text.message)
    if kind in (LogToKind.SYSLOG, LogToKind.SYSLOG_UDP, LogToKind.SYSLOG_TCP):
        return SyslogFormatter(json_lines.format if settings.format is LogFormat.JSON else text.message)
    return json_lines if settings.format is LogFormat.JSON else text


def _write(sink: Sink, line: bytes) -> None:
    sink.write([line])


@contextlib.contextmanager
def written_by(handler: LineHandler, writer: Writer) -> Iterator[None]:
    """Makes ``writer`` write the lines inside the block; at its end it writes what is left."""
    before = handler.put, handler.reopen
    handler.put, handler.reopen = writer.put, writer.reopen
    try:
        yield
    finally:
        handler.write_owed(math.inf)
        handler.put, handler.reopen = before
        writer.close()


@contextlib.contextmanager
def everything_logged() -> Iterator[None]:
    """Turns what Python would write to standard error, and wait for, into log lines: exceptions that it cannot raise,
    exceptions that end a thread, warnings."""
    before = sys.unraisablehook, threading.excepthook
    sys.unraisablehook, threading.excepthook = _log_unraisable, _log_thread
    logging.captureWarnings(True)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        sys.unraisablehook, threading.excepthook = before


def _log_thread(thread: threading.ExceptHookArgs) -> None:
    if thread.exc_value is None:
        return
    logging.getLogger("wsgate").error(
        "internal error: please report it",
        exc_info=(thread.exc_type, thread.exc_value, thread.exc_traceback),
        extra={"event": "bug", "fields": {"where": thread.thread.name if thread.thread else "a thread"}},
    )


def _log_unraisable(unraisable: UnraisableHookArgs) -> None:
    error = unraisable.exc_value
    # ssl reports an SNI that is not ASCII in this way; the handshake fails, and has a log line of its own
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
