"""The normal form of a URL's path (RFC 3986 §6.2.2), which decides the route, the user's access and the file.

One path can be written in many ways that servers treat as the same. So every decision by path uses the normal form:

- a percent-encoded character that a path may contain unencoded (§3.3: unreserved, sub-delims, ":", "@") is decoded;
- every other byte is encoded, with capital digits: above 0x7F, or not allowed in a path, like a blank or a backslash;
- "%2F" is no separator and stays encoded;
- empty segments are removed, then "." and ".." (§5.2.4), also if their dots were encoded.

A "%" without two hexadecimal digits after it stays unchanged. If decoding a digit would complete such a "%", the digit
stays encoded. So normalising twice gives the same as normalising once.
"""

from __future__ import annotations

import re

_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:@/")
_ENCODED = [bytes((byte,)) if byte in _PLAIN else b"%%%02X" % byte for byte in range(256)]
_DECODED = {
    f"{byte:02x}".encode(): bytes((byte,)) if byte in _PLAIN and byte != ord("/") else b"%%%02X" % byte
    for byte in range(256)
}
# No possessive group: in Python 3.11.2 (Debian 12) it wrongly matches "//".
_NORMAL = re.compile(rb"(?:/(?!\.)[A-Za-z0-9\-._~!$&'()*+,;=:@]+)*/?")
_UNIT = re.compile(rb"%[0-9A-Fa-f]{2}|.", re.DOTALL)
_DIGIT_OR_NONE = re.compile(rb"[0-9A-Fa-f]?")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-F]{2})")


def normal(path: bytes) -> str:
    """Returns the normal form, which is ASCII, of a path that begins with a slash."""
    if not _NORMAL.fullmatch(path):
        path = _without_dots(_decoded(path))
    return path.decode("ascii")


def has_bad_escape(path: str) -> bool:
    """Whether a path in its normal form has a "%" that is no percent-encoding."""
    return _BAD_ESCAPE.search(path) is not None


def path_after(path: bytes, prefix: str) -> bytes:
    """Returns the part of ``path`` after ``prefix``, with which its normal form begins.

    The part is as it was sent, if it can be found there. It is from the normal form if ``path`` has dot segments, which
    could lead out of the path that replaces the prefix.
    """
    if path.startswith(prefix.encode()) and not _has_dots(path):
        return path[len(prefix) :]
    found = normal(path)
    units = _UNIT.findall(path)
    # A unit is one byte, encoded or not. If normalising removed anything, there are fewer of them.
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
