"""Texts with placeholders in braces, like ``/rooms/{room}/{2}``: a name or a number stands for a part of a request."""

from __future__ import annotations

import re

_PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*|[1-9][0-9]?)\}")


def split(text: str) -> list[str]:
    """Returns literal texts and names in turn; the first and the last are literal, and may be empty."""
    return _PLACEHOLDER.split(text)


def names(text: str) -> list[str]:
    """Returns the names in the braces, in order."""
    return split(text)[1::2]


def filled(text: str, value: str) -> str:
    """Returns the text with ``value`` for each placeholder."""
    return value.join(split(text)[::2])


def group(match: re.Match[str], name: str) -> str:
    """Returns what a group matched, by its name or number; nothing for one that matched nothing."""
    return match[int(name) if name.isdecimal() else name] or ""
