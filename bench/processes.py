"""Starts programs on a core, waits for them, and stops them."""

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

QUIET_TIMEOUT = 10.0  # seconds, after which the next work starts in any case
QUIET_STEP = 0.05  # seconds
QUIET_SHARE = 0.02  # of a core: an occasional timer is allowed


class NotStarted(Exception):
    """A program did not start to serve; the message has its output."""


@contextlib.contextmanager
def on_cores(cores: frozenset[int]) -> Iterator[None]:
    """Makes children that are started inside the block run only on these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextlib.contextmanager
def alone(directory: Path) -> Iterator[None]:
    """Holds a lock, which the kernel releases at the end of the process.

    Raises ``BlockingIOError`` when another process has it.
    """
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
    """Runs a program in a session of its own, with its standard error in the file ``stderr`` of the directory."""
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
    """Returns the CPU time of a process with all of its threads; 0 when it has ended.

    The clock of the process (clock_getcpuclockid(3)) has nanoseconds; /proc/PID/stat has only units of 10 ms.
    """
    try:
        return time.clock_gettime(~pid << 3 | 2)
    except OSError:
        return 0.0


def wait_until_quiet(pids: Sequence[int]) -> None:
    """Waits until the sessions of the last work are closed, so that this does not count for the next work."""
    deadline = time.monotonic() + QUIET_TIMEOUT
    used = sum(map(cpu_seconds, pids))
    while time.monotonic() < deadline:
        time.sleep(QUIET_STEP)
        before, used = used, sum(map(cpu_seconds, pids))
        if used - before < QUIET_SHARE * QUIET_STEP:
            return


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ends a program and all that it started: by TERM, then by KILL."""
    for number, patience in ((signal.SIGTERM, 1.0), (signal.SIGKILL, 10.0)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience)
    for stream in (process.stdin, process.stdout):
        if stream:
            stream.close()
