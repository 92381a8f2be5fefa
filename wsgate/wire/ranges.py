"""Range requests for bytes (RFC 9110 §14)."""

from __future__ import annotations

import re
from dataclasses import dataclass

_ONE = re.compile(rb"bytes=[ \t]*(?:([0-9]+)-([0-9]*)|-([0-9]+))[ \t]*", re.IGNORECASE)
_FAR = 1 << 62  # a position behind the end of every file
_DIGITS = 18  # as many as surely make less than that


@dataclass(frozen=True, slots=True)
class Part:
    """``first`` and ``last`` byte, both sent."""

    first: int
    last: int

    @property
    def size(self) -> int:
        return self.last - self.first + 1

    def content_range(self, whole: int) -> bytes:
        return b"bytes %d-%d/%d" % (self.first, self.last, whole)


class Unsatisfiable(Exception):
    """No byte of the file is in the range."""


def part_of(field: bytes, size: int) -> Part | None:
    """What a Range field asks for of a file of ``size`` bytes; ``None`` where the whole is to be sent.

    That is so for what is no range (§14.2), for an empty file, which has no part, and for several ranges: who asks for
    those takes the whole, too, and a file in a hundred pieces is an old way to keep a server busy (§17.15).

    Raises ``Unsatisfiable``.
    """
    found = _ONE.fullmatch(field)
    if found is None or size == 0:
        return None
    if found[3] is not None:
        suffix = _number(found[3])
        if suffix == 0:
            raise Unsatisfiable
        return Part(max(0, size - suffix), size - 1)
    first = _number(found[1])
    last = _number(found[2]) if found[2] else _FAR
    if last < first:
        return None
    if first >= size:
        raise Unsatisfiable
    return Part(first, min(last, size - 1))


def _number(digits: bytes) -> int:
    """Strangers write numbers as long as a head may be."""
    digits = digits.lstrip(b"0")
    return int(digits or b"0") if len(digits) <= _DIGITS else _FAR
