"""Reads heads of the plain form: nearly all of them, in a fraction of h11's time. h11 reads every other head.

Plain is a head in ASCII whose lines end in CR LF, with one Host, without Transfer-Encoding, and with at most one
Content-Length of digits alone. h11 reads such a head in the same way: ``tests/wire/test_plain_head.py`` compares the
two. So what is odd or wrong, and what is said about it, is left to h11.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from wsgate.text.token import TOKEN
from wsgate.wire.headers import Headers, NamedFields, values
from wsgate.wire.kernel import split_fields

# No control characters but the tab; a line that begins with a blank (RFC 9112 §5.2) has no name
_FIELDS = rb"((?:" + TOKEN + rb":[\t -~]*\r\n)*)\r\n"
_REQUEST = re.compile(rb"(" + TOKEN + rb") ([!-~]+) HTTP/(1\.[01])\r\n" + _FIELDS)
_ANSWER = re.compile(rb"HTTP/(1\.[01]) ([1-9][0-9][0-9])(?: [\t -~]*)?\r\n" + _FIELDS)
_LENGTH = re.compile(rb"[0-9]{1,18}")


@dataclass(slots=True)
class RequestHead:
    """The head of a request, as it was written.

    headers: with names in lower case
    raw_headers: the same fields with names as they were written
    """

    method: bytes
    target: bytes
    version: bytes
    headers: Headers
    raw_headers: Headers


@dataclass(slots=True)
class AnswerHead:
    """The head of an answer: an interim one (1xx) if the status is below 200.

    headers: with names in lower case
    raw_headers: the same fields with names as they were written
    """

    status: int
    headers: Headers
    raw_headers: Headers
    version: bytes


def read_plain_request(head: bytes) -> RequestHead | None:
    """Returns the head; ``None`` if it is not plain."""
    found = _REQUEST.fullmatch(head)
    if found is None:
        return None
    method, target, version, lines = found.groups()
    raw_headers, headers = _fields(lines)
    if len(values(headers, b"host")) != 1 or not _has_plain_length(headers):
        return None
    return RequestHead(method, target, version, headers, raw_headers)


def read_plain_answer(head: bytes) -> AnswerHead | None:
    """Returns the head; ``None`` if it is not plain."""
    found = _ANSWER.fullmatch(head)
    if found is None:
        return None
    version, status, lines = found.groups()
    raw_headers, headers = _fields(lines)
    if not _has_plain_length(headers):
        return None
    return AnswerHead(int(status), headers, raw_headers, version)


def _fields(lines: bytes) -> tuple[Headers, NamedFields]:
    """Returns the fields with names as they were written, and with names in lower case."""
    raw, lower, by_name = split_fields(lines)
    return raw, NamedFields(lower, by_name)


def _has_plain_length(headers: NamedFields) -> bool:
    """Whether it is sure how long the body is: it is not in chunks, and has at most one length."""
    if b"transfer-encoding" in headers.by_name:
        return False
    lengths = values(headers, b"content-length")
    return not lengths or (len(lengths) == 1 and _LENGTH.fullmatch(lengths[0]) is not None)
