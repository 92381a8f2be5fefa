"""A size: a number of bytes with its unit.

Forms that other programs accept are an error, but are understood so far that the message gives the right form.
"""

from __future__ import annotations

import re

from wsgate.text.error import TextError, quote

SIZES = "a size like 512B, 64KiB, 1MiB or 1GiB"

_SIZE = re.compile(r"([0-9]{1,19})(B|KiB|MiB|GiB)")
_BYTES = {"GiB": 1 << 30, "MiB": 1 << 20, "KiB": 1 << 10, "B": 1}
# 16MB, 1 k, 1.5 MiB, 100 bytes
_LOOSE_SIZE = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,3})?)\s*(?:([kmgt])(?:i?b|bytes)?|b|bytes?)", re.IGNORECASE)
_LOOSE_BYTES = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


def size(text: str) -> int:
    """Returns bytes; 0 needs no unit. Raises ``TextError`` when ``text`` is no size."""
    match = _SIZE.fullmatch(text)
    if match is not None:
        return int(match[1]) * _BYTES[match[2]]
    if text == "0":
        return 0
    if re.fullmatch(r"[0-9]{1,19}", text):
        raise TextError("has no unit", text, f"write {text}B, or use KiB, MiB or GiB")
    if near := _LOOSE_SIZE.fullmatch(text):
        cure = show_size(round(float(near[1]) * _LOOSE_BYTES[(near[2] or "").lower()]))
        raise TextError("is not how a size is written", quote(text), f"write {cure}")
    raise TextError.instead_of(SIZES, text)


def show_size(value: int) -> str:
    """Returns the shortest text without a fraction."""
    unit = next((unit for unit, size in _BYTES.items() if value and value % size == 0), "B")
    return f"{value // _BYTES[unit]}{unit}"
