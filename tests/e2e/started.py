"""Programs that run while a test without an event loop of its own has a browser in its hands."""

from __future__ import annotations

import re
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from .gateway import ENVIRONMENT

START_DEADLINE = 20.0  # seconds
LIFETIME = 120.0  # seconds after which a process that hangs is killed, and its test fails
END_DEADLINE = 10.0  # seconds from SIGTERM to the end


@contextmanager
def started(
    command: Sequence[str | Path], log: Path, *, ready: str, environment: Mapping[str, str] = {}
) -> Iterator[re.Match[str]]:
    """Runs ``command`` and ends it by SIGTERM.

    log: for both of its outputs
    ready: a pattern of its output when it is ready; the match is yielded
    """
    with (
        log.open("ab") as output,
        subprocess.Popen(
            [*map(str, command)],
            env={**ENVIRONMENT, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        watchdog = threading.Timer(LIFETIME, process.kill)
        watchdog.start()
        try:
            yield _wait(process, log, re.compile(ready, re.MULTILINE))
            process.terminate()
            process.wait(END_DEADLINE)
        finally:
            watchdog.cancel()
            watchdog.join()
            process.kill()


def _wait(process: subprocess.Popen[bytes], log: Path, ready: re.Pattern[str]) -> re.Match[str]:
    deadline = time.monotonic() + START_DEADLINE
    while time.monotonic() < deadline:
        ended = process.poll() is not None
        if match := ready.search(log.read_text(errors="replace")):
            return match
        if ended:
            break
        time.sleep(0.01)
    pytest.fail(f"{process.args!r} is not ready:\n{log.read_text(errors='replace')}")
