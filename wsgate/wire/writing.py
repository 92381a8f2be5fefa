"""Heads and bodies of HTTP/1.1 messages as bytes.

A wrong call is a ``ValueError``: a field that would be read as something else, or a body of another length than its
head has told.
"""

from __future__ import annotations

from wsgate.text.token import CHARACTERS
from wsgate.wire.headers import Headers

_NEVER = b"\x00\v\f"  # beside line ends, in a value (RFC 9110 §5.5); h11 passes other control characters on as well


def write_head(first_line: bytes, fields: Headers) -> bytes:
    """Returns a head. ``first_line``: without its line end, and checked by the caller."""
    return first_line + b"\r\n" + _lines(fields) + b"\r\n"


def _lines(fields: Headers) -> bytes:
    """Returns a line for each field: as many lines as fields, so no field can hold a second one."""
    lines = b"".join([b"%b: %b\r\n" % field for field in fields])
    names = [name for name, _ in fields]
    if (
        not len(fields) == lines.count(b"\n") == lines.count(b"\r")
        or len(lines.translate(None, _NEVER)) != len(lines)
        or b"".join(names).translate(None, CHARACTERS)
        or b"" in names
    ):
        raise ValueError("a field has a character that ends it, or a name that is no token")
    return lines


class BodyWriter:
    """The body of one message, in pieces.

    length: bytes that the head has told; ``None`` if it has told none
    in_chunks: whether it is sent in chunks (RFC 9112 §7.1)
    """

    __slots__ = ("_left", "in_chunks")

    def __init__(self, length: int | None = None, *, in_chunks: bool = False) -> None:
        self._left = length
        self.in_chunks = in_chunks

    def data(self, piece: bytes) -> bytes:
        """Returns a piece as it is sent."""
        if self.in_chunks:
            return b"%x\r\n%b\r\n" % (len(piece), piece) if piece else b""
        if self._left is not None:
            self._left -= len(piece)
            if self._left < 0:
                raise ValueError("a body is longer than its head has told")
        return piece

    def finish(self, trailers: Headers = ()) -> bytes:
        """Returns the end of the body. ``trailers`` need chunks."""
        if self.in_chunks:
            return b"0\r\n" + _lines(trailers) + b"\r\n"
        if self._left:
            raise ValueError("a body is shorter than its head has told")
        return b""
