"""Users and their passwords as htpasswd(1) writes them: whether a line is one that can ever let somebody in."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator

from wsgate.settings.access import credential
from wsgate.settings.problem import quote
from wsgate.text.error import TextError

_SHA1 = 20  # bytes
_BCRYPT = re.compile(r"\$2[aby]\$(?:0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{53}")
_CRYPT = re.compile(r"\$[^$]*\$")


def needs_bcrypt(line: str) -> bool:
    return line.partition(":")[2].startswith("$2")


def wrong_with(line: str) -> str | None:
    """What is wrong with ``user:hash``, with the cure, and without the hash; ``None`` where all is right."""
    user, _, hashed = line.partition(":")
    whose = f"the password of {quote(user)}"
    cure = "write what htpasswd -nB prints for this user"
    if hashed.startswith("{PLAIN}"):
        return None if hashed != "{PLAIN}" else f"{whose} is empty: write one behind {{PLAIN}}"
    for kind in ("{SHA}", "{SSHA}"):
        if hashed.startswith(kind):
            size = _decoded_size(hashed.removeprefix(kind))
            is_right = size == _SHA1 if kind == "{SHA}" else size > _SHA1
            return None if is_right else f"{whose} is no {kind} that is whole: {cure}"
    if needs_bcrypt(line):
        return None if _BCRYPT.fullmatch(hashed) else f"{whose} is no bcrypt hash that is whole: {cure}"
    if kind_of_crypt := _CRYPT.match(hashed):
        known = {"$apr1$": "Apache's MD5", "$1$": "MD5"}.get(kind_of_crypt[0], "a hash of crypt(3)")
        return f"{whose} is {known} ({quote(kind_of_crypt[0])}), which is not supported: {cure}"
    return f"{whose} has no hash that is known, bcrypt, {{SHA}} or {{SSHA}}: {cure}, or {{PLAIN}} and the password"


def lines_of(data: bytes) -> Iterator[tuple[int, str, str | None]]:
    """The users in a file: number and text of each line, and what is wrong with it. Empty lines and those that begin
    with ``#`` say nothing."""
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").splitlines(), 1):
        try:
            text = line.decode().strip()
        except UnicodeDecodeError:
            yield number, "", "this is not UTF-8: save the file as UTF-8"
            continue
        if not text or text.startswith("#"):
            continue
        try:
            yield number, text, wrong_with(credential(text))
        except TextError as error:
            yield number, "", str(error)


def _decoded_size(text: str) -> int:
    """Bytes; 0 for what is no base64."""
    try:
        return len(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        return 0
