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
_DOTS_IN_DISGUISE = re.compile(rb"(?i)(?:^|[/\\]|%2f|%5c)(?:\.|%2e){1,2}(?=$|[/\\;]|%2f|%5c|%3b)")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-F]{2})")


def normal(path: bytes) -> str:
    """Returns the normal form, which is ASCII, of a path that begins with a slash."""
    if not _NORMAL.fullmatch(path):
        path = _without_dots(_decoded(path))
    return path.decode("ascii")


def has_bad_escape(path: str) -> bool:
    """Whether a path in its normal form has a "%" that is no percent-encoding."""
    return _BAD_ESCAPE.search(path) is not None


def part_as_sent(path: bytes, start: int, end: int | None = None) -> bytes:
    """Returns the characters from ``start`` to ``end`` of the normal form of ``path``, as they were sent.

    So what was percent-encoded stays as it is, and so do empty segments, which belong to the slash in front of them.
    Dot segments are left out: behind another beginning they could lead out of it.
    """
    found = normal(path).encode()
    if found == path:
        return path[start:end]
    end = len(found) if end is None else end
    parts = []
    at = 0
    for unit, sent in zip(_UNIT.findall(found), _sent_units(path), strict=True):
        behind = at + len(unit)
        if start <= at and behind <= end:
            parts.append(sent)
        elif at < end and start < behind:  # only a part of a percent-encoding is asked for
            parts.append(unit[max(start - at, 0) : end - at])
        at = behind
    return b"".join(parts)


def leads_out(path: bytes) -> bool:
    """Whether a server that decodes slashes, or heeds backslashes or ";" (RFC 3986 §3.3), may find dot segments."""
    return _DOTS_IN_DISGUISE.search(path) is not None


def _sent_units(path: bytes) -> list[bytes]:
    """Returns what was sent for each unit of the normal form: a byte, encoded or not, or a slash with those behind it
    that normalising removes."""
    kept: list[list[bytes]] = []
    slash = b"/"
    *directories, last = path.split(b"/")[1:]
    for segment in directories:
        plain = _decoded(segment)
        if plain == b"":
            slash += b"/"
        elif plain == b"..":
            del kept[-1:]
            slash = b"/"
        elif plain != b".":
            kept.append([slash, *_UNIT.findall(segment)])
            slash = b"/"
    plain = _decoded(last)
    if plain == b"..":
        del kept[-1:]
    kept.append([b"/" if plain == b".." else slash, *([] if plain in (b".", b"..") else _UNIT.findall(last))])
    return [unit for units in kept for unit in units]


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
