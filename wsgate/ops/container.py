"""Says at the start, in a container, that its engine may end the gateway before a drain is over."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from wsgate.events.emit import emit
from wsgate.settings.model import Drain

STOP_TIME = 10.0  # seconds that docker stop and podman stop wait, unless they are told otherwise
_MARKS = (".dockerenv", "run/.containerenv")  # files of Docker and of Podman


def log_short_stop(drain: Drain, pid: int | None = None, root: Path = Path("/")) -> None:
    """Logs that a drain takes longer than the engine waits by default; the engine tells nobody how long it does wait.

    pid: of this process, if not the real one: the engine stops the first process of a container
    root: of the file system
    """
    longest = drain.delay + drain.spread + drain.grace
    in_container = (os.getpid() if pid is None else pid) == 1 and any((root / mark).exists() for mark in _MARKS)
    if in_container and longest >= STOP_TIME:
        emit(
            logging.INFO,
            "drain needs time",
            seconds=longest,
            cure=f"the engine may kill after {STOP_TIME:g} s: docker run --stop-timeout, stop_grace_period in compose, "
            "or a shorter drain",
        )
