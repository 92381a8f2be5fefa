"""The normal form of a URL's path (RFC 3986 §6.2.2): what decides which route, which user and which file is meant.

One thing may be written in many ways, and whoever acts on a path reads them all as the same. So everybody who decides
by one decides by its normal form:

- a percent-encoded character that may stand in a path for itself (§3.3: unreserved, sub-delims, ":", "@") is decoded;
- everything else is encoded, in capitals: bytes above 0x7F and what a path cannot have, like a blank or a backslash;
- "%2F" is no separator, and stays what it is;
- empty segments are merged, then "." and ".." removed (§5.2.4), however their dots were written.

A "%" without two hexadecimal digits behind it stays as it is, and so does an escape of a digit that would complete it:
so the normal form of a normal form is itself.
"""

from __future__ import annotations

import re

_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:@/")
_ENCODED = [bytes((byte,)) if byte in _PLAIN else b"%%%02X" % byte for byte in range(256)]
_DECODED = {
    f"{byte:02x}".encode(): bytes((byte,)) if byte in _PLAIN and byte != ord("/") else b"%%%02X" % byte
    for byte in range(256)
}
# No possessive group: in Python 3.11.2 (Debian 12) one that fails half-way keeps what it took, and "//" is normal.
_NORMAL = re.compile(rb"(?:/(?!\.)[A-Za-z0-9\-._~!$&'()*+,;=:@]+)*/?")
_UNIT = re.compile(rb"%[0-9A-Fa-f]{2}|.", re.DOTALL)
_DIGIT_OR_NONE = re.compile(rb"[0-9A-Fa-f]?")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-F]{2})")


def normal(path: bytes) -> str:
    """The normal form of a path that begins with a slash, in ASCII."""
    if not _NORMAL.fullmatch(path):
        path = _without_dots(_decoded(path))
    return path.decode("ascii")


def has_bad_escape(path: str) -> bool:
    """Whether a path in its normal form has a "%" that encodes nothing."""
    return _BAD_ESCAPE.search(path) is not None


def rest(path: bytes, prefix: str) -> bytes:
    """What stands behind ``prefix`` in ``path``, whose normal form begins so: as it was sent where it can be found
    there, and where dot segments cannot lead it out of what comes in the prefix's place; else from the normal form."""
    if path.startswith(prefix.encode()) and not _has_dots(path):
        return path[len(prefix) :]
    found = normal(path)
    units = _UNIT.findall(path)
    # A unit is one byte, encoded or not. Whatever is removed from a path makes fewer of them.
    if len(units) == len(_UNIT.findall(found.encode())):
        return b"".join(units[len(_UNIT.findall(prefix.encode())) :])
    return found[len(prefix) :].encode()


def _decoded(path: bytes) -> bytes:
    first, *pieces = path.split(b"%")
    done = [_encoded(first)]
    stray = False  # a digit here would complete the "%" before
    for piece in pieces:
        code = piece[:2].lower()
        if code not in _DECODED:
            text = _encoded(piece)
            done.append(b"%" + text)
            stray = _DIGIT_OR_NONE.fullmatch(text) is not None
        else:
            plain = _DECODED[code]
            done.append(b"%" + code.upper() if stray and _DIGIT_OR_NONE.fullmatch(plain) else plain)
            done.append(_encoded(piece[2:]))
            stray = False
    return b"".join(done)


def _encoded(text: bytes) -> bytes:
    return b"".join([_ENCODED[byte] for byte in text])


def _has_dots(path: bytes) -> bool:
    return any(segment in (b".", b"..") for segment in _decoded(path).split(b"/"))


def _without_dots(path: bytes) -> bytes:
    segments: list[bytes] = []
    *directories, last = path.split(b"/")
    for segment in directories:
        if segment == b"..":
            del segments[-1:]
        elif segment not in (b"", b"."):
            segments.append(segment)
    if last == b"..":
        del segments[-1:]
    if last in (b"", b".", b".."):
        last = b""
    return b"".join([b"/" + segment for segment in segments]) + b"/" + last
