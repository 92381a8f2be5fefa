"""The parsed content of a file, read again when the file changes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Generic, TypeVar

from wsgate.site.tokens.source import SourceError
from wsgate.text.error import TextError
from wsgate.text.file import check_file, explain, read_file

T = TypeVar("T")

# Nanoseconds. The kernel's clock for files ticks every 1 to 10 ms, and what changes twice within a tick shows it once
_TICK = 50_000_000


class Fresh(Generic[T]):
    """The parsed content of a file. Only one thread at a time may use it.

    Each check follows all symbolic links, so a changed link counts as a change.

    parse: called once for each change
    """

    def __init__(self, path: str, parse: Callable[[bytes], T], max_size: int) -> None:
        self._path = path
        self._parse = parse
        self._max_size = max_size
        self._stamp: tuple[int, ...] | None = None
        self._data: bytes | None = (
            None  # kept while the file is so new that another change might not change its timestamp
        )
        self._known: T | None = None

    def get(self) -> T:
        """Returns the present content. Raises ``SourceError`` when the file cannot be read, or ``parse`` raises
        ``ValueError``."""
        try:
            stamp = self._look()
            if self._known is not None and self._data is None and stamp == self._stamp:
                return self._known
            data = read_file(self._path, self._max_size)
        except OSError as error:
            self._forget()
            raise SourceError(explain(self._path, error)) from None
        except TextError as error:
            self._forget()
            raise SourceError(str(error)) from None
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
        found = check_file(self._path, self._max_size)
        return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
