"""The file of ``to_file``: read at the start and at a reload, then watched.

It may be replaced by another file or by a symbolic link to one, or be written in place. So a change is taken only when
the file has looked the same twice in a row: what is half written is not read.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence

from wsgate.settings.backend_file import read_backends
from wsgate.settings.model import RelayBackend
from wsgate.settings.problem import ConfigError
from wsgate.site.machine import directory_problem
from wsgate.text.error import TextError
from wsgate.text.file import check_file, explain, read_file

MAX_SIZE = 1 << 20  # bytes
_MAX_NAMED = 10  # faults of a file that are each reported


class BackendFileError(Exception):
    """The file cannot be used. ``problems``: what is wrong, with lines and cures; at least one."""

    def __init__(self, *problems: str) -> None:
        super().__init__(*problems)
        self.problems = problems

    def __str__(self) -> str:
        return "; ".join(self.problems)


class NothingListed(BackendFileError):
    """The file is not there, or nothing is in it: at the start it may be written later."""


def read_backend_file(path: str) -> tuple[RelayBackend, ...]:
    """Returns the backends in the file at ``path``. Call it in a thread.

    Raises ``BackendFileError`` when it cannot be read or anything in it is wrong.
    """
    try:
        found = read_backends(read_file(path, MAX_SIZE), path)
    except OSError as error:
        raise _unreadable(path, error) from None
    except TextError as error:
        raise BackendFileError(str(error)) from None
    except ConfigError as error:
        problems = [str(problem) for problem in error.problems[:_MAX_NAMED]]
        if len(error.problems) > _MAX_NAMED:
            problems.append(f"{path}: {len(error.problems) - _MAX_NAMED} more faults")
        raise BackendFileError(*problems) from None
    if found is None:
        raise NothingListed(f"the file {path!r} has no backend in it: write [] if it should have none")
    return found


def _unreadable(path: str, error: OSError) -> BackendFileError:
    if error.errno not in (errno.ENOENT, errno.ENOTDIR):
        return BackendFileError(explain(path, error))
    if problem := directory_problem(os.path.dirname(path)):
        return BackendFileError(problem)
    return NothingListed(explain(path, error))


class WatchedBackendFile:
    """A file that is looked at regularly. Only one thread at a time may use it.

    settles: it has changed, and should be looked at again soon
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._seen: tuple[int, ...] | None = None  # at the last look
        self._taken: tuple[int, ...] | None = None  # of the content that was read last
        self.settles = False

    def look(self) -> Sequence[RelayBackend] | None:
        """Returns the backends; ``None`` if the file has not changed since they were read, or changes just now.

        Raises ``BackendFileError`` as ``read_backend_file``, once for each change.
        """
        is_first = self._seen is None
        seen = self._stamp()
        is_same, self._seen = seen == self._seen, seen
        self.settles = not is_same and not is_first
        if self.settles or seen == self._taken:
            return None
        found: Sequence[RelayBackend] | None = None
        problem: BackendFileError | None = None
        try:
            found = read_backend_file(self._path)
        except BackendFileError as error:
            problem = error
        if self._stamp() != seen:  # it was written while it was read
            self.settles = True
            return None
        self._taken = seen
        if problem is not None:
            raise problem
        return found

    def _stamp(self) -> tuple[int, ...]:
        """Returns what changes with the content, behind all symbolic links; empty if there is no file to read."""
        try:
            found = check_file(self._path, MAX_SIZE)
        except (OSError, TextError):
            return ()
        return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
