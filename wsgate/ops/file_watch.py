"""Reloads when the configuration file has changed: ``wsgate serve --watch``.

For files that something else writes: a ConfigMap of Kubernetes, whose symbolic link is swapped, or a tool that manages
configurations. The gateway is sent HUP, so such a reload is like every other one: a file that is wrong changes nothing.

One process looks at the file: the gateway, or with workers the first of them.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import trio

from wsgate.disk.threads import in_thread, thread_limiter

INTERVAL = 1.0  # seconds between two looks
DISK_TIME = 5.0  # seconds that a look waits for the disk

# What changes with a file: device, inode, size in bytes, time of modification in nanoseconds
Signature = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class WatchedFile:
    """A file, and its signature before the running configuration was read from it.

    before: ``None``: it was not there
    """

    path: str
    before: Signature | None

    @classmethod
    def now(cls, path: str) -> WatchedFile:
        """Returns the file as it is now. Call it before the file is read, or a change in between is missed."""
        return cls(path, signature(path))


def signature(path: str) -> Signature | None:
    """Returns the signature of the file behind all symbolic links; ``None`` if there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


async def watch(file: WatchedFile, reload: Callable[[], object]) -> None:
    """Calls ``reload`` each time when the file has changed, until cancelled.

    A file that is being written changes again at once, so a change counts when it is found twice. A file that is gone,
    or whose disk does not answer, is no change.
    """
    used, found_once = file.before, None
    limiter = thread_limiter("configuration", os.path.dirname(file.path), 1)
    while True:
        await trio.sleep(INTERVAL)
        try:
            found = await in_thread(limiter, DISK_TIME, partial(signature, file.path))
        except trio.TooSlowError:
            continue
        if found is not None and found != used:
            if found == found_once:
                used = found
                reload()
            found_once = found
