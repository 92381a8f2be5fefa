"""Programs that run beside the benchmark: started on a core, waited for, stopped."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

START_TIMEOUT = 20.0  # seconds until a program must accept connections; Python on a busy machine takes two

QUIET_TIMEOUT = 10.0  # seconds; then the next work starts all the same
QUIET_STEP = 0.05  # seconds
QUIET_SHARE = 0.02  # of a core: a timer now and then


class NotStarted(Exception):
    """A program did not begin to serve; the message has what it said."""


@contextlib.contextmanager
def on_cores(cores: frozenset[int]) -> Iterator[None]:
    """Children that are started within run on these cores only."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextlib.contextmanager
def alone(directory: Path) -> Iterator[None]:
    """Raises ``BlockingIOError`` while another process holds this; the kernel lets go when that one ends."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def start(
    command: Sequence[str],
    *,
    cores: frozenset[int],
    directory: Path,
    environment: dict[str, str] | None = None,
    stdin: int | IO[bytes] = subprocess.DEVNULL,
    stdout: int | IO[bytes] = subprocess.DEVNULL,
) -> subprocess.Popen[bytes]:
    """Run a program in a session of its own; what it says on standard error goes to ``stderr`` in the directory."""
    with on_cores(cores), (directory / "stderr").open("wb") as errors:
        return subprocess.Popen(
            command,
            cwd=directory,
            env={**os.environ, **(environment or {})},
            stdin=stdin,
            stdout=stdout,
            stderr=errors,
            start_new_session=True,
        )


def last_words(directory: Path, lines: int = 5) -> str:
    text = (directory / "stderr").read_text(errors="replace").strip()
    return "\n".join(text.splitlines()[-lines:]) or "(nothing on standard error)"


def wait_until_accepting(process: subprocess.Popen[bytes], port: int, directory: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise NotStarted(f"exit status {process.returncode}: {last_words(directory)}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise NotStarted(f"does not accept connections after {START_TIMEOUT:g} s: {last_words(directory)}")


def cpu_seconds(pid: int) -> float:
    """CPU time of a process and all of its threads; 0 when it has ended.

    Linux makes a clock id of every process id (clock_getcpuclockid(3)): nanoseconds, where /proc/PID/stat has 10 ms.
    """
    try:
        return time.clock_gettime(~pid << 3 | 2)
    except OSError:
        return 0.0


def wait_until_quiet(pids: Sequence[int]) -> None:
    """Until the closing of the last work's sessions is done, so that it is not charged to the next work."""
    deadline = time.monotonic() + QUIET_TIMEOUT
    used = sum(map(cpu_seconds, pids))
    while time.monotonic() < deadline:
        time.sleep(QUIET_STEP)
        before, used = used, sum(map(cpu_seconds, pids))
        if used - before < QUIET_SHARE * QUIET_STEP:
            return


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a program and all that it started; politely, then not."""
    for number, patience in ((signal.SIGTERM, 1.0), (signal.SIGKILL, 10.0)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience)
    for stream in (process.stdin, process.stdout):
        if stream:
            stream.close()
