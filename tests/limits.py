"""A machine that has no more of something."""

from __future__ import annotations

import contextlib
import gc
import os
import resource
import socket
from collections.abc import Iterator


@contextlib.contextmanager
def refusing() -> Iterator[int]:
    """A port that refuses connections inside the block: it is bound without listening, so no other process gets it. A
    closed port could be reused at once on a busy machine."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@contextlib.contextmanager
def no_descriptors() -> Iterator[None]:
    """As long as this lasts the process can open nothing: EMFILE."""
    gc.collect()  # what earlier tests left behind must not be closed during this
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(0)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
