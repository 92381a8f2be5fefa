"""Syslog (RFC 5424): over a Unix socket, UDP (RFC 5426) or TCP (RFC 6587 §3.4.1, octet counting)."""

from __future__ import annotations

import datetime
import logging
import os
import re
import socket
from collections.abc import Callable, Sequence

from wsgate.ops.log_journald import priority
from wsgate.settings.model import LogTo, LogToKind

_FACILITY = 3  # daemon
_PATIENCE = 5.0  # seconds for a connection or a write over TCP
_NOT_IN_NAMES = re.compile(r"[^!-~]")  # RFC 5424 §6: PRINTUSASCII
_MOST = 60_000  # bytes of a datagram, of which UDP carries 65,507 at most


class SyslogFormatter(logging.Formatter):
    """Makes messages of RFC 5424.

    text: makes the MSG
    """

    def __init__(self, text: Callable[[logging.LogRecord], str]) -> None:
        super().__init__()
        self._text = text
        self._host = _NOT_IN_NAMES.sub("-", socket.gethostname())[:255] or "-"

    def line(self, record: logging.LogRecord) -> bytes:
        """Returns the message."""
        when = datetime.datetime.fromtimestamp(record.created, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        event = _NOT_IN_NAMES.sub("_", getattr(record, "event", record.name))[:32]
        head = f"<{8 * _FACILITY + priority(record)}>1 {when} {self._host} wsgate {os.getpid()} {event} - "
        return (head + self._text(record)).encode(errors="backslashreplace")


class SyslogSink:
    """Sends messages to syslog. It connects at the first, and again after a failure."""

    def __init__(self, to: LogTo) -> None:
        self._to = to
        self._sock: socket.socket | None = None

    def write(self, lines: Sequence[bytes]) -> tuple[int, str]:
        sent = 0
        try:
            if self._sock is None:
                self._sock = self._connect()
            for line in lines:
                if self._to.kind is LogToKind.SYSLOG_TCP:
                    self._sock.sendall(b"%d %s" % (len(line), line))
                else:
                    self._sock.send(line[:_MOST])
                sent += 1
        except OSError as error:
            self.reopen()
            return len(lines) - sent, f"syslog: {error.strerror or error}"
        return 0, ""

    def reopen(self) -> None:
        """Ends the connection. The next write makes one."""
        if self._sock is not None:
            self._sock.close()
            self._sock = None

    def _connect(self) -> socket.socket:
        to = self._to
        if to.kind is LogToKind.SYSLOG_TCP:
            return socket.create_connection((to.host, to.port), _PATIENCE)
        if to.kind is LogToKind.SYSLOG:
            address: str | tuple[str, int] = to.path
            family = socket.AF_UNIX
        else:
            family, _, _, _, found = socket.getaddrinfo(to.host, to.port, type=socket.SOCK_DGRAM)[0]
            address = found[:2]  # type: ignore[assignment]
        sock = socket.socket(family, socket.SOCK_DGRAM)
        try:
            sock.connect(address)
        except OSError:
            sock.close()
            raise
        return sock
