"""The journal of systemd: each event is an entry whose fields are those of the event.

The native protocol (https://systemd.io/JOURNAL_NATIVE_PROTOCOL): a datagram for each entry.
"""

from __future__ import annotations

import array
import errno
import logging
import os
import socket
from collections.abc import Callable, Sequence

SOCKET = "/run/systemd/journal/socket"
_PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3}  # syslog(3)


def priority(record: logging.LogRecord) -> int:
    """Returns the severity of syslog for a record's level."""
    return _PRIORITIES.get(record.levelno, 2)


class JournalFormatter(logging.Formatter):
    """Makes entries.

    text: makes the MESSAGE; the event's own fields are WSGATE_EVENT, WSGATE_ROUTE and so on
    """

    def __init__(self, text: Callable[[logging.LogRecord], str]) -> None:
        super().__init__()
        self._text = text

    def line(self, record: logging.LogRecord) -> bytes:
        """Returns the datagram."""
        fields: dict[str, object] = {
            "MESSAGE": self._text(record),
            "PRIORITY": priority(record),
            "SYSLOG_IDENTIFIER": "wsgate",
            "WSGATE_EVENT": getattr(record, "event", record.name),
        }
        for name, value in getattr(record, "fields", {}).items():
            if value is not None:
                fields[f"WSGATE_{name.upper()}"] = value
        return b"".join(_field(name, str(value).encode(errors="backslashreplace")) for name, value in fields.items())


def _field(name: str, value: bytes) -> bytes:
    if b"\n" in value:  # a value of several lines has its size in front
        return b"%s\n%s%s\n" % (name.encode(), len(value).to_bytes(8, "little"), value)
    return b"%s=%s\n" % (name.encode(), value)


class JournalSink:
    """Sends entries to journald.

    path: of its socket
    """

    def __init__(self, path: str = SOCKET) -> None:
        self._path = path
        self._sock: socket.socket | None = None

    def write(self, lines: Sequence[bytes]) -> tuple[int, str]:
        sent = 0
        try:
            if self._sock is None:
                self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            for line in lines:
                self._send(self._sock, line)
                sent += 1
        except OSError as error:
            return len(lines) - sent, f"journald: {error.strerror or error}"
        return 0, ""

    def reopen(self) -> None:
        """Closes the socket. Each datagram finds journald by its path anyway."""
        if self._sock is not None:
            self._sock.close()
            self._sock = None

    def _send(self, sock: socket.socket, entry: bytes) -> None:
        try:
            sock.sendto(entry, self._path)
        except OSError as error:
            if error.errno not in (errno.EMSGSIZE, errno.ENOBUFS):
                raise
            self._send_as_file(sock, entry)

    def _send_as_file(self, sock: socket.socket, entry: bytes) -> None:
        """Sends an entry that is too large for a datagram, like a traceback: as a descriptor of memory."""
        file = os.memfd_create("wsgate-log", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            with open(file, "wb", closefd=False) as writer:
                writer.write(entry)
            fds = array.array("i", [file])
            sock.sendmsg([], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)], 0, self._path)
        finally:
            os.close(file)
