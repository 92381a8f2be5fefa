"""``file``: lines ``token: host:port`` in a file, or in the files of a directory, as websockify's TokenFile has them.

White space must follow the colon behind the token, so the token may contain colons. Empty lines and those that begin
with ``#`` are skipped. A wrong line does not affect others. Of two lines for a token the last one counts.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass

from wsgate.events.emit import emit
from wsgate.site.machine import directory_problem
from wsgate.site.tokens.fresh import Fresh
from wsgate.site.tokens.memory import Memory
from wsgate.site.tokens.source import Local, SourceError
from wsgate.site.tokens.values import Targets, target

MAX_SIZE = 4 << 20  # bytes: about 100,000 lines, which are read within half a second
MAX_FILES = 1000
_MAX_NAMED = 10  # wrong lines of one file that are each named in the log

_SEPARATOR = re.compile(r":\s")

Lines = dict[str, Targets]


def parse(path: str, data: bytes, tls: bool) -> Lines:
    """Returns the tokens of a file; wrong lines are logged by number."""
    lines: Lines = {}
    wrong: list[tuple[int, str]] = []
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").splitlines(), 1):
        try:
            text = line.decode().strip()
            if text and not text.startswith("#"):
                token, found = _parse_line(text, tls)
                lines[token] = found
        except UnicodeDecodeError:
            wrong.append((number, "is not UTF-8"))
        except ValueError as error:
            wrong.append((number, str(error)))
    for number, problem in wrong[:_MAX_NAMED]:
        emit(logging.WARNING, "token file has a wrong line", file=path, line=number, problem=problem)
    if len(wrong) > _MAX_NAMED:
        emit(logging.WARNING, "token file has more wrong lines", file=path, lines=len(wrong) - _MAX_NAMED)
    return lines


def _parse_line(text: str, tls: bool) -> tuple[str, Targets]:
    parts = _SEPARATOR.split(text)
    if len(parts) != 2:
        problem = "has no white space behind the token's colon" if len(parts) < 2 else "has more than one ': '"
        raise ValueError(f"{problem}: write token: host:port")
    token, where = parts
    if not token:
        raise ValueError("has no token in front of the colon")
    return token, (target(where.strip(), tls),)


@dataclass(frozen=True, slots=True)
class _Found:
    """The tokens of all files, of which the last one takes precedence, and why some files could not be read."""

    files: Sequence[Lines]
    unreadable: dict[str, str]

    def check_all_read(self) -> None:
        """Raises ``SourceError`` when a file could not be read, because a missing token may be in it."""
        if self.unreadable:
            raise SourceError("; ".join(self.unreadable.values()))


class FileSource(Local):
    """A file with tokens, or a directory of such files. Raises ``SourceError`` when it cannot be read."""

    def __init__(self, path: str, tls: bool) -> None:
        super().__init__()
        self._path = path
        self._tls = tls
        self._files: dict[str, Fresh[Lines]] = {}
        self._unreadable: dict[str, str] = {}  # why, by file, as it was logged
        self._memory = Memory(self._read)
        if os.path.isdir(path) and (problem := directory_problem(path, os.R_OK)):
            raise SourceError(problem, key="file")
        try:
            self._memory.look()
        except SourceError as error:
            raise SourceError(str(error), key="file") from None

    async def look_up(self, token: str) -> Targets | None:
        found = await self._memory.get()
        for lines in reversed(found.files):
            if token in lines:
                return lines[token]
        found.check_all_read()
        return None

    async def missing(self, tokens: Sequence[str]) -> set[str]:
        found = await self._memory.get()
        missing = {token for token in tokens if not any(token in lines for lines in found.files)}
        if missing:
            found.check_all_read()
        return missing

    def _read(self) -> _Found:
        names = self._names()
        known = self._files
        self._files = {name: known.get(name) or self._fresh(name) for name in names}
        if names == [self._path]:
            return _Found([self._files[self._path].get()], {})
        found, unreadable = [], {}
        for name, file in self._files.items():
            try:
                found.append(file.get())
            except SourceError as error:
                unreadable[name] = str(error)
        for name, problem in unreadable.items():
            if self._unreadable.get(name) != problem:
                consequence = "the directory's other files are served"
                emit(logging.WARNING, "token file cannot be read", file=name, error=problem, consequence=consequence)
        self._unreadable = unreadable
        return _Found(found, unreadable)

    def _names(self) -> list[str]:
        """Returns the files, by name, without hidden ones, which editors and Kubernetes volumes make."""
        try:
            if not os.path.isdir(self._path):
                return [self._path]
            with os.scandir(self._path) as entries:
                names = [e.path for e in entries if not e.name.startswith(".") and not e.is_dir()]
        except OSError as error:
            raise SourceError(f"{self._path}: {error.strerror}") from None
        if len(names) > MAX_FILES:
            raise SourceError(f"{self._path} has more than {MAX_FILES} files")
        return sorted(names)

    def _fresh(self, name: str) -> Fresh[Lines]:
        return Fresh(name, lambda data: parse(name, data, self._tls), MAX_SIZE)
