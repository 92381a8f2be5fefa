"""A file that the operator names: it must be a regular file and not too large, and opening it must not wait.

These functions may wait for a disk: call them in a thread.
"""

from __future__ import annotations

import os
import pwd
import stat

from wsgate.text.error import TextError
from wsgate.text.size import show_size


def open_nonblocking(path: str) -> int:
    """Opens a file for reading, also a FIFO without a writer; a terminal does not become the process's own.

    Returns a descriptor. Raises ``OSError`` when it cannot be opened.
    """
    return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)


def check_file(path: str, max_bytes: int) -> os.stat_result:
    """Returns the status of a file, behind all symbolic links.

    Raises ``OSError`` when there is none, ``TextError`` when it is no regular file or larger than ``max_bytes``.
    """
    found = os.stat(path)
    _check(path, found, max_bytes)
    return found


def read_file(path: str, max_bytes: int) -> bytes:
    """Returns the content of a file. Raises as ``check_file`` does."""
    check_file(path, max_bytes)  # before opening, because opening a device may have an effect
    descriptor = open_nonblocking(path)
    try:
        _check(path, os.fstat(descriptor), max_bytes)  # it may be another file since
        with open(descriptor, "rb", closefd=False) as opened:
            data = opened.read(max_bytes + 1)
    finally:
        os.close(descriptor)
    if len(data) > max_bytes:
        raise _too_large(path, max_bytes)
    return data


def explain(path: str, error: OSError) -> str:
    """Returns why a file cannot be read, and what to do."""
    if isinstance(error, FileNotFoundError):
        return f"the file {path!r} does not exist"
    if isinstance(error, PermissionError):
        return f"the file {path!r} cannot be read: permit it to the user that runs wsgate: {owners(path)}"
    return f"the file {path!r} cannot be read: {error.strerror or error}"


def owners(path: str) -> str:
    """Returns whose a file is, and who wants to read it."""
    me = _name_of(os.geteuid())
    try:
        found = os.stat(path)
    except OSError:
        return f"{me} may not enter a directory on the way to it"
    return f"it belongs to {_name_of(found.st_uid)}, with mode {stat.S_IMODE(found.st_mode):04o}, and this is {me}"


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"the user {uid}"


def password(data: bytes) -> bytes:
    """Returns the password in a file's content: its first line. Raises ``TextError`` when that is empty."""
    line = data.split(b"\n", 1)[0].rstrip(b"\r")
    if not line:
        raise TextError("has no password in its first line", "the file")
    return line


def _check(path: str, found: os.stat_result, max_bytes: int) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise TextError("is not a file", repr(path))
    if found.st_size > max_bytes:
        raise _too_large(path, max_bytes)


def _too_large(path: str, max_bytes: int) -> TextError:
    return TextError(f"is larger than {show_size(max_bytes)}: not what should stand here", f"the file {path!r}")
