"""Range requests for bytes (RFC 9110 §14)."""

from __future__ import annotations

import re
from dataclasses import dataclass

_ONE = re.compile(rb"bytes=[ \t]*(?:([0-9]+)-([0-9]*)|-([0-9]+))[ \t]*", re.IGNORECASE)
_FAR = 1 << 62  # a position behind the end of every file
_DIGITS = 18  # a number of so many digits is always less than _FAR


@dataclass(frozen=True, slots=True)
class ByteRange:
    """The bytes from ``first`` to ``last``, both included."""

    first: int
    last: int

    @property
    def size(self) -> int:
        return self.last - self.first + 1

    def content_range(self, whole: int) -> bytes:
        """Returns the value of Content-Range (§14.4) for a file of ``whole`` bytes."""
        return b"bytes %d-%d/%d" % (self.first, self.last, whole)


class Unsatisfiable(Exception):
    """No byte of the file is in the range."""


def parse_range(field: bytes, size: int) -> ByteRange | None:
    """Returns the range that a Range field asks for of a file of ``size`` bytes; ``None`` to send the whole file.

    ``None`` is for a malformed field (§14.2), for an empty file, which has no range, and for several ranges: their
    clients accept the whole file too, and many small ranges are a known denial of service (§17.15).

    Raises ``Unsatisfiable`` when the range has no byte of the file.
    """
    found = _ONE.fullmatch(field)
    if found is None or size == 0:
        return None
    if found[3] is not None:
        suffix = _number(found[3])
        if suffix == 0:
            raise Unsatisfiable
        return ByteRange(max(0, size - suffix), size - 1)
    first = _number(found[1])
    last = _number(found[2]) if found[2] else _FAR
    if last < first:
        return None
    if first >= size:
        raise Unsatisfiable
    return ByteRange(first, min(last, size - 1))


def _number(digits: bytes) -> int:
    """Converts with a bound: a client may write a number as long as a head may be."""
    digits = digits.lstrip(b"0")
    return int(digits or b"0") if len(digits) <= _DIGITS else _FAR
