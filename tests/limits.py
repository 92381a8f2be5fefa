"""A machine that has no more of something."""

from __future__ import annotations

import contextlib
import os
import resource
import socket
from collections.abc import Iterator


@contextlib.contextmanager
def refusing() -> Iterator[int]:
    """A port that refuses connections as long as this lasts: it is bound, so that nobody else is given it, and nobody
    listens. One that was closed may go to whoever connects or binds next, which happens on a busy machine."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@contextlib.contextmanager
def no_descriptors() -> Iterator[None]:
    """As long as this lasts the process can open nothing: EMFILE."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(0)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
