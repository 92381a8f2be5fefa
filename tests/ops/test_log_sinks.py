"""A file for the log that others rename, remove or fill; where else lines may go."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from wsgate.ops.log_journald import JournalSink
from wsgate.ops.log_sinks import FileSink, open_sink
from wsgate.ops.log_syslog import SyslogSink
from wsgate.ops.log_writer import DescriptorSink, ProcessWriter, Sink, ThreadWriter
from wsgate.settings.model import LogTo, LogToKind


def test_a_file_is_made_and_appended_to(tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.write_bytes(b"before\n")
    assert FileSink(str(file)).write([b"one\n", b"two\n"]) == (0, "")
    assert file.read_bytes() == b"before\none\ntwo\n"
    new = tmp_path / "new"
    FileSink(str(new)).write([b"one\n"])
    assert stat.S_IMODE(new.stat().st_mode) & ~0o640 == 0


@pytest.mark.parametrize("told", [True, False])
def test_a_file_that_was_renamed_is_made_anew(tmp_path: Path, told: bool) -> None:
    """Whether the gateway is told or not."""
    file, old = tmp_path / "log", tmp_path / "log.1"
    sink = FileSink(str(file))
    sink.write([b"one\n"])
    file.rename(old)
    if told:
        sink.reopen()
    sink.write([b"two\n"])
    assert (old.read_bytes(), file.read_bytes()) == (b"one\n", b"two\n")
    sink.reopen()
    sink.reopen()


def test_a_file_that_cannot_be_opened_loses_lines_until_it_can(tmp_path: Path) -> None:
    directory = tmp_path / "gone"
    sink = FileSink(str(directory / "log"))
    assert sink.write([b"one\n", b"two\n"]) == (2, f"{directory}/log: No such file or directory")
    directory.mkdir()
    assert sink.write([b"three\n"]) == (0, "")
    assert (directory / "log").read_bytes() == b"three\n"


def test_a_disk_that_is_full() -> None:
    assert FileSink("/dev/full").write([b"one\n"]) == (1, "No space left on device")


def describe(lines: int, reason: str) -> bytes:
    return b"%d %s\n" % (lines, reason.encode())


@pytest.mark.parametrize("make", [ThreadWriter, ProcessWriter])
def test_a_writer_reopens_between_two_lines(tmp_path: Path, make: type[ThreadWriter | ProcessWriter]) -> None:
    """After all that was put before, though nothing is written yet."""
    opened = [str(tmp_path / str(number)) for number in range(2)]

    class Counting:
        """A new file at each ``reopen``."""

        def __init__(self) -> None:
            self.files = [FileSink(path) for path in opened]

        def write(self, lines: list[bytes]) -> tuple[int, str]:
            return self.files[0].write(lines)

        def reopen(self) -> None:
            del self.files[0]

    writer = make(Counting(), describe)  # type: ignore[arg-type]
    writer.put(b"one\n")
    writer.reopen()
    writer.put(b"two\n")
    writer.close()
    assert [Path(path).read_bytes() for path in opened] == [b"one\n", b"two\n"]


@pytest.mark.parametrize(
    ("to", "kind"),
    [
        (LogTo(LogToKind.STDERR), DescriptorSink),
        (LogTo(LogToKind.STDOUT), DescriptorSink),
        (LogTo(LogToKind.FILE, "/nonexistent/log"), FileSink),
        (LogTo(LogToKind.JOURNALD), JournalSink),
        (LogTo(LogToKind.SYSLOG, "/dev/log"), SyslogSink),
        (LogTo(LogToKind.SYSLOG_UDP, host="log.test", port=514), SyslogSink),
        (LogTo(LogToKind.SYSLOG_TCP, host="log.test", port=601), SyslogSink),
    ],
)
def test_each_place_has_its_sink(to: LogTo, kind: type[Sink], capfd: pytest.CaptureFixture[str]) -> None:
    """Nothing is opened or connected to yet."""
    assert isinstance(open_sink(to), kind)


def test_another_descriptor_may_stand_for_standard_error(tmp_path: Path) -> None:
    fd = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT)
    open_sink(LogTo(LogToKind.STDERR), fd).write([b"line\n"])
    os.close(fd)
    assert (tmp_path / "log").read_bytes() == b"line\n"
