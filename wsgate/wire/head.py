"""The head of an HTTP/1.1 message: where it ends, how large it may be, and what is corrected before h11 reads it.

h11 bounds only the bytes that it is waiting with, so a head in one piece could be larger than one in two. Here a head
is collected first, with a bound on its size, and h11 gets it whole.

h11 is stricter than RFC 9112 in a few places that decide no boundary. Those are corrected here. h11 keeps its say over
every place that decides a boundary.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import h11

from wsgate.text.token import TOKEN

MAX_HEAD = 16 << 10  # bytes, as node.js; nginx takes 4 x 8 KiB
MAX_TARGET = 8 << 10  # bytes; RFC 9110 §4.1 asks for at least 8000, and access tokens stand in queries

_END = re.compile(rb"\n\r?\n")
_LINE_ENDS = b"\r\n"
_EMPTY_LINES = re.compile(rb"(?:\r?\n)+")
_BLANKS_BEFORE_COLON = re.compile(rb"^(" + TOKEN + rb")[ \t]+:", re.MULTILINE)
_REQUEST_LINE = re.compile(rb"[^ \r\n]+ ([!-~\x80-\xff]+) HTTP/")
_NOT_ASCII = re.compile(rb"[\x80-\xff]")
_QUOTED_BYTES = re.compile(r"(?:bytearray\()?b('.*'|\".*\")\)?", re.DOTALL)
_MAX_MESSAGE = 200  # characters of a message of h11's, which quotes the peer


@dataclass(frozen=True, slots=True)
class TooLarge:
    """A head of more than ``limit`` bytes."""

    limit: int


class HeadBuffer:
    """Collects the bytes of a connection and takes heads off their front.

    Empty lines in front of a head are dropped, as a server should do (RFC 9112 §2.2) and HAProxy does for answers too.
    They count towards the head's limit. The bytes behind a head may be no HTTP, so they stay unchanged until the caller
    asks for the next head.

    limit: bytes that a head may have, with the empty line at its end
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._data = bytearray()
        self._skipped = 0
        self._searched = 0

    def receive(self, data: bytes) -> None:
        self._data += data

    def peek(self, size: int) -> bytes:
        """Returns the first ``size`` bytes of the next head, fewer if fewer have come."""
        data = self._data
        if not data:
            return b""
        if data[0] in _LINE_ENDS and (found := _EMPTY_LINES.match(data)):
            self._skipped += found.end()
            del data[: found.end()]
        return bytes(data[:size])

    def rest(self) -> bytes:
        """Returns the bytes behind the heads that were taken."""
        return bytes(self._data)

    def take_some(self, most: int) -> bytes:
        """Takes at most so many of the bytes behind the heads that were taken: a piece of a body."""
        some = bytes(self._data[:most])
        del self._data[:most]
        return some

    def take_rest(self) -> bytes:
        """Takes all of the bytes behind the heads that were taken."""
        rest = bytes(self._data)
        self._data.clear()
        self._searched = 0
        return rest

    def take(self) -> bytes | TooLarge | None:
        """Takes the next head; ``None`` while its end has not come."""
        self.peek(0)
        found = _END.search(self._data, self._searched)
        size = len(self._data) if found is None else found.end()
        if self._skipped + size > self._limit:
            return TooLarge(self._limit)
        if found is None:
            self._searched = max(0, size - 2)
            return None
        head = bytes(self._data[:size])
        del self._data[:size]
        self._searched = self._skipped = 0
        return head


def without_blanks_before_colons(head: bytes) -> bytes:
    """Returns a response's head as a proxy must read it (RFC 9112 §5.1). In a request such blanks are an error."""
    if b" :" not in head and b"\t:" not in head:  # nearly always
        return head
    return _BLANKS_BEFORE_COLON.sub(rb"\1:", head)


def with_ascii_target(head: bytes) -> tuple[bytes, bytes | None]:
    """Returns the head with an ASCII target for h11, and the original target if it was not ASCII, else ``None``.

    h11 rejects bytes above 0x7F in a target. A URI has none (RFC 3986 §2), but clients send them and servers accept
    them.
    """
    if head.isascii():
        return head, None
    found = _REQUEST_LINE.match(head)
    if found is None or found[1].isascii():
        return head, None
    start, end = found.span(1)
    quoted = _NOT_ASCII.sub(lambda byte: b"%%%02X" % ord(byte[0]), found[1])
    return head[:start] + quoted + head[end:], found[1]


def describe_error(error: h11.ProtocolError) -> str:
    """Returns h11's message for the log, bounded. It leaves out a request's query and a field's value, which may be
    secrets."""
    return shortened(_QUOTED_BYTES.sub(_redacted, str(error)))


def shortened(text: str) -> str:
    return text if len(text) <= _MAX_MESSAGE else text[:_MAX_MESSAGE] + "…"


def _redacted(found: re.Match[str]) -> str:
    quoted = found[1]
    end = min(at for mark in "?:" if (at := quoted.find(mark) + 1 or len(quoted)))
    return quoted if end >= len(quoted) - 1 else f"{quoted[:end]}…{quoted[0]}"
