"""A file's meaning, read again whenever the file changes."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from wsgate.gate.tokens.source import SourceError

T = TypeVar("T")

# Nanoseconds. The kernel's clock for files ticks every 1 to 10 ms, and what changes twice within a tick shows it once
_TICK = 50_000_000


class Fresh(Generic[T]):
    """``parse`` makes of the file's bytes what it means; it is called once for each change. For one thread at a time.

    What is looked at, each time, is the file behind all symbolic links: one that is swapped is a change.
    """

    def __init__(self, path: str, parse: Callable[[bytes], T], max_size: int) -> None:
        self._path = path
        self._parse = parse
        self._max_size = max_size
        self._stamp: tuple[int, ...] | None = None
        self._data: bytes | None = None  # while it is so young that another change could leave no trace
        self._known: T | None = None

    def get(self) -> T:
        """What the file means now. Raises ``SourceError``, for what ``parse`` raises as ``ValueError`` too."""
        try:
            stamp = self._look()
            if self._known is not None and self._data is None and stamp == self._stamp:
                return self._known
            data = self._read()
        except OSError as error:
            self._forget()
            raise SourceError(f"{self._path}: {error.strerror}") from None
        except SourceError:
            self._forget()
            raise
        if self._known is None or data != self._data:
            self._forget()
            try:
                self._known = self._parse(data)
            except ValueError as error:
                raise SourceError(f"{self._path}: {error}") from None
        self._stamp = stamp
        self._data = None if time.time_ns() - stamp[-1] > _TICK else data
        return self._known

    def _forget(self) -> None:
        self._stamp = self._data = self._known = None

    def _look(self) -> tuple[int, ...]:
        found = os.stat(self._path)
        if not stat.S_ISREG(found.st_mode):
            raise SourceError(f"{self._path} is not a file")
        if found.st_size > self._max_size:
            raise self._too_large()
        return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns

    def _read(self) -> bytes:
        # O_NONBLOCK: should it have become a FIFO since, opening it would wait for a writer
        with open(self._path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            data = file.read(self._max_size + 1)
        if len(data) > self._max_size:
            raise self._too_large()
        return data

    def _too_large(self) -> SourceError:
        return SourceError(f"{self._path} is larger than {self._max_size} bytes")
