"""``directory``: a file's name is a token, its text the target; a socket is the target itself.

A token may also be the relative path of a socket in a sub-directory. It comes from an untrusted client, so the file or
socket must be below the directory, with all symbolic links resolved.
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
    """A directory with a file or socket for each token. Raises ``SourceError`` when there is no such directory."""

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
        """Logs a wrong file once, without its name, which is a token."""
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
