"""Writes log lines to a sink that may block, without blocking the gateway.

Theory of operation
-------------------
The reader of the log may stop reading, for example a log driver that hangs. Then the pipe fills up, and a write to it
does not return. O_NONBLOCK does not help: it is set on the open file, which other processes share. So a thread or a
child, which may wait for ever, does the writes, and ``put`` never waits. Lines over the bound are dropped and counted,
and one line reports their number when writing works again. If a write fails (EPIPE, ENOSPC), its lines are lost; the
next lines are tried a second later.

  ThreadWriter   a queue, and a thread that writes. For a process that does not fork afterwards
  ProcessWriter  a pair of sockets, whose buffer is the queue, and a child that writes. For the parent of workers: a
                 process that forks must run no thread, because a child could find its locks held
"""

from __future__ import annotations

import contextlib
import os
import queue
import select
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Protocol

from wsgate.ops.processes import fork

BOUND = 1 << 20  # bytes of lines in the thread's queue: some thousand lines
LAST = 1.0  # seconds that the end of the process waits for the remaining lines
_BATCH = 64 << 10  # bytes that the thread takes from the queue at once: the size of a pipe (pipe(7))
_LONGEST = 96 << 10  # bytes of a line through the pair of sockets, whose buffer has about 200 KB
_GATHER = 0.05  # seconds between two batches, because waking the thread costs more than writing a line
_REOPEN = b"\0"  # in the place of a line: reopen the sink
_RETRY = 1.0  # seconds until a failed write is followed by the next, and a dead child is replaced

NAME = "wsgate-log"  # of the child, at most 15 characters (proc(5), comm)
TOO_SLOW = "whoever reads the log was too slow"

# Makes the line that reports how many lines were dropped, and why
Describe = Callable[[int, str], bytes]


class Writer(Protocol):
    @property
    def total_dropped(self) -> int:
        """How many lines were not written so far."""

    def put(self, line: bytes) -> None:
        """Passes a line on to be written. Never waits, never raises."""

    def reopen(self) -> None:
        """Opens the sink again, after the lines that were put before. Never waits."""

    def close(self) -> None:
        """Writes the remaining lines, within ``LAST`` seconds."""


class Sink(Protocol):
    """Where lines are written. Its calls may wait for ever, so a thread or process that does nothing else makes
    them."""

    def write(self, lines: Sequence[bytes]) -> tuple[int, str]:
        """Writes lines. Returns how many were not written completely, and why."""

    def reopen(self) -> None:
        """Lets go of the file or connection, so that the next write opens what has its name then."""


class DescriptorSink:
    """A descriptor, of which another process may have the other end."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._partial_line = False  # the last line was written only in part

    def write(self, lines: Sequence[bytes]) -> tuple[int, str]:
        """Writes lines. Returns how many were not written completely, and why."""
        data = memoryview(b"\n" * self._partial_line + b"".join(lines))
        sent = 0
        try:
            for size in self._pieces(lines):
                end = sent + size
                while sent < end:
                    try:
                        sent += os.write(self._fd, data[sent:end])
                    except BlockingIOError:  # another process has set O_NONBLOCK on the shared open file
                        self._wait_writable()
        except OSError as error:
            return self._count_lost(lines, sent), error.strerror or str(error)
        self._partial_line = False
        return 0, ""

    def reopen(self) -> None:
        """A descriptor has no name."""

    def _pieces(self, lines: Sequence[bytes]) -> Iterator[int]:
        """Yields the size of each write: as many whole lines as a pipe takes atomically, because other workers write to
        it too; at least one line."""
        size = int(self._partial_line)
        for line in lines:
            if size and size + len(line) > select.PIPE_BUF:
                yield size
                size = 0
            size += len(line)
        yield size

    def _count_lost(self, lines: Sequence[bytes], sent: int) -> int:
        sent -= self._partial_line
        for place, line in enumerate(lines):
            if sent < len(line):
                self._partial_line = sent > 0 or (self._partial_line and sent < 0)
                return len(lines) - place
            sent -= len(line)
        raise AssertionError("every line was written")

    def _wait_writable(self) -> None:
        poll = select.poll()
        poll.register(self._fd, select.POLLOUT)
        poll.poll()


class ThreadWriter:
    """Writes lines in a thread. Only one thread at a time may call ``put``; a ``logging.Handler`` has a lock for that.

    describe: makes the line that reports dropped lines
    """

    def __init__(self, sink: Sink, describe: Describe) -> None:
        self._sink = sink
        self._describe = describe
        self._lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        # Only one of the two threads writes each of these, so no lock is needed
        self._put = self._done = 0  # bytes
        self._dropped = self._lost = self._told = 0  # lines
        self._reason = TOO_SLOW
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log writer", daemon=True)
        self._thread.start()

    @property
    def total_dropped(self) -> int:
        """How many lines were dropped or lost so far."""
        return self._dropped + self._lost

    def put(self, line: bytes) -> None:
        if self._put - self._done + len(line) > BOUND:
            self._dropped += 1
            return
        self._put += len(line)
        self._lines.put(line)

    def reopen(self) -> None:
        self._lines.put(_REOPEN)

    def close(self) -> None:
        self._lines.put(None)
        self._ending.set()
        self._thread.join(LAST)

    def _run(self) -> None:
        while self._write_some():
            pass
        self._tell()
        self._sink.reopen()

    def _write_some(self) -> bool:
        """Writes a batch of lines. Returns False at the end."""
        line = self._lines.get()
        lines: list[bytes] = []
        size = 0
        while line is not None and line is not _REOPEN:
            lines.append(line)
            size += len(line)
            if size >= _BATCH:
                break
            try:
                line = self._lines.get_nowait()
            except queue.Empty:
                break
        lost, reason = self._sink.write(lines) if lines else (0, "")
        self._done += size
        if line is _REOPEN:
            self._sink.reopen()
        if lost:
            self._lost += lost
            self._reason = reason
            self._ending.wait(_RETRY)
        else:
            self._tell()
            self._ending.wait(_GATHER)
        return line is not None

    def _tell(self) -> None:
        missing = self._dropped + self._lost
        if missing == self._told:
            return
        lost, _ = self._sink.write([self._describe(missing - self._told, self._reason)])
        if not lost:
            self._told = missing
            self._reason = TOO_SLOW


class ProcessWriter:
    """Writes lines in a child process.

    prepare: called first in the child, to close what belongs to the parent; may be set later
    count_lost: called in the child with the number of lines that could not be written
    total_dropped: how many lines were dropped here so far, because the child was too slow
    """

    def __init__(
        self, sink: Sink, describe: Describe, count_lost: Callable[[int], object] = lambda lines: None
    ) -> None:
        self._sink = sink
        self._describe = describe
        self._count_lost = count_lost
        self._dropped = 0
        self.total_dropped = 0
        self._in_child = False
        self._pid = 0
        self._channel: socket.socket | None = None
        self._began = 0.0
        self.prepare: Callable[[], None] = lambda: None
        self._begin()

    @property
    def has_unreported(self) -> bool:
        """Whether lines were dropped that have not been reported yet; ``report_dropped`` reports them."""
        return bool(self._dropped)

    def put(self, line: bytes) -> None:
        if self._in_child:  # in a short-lived child, or in a worker that has no writer of its own yet
            self._sink.write([line])
        elif not self.report_dropped() or not self._send(line):
            self._dropped += 1
            self.total_dropped += 1

    def report_dropped(self) -> bool:
        """Writes the line that reports dropped lines. Returns False if that is not possible yet."""
        if self._dropped and self._send(self._describe(self._dropped, TOO_SLOW)):
            self._dropped = 0
        return not self._dropped

    def reopen(self) -> None:
        if not self._in_child:
            self._send(_REOPEN)

    def close_in_child(self) -> None:
        """Called in a child of this process, which must not keep the channel open. Lines are written directly there."""
        self._in_child = True
        self._pid = 0
        self._close_channel()

    def close(self) -> None:
        if self._in_child:
            return
        deadline = time.monotonic() + LAST
        while not self.report_dropped() and self._channel is not None and (left := deadline - time.monotonic()) > 0:
            poll = select.poll()
            poll.register(self._channel, select.POLLOUT)
            poll.poll(left * 1000)
        self._close_channel()
        self._end(deadline)

    def _close_channel(self) -> None:
        if self._channel is not None:
            self._channel.close()
            self._channel = None

    def _send(self, line: bytes) -> bool:
        if self._channel is None and not self._begin():
            return False
        assert self._channel is not None
        try:
            self._channel.send(line[:_LONGEST])
        except BlockingIOError:
            return False
        except OSError:  # the child is dead
            self._close_channel()
            return False
        return True

    def _begin(self) -> bool:
        now = time.monotonic()
        if self._began and now < self._began + _RETRY:
            return False
        self._began = now
        self._end(now)
        try:
            work = partial(_write_on, self._sink, self._describe, self._count_lost)
            self._pid, self._channel = fork(work, self._prepare)
        except OSError:  # the system has no process or descriptor now
            return False
        self._channel.setblocking(False)
        return True

    def _prepare(self) -> None:
        self.prepare()

    def _end(self, deadline: float) -> None:
        """Waits for the child, which ends with the channel, until ``deadline``, then kills it."""
        while self._pid:
            with contextlib.suppress(ChildProcessError):
                if not os.waitpid(self._pid, os.WNOHANG)[0]:
                    if time.monotonic() < deadline:
                        time.sleep(0.005)
                        continue
                    os.kill(self._pid, signal.SIGKILL)
                    os.waitpid(self._pid, 0)
            self._pid = 0


def _write_on(sink: Sink, describe: Describe, count_lost: Callable[[int], object], channel: socket.socket) -> int:
    """Runs the child until its parent closes the channel or dies."""
    with contextlib.suppress(OSError), open("/proc/self/comm", "w") as name:
        name.write(NAME)  # shown by ps(1), to tell it from the workers
    missing, reason = 0, ""
    with channel:
        while line := channel.recv(_LONGEST):
            if line == _REOPEN:
                sink.reopen()
                continue
            lost, why = sink.write([line])
            if lost:
                missing, reason = missing + lost, why
                count_lost(lost)
                time.sleep(_RETRY)
            elif missing and not sink.write([describe(missing, reason)])[0]:
                missing = 0
    return 0
