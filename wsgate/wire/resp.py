"""The Redis serialization protocol, version 2, as far as looking up a value needs it (redis.io, "RESP").

``command`` makes the bytes of a command. ``Replies`` parses the bytes of the server to values: ``bytes``, ``None`` for
a missing key, ``int``, and ``RespError`` for an error that the server reports.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_BULK = 64 << 10  # bytes of one value
_MAX_LINE = 4 << 10

_NUMBER = re.compile(rb"-?[0-9]{1,19}")


@dataclass(frozen=True, slots=True)
class RespError:
    """An error that the server reports. ``kind`` is its first word: ``ERR``, ``NOAUTH``, ``WRONGTYPE``…"""

    kind: str
    text: str


Reply = bytes | int | RespError | None


def command(*words: bytes) -> bytes:
    """Returns the bytes of a command and its arguments."""
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)


class Replies:
    """The replies of one connection, in order."""

    def __init__(self) -> None:
        self._data = bytearray()

    @property
    def begun(self) -> bool:
        """Whether a part of a reply is there."""
        return bool(self._data)

    def receive(self, data: bytes) -> None:
        self._data += data

    def next(self) -> tuple[Reply] | None:
        """Returns the next reply, in a tuple of one because a reply may be ``None``; ``None`` while it is incomplete.

        Raises ``ValueError`` when the bytes are no reply.
        """
        end = self._data.find(b"\r\n", 0, _MAX_LINE)
        if end < 0:
            if len(self._data) >= _MAX_LINE:
                raise ValueError("a line that does not end")
            return None
        kind, line, behind = self._data[:1], bytes(self._data[1:end]), end + 2
        if kind == b"$" and line != b"-1":
            size = _number(line)
            if not 0 <= size <= MAX_BULK:
                raise ValueError(f"a value of {size} bytes, where {MAX_BULK} are the most")
            if len(self._data) < behind + size + 2:
                return None
            value: Reply = bytes(self._data[behind : behind + size])
            behind += size + 2
        else:
            value = _simple(bytes(kind), line)
        del self._data[:behind]
        return (value,)


def _simple(kind: bytes, line: bytes) -> Reply:
    if kind == b"+":
        return line
    if kind == b"-":
        text = line.decode("ascii", "replace")
        return RespError(text.partition(" ")[0], text)
    if kind == b":":
        return _number(line)
    if kind == b"$":
        return None
    raise ValueError("something else than Redis's protocol")


def _number(line: bytes) -> int:
    if not _NUMBER.fullmatch(line):
        raise ValueError("a number that is none")
    return int(line)
