"""Lines on their way to a descriptor that may take none.

Theory of operation
-------------------
Whoever reads the log may stop reading: a log driver that is stuck, a shipper that is paused. Then the pipe fills, and a
write to it does not return. O_NONBLOCK is no way out: it belongs to the open file, which others have too. So the write
is left to somebody who may wait for ever, and ``put`` never waits: what does not fit into the bound is dropped and
counted, and one line says how many when lines flow again. A sink that fails (EPIPE, ENOSPC) loses the lines that it was
given; it is tried again with those that come a second later.

  ThreadWriter   a queue, and a thread that writes. For a process that does not fork from then on
  ProcessWriter  a pair of sockets, whose buffer is the queue, and a child that writes. For the parent of workers: a
                 process that forks runs no thread, because a child would find its locks taken
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

BOUND = 1 << 20  # bytes of lines that wait for the thread: some thousands
LAST = 1.0  # seconds that the end of the process waits for what is left
_BATCH = 64 << 10  # bytes that the thread takes from the queue at once: what a pipe holds (pipe(7))
_LONGEST = 96 << 10  # bytes of a line that goes through the pair of sockets; its buffer has some 200 KB
_GATHER = 0.05  # seconds in which lines gather after others were written: a thread that wakes costs more than its line
_RETRY = 1.0  # seconds before a sink that has failed is tried again, and a child that has died is replaced

NAME = "wsgate-log"  # of the child, in 15 characters at most (proc(5), comm)
TOO_SLOW = "whoever reads the log was too slow"

# Makes the line that says how many were dropped, and why
Describe = Callable[[int, str], bytes]


class Writer(Protocol):
    def put(self, line: bytes) -> None:
        """Have a line written. Never waits, never fails."""

    def close(self) -> None:
        """Write what is left, within ``LAST`` seconds."""


class Sink:
    """The descriptor. ``write`` may wait for ever: for a thread or process that does nothing else."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._torn = False  # it has taken a piece of a line

    def write(self, lines: Sequence[bytes]) -> tuple[int, str]:
        """How many of ``lines`` it did not take whole, and why."""
        data = memoryview(b"\n" * self._torn + b"".join(lines))
        sent = 0
        try:
            for size in self._pieces(lines):
                end = sent + size
                while sent < end:
                    try:
                        sent += os.write(self._fd, data[sent:end])
                    except BlockingIOError:  # another process has set O_NONBLOCK on the file that we share
                        self._wait_writable()
        except OSError as error:
            return self._count_lost(lines, sent), error.strerror or str(error)
        self._torn = False
        return 0, ""

    def _pieces(self, lines: Sequence[bytes]) -> Iterator[int]:
        """The bytes of each write: as many whole lines as a pipe takes in one piece, for other workers write there
        too; at least one line."""
        size = int(self._torn)
        for line in lines:
            if size and size + len(line) > select.PIPE_BUF:
                yield size
                size = 0
            size += len(line)
        yield size

    def _count_lost(self, lines: Sequence[bytes], sent: int) -> int:
        sent -= self._torn
        for place, line in enumerate(lines):
            if sent < len(line):
                self._torn = sent > 0 or (self._torn and sent < 0)
                return len(lines) - place
            sent -= len(line)
        raise AssertionError("every line was written")

    def _wait_writable(self) -> None:
        poll = select.poll()
        poll.register(self._fd, select.POLLOUT)
        poll.poll()


class ThreadWriter:
    """``put`` is for one thread at a time: a ``logging.Handler`` holds its lock."""

    def __init__(self, fd: int, describe: Describe) -> None:
        self._sink = Sink(fd)
        self._describe = describe
        self._lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        # Each is written by one side alone, so there is no lock that one could hold while the other waits
        self._put = self._done = 0  # bytes
        self._dropped = self._lost = self._told = 0  # lines
        self._reason = TOO_SLOW
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log writer", daemon=True)
        self._thread.start()

    def put(self, line: bytes) -> None:
        if self._put - self._done + len(line) > BOUND:
            self._dropped += 1
            return
        self._put += len(line)
        self._lines.put(line)

    def close(self) -> None:
        self._lines.put(None)
        self._ending.set()
        self._thread.join(LAST)

    def _run(self) -> None:
        while self._write_some():
            pass
        self._tell()

    def _write_some(self) -> bool:
        """Write what waits; False at the end."""
        line = self._lines.get()
        lines: list[bytes] = []
        size = 0
        while line is not None:
            lines.append(line)
            size += len(line)
            if size >= _BATCH:
                break
            try:
                line = self._lines.get_nowait()
            except queue.Empty:
                break
        lost, reason = self._sink.write(lines)
        self._done += size
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
    """``prepare`` is what a child does first: it closes what is its parent's. It may be set later."""

    def __init__(self, fd: int, describe: Describe) -> None:
        self._fd = fd
        self._describe = describe
        self._dropped = 0
        self._forgotten = False
        self._pid = 0
        self._channel: socket.socket | None = None
        self._began = 0.0
        self.prepare: Callable[[], None] = lambda: None
        self._begin()

    @property
    def owes(self) -> bool:
        """Whether lines were dropped of which nobody has been told yet: ``tell`` tries."""
        return bool(self._dropped)

    def put(self, line: bytes) -> None:
        if self._forgotten:  # in a child that lives for a moment, or has not set its own writer yet
            Sink(self._fd).write([line])
        elif not self.tell() or not self._send(line):
            self._dropped += 1

    def tell(self) -> bool:
        """Say how many lines were dropped; False where that cannot be said yet."""
        if self._dropped and self._send(self._describe(self._dropped, TOO_SLOW)):
            self._dropped = 0
        return not self._dropped

    def forget(self) -> None:
        """In a child of this process, whose end must be the end of the channel. Lines are written at once there."""
        self._forgotten = True
        self._pid = 0
        self._hang_up()

    def close(self) -> None:
        if self._forgotten:
            return
        deadline = time.monotonic() + LAST
        while not self.tell() and self._channel is not None and (left := deadline - time.monotonic()) > 0:
            poll = select.poll()
            poll.register(self._channel, select.POLLOUT)
            poll.poll(left * 1000)
        self._hang_up()
        self._end(deadline)

    def _hang_up(self) -> None:
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
            self._hang_up()
            return False
        return True

    def _begin(self) -> bool:
        now = time.monotonic()
        if self._began and now < self._began + _RETRY:
            return False
        self._began = now
        self._end(now)
        try:
            self._pid, self._channel = fork(partial(_write_on, self._fd, self._describe), self._prepare)
        except OSError:  # no process or descriptor to be had now
            return False
        self._channel.setblocking(False)
        return True

    def _prepare(self) -> None:
        self.prepare()

    def _end(self, deadline: float) -> None:
        """Wait for the child, which ends with the channel, until ``deadline`` and no longer."""
        while self._pid:
            with contextlib.suppress(ChildProcessError):
                if not os.waitpid(self._pid, os.WNOHANG)[0]:
                    if time.monotonic() < deadline:
                        time.sleep(0.005)
                        continue
                    os.kill(self._pid, signal.SIGKILL)
                    os.waitpid(self._pid, 0)
            self._pid = 0


def _write_on(fd: int, describe: Describe, channel: socket.socket) -> int:
    """The child, until its parent closes the channel or dies."""
    with contextlib.suppress(OSError), open("/proc/self/comm", "w") as name:
        name.write(NAME)  # for ps(1): this one is no worker
    sink = Sink(fd)
    missing, reason = 0, ""
    with channel:
        while line := channel.recv(_LONGEST):
            lost, why = sink.write([line])
            if lost:
                missing, reason = missing + lost, why
                time.sleep(_RETRY)
            elif missing and not sink.write([describe(missing, reason)])[0]:
                missing = 0
    return 0
