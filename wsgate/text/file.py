"""A file that the operator names: opened without waiting, a regular one, and not larger than it can be meant to be.

For threads that may wait for a disk.
"""

from __future__ import annotations

import os
import stat

from wsgate.text.error import TextError
from wsgate.text.size import show_size


def open_nonblocking(path: str) -> int:
    """A descriptor to read from. Opening a FIFO would wait for its writer, and a terminal would become this process's.
    Raises ``OSError``."""
    return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)


def check_file(path: str, max_bytes: int) -> os.stat_result:
    """What is at the path, behind all symbolic links. Raises ``OSError``, and ``TextError`` for what is no regular file
    or larger than ``max_bytes``."""
    found = os.stat(path)
    _check(path, found, max_bytes)
    return found


def read_file(path: str, max_bytes: int) -> bytes:
    """Raises as ``check_file`` does."""
    check_file(path, max_bytes)  # opening a device may do something
    descriptor = open_nonblocking(path)
    try:
        _check(path, os.fstat(descriptor), max_bytes)  # it may have become another since
        with open(descriptor, "rb", closefd=False) as opened:
            data = opened.read(max_bytes + 1)
    finally:
        os.close(descriptor)
    if len(data) > max_bytes:
        raise _too_large(path, max_bytes)
    return data


def password(data: bytes) -> bytes:
    """The password in a file: its first line. Raises ``TextError``."""
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
