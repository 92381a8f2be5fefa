"""A line of a file of API keys: ``name:hash``. The hash is the key's SHA-256 in hexadecimal digits.

A fast hash will do: a key is long and random, so nobody guesses it, also with the hash. No message repeats anything of
a line: it may be the key itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from wsgate.text.error import TextError

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_HASH = re.compile(r"[0-9A-Fa-f]{64}")
_CURE = "write name:hash, with the 64 hexadecimal digits that sha256sum prints for the key"


@dataclass(frozen=True, slots=True)
class ApiKeyLine:
    """The name of who has a key, and the key's SHA-256: 32 bytes."""

    name: str
    digest: bytes


def api_key_line(line: str) -> ApiKeyLine:
    """Parses a line. Raises ``TextError`` when it has another form."""
    name, colon, hashed = line.rpartition(":")
    if not colon or not name or _CONTROL.search(name):
        raise TextError(f"is not name:hash: {_CURE}", "this")
    if not _HASH.fullmatch(hashed):
        raise TextError(f"has no SHA-256 behind the colon: {_CURE}", "this")
    return ApiKeyLine(name, bytes.fromhex(hashed))
