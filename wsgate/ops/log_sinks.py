"""The places that log lines are written to: a descriptor, a file, journald, syslog.

A write may wait for ever, for a disk, a network or a reader. So only the thread or process of a log writer calls it.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence

from wsgate.ops.log_journald import JournalSink
from wsgate.ops.log_syslog import SyslogSink
from wsgate.ops.log_writer import DescriptorSink, Sink
from wsgate.settings.model import LogTo, LogToKind

_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY
_MODE = 0o640  # of a new file


class FileSink:
    """A file. It is opened again when another one has its name, or none: logrotate(8) renames it."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._fd = -1
        self._sink: DescriptorSink | None = None

    def write(self, lines: Sequence[bytes]) -> tuple[int, str]:
        try:
            if self._sink is None or self._is_another():
                self.reopen()
                self._fd = os.open(self._path, _FLAGS, _MODE)
                self._sink = DescriptorSink(self._fd)
        except OSError as error:
            return len(lines), f"{self._path}: {error.strerror}"
        return self._sink.write(lines)

    def reopen(self) -> None:
        """Closes the file. The next write opens it."""
        if self._sink is not None:
            self._sink = None
            with contextlib.suppress(OSError):
                os.close(self._fd)

    def _is_another(self) -> bool:
        ours = os.fstat(self._fd)
        try:
            named = os.stat(self._path)
        except FileNotFoundError:
            return True
        return (named.st_dev, named.st_ino) != (ours.st_dev, ours.st_ino)


def open_sink(to: LogTo, fd: int | None = None) -> Sink:
    """Returns where lines go. Waits for nothing. Each process needs one of its own.

    fd: of standard error, if another one takes its place
    """
    if to.kind is LogToKind.FILE:
        return FileSink(to.path)
    if to.kind is LogToKind.JOURNALD:
        return JournalSink()
    if to.kind in (LogToKind.SYSLOG, LogToKind.SYSLOG_UDP, LogToKind.SYSLOG_TCP):
        return SyslogSink(to)
    if to.kind is LogToKind.STDOUT:
        return DescriptorSink(sys.stdout.fileno())
    return DescriptorSink(sys.stderr.fileno() if fd is None else fd)
