"""Durations and sizes with the bounds of each kind.

Every parser takes the text of one value and returns seconds or bytes. It raises ``TextError`` when the text is wrong.
"""

from __future__ import annotations

from wsgate.text.duration import duration
from wsgate.text.error import TextError
from wsgate.text.size import size

# RFC 6455: a control frame may have 125 bytes (§5.5), the length of a payload 63 bits (§5.2).
_MIN_MESSAGE, _MAX_MESSAGE = 125, (1 << 63) - 1
_MIN_HEAD, _MAX_HEAD = 1 << 10, 1 << 20


def timeout(text: str) -> float:
    """Parses seconds, more than 0."""
    seconds = 0.0 if text == "0" else duration(text)
    if seconds == 0:
        raise TextError(f"{text} would end everything at once: write a time above 0, like 1ms or 5s")
    return seconds


def size_above_zero(text: str) -> int:
    """Parses bytes, more than 0."""
    value = size(text)
    if not 0 < value <= _MAX_MESSAGE:
        raise TextError(f"{text} is {'nothing' if value == 0 else 'more than any file has'}: write a size like 1GiB")
    return value


def byte_rate(text: str) -> int:
    """Parses bytes per second, more than 0."""
    value = size(text)
    if not 0 < value <= _MAX_MESSAGE:
        raise TextError(f"{text} is {'nothing' if value == 0 else 'no limit'}: write a size like 1MiB, or off")
    return value


def head_size(text: str) -> int:
    """Parses bytes of a head, with a lower bound that every client needs and an upper bound for the memory."""
    value = size(text)
    if not _MIN_HEAD <= value <= _MAX_HEAD:
        raise TextError(f"{text} is no size for a head: write one from 1KiB to 1MiB")
    return value


def window_size(text: str) -> int:
    """Parses bytes of the window of a compression: a power of two that zlib and RFC 7692 §7.1.2 know."""
    value = size(text)
    if value not in (512 << bits for bits in range(7)):
        raise TextError(f"{text} is no size for a window: write 512B, 1KiB, 2KiB, 4KiB, 8KiB, 16KiB or 32KiB")
    return value


def message_size(text: str) -> int:
    """Parses bytes of a message, at least what a control frame may have."""
    value = size(text)
    if value < _MIN_MESSAGE:
        raise TextError(f"{text} is less than a control frame may have (RFC 6455 §5.5): write {_MIN_MESSAGE}B or more")
    if value > _MAX_MESSAGE:
        raise TextError(f"{text} is more than a frame can have (RFC 6455 §5.2): write less than 8589934592GiB, or off")
    return value
