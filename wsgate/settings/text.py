"""Reads the text of a configuration file; a pipe is read with a time limit."""

from __future__ import annotations

import os
import select
import stat
import time

from wsgate.settings.problem import ConfigError, Problem
from wsgate.text.file import open_nonblocking, owners

# A route takes about 200 bytes. A larger file is no configuration, or a device without an end.
_MAX_BYTES = 16 << 20
_LONGEST = 10.0  # seconds within which the writer of a pipe must end
_PIECE = 1 << 16

_UNWRITTEN = "nobody writes to this pipe: name a file, or write to it"
_TOO_SLOW = f"this pipe did not end within {_LONGEST:g} s: name a file, or let its writer close it"


def read_text(path: str) -> str:
    """Returns the text of a regular file, a pipe (``/dev/stdin``, ``<(command)``) or a terminal.

    Raises ``ConfigError`` when it cannot be read.
    """
    try:
        data = _read(path)
    except (OSError, ValueError) as error:
        # ValueError: a zero byte in the path.
        reason = getattr(error, "strerror", None) or str(error)
        if isinstance(error, PermissionError):
            reason += f": permit it to the user that runs wsgate: {owners(path)}"
        elif isinstance(error, FileNotFoundError) and not os.path.isabs(path):
            reason += f" in {os.getcwd()!r}"
        elif isinstance(error, IsADirectoryError):
            reason += "; a container's engine makes one where a file that is to be mounted is missing"
        raise ConfigError((Problem(path, 0, 0, "", f"cannot read the file: {reason}"),)) from None
    if len(data) > _MAX_BYTES:
        raise ConfigError((Problem(path, 0, 0, "", f"larger than {_MAX_BYTES >> 20}MiB: not a configuration file"),))
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line, col = before.count(b"\n") + 1, len(before[before.rfind(b"\n") + 1 :].decode()) + 1
        problem = Problem(path, line, col, "", f"not UTF-8: the byte 0x{data[error.start]:02x}; save the file as UTF-8")
        raise ConfigError((problem,)) from None


def _read(path: str) -> bytes:
    descriptor = open_nonblocking(path)  # non-blocking, because reading a FIFO could also wait
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISFIFO(mode) or stat.S_ISCHR(mode) or stat.S_ISREG(mode):
            data = _read_to_end(descriptor)
        else:
            os.read(descriptor, 1)  # raises for a directory
            raise ValueError("it is not a file")
    finally:
        os.close(descriptor)
    if not data and stat.S_ISFIFO(mode):
        raise ValueError(_UNWRITTEN)
    return data


def _read_to_end(descriptor: int) -> bytes:
    """Reads up to the end, or one byte more than a configuration may have."""
    data = bytearray()
    end = time.monotonic() + _LONGEST
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    while len(data) <= _MAX_BYTES:
        try:
            piece = os.read(descriptor, _PIECE)
        except BlockingIOError:
            if not poll.poll(max(0.0, end - time.monotonic()) * 1000):
                raise ValueError(_TOO_SLOW) from None
            continue
        if not piece:
            break
        data += piece
    return bytes(data)
