"""Durations and sizes: numbers with their units.

Every function takes the text of one value and returns seconds or bytes, or raises ScalarError. What others write for
the same is understood well enough to say how it is written here.
"""

from __future__ import annotations

import re

from wsgate.settings.problem import ScalarError, quote

DURATIONS = "a duration like 500ms, 20s, 5m or 1h"
SIZES = "a size like 512B, 64KiB, 1MiB or 1GiB"

_DURATION = re.compile(r"([0-9]{1,12})(ms|s|m|h)")
_MILLISECONDS = {"h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
# Longer than a year is a slip of the keyboard; off is the word for "never".
_MAX_DURATION = 8760 * 3600.0
# 1m30s, 1.5s, 5 sec, 2 minutes, 1d
_LOOSE_DURATIONS = re.compile(r"(?:[0-9]{1,9}(?:\.[0-9]{1,3})?\s*[a-z]+\s*)+", re.IGNORECASE)
_LOOSE_DURATION = re.compile(r"([0-9.]+)\s*([a-z]+)", re.IGNORECASE)
_LOOSE_MILLISECONDS = {
    **dict.fromkeys(("ms", "msec", "msecs", "millisecond", "milliseconds"), 1),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1000),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60_000),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3_600_000),
    **dict.fromkeys(("d", "day", "days"), 86_400_000),
}

_SIZE = re.compile(r"([0-9]{1,19})(B|KiB|MiB|GiB)")
_BYTES = {"GiB": 1 << 30, "MiB": 1 << 20, "KiB": 1 << 10, "B": 1}
# 16MB, 1 k, 1.5 MiB, 100 bytes
_LOOSE_SIZE = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,3})?)\s*(?:([kmgt])(?:i?b|bytes)?|b|bytes?)", re.IGNORECASE)
_LOOSE_BYTES = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}

# RFC 6455 §5.5 lets control frames have 125 bytes, §5.2 lets a payload have 63 bits of length.
_MIN_MESSAGE, _MAX_MESSAGE = 125, (1 << 63) - 1
_MIN_HEAD, _MAX_HEAD = 1 << 10, 1 << 20


def duration(text: str) -> float:
    """Seconds."""
    match = _DURATION.fullmatch(text)
    if match is None:
        if re.fullmatch(r"[0-9]{1,12}", text):
            raise ScalarError(f"{text} has no unit: write {text}s or {text}ms")
        if cure := _duration_meant(text):
            raise ScalarError(f"{quote(text)} is not how a duration is written: write {cure}")
        raise ScalarError(f"expected {DURATIONS}, found {quote(text)}")
    seconds = int(match[1]) * _MILLISECONDS[match[2]] / 1000
    if seconds > _MAX_DURATION:
        raise ScalarError(f"{text} is longer than a year: write 8760h at most")
    return seconds


def _duration_meant(text: str) -> str | None:
    if not _LOOSE_DURATIONS.fullmatch(text):
        return None
    milliseconds = 0.0
    for number, unit in _LOOSE_DURATION.findall(text):
        size = _LOOSE_MILLISECONDS.get(unit.lower())
        if size is None or number.count(".") > 1:
            return None
        milliseconds += float(number) * size
    return show_duration(milliseconds / 1000)


def timeout(text: str) -> float:
    """Seconds, more than 0."""
    seconds = 0.0 if text == "0" else duration(text)
    if seconds == 0:
        raise ScalarError(f"{text} would end everything at once: write a time above 0, like 1ms or 5s")
    return seconds


def show_duration(seconds: float) -> str:
    """The shortest text without a fraction."""
    milliseconds = round(seconds * 1000)
    unit = next((unit for unit, size in _MILLISECONDS.items() if milliseconds and milliseconds % size == 0), "s")
    return f"{milliseconds // _MILLISECONDS[unit]}{unit}"


def size(text: str) -> int:
    """Bytes. 0 needs no unit."""
    match = _SIZE.fullmatch(text)
    if match is not None:
        return int(match[1]) * _BYTES[match[2]]
    if text == "0":
        return 0
    if re.fullmatch(r"[0-9]{1,19}", text):
        raise ScalarError(f"{text} has no unit: write {text}B, or use KiB, MiB or GiB")
    if near := _LOOSE_SIZE.fullmatch(text):
        cure = show_size(round(float(near[1]) * _LOOSE_BYTES[(near[2] or "").lower()]))
        raise ScalarError(f"{quote(text)} is not how a size is written: write {cure}")
    raise ScalarError(f"expected {SIZES}, found {quote(text)}")


def size_above_zero(text: str) -> int:
    """Bytes, more than 0."""
    value = size(text)
    if not 0 < value <= _MAX_MESSAGE:
        raise ScalarError(f"{text} is {'nothing' if value == 0 else 'more than any file has'}: write a size like 1GiB")
    return value


def head_size(text: str) -> int:
    """Bytes: what every client needs, and what each connection may take of our memory."""
    value = size(text)
    if not _MIN_HEAD <= value <= _MAX_HEAD:
        raise ScalarError(f"{text} is no size for a head: write one from 1KiB to 1MiB")
    return value


def message_size(text: str) -> int:
    """Bytes, at least what a control frame may have."""
    value = size(text)
    if value < _MIN_MESSAGE:
        raise ScalarError(
            f"{text} is less than a control frame may have (RFC 6455 §5.5): write {_MIN_MESSAGE}B or more"
        )
    if value > _MAX_MESSAGE:
        raise ScalarError(
            f"{text} is more than a frame can have (RFC 6455 §5.2): write less than 8589934592GiB, or off"
        )
    return value


def show_size(value: int) -> str:
    """The shortest text without a fraction."""
    unit = next((unit for unit, size in _BYTES.items() if value and value % size == 0), "B")
    return f"{value // _BYTES[unit]}{unit}"
