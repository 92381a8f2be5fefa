"""Entries for journald, read by a socket in its place."""

from __future__ import annotations

import array
import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from wsgate.events.emit import EventRecord
from wsgate.ops.log import TextFormatter
from wsgate.ops.log_journald import JournalFormatter, JournalSink

FORMATTER = JournalFormatter(TextFormatter().message)


def fields_of(entry: bytes) -> dict[str, bytes]:
    """Reads the native protocol."""
    found = {}
    while entry:
        line, _, rest = entry.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            size = int.from_bytes(rest[:8], "little")
            value, rest = rest[8 : 8 + size], rest[8 + size + 1 :]
        found[name.decode()] = value
        entry = rest
    return found


@pytest.mark.parametrize(
    ("level", "priority"),
    [(logging.DEBUG, b"7"), (logging.INFO, b"6"), (logging.WARNING, b"4"), (logging.ERROR, b"3"), (50, b"2")],
)
def test_an_event_is_an_entry(level: int, priority: bytes) -> None:
    entry = FORMATTER.line(EventRecord(level, "refused", {"status": 404, "path": "/a b", "route": None}))
    assert fields_of(entry) == {
        "MESSAGE": b'refused: status=404 path="/a b"',
        "PRIORITY": priority,
        "SYSLOG_IDENTIFIER": b"wsgate",
        "WSGATE_EVENT": b"refused",
        "WSGATE_STATUS": b"404",
        "WSGATE_PATH": b"/a b",
    }


def test_a_strangers_lines_make_no_field() -> None:
    entry = FORMATTER.line(EventRecord(logging.INFO, "refused", {"path": "/\nPRIORITY=0\n", "host": "\udcff"}))
    fields = fields_of(entry)
    assert fields["PRIORITY"] == b"6"
    assert fields["WSGATE_PATH"] == b"/\nPRIORITY=0\n"
    assert fields["WSGATE_HOST"] == b"\\udcff"


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "journal"))
        sock.settimeout(5)
        yield sock


def test_each_entry_is_a_datagram(tmp_path: Path, journal: socket.socket) -> None:
    sink = JournalSink(str(tmp_path / "journal"))
    assert sink.write([b"A=1\n", b"A=2\n"]) == (0, "")
    sink.reopen()
    assert [journal.recv(100), journal.recv(100)] == [b"A=1\n", b"A=2\n"]


def test_an_entry_too_large_for_a_datagram_comes_as_a_file(tmp_path: Path, journal: socket.socket) -> None:
    entry = b"TRACEBACK=" + b"x" * (4 << 20) + b"\n"
    sink = JournalSink(str(tmp_path / "journal"))
    assert sink.write([entry]) == (0, "")
    sink.reopen()
    data, ancillary, _, _ = journal.recvmsg(1, socket.CMSG_SPACE(4))
    (fd,) = array.array("i", ancillary[0][2])
    assert data == b""
    assert os.pread(fd, len(entry) + 1, 0) == entry
    os.close(fd)


def test_without_journald_entries_are_lost(tmp_path: Path) -> None:
    sink = JournalSink(str(tmp_path / "none"))
    assert sink.write([b"A=1\n", b"A=2\n"]) == (2, "journald: No such file or directory")
    sink.reopen()
