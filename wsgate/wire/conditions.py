"""Conditional requests (RFC 9110 §13): a client that has an older copy of a file asks for it only if it changed."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from email.utils import formatdate, parsedate_to_datetime

from wsgate.wire.headers import Headers, values

_ENTITY_TAG = re.compile(rb'(W/)?("[\x21\x23-\x7e\x80-\xff]*")')


class ConditionResult(enum.Enum):
    """What the preconditions of a request demand, with the status of the answer."""

    SEND = 200
    NOT_MODIFIED = 304
    FAILED = 412


@dataclass(frozen=True, slots=True)
class Validators:
    """The validators of a file's present content (RFC 9110 §8.8).

    tag: a strong entity tag, quotes included
    modified: seconds since the epoch
    """

    tag: bytes
    modified: int

    def fields(self) -> list[tuple[bytes, bytes]]:
        """Returns them as the header fields of an answer."""
        return [(b"ETag", self.tag), (b"Last-Modified", formatdate(self.modified, usegmt=True).encode())]


def evaluate_conditions(headers: Headers, validators: Validators) -> ConditionResult:
    """Evaluates the preconditions of a GET or HEAD in the order of §13.2.2.

    A malformed date counts as absent (§13.1.3, §13.1.4).

    headers: the request's, names in lower case
    """
    if wanted := values(headers, b"if-match"):
        if not _is_listed(wanted, validators.tag, weak=False):
            return ConditionResult.FAILED
    elif (date := _date(headers, b"if-unmodified-since")) is not None and validators.modified > date:
        return ConditionResult.FAILED
    if known := values(headers, b"if-none-match"):
        return ConditionResult.NOT_MODIFIED if _is_listed(known, validators.tag, weak=True) else ConditionResult.SEND
    date = _date(headers, b"if-modified-since")
    return ConditionResult.NOT_MODIFIED if date is not None and validators.modified <= date else ConditionResult.SEND


def range_applies(headers: Headers, validators: Validators) -> bool:
    """Whether If-Range allows the Range field to apply (§13.1.5): only if the client's copy is of the same content."""
    found = values(headers, b"if-range")
    if not found:
        return True
    if len(found) > 1:
        return False
    if found[0].startswith((b'"', b"W/")):
        return found[0] == validators.tag
    return _date(headers, b"if-range") == validators.modified


def _is_listed(fields: list[bytes], tag: bytes, *, weak: bool) -> bool:
    """Compares by §8.8.3.2: a weak tag matches only in a weak comparison."""
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
