"""Users and their passwords as htpasswd(1) writes them: ``user:hash``, or ``user:{PLAIN}password``.

A line of another form, or with a hash that is not supported, could never let its user in, so it is an error. No message
repeats anything of a password.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass

from wsgate.text.error import TextError, quote
from wsgate.text.lines import each_line

BCRYPT = ("$2a$", "$2b$", "$2y$")
_WHOLE_BCRYPT = re.compile(r"\$2[aby]\$(?:0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{53}")
_SHA1 = 20  # bytes
# Kinds of crypt(5). Other text between two "$" may be part of a password, so no message repeats it.
_UNSUPPORTED = {"$apr1$": "Apache's MD5", "$1$": "MD5"} | dict.fromkeys(
    ("$5$", "$6$", "$7$", "$y$", "$gy$", "$md5$", "$sha1$", "$argon2i$", "$argon2id$"), "a hash of crypt(3)"
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_CURE = "write what htpasswd -nB prints for this user"


@dataclass(frozen=True, slots=True)
class Entry:
    """A user, and the password's hash, which begins with its kind."""

    user: str
    hashed: str

    @property
    def needs_bcrypt(self) -> bool:
        return self.hashed.startswith(BCRYPT)


def split(line: str) -> tuple[str, str]:
    """Returns user and hash, which may be unsupported. Raises ``TextError`` when the line has another form."""
    user, colon, hashed = line.partition(":")
    if not colon or not user or not hashed:
        raise TextError("is not user:hash: write what htpasswd -nB USER prints, or user:{PLAIN}password", "this")
    if _CONTROL.search(line):
        raise TextError("is a control character in it: write user:hash in one line", "there")
    return user, hashed


def entry(line: str) -> Entry:
    """Parses a line. Raises ``TextError`` when its form is wrong or its hash is not supported."""
    user, hashed = split(line)
    if problem := _wrong_with(hashed):
        raise TextError(problem, f"the password of {quote(user)}")
    return Entry(user, hashed)


def entries(data: bytes) -> Iterator[tuple[int, Entry | TextError]]:
    """Yields the number of each line, from 1, with its entry or its error."""
    return each_line(data, entry)


def _wrong_with(hashed: str) -> str | None:
    """Returns what is wrong with a hash, with the cure; ``None`` for a valid one."""
    if hashed.startswith("{PLAIN}"):
        return None if hashed != "{PLAIN}" else "is empty: write one behind {PLAIN}"
    for kind in ("{SHA}", "{SSHA}"):
        if hashed.startswith(kind):
            size = _decoded_size(hashed.removeprefix(kind))
            is_right = size == _SHA1 if kind == "{SHA}" else size > _SHA1
            return None if is_right else f"is no {kind} that is whole: {_CURE}"
    if hashed.startswith("$2"):
        return None if _WHOLE_BCRYPT.fullmatch(hashed) else f"is no bcrypt hash that is whole: {_CURE}"
    for kind, name in _UNSUPPORTED.items():
        if hashed.startswith(kind):
            return f"is {name} ({quote(kind)}), which is not supported: {_CURE}"
    return f"has no hash that is known, bcrypt, {{SHA}} or {{SSHA}}: {_CURE}, or {{PLAIN}} and the password"


def _decoded_size(text: str) -> int:
    """Returns the number of decoded bytes; 0 if ``text`` is no base64."""
    try:
        return len(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        return 0
