"""Paths: one normal form however one is written, and no way out of what a route takes."""

from __future__ import annotations

from random import Random
from urllib.parse import unquote_to_bytes

from wsgate.text.paths import has_bad_escape, normal, part_as_sent

from .inputs import chance, mutated

_SEGMENTS = [
    b"x",
    b"y.z",
    b"%2e%2E",
    b"..",
    b".",
    b"",
    b"a%2Fb",
    b"%5c",
    b"\\",
    b"%",
    b"%4",
    b"%zz",
    b"%25",
    b"%00",
    b"...",
    b"\xc3\xa9",
]
_SEGMENTS += [b"%c3%a9", b"~", b"a:b@c", b"%2", b"e", b";p=1", b" ", b"%20", b"x" * 60]
_PREFIX = "/x/"


def paths(random: Random) -> None:
    written = random.choice((b"/", b"//", b"/x/", b"/%78/")) + b"/".join(
        random.choices(_SEGMENTS, k=random.randrange(8))
    )
    path = b"/" + mutated(random, written, 3).lstrip(b"?")
    found = normal(path)
    assert found.isascii()
    assert found.startswith("/")
    *directories, last = found[1:].split("/")
    assert not {"", ".", ".."}.intersection(directories), found
    assert last not in (".", ".."), found
    assert normal(found.encode()) == found, path
    assert _meant(found.encode()) == _meant(path), (path, found)
    if not has_bad_escape(found):
        assert normal(_otherwise(random, found.encode())) == found, path
    if found.startswith(_PREFIX):
        behind = part_as_sent(path, len(_PREFIX))
        assert normal(b"/base/" + behind) == "/base/" + found.removeprefix(_PREFIX), (path, behind)


def _meant(path: bytes) -> list[bytes]:
    """The segments as bytes, by another way: decoded one by one, so that an encoded slash stays inside its own."""
    meant: list[bytes] = []
    *directories, last = [unquote_to_bytes(segment) for segment in path.split(b"/")]
    for segment in directories:
        if segment == b"..":
            del meant[-1:]
        elif segment not in (b"", b"."):
            meant.append(segment)
    if last == b"..":
        del meant[-1:]
    return [*meant, last if last not in (b".", b"..") else b""]


def _otherwise(random: Random, path: bytes) -> bytes:
    """Returns the same path in another form, as a client would write it to get around a route."""
    written = b""
    at = 0
    while at < len(path):
        unit = path[at : at + 3] if path[at : at + 1] == b"%" else path[at : at + 1]
        at += len(unit)
        if unit == b"/":
            unit = random.choice((b"/", b"/", b"//", b"/./", b"/q/../", b"/%2E/", b"/%71/%2e./"))
        elif len(unit) == 1 and chance(random, 3):
            unit = random.choice((b"%%%02x", b"%%%02X")) % unit[0]
        written += unit.lower() if len(unit) == 3 and chance(random, 3) and unit[:1] == b"%" else unit
    return written
