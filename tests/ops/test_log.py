"""The log: one line per event, for every text that a client can send."""

from __future__ import annotations

import json
import logging
import os
import re
import select
import ssl
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from typing import IO

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from wsgate.events.emit import emit
from wsgate.ops.log import (
    JsonFormatter,
    LineHandler,
    TextFormatter,
    everything_logged,
    mark_worker,
    reopen_log,
    set_up,
    written_by,
)
from wsgate.ops.log_writer import DescriptorSink
from wsgate.settings.model import Log, LogFormat, LogLevel, LogTo, LogToKind

SESSION = {
    "route": "chat",
    "client": "192.0.2.1:5",
    "backend": "ws://127.0.0.1:9000",
    "path": "/chat",
    "subprotocol": "chat.v1",
    "duration": 1.5,
    "messages_up": 1,
    "messages_down": 2,
    "bytes_up": 10,
    "bytes_down": 20,
    "client_code": 1000,
    "backend_code": None,
    "ended_by": "client",
    "reason": "closed",
    "detail": None,
}


def record(event: str | None, fields: dict[str, object], message: str = "message") -> logging.LogRecord:
    made = logging.LogRecord("wsgate", logging.INFO, "file", 1, message, (), None)
    made.created = 1_800_000_000.25
    if event is not None:
        made.event, made.fields = event, fields
    return made


def test_json_has_time_level_and_event_in_front() -> None:
    line = json.loads(JsonFormatter().format(record("session", SESSION)))
    assert list(line)[:3] == ["time", "level", "event"]
    assert line == {"time": "2027-01-15T08:00:00.250Z", "level": "info", "event": "session", **SESSION}


def test_a_library_without_events_keeps_its_message() -> None:
    line = json.loads(JsonFormatter().format(record(None, {}, "what trio says")))
    assert (line["event"], line["message"]) == ("wsgate", "what trio says")


@pytest.mark.parametrize("formatter", [JsonFormatter(), TextFormatter()])
def test_a_bug_comes_with_its_traceback(formatter: logging.Formatter) -> None:
    try:
        raise ValueError("planted")
    except ValueError as error:
        made = record("bug", {"client": "192.0.2.1:5"}, "internal error")
        made.exc_info = (ValueError, error, error.__traceback__)
    text = formatter.format(made)
    assert "internal error" in text
    assert "Traceback" in text
    assert "planted" in text
    assert "192.0.2.1:5" in text


@given(st.text(), st.text())
def test_strangers_words_make_neither_a_second_line_nor_another_field(path: str, reason: str) -> None:
    made = record("refused", {"status": 404, "path": path, "reason": reason})
    line = JsonFormatter().format(made)
    assert line.count("\n") == 0
    assert json.loads(line)["path"] == path
    text = TextFormatter().format(made)
    assert len(text.splitlines()) == 1
    assert text.count(" reason=") == 1 or " reason=" in json.dumps(path) + json.dumps(reason)


@pytest.mark.parametrize("formatter", [JsonFormatter(), TextFormatter()])
def test_a_long_field_is_cut_so_that_a_pipe_takes_the_line_whole(formatter: logging.Formatter) -> None:
    fields: dict[str, object] = {"path": "/" + "x" * 16_000, "host": "h" * 300, "detail": "d" * 1000}
    line = formatter.format(record("refused", fields))
    assert f"/{'x' * 1023}…" in line
    assert len(line.encode()) < select.PIPE_BUF


def test_text_tells_a_session_as_a_sentence() -> None:
    assert (
        TextFormatter()
        .format(record("session", SESSION, "session"))
        .startswith(
            "08:00:00 info    session: chat: 192.0.2.1:5 for /chat -> ws://127.0.0.1:9000 (chat.v1) closed by client, "
        )
    )


def test_text_shows_any_other_events_fields() -> None:
    made = record("refused", {"status": 404, "path": "/a b", "route": None}, "refused")
    assert TextFormatter().format(made) == '08:00:00 info    refused: status=404 path="/a b"'
    assert TextFormatter().format(record("ready", {}, "ready")) == "08:00:00 info    ready"


@pytest.fixture
def written() -> Iterator[IO[bytes]]:
    """A file for the log, which is this process's for a while."""
    root, logger = logging.getLogger(), logging.getLogger("wsgate")
    before = (root.handlers, root.level, logger.level)
    with tempfile.TemporaryFile() as file:
        yield file
    root.handlers, root.level, logger.level = before


def lines_of(file: IO[bytes]) -> list[str]:
    file.seek(0)
    return file.read().decode().splitlines()


def test_levels_below_the_settings_are_not_written(written: IO[bytes]) -> None:
    set_up(Log(format=LogFormat.JSON, level=LogLevel.WARNING), DescriptorSink(written.fileno()))
    emit(logging.INFO, "quiet")
    emit(logging.WARNING, "loud", why="because")
    logging.getLogger("trio").info("a library's whisper")
    (line,) = lines_of(written)
    assert json.loads(line)["event"] == "loud"


def test_a_reload_changes_the_form_and_not_the_writer(written: IO[bytes]) -> None:
    handler = set_up(Log(format=LogFormat.JSON), DescriptorSink(written.fileno()))
    lines: list[bytes] = []

    class Kept:
        total_dropped = 0

        def put(self, line: bytes) -> None:
            lines.append(line)

        def reopen(self) -> None:
            lines.append(b"reopened")

        def close(self) -> None:
            lines.append(b"closed")

    with written_by(handler, Kept()):
        assert set_up(Log(format=LogFormat.TEXT)) is handler
        emit(logging.INFO, "ready")
        reopen_log()
    reopen_log()
    emit(logging.INFO, "over")
    assert lines[1:] == [b"reopened", b"closed"]
    assert lines[0].endswith(b" info    ready\n")
    assert [line[8:] for line in lines_of(written)] == [" info    over"]


def test_a_line_that_cannot_be_made_stops_nobody() -> None:
    class Broken:
        def __str__(self) -> str:
            raise ValueError("planted")

    lines: list[bytes] = []
    handler = LineHandler(lines.append, JsonFormatter())
    handler.emit(record("refused", {"path": Broken()}))
    assert lines == [b"wsgate: a log line could not be made: ValueError: planted\n"]


def test_a_name_that_is_not_utf8_is_escaped() -> None:
    lines: list[bytes] = []
    handler = LineHandler(lines.append, JsonFormatter())
    handler.emit(record("refused", {"path": "/\udcff"}))
    assert b'"path": "/\\udcff"' in lines[0]


def test_what_ends_a_thread_and_what_is_warned_of_are_lines(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise ValueError("planted")

    with everything_logged():
        thread = threading.Thread(target=fail, name="a helper")
        thread.start()
        thread.join()
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn("a library's warning", stacklevel=1)
    bug, warning = caplog.records
    assert bug.fields == {"where": "a helper"}  # type: ignore[attr-defined]
    assert bug.exc_info
    assert "a library's warning" in warning.getMessage()


class Failing:
    def __del__(self) -> None:
        raise ValueError("nobody can catch this")

    def __repr__(self) -> str:
        return "<failing\nin two lines>"


def test_what_can_be_raised_to_nobody_is_a_line_like_any_other(caplog: pytest.LogCaptureFixture) -> None:
    before = sys.unraisablehook
    with everything_logged():
        Failing()
    assert sys.unraisablehook is before
    (record,) = caplog.records
    line = json.loads(JsonFormatter().format(record))
    assert (line["level"], line["event"]) == ("error", "bug")
    assert "nobody can catch this" in line["traceback"]
    assert "__del__" in line["where"]
    assert "\n" not in JsonFormatter().format(record)


def test_a_name_that_a_client_asked_for_is_no_bug(caplog: pytest.LogCaptureFixture) -> None:
    """An SNI that is not ASCII, which ssl reports as an unraisable exception."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("one.test").configure_cert(context)
    context.sni_callback = lambda *_: None
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = context.wrap_bio(incoming, outgoing, server_side=True)
    incoming.write(_hello(b"gr\xc3\xbc.test"))
    with everything_logged(), pytest.raises(ssl.SSLError, match="CALLBACK_FAILED"):
        server.do_handshake()
    assert caplog.records == []


def _hello(name: bytes) -> bytes:
    """A ClientHello that asks for a name of the same length as the one that Python takes."""
    stand_in = b"x" * len(name)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).wrap_bio(incoming, outgoing, server_hostname=stand_in.decode())
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    hello = outgoing.read()
    assert hello.count(stand_in) == 1
    return hello.replace(stand_in, name)


@pytest.fixture
def worker() -> Iterator[int]:
    """This process is worker 3 for a while."""
    logger = logging.getLogger("wsgate")
    before = list(logger.filters)
    mark_worker(3)
    yield 3
    logger.filters = before


@pytest.mark.parametrize("format", list(LogFormat))
def test_a_workers_lines_say_whose_they_are(format: LogFormat, worker: int, written: IO[bytes]) -> None:
    handler = set_up(Log(format=format), DescriptorSink(written.fileno()))
    emit(logging.INFO, "session", **SESSION)
    emit(logging.ERROR, "out of resources", error="none")
    logging.getLogger("wsgate").error("a word without an event")
    os.write(written.fileno(), handler.describe(7, "nobody reads"))
    lines = lines_of(written)
    assert len(lines) == 4
    for line in lines:
        assert '"worker": 3' in line or "worker=3" in line or "worker 3" in line


def test_what_the_parent_says_is_not_said_by_workers_too(worker: int, written: IO[bytes]) -> None:
    set_up(Log(), DescriptorSink(written.fileno()))
    for event in ("listening", "ready", "draining", "cutting", "stopped"):
        emit(logging.WARNING, event)
    assert lines_of(written) == []


@pytest.mark.parametrize(
    ("to", "line"),
    [
        (LogTo(LogToKind.JOURNALD), rb"MESSAGE=ready\nPRIORITY=6\nSYSLOG_IDENTIFIER=wsgate\nWSGATE_EVENT=ready\n"),
        (LogTo(LogToKind.SYSLOG, "/dev/log"), rb"<30>1 .* ready - \{.*\}"),
        (LogTo(LogToKind.FILE, "/nonexistent/log"), rb"\{.*\}\n"),
    ],
)
def test_each_place_has_its_form(written: IO[bytes], to: LogTo, line: bytes) -> None:
    set_up(Log(to=to), DescriptorSink(written.fileno()))
    emit(logging.INFO, "ready")
    written.seek(0)
    assert re.fullmatch(line, written.read())


@pytest.mark.parametrize("char", ["\x7f", "\x9b", "\u202e", "\u2028", "\U000e0001", "\udcff"])
def test_what_a_terminal_would_obey_is_escaped(char: str) -> None:
    line = JsonFormatter().format(record("refused", {"user_agent": f"größe {char}[31m"}))
    assert line.isprintable()
    assert "größe" in line
    assert json.loads(line)["user_agent"] == f"größe {char}[31m"
