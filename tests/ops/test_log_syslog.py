"""Messages for syslog, read by a socket in its place."""

from __future__ import annotations

import logging
import os
import re
import socket
from pathlib import Path

import pytest

from wsgate.events.emit import EventRecord
from wsgate.ops.log import JsonFormatter
from wsgate.ops.log_syslog import SyslogFormatter, SyslogSink
from wsgate.settings.model import LogTo, LogToKind

LINES = [b"<30>1 one", b"<30>1 two"]


def test_a_message_of_rfc_5424() -> None:
    made = EventRecord(logging.WARNING, "backend failed", {"route": "chat", "error": "größe"})
    made.created = 1_800_000_000.25
    line = SyslogFormatter(JsonFormatter().format).line(made).decode()
    assert re.fullmatch(
        rf"<28>1 2027-01-15T08:00:00\.250000Z \S+ wsgate {os.getpid()} backend_failed - {{.*\}}", line
    ), line
    assert '"error": "größe"' in line


def test_a_unix_socket(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
        log.bind(str(tmp_path / "log"))
        sink = SyslogSink(LogTo(LogToKind.SYSLOG, str(tmp_path / "log")))
        assert sink.write(LINES) == (0, "")
        assert [log.recv(100), log.recv(100)] == LINES
        sink.reopen()


def test_udp() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as log:
        log.bind(("127.0.0.1", 0))
        log.settimeout(5)
        sink = SyslogSink(LogTo(LogToKind.SYSLOG_UDP, host="127.0.0.1", port=log.getsockname()[1]))
        assert sink.write(LINES) == (0, "")
        assert [log.recv(100), log.recv(100)] == LINES
        sink.reopen()


def test_tcp_counts_octets_and_connects_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        sink = SyslogSink(LogTo(LogToKind.SYSLOG_TCP, host="127.0.0.1", port=server.getsockname()[1]))
        for _ in range(2):
            assert sink.write(LINES) == (0, "")
            client, _ = server.accept()
            sink.reopen()
            with client, client.makefile("rb") as reader:
                assert reader.read() == b"9 <30>1 one9 <30>1 two"


@pytest.mark.parametrize("kind", [LogToKind.SYSLOG, LogToKind.SYSLOG_TCP])
def test_whoever_does_not_listen_gets_nothing(tmp_path: Path, kind: LogToKind) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    path = str(tmp_path / "none") if kind is LogToKind.SYSLOG else ""
    sink = SyslogSink(LogTo(kind, path, "" if path else "127.0.0.1", port))
    lost, reason = sink.write(LINES)
    assert lost == 2
    assert reason in ("syslog: No such file or directory", "syslog: Connection refused")
