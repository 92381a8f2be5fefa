"""The head of an HTTP/1.1 message: where it ends, how large it may be, and what of it is put right before h11 reads it.

h11 bounds what it waits for, so a head that came in one piece could be larger than one that came in two. Here a head is
gathered first, bounded by its size alone, and given to h11 whole. h11 is also stricter than RFC 9112 in a few places
that decide no boundary; those are put right here, and everything that does decide one is left to it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import h11

from wsgate.text.token import TOKEN

MAX_HEAD = 32 << 10  # bytes; cookies and tokens of 20 KB are real. nginx takes 4 x 8 KiB, node.js 16 KiB
MAX_TARGET = 16 << 10  # bytes; RFC 9110 §4.1 asks for at least 8000, and access tokens stand in queries

_END = re.compile(rb"\n\r?\n")
_EMPTY_LINES = re.compile(rb"(?:\r?\n)+")
_BLANKS_BEFORE_COLON = re.compile(rb"^(" + TOKEN + rb")[ \t]+:", re.MULTILINE)
_REQUEST_LINE = re.compile(rb"[^ \r\n]+ ([!-~\x80-\xff]+) HTTP/")
_NOT_ASCII = re.compile(rb"[\x80-\xff]")
_BYTES_IN_WORDS = re.compile(r"(?:bytearray\()?b('.*'|\".*\")\)?", re.DOTALL)
_MAX_WORDS = 200  # characters of h11's words, which repeat the stranger's


@dataclass(frozen=True, slots=True)
class TooLarge:
    """A head that has more bytes than the ``limit``."""

    limit: int


class HeadBuffer:
    """Gathers what a connection gives and takes heads off its front.

    Empty lines in front of a head are dropped, as a server should (RFC 9112 §2.2), and HAProxy does for answers too.
    They count as its bytes. What comes behind a head may be something else: it is left as it is until the next head is
    asked for.

    limit: bytes that a head may have, with the empty line at its end
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._data = bytearray()
        self._skipped = 0
        self._searched = 0

    def receive(self, data: bytes) -> None:
        self._data += data

    def start(self, size: int) -> bytes:
        """The first bytes of the next head; ``b""`` where it has not begun."""
        if self._data.startswith((b"\r", b"\n")) and (found := _EMPTY_LINES.match(self._data)):
            self._skipped += found.end()
            del self._data[: found.end()]
        return bytes(self._data[:size])

    def rest(self) -> bytes:
        """What came behind the heads that were taken."""
        return bytes(self._data)

    def take(self) -> bytes | TooLarge | None:
        """The next head, or ``None`` while its end has not come."""
        self.start(0)
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
    """A response's head as a proxy must read it (RFC 9112 §5.1). In a request such blanks stay, and are refused."""
    if b" :" not in head and b"\t:" not in head:  # nearly always
        return head
    return _BLANKS_BEFORE_COLON.sub(rb"\1:", head)


def with_ascii_target(head: bytes) -> tuple[bytes, bytes | None]:
    """A request's head for h11, which takes no bytes above 0x7F in a target, and the target as it came where it has
    some. They are no URI's (RFC 3986 §2), but clients send them and servers take them."""
    if head.isascii():
        return head, None
    found = _REQUEST_LINE.match(head)
    if found is None or found[1].isascii():
        return head, None
    start, end = found.span(1)
    quoted = _NOT_ASCII.sub(lambda byte: b"%%%02X" % ord(byte[0]), found[1])
    return head[:start] + quoted + head[end:], found[1]


def in_words(error: h11.ProtocolError) -> str:
    """What h11 says, for the log: bytes as text, a request's query and a field's value left out, for they may be
    secrets, and all of it bounded."""
    return in_short(_BYTES_IN_WORDS.sub(_shown, str(error)))


def in_short(text: str) -> str:
    return text if len(text) <= _MAX_WORDS else text[:_MAX_WORDS] + "…"


def _shown(found: re.Match[str]) -> str:
    quoted = found[1]
    end = min(at for mark in "?:" if (at := quoted.find(mark) + 1 or len(quoted)))
    return quoted if end >= len(quoted) - 1 else f"{quoted[:end]}…{quoted[0]}"
