"""Numbers with the bounds of each kind; durations and sizes are in ``quantities``.

Every parser takes the text of one value and returns the number. It raises ``TextError`` when the text is wrong.
"""

from __future__ import annotations

import re

from wsgate.text.error import TextError, quote

MAX_COUNT = (1 << 31) - 1  # the kernel's largest int
MAX_WORKERS = 1024


def drain_code(text: str) -> int:
    code = int(text) if re.fullmatch(r"[0-9]{4}", text) else 0
    if code not in (1001, 1012) and not 3000 <= code <= 4999:
        raise TextError(f"expected 1001 (going away), 1012 (service restart) or 3000 to 4999, found {quote(text)}")
    return code


def count(text: str) -> int:
    # No 0 in front: YAML 1.1 would read the number as octal.
    if not re.fullmatch("[1-9][0-9]{0,9}", text) or int(text) > MAX_COUNT:
        raise TextError(f"expected a number from 1 to {MAX_COUNT}, found {quote(text)}")
    return int(text)


def weight(text: str) -> int:
    if not re.fullmatch("[1-9][0-9]{0,2}", text) or int(text) > 256:
        raise TextError(f"expected a number from 1 to 256, found {quote(text)}")
    return int(text)


def compression_level(text: str) -> int:
    if not re.fullmatch("[1-9]", text):
        raise TextError(f"expected a level from 1 (fast) to 9 (small), found {quote(text)}")
    return int(text)


def share(text: str) -> int:
    if re.fullmatch("[0-9]{1,3}", text):
        raise TextError(f"{quote(text)} has no unit: write {quote(text + '%')}")
    if not re.fullmatch("[0-9]{1,3}%", text) or not 1 <= int(text[:-1]) <= 100:
        raise TextError(f"expected a share from 1% to 100%, found {quote(text)}")
    return int(text[:-1])


def database(text: str) -> int:
    if not re.fullmatch("0|[1-9][0-9]{0,9}", text) or int(text) > MAX_COUNT:
        raise TextError(f"expected a number from 0 to {MAX_COUNT}, found {quote(text)}")
    return int(text)


def workers(text: str) -> int:
    if text == "auto":
        return 0
    if not re.fullmatch("[1-9][0-9]{0,3}", text) or int(text) > MAX_WORKERS:
        raise TextError(f"expected auto or a number from 1 to {MAX_WORKERS}, found {quote(text)}")
    return int(text)


def file_mode(text: str) -> int:
    """Parses permission bits in the octal form of chmod(1)."""
    if not re.fullmatch("0?[0-7]{3}", text):
        raise TextError(f"{quote(text)} is not a mode: write three octal digits with a 0 in front, like 0660")
    return int(text, 8)


def show_mode(mode: int) -> str:
    return f"0{mode:03o}"
