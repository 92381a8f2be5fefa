"""``directory``: a file's name is a token, its text the target; a socket is the target itself.

A token may be the relative path of a socket in a sub-directory, too. It is a stranger's: symbolic links and all are
followed first, and where they end must lie below the directory.
"""

from __future__ import annotations

import errno
import logging
import os
import stat
from pathlib import Path

from wsgate.gate.account import emit
from wsgate.gate.tokens.source import Local, SourceError
from wsgate.gate.tokens.values import Targets, target, targets

MAX_SIZE = 4096  # bytes of text
_THREADS = 4
_NOT_THERE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG})


class DirectorySource(Local):
    """Raises ``SourceError`` where there is no such directory now."""

    def __init__(self, path: str, tls: bool) -> None:
        super().__init__(_THREADS)
        self._path = Path(path)
        self._tls = tls
        self._warned = False
        if not os.path.isdir(path):
            raise SourceError(f"{path} is not a directory: make it; each file in it is a token, its text host:port")

    def find(self, token: str) -> Targets | None:
        parts = token.split("/")
        if "\0" in token or any(not part or part.startswith(".") for part in parts):
            return None
        try:
            root = self._path.resolve(strict=True)
            try:
                file = root.joinpath(*parts).resolve(strict=True)
                status = file.stat()
            except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle, before Python 3.13
                if isinstance(error, OSError) and error.errno not in _NOT_THERE:
                    raise
                return None
            if not file.is_relative_to(root):
                self._warn()
                return None
            if stat.S_ISSOCK(status.st_mode):
                return (target(f"unix:{file}", self._tls),)
            if stat.S_ISREG(status.st_mode) and len(parts) == 1:
                return targets(_read(file), self._tls)
        except OSError as error:
            raise SourceError(f"{self._path}: {error.strerror}") from None
        except ValueError as error:
            raise SourceError(f"{self._path}: what a token's file has in it {error}") from None
        return None

    def _warn(self) -> None:
        """Once, and without the name: it is a token."""
        if not self._warned:
            self._warned = True
            reason = "a symbolic link in it leads out of it: such tokens lead nowhere"
            emit(logging.WARNING, "token directory has a link outwards", directory=str(self._path), reason=reason)


def _read(file: Path) -> str:
    # O_NONBLOCK: should it have become a FIFO since, opening it would wait for a writer
    with open(file, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as opened:
        data = opened.read(MAX_SIZE + 1)
    if len(data) > MAX_SIZE:
        raise ValueError(f"has more than {MAX_SIZE} bytes")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8") from None
