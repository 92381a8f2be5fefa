"""Conditional requests (RFC 9110 §13): what a client that knows an older state of a file is to be told."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from email.utils import formatdate, parsedate_to_datetime

from wsgate.wire.headers import Headers, values

_ENTITY_TAG = re.compile(rb'(W/)?("[\x21\x23-\x7e\x80-\xff]*")')


class Verdict(enum.Enum):
    SEND = 200
    NOT_MODIFIED = 304
    FAILED = 412


@dataclass(frozen=True, slots=True)
class State:
    """A file as it is now.

    tag: a strong entity tag, quotes included
    modified: seconds since the epoch
    """

    tag: bytes
    modified: int

    def fields(self) -> list[tuple[bytes, bytes]]:
        return [(b"ETag", self.tag), (b"Last-Modified", formatdate(self.modified, usegmt=True).encode())]


def judge(headers: Headers, state: State) -> Verdict:
    """For GET and HEAD, in the order of §13.2.2. A date that is none counts as not there (§13.1.3, §13.1.4)."""
    if wanted := values(headers, b"if-match"):
        if not _is_listed(wanted, state.tag, weak=False):
            return Verdict.FAILED
    elif (date := _date(headers, b"if-unmodified-since")) is not None and state.modified > date:
        return Verdict.FAILED
    if known := values(headers, b"if-none-match"):
        return Verdict.NOT_MODIFIED if _is_listed(known, state.tag, weak=True) else Verdict.SEND
    date = _date(headers, b"if-modified-since")
    return Verdict.NOT_MODIFIED if date is not None and state.modified <= date else Verdict.SEND


def may_send_part(headers: Headers, state: State) -> bool:
    """Whether If-Range lets a Range count (§13.1.5): only for the very file that the client has the rest of."""
    found = values(headers, b"if-range")
    if not found:
        return True
    if len(found) > 1:
        return False
    if found[0].startswith((b'"', b"W/")):
        return found[0] == state.tag
    return _date(headers, b"if-range") == state.modified


def _is_listed(fields: list[bytes], tag: bytes, *, weak: bool) -> bool:
    """§8.8.3.2: a weak tag is equal only where nothing depends on every byte."""
    text = b",".join(fields)
    if text.strip() == b"*":
        return True
    return any(found[2] == tag and (weak or not found[1]) for found in _ENTITY_TAG.finditer(text))


def _date(headers: Headers, name: bytes) -> int | None:
    found = values(headers, name)
    if len(found) != 1:
        return None
    try:
        return int(parsedate_to_datetime(found[0].decode("ascii")).timestamp())
    except (ValueError, OverflowError):  # UnicodeDecodeError too
        return None
