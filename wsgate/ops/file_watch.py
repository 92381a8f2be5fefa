"""Reloads when the configuration file has changed: ``wsgate serve --watch``.

For files that something else writes: a ConfigMap of Kubernetes, whose symbolic link is swapped, or a tool that manages
configurations. The gateway is sent HUP, so such a reload is like every other one: a file that is wrong changes nothing.

A file that the configuration names may come after it, like the Secret of a new listener. So while a reload is refused,
the files that the new configuration names are looked at, too, and it is tried again when one of them has changed.

One process looks at the files: the gateway, or with workers the first of them.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import trio

from wsgate.disk.threads import in_thread, thread_limiter
from wsgate.events.metric_rows import MetricRows
from wsgate.events.metrics import RELOAD_REFUSED
from wsgate.settings.load import read
from wsgate.settings.problem import ConfigError

INTERVAL = 1.0  # seconds between two looks
DISK_TIME = 5.0  # seconds that a look waits for the disk

# What changes with a file: device, inode, size in bytes, time of modification in nanoseconds; of a directory only the
# first two, because what is in it may change all the time
Signature = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class WatchedFile:
    """A configuration file, and its signature before the running configuration was read from it.

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
    if stat.S_ISDIR(found.st_mode):
        return found.st_dev, found.st_ino, 0, 0
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def is_refused(rows: MetricRows) -> bool:
    """Whether the last reload was refused, by the gateway or by the parent of workers."""
    return any(metric is RELOAD_REFUSED and value for metric, _, (value, *_) in rows.read(0))


async def watch(file: WatchedFile, reload: Callable[[], object], refused: Callable[[], bool]) -> None:
    """Calls ``reload`` each time when the file has changed, or while a reload is ``refused``, one that it names; until
    cancelled.

    A file that is being written changes again at once, so a change counts when it is found twice. A file that is gone,
    or whose disk does not answer, is no change.
    """
    own = _Look("configuration", [file.path], [file.before])
    named = _Look("named files", [], [])
    while True:
        await trio.sleep(INTERVAL)
        if await own.finds_change() or (named.paths and refused() and await named.finds_change()):
            named = await _look_at_named(file.path)  # before they are read, so that no change is missed
            reload()


async def _look_at_named(file: str) -> _Look:
    """Returns a look at the files that a configuration names now; at none if it cannot be read."""
    limiter = thread_limiter("named files", os.path.dirname(file), 1)
    try:
        paths = await in_thread(limiter, DISK_TIME, partial(_names, file))
        return _Look("named files", paths, await in_thread(limiter, DISK_TIME, partial(_signatures, paths)))
    except trio.TooSlowError:
        return _Look("named files", [], [])


def _names(file: str) -> list[str]:
    try:
        return sorted(read(file).files)
    except ConfigError:
        return []


class _Look:
    """Looks at files, again and again.

    purpose: of its thread
    used: their signatures when they were used last
    """

    def __init__(self, purpose: str, paths: list[str], used: list[Signature | None]) -> None:
        self.paths = paths
        self._purpose = purpose
        self._used = used
        self._found_once = used

    async def finds_change(self) -> bool:
        """Whether a file has changed, and is as it was at the look before."""
        limiter = thread_limiter(self._purpose, os.path.dirname(self.paths[0]), 1)
        try:
            found = await in_thread(limiter, DISK_TIME, partial(_signatures, self.paths))
        except trio.TooSlowError:
            return False
        # one that is gone may come back as it was
        found = [used if now is None else now for now, used in zip(found, self._used, strict=True)]
        is_same, self._found_once = found == self._found_once, found
        if found == self._used or not is_same:
            return False
        self._used = found
        return True


def _signatures(paths: list[str]) -> list[Signature | None]:
    return list(map(signature, paths))
