"""A duration: a number with its unit.

Forms that other programs accept are an error, but are understood so far that the message gives the right form.
"""

from __future__ import annotations

import re

from wsgate.text.error import TextError, quote

DURATIONS = "a duration like 500ms, 20s, 5m or 1h"

_DURATION = re.compile(r"([0-9]{1,12})(ms|s|m|h)")
_MILLISECONDS = {"h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
# More than a year is probably a typing error; the setting for "never" is off.
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


def duration(text: str) -> float:
    """Returns seconds. Raises ``TextError`` when ``text`` is no duration, or longer than a year."""
    match = _DURATION.fullmatch(text)
    if match is None:
        if re.fullmatch(r"[0-9]{1,12}", text):
            raise TextError("has no unit", text, f"write {text}s or {text}ms")
        if cure := _duration_meant(text):
            raise TextError("is not how a duration is written", quote(text), f"write {cure}")
        raise TextError.instead_of(DURATIONS, text)
    seconds = int(match[1]) * _MILLISECONDS[match[2]] / 1000
    if seconds > _MAX_DURATION:
        raise TextError("is longer than a year: write 8760h at most", text)
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


def show_duration(seconds: float) -> str:
    """Returns the shortest text without a fraction."""
    milliseconds = round(seconds * 1000)
    unit = next((unit for unit, size in _MILLISECONDS.items() if milliseconds and milliseconds % size == 0), "s")
    return f"{milliseconds // _MILLISECONDS[unit]}{unit}"
