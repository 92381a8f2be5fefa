"""``directory``: a file's name is a token, its text the target; a socket is the target itself.

A token may be the relative path of a socket in a sub-directory, too. It is a stranger's: wherever symbolic links lead,
what is opened lies below the directory, and so does the socket that is dialled then.
"""

from __future__ import annotations

import logging
from pathlib import Path

from wsgate.disk.beneath import NOT_THERE, OpenedPath, OutsideRoot, open_beneath
from wsgate.events.emit import emit
from wsgate.site.machine import directory_problem
from wsgate.site.tokens.source import Local, SourceError
from wsgate.site.tokens.values import Targets, target, targets

MAX_SIZE = 4096  # bytes of text
_THREADS = 4


class DirectorySource(Local):
    """Raises ``SourceError`` where there is no such directory now."""

    def __init__(self, path: str, tls: bool) -> None:
        super().__init__(_THREADS)
        self._path = Path(path)
        self._tls = tls
        self._warned = False
        if problem := directory_problem(path):
            raise SourceError(problem, key="directory")

    def find(self, token: str) -> Targets | None:
        parts = token.split("/")
        if "\0" in token or any(not part or part.startswith(".") for part in parts):
            return None
        try:
            root = self._path.resolve(strict=True)
            try:
                found = open_beneath(str(root), parts)
            except OutsideRoot:
                self._warn()
                return None
            except OSError as error:
                if error.errno in NOT_THERE:
                    return None
                raise
            with found:
                if found.is_socket:
                    return (target(f"unix:{root.joinpath(*found.names)}", self._tls, beneath=str(root)),)
                if found.is_file and len(parts) == 1:
                    return targets(_read(found), self._tls)
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


def _read(found: OpenedPath) -> str:
    with open(found.take(), "rb") as opened:
        data = opened.read(MAX_SIZE + 1)
    if len(data) > MAX_SIZE:
        raise ValueError(f"has more than {MAX_SIZE} bytes")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8") from None
