"""Lines for a sink that blocks, fails, or works again: written lines and reported losses add up."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Sequence

import pytest

from wsgate.events.metric_rows import MetricRows
from wsgate.events.metrics import LOG_DROPPED
from wsgate.ops import log_writer
from wsgate.ops.log_writer import BOUND, TOO_SLOW, DescriptorSink, ProcessWriter, ThreadWriter

LINE = b"x" * 99 + b"\n"
PATIENCE = 20.0  # seconds, for what takes milliseconds


def describe(lines: int, reason: str) -> bytes:
    return b"%d dropped: %s\n" % (lines, reason.encode())


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_writer, "_GATHER", 0.0)
    monkeypatch.setattr(log_writer, "_RETRY", 0.0)


class Reading(threading.Thread):
    """Reads a pipe to its end."""

    def __init__(self, fd: int) -> None:
        super().__init__(daemon=True)
        self._fd = fd
        self._data = b""
        self.start()

    def run(self) -> None:
        while data := os.read(self._fd, 1 << 16):
            self._data += data

    def lines(self) -> list[bytes]:
        self.join(PATIENCE)
        assert not self.is_alive()
        return self._data.splitlines(keepends=True)


def tally(lines: Sequence[bytes]) -> int:
    """Counts all lines: those that were written, and those that were reported as missing."""
    said = [re.fullmatch(rb"(\d+) dropped: .*\n", line) for line in lines]
    assert all(line == LINE for line, found in zip(lines, said, strict=True) if found is None)
    return sum(1 if found is None else int(found[1]) for found in said)


@pytest.mark.parametrize("make", [ThreadWriter, ProcessWriter])
def test_a_reader_that_is_there_gets_every_line(
    pipe: tuple[int, int], make: Callable[..., ThreadWriter | ProcessWriter]
) -> None:
    writer = make(DescriptorSink(pipe[1]), describe)
    for _ in range(50):
        writer.put(LINE)
    writer.close()
    os.close(pipe[1])
    assert Reading(pipe[0]).lines() == [LINE] * 50


@pytest.mark.parametrize("make", [ThreadWriter, ProcessWriter])
def test_stopped_log_reader_drops_lines_and_counts_them(
    pipe: tuple[int, int], make: Callable[..., ThreadWriter | ProcessWriter]
) -> None:
    writer = make(DescriptorSink(pipe[1]), describe)
    number = 3 * BOUND // len(LINE)
    for _ in range(number):
        writer.put(LINE)
    reading = Reading(pipe[0])
    writer.close()
    os.close(pipe[1])
    lines = reading.lines()
    assert tally(lines) == number
    assert any(line.endswith(b" dropped: %s\n" % TOO_SLOW.encode()) for line in lines)


def test_the_end_waits_for_a_stuck_reader_no_longer_than_it_may(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_writer, "LAST", 0.01)
    writers = ThreadWriter(DescriptorSink(pipe[1]), describe), ProcessWriter(DescriptorSink(pipe[1]), describe)
    for writer in writers:
        for _ in range(2000):
            writer.put(LINE)
        writer.close()
    reading = Reading(pipe[0])  # or the thread would never end
    writers[0]._thread.join(PATIENCE)
    os.close(pipe[1])
    reading.lines()


def test_a_reader_that_has_gone_costs_its_lines_and_nothing_else(pipe: tuple[int, int]) -> None:
    reader, fd = pipe
    sink = DescriptorSink(fd)
    assert sink.write([LINE, LINE]) == (0, "")
    os.close(reader)
    assert sink.write([LINE, LINE]) == (2, "Broken pipe")


def test_a_full_disk_costs_the_lines_that_it_did_not_take() -> None:
    fd = os.open("/dev/full", os.O_WRONLY)
    assert DescriptorSink(fd).write([LINE]) == (1, "No space left on device")
    os.close(fd)


def test_a_line_that_was_torn_does_not_spoil_the_next(monkeypatch: pytest.MonkeyPatch, pipe: tuple[int, int]) -> None:
    reader, fd = pipe
    write = os.write
    takes = [150, 0, 10_000, 10_000]

    def some(fd: int, data: memoryview) -> int:
        room = takes.pop(0)
        if not room:
            raise OSError(28, "No space left on device")
        return write(fd, data[:room])

    monkeypatch.setattr(os, "write", some)
    sink = DescriptorSink(fd)
    assert sink.write([LINE] * 3) == (2, "No space left on device")
    assert sink.write([LINE]) == (0, "")
    assert sink.write([LINE]) == (0, "")
    os.close(fd)
    monkeypatch.undo()
    assert os.read(reader, 1000) == LINE + LINE[:50] + b"\n" + LINE + LINE


def test_a_descriptor_that_somebody_made_non_blocking_is_waited_for(pipe: tuple[int, int]) -> None:
    os.set_blocking(pipe[1], False)
    reading = []

    def read() -> None:
        reading.append(Reading(pipe[0]))

    timer = threading.Timer(0.05, read)
    timer.start()
    assert DescriptorSink(pipe[1]).write([LINE] * 5000) == (0, "")
    timer.join()
    os.close(pipe[1])
    assert reading[0].lines() == [LINE] * 5000


def test_what_a_sink_has_lost_is_said_when_it_is_well_again(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[bytes] = []
    answers = [(1, "No space left on device"), (0, "")]
    events = threading.Event()

    def write(self: DescriptorSink, lines: Sequence[bytes]) -> tuple[int, str]:
        if not lines or lines[0] != LINE or len(answers) == 0:
            written.extend(lines)
            return 0, ""
        answer = answers.pop(0)
        if not answer[0]:
            written.extend(lines)
        events.set()
        return answer

    monkeypatch.setattr(DescriptorSink, "write", write)
    writer = ThreadWriter(DescriptorSink(-1), describe)
    writer.put(LINE)
    assert events.wait(PATIENCE)
    writer.put(LINE)
    writer.close()
    assert written == [LINE, b"1 dropped: No space left on device\n"]
    assert writer.total_dropped == 1


def test_a_writer_that_is_killed_is_replaced(pipe: tuple[int, int]) -> None:
    writer = ProcessWriter(DescriptorSink(pipe[1]), describe)
    first = writer._pid
    os.kill(first, 9)
    os.waitpid(first, 0)
    while writer._pid == first:
        writer.put(LINE)
    writer.put(LINE)
    writer.close()
    os.close(pipe[1])
    lines = Reading(pipe[0]).lines()
    assert lines
    assert lines[-1] == LINE


def test_what_the_child_has_lost_is_counted() -> None:
    row = MetricRows().row()
    fd = os.open("/dev/full", os.O_WRONLY)
    writer = ProcessWriter(DescriptorSink(fd), describe, row.cell(LOG_DROPPED).add)
    os.close(fd)
    for _ in range(3):
        writer.put(LINE)
    writer.close()
    assert [values for _, _, values in row.read()] == [(3,)]
    assert writer.total_dropped == 0


def test_a_child_of_the_parent_writes_at_once_and_starts_nobody(pipe: tuple[int, int]) -> None:
    writer = ProcessWriter(DescriptorSink(pipe[1]), describe)
    pid = writer._pid
    writer.close_in_child()
    writer.put(LINE)
    assert writer._pid == 0
    os.waitpid(pid, 0)
    os.close(pipe[1])
    assert Reading(pipe[0]).lines() == [LINE]


def test_a_line_that_is_owed_is_said_without_another(pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    writer = ProcessWriter(DescriptorSink(pipe[1]), describe)
    monkeypatch.setattr(writer, "_send", lambda line: False)
    writer.put(LINE)
    writer.put(LINE)
    assert writer.has_unreported
    assert not writer.report_dropped()
    monkeypatch.undo()
    assert writer.report_dropped()
    assert not writer.has_unreported
    assert writer.total_dropped == 2
    writer.close()
    os.close(pipe[1])
    assert Reading(pipe[0]).lines() == [b"2 dropped: %s\n" % TOO_SLOW.encode()]
