"""The server side of HTTP/1.1 on one connection: request heads in, responses out.

Plain heads and bodies of a known length are read here, all others by h11.

A malformed request yields a ``Refusal``, the answer that ends the connection. So does a request whose body could end in
two places (RFC 9112 §11.2). A body is read piece by piece; a connection on which one was not read to its end takes no
further request.
"""

from __future__ import annotations

import http
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import h11

from wsgate.text.host import is_host_field
from wsgate.text.paths import normal
from wsgate.wire.head import MAX_HEAD, MAX_TARGET, HeadBuffer, TooLarge, describe_error, with_ascii_target
from wsgate.wire.headers import Headers, has_token, values
from wsgate.wire.plain_head import RequestHead, read_plain_request
from wsgate.wire.writing import BodyWriter, write_head

_BODILESS = frozenset({204, 304})  # answers that need no Content-Length (RFC 9110 §8.6)

_PHRASES = {status.value: status.phrase.encode() for status in http.HTTPStatus}

_MOST_METHOD = 32  # bytes; no method that is in use has so many

_LENGTHS = re.compile(rb"^content-length[ \t]*:([^\r\n]*)", re.IGNORECASE | re.MULTILINE)


@dataclass(slots=True)
class Request:
    """A request head.

    target: in origin-form, as it was sent
    host: the authority that was asked for; empty if there is none (HTTP/1.0)
    headers: with names in lower case
    raw_headers: the same fields with names as they were written, to be passed on
    length: bytes of its body; ``None`` if only the body's chunks tell
    path: the target's path in its normal form; every decision by path uses this one
    """

    method: bytes
    target: bytes
    host: bytes
    version: bytes
    headers: Headers
    raw_headers: Headers
    length: int | None = 0
    path: str = field(init=False)

    def __post_init__(self) -> None:
        self.path = normal(self.target.partition(b"?")[0])


@dataclass(frozen=True, slots=True)
class Refusal:
    """An HTTP answer that refuses the request.

    reason: one line, for the body and the log; strangers read it
    detail: for the log alone: addresses, and a backend's message
    body: replaces the reason as the body: a backend's own
    closes: the connection ends after the answer
    cause: one word for the metrics; empty: the status says enough
    """

    status: int
    reason: str
    headers: Headers = ()
    detail: str = ""
    body: bytes | None = None
    closes: bool = True
    cause: str = ""


@dataclass(frozen=True, slots=True)
class BodyEnd:
    """The end of a body, with the fields that may follow it (RFC 9110 §6.5)."""

    trailers: Headers = ()


class HttpServer:
    """The requests of one connection, one after the other, until an upgrade, an error or the end.

    max_head, max_target: bytes that a request's head and its target may have
    date: returns the present time as the value of Date; ``None``: responses get no Date
    """

    def __init__(
        self, max_head: int = MAX_HEAD, max_target: int = MAX_TARGET, *, date: Callable[[], bytes] | None = None
    ) -> None:
        self._heads = HeadBuffer(max_head)
        self._max_target = max_target
        self._date = date
        self._ended = False
        # The request
        self._version = b""
        self._head_only = False
        self._left = 0  # bytes of a body of a known length that have not come yet
        self._chunks: h11.Connection | None = None  # reads a body in chunks
        # The response
        self._body = BodyWriter()
        self._may_go_on = False  # both sides want another request on this connection
        self._is_whole = False

    def receive(self, data: bytes) -> None:
        """Adds what the connection gave; ``b""`` is its end."""
        if self._chunks is not None:
            self._chunks.receive_data(data)
        else:
            self._heads.receive(data)
        self._ended = not data

    @property
    def begun(self) -> bool:
        """Whether a part of a head has come. A silent client is then slow, not idle."""
        return self._heads.peek(1) != b""

    def next_request(self) -> Request | Refusal | None:
        """Returns the next request, or ``None`` while its head is unfinished.

        Raises ``EOFError`` when the connection ended between two requests.
        """
        self._head_only = self._may_go_on = self._is_whole = False
        if _cannot_begin(self._heads.peek(2)):  # without waiting: a peer of another protocol may wait for our answer
            return Refusal(400, "malformed request", detail="it begins with a byte that no method has")
        head = self._heads.take()
        if isinstance(head, TooLarge):
            line = self._heads.peek(_MOST_METHOD + self._max_target + 2).partition(b"\n")[0]
            if len(line.partition(b" ")[2].partition(b" ")[0]) > self._max_target:
                return _target_too_long(self._max_target)
            return Refusal(431, f"request head of more than {head.limit} bytes")
        if head is None:
            if not self._ended:
                return None
            if not self.begun:
                raise EOFError
            return Refusal(400, "malformed request", detail="the connection ended inside its head")
        parser = None
        found = read_plain_request(head)
        if found is None:
            parser = h11.Connection(h11.SERVER)
            try:
                found = _read_head(parser, head)
            except h11.RemoteProtocolError as error:
                return Refusal(error.error_status_hint, "malformed request", detail=describe_error(error))
        self._version = found.version
        self._head_only = found.method == b"HEAD"
        self._may_go_on = found.version >= b"1.1" and not has_token(found.headers, b"connection", b"close")
        request = _check(found, self._max_target, head)
        if isinstance(request, Request):
            self._left = request.length or 0
            if request.length is None:
                assert parser is not None  # a head that tells of chunks is not plain
                if rest := self._heads.take_rest():  # nothing would be the connection's end
                    parser.receive_data(rest)
                self._chunks = parser
        return request

    def next_piece(self) -> bytes | BodyEnd | Refusal | None:
        """Returns the next piece of the request's body, its end, or why it is none; ``None`` if more bytes are
        needed."""
        if self._chunks is not None:
            return self._next_of_chunks(self._chunks)
        if not self._left:
            return BodyEnd()
        piece = self._heads.take_some(self._left)
        self._left -= len(piece)
        if piece or not self._ended:
            return piece or None
        detail = f"the connection ended in its body: {self._left} bytes are missing"
        return Refusal(400, "malformed request body", detail=detail)

    def _next_of_chunks(self, parser: h11.Connection) -> bytes | BodyEnd | Refusal | None:
        try:
            event = parser.next_event()
        except h11.RemoteProtocolError as error:
            detail = f"the connection ended in its body: {error}" if self._ended else describe_error(error)
            return Refusal(400, "malformed request body", detail=detail)
        if event is h11.NEED_DATA:
            return None
        if isinstance(event, h11.Data):
            return bytes(event.data)
        assert isinstance(event, h11.EndOfMessage)
        self._chunks = None
        self._heads.receive(parser.trailing_data[0])  # the next request
        return BodyEnd(event.headers.raw_items())

    def respond(self, status: int, headers: Headers = (), body: bytes = b"", *, close: bool = True) -> bytes:
        """Returns a whole response, with its Content-Length. ``close`` means that the connection ends after it."""
        fields = list(headers)
        if status not in _BODILESS:
            fields.append((b"Content-Length", b"%d" % len(body)))
        if close:
            fields.append((b"Connection", b"close"))
        return self.head(status, fields) + self.data(body) + self.finish()

    def inform(self, status: int, headers: Headers) -> bytes:
        """Returns an interim response (RFC 9110 §15.2); nothing for a client of HTTP/1.0, which knows none."""
        return b"" if self._version < b"1.1" else write_head(_status_line(status), headers)

    def head(self, status: int, headers: Headers) -> bytes:
        """Returns the head of a response, with a Date if it has none (RFC 9110 §6.6.1); ``data`` and ``finish``
        follow.

        Without Content-Length the body is sent in chunks, or to a client of HTTP/1.0 until the connection's end (RFC
        9112 §6.3).
        """
        date, length, closes = self._date, None, False
        for written, value in headers:
            name = written.lower()
            if name == b"date":
                date = None
            elif name == b"content-length":
                length = int(value)
            elif name == b"connection":
                closes = closes or has_token(((name, value),), name, b"close")
        fields = list(headers)
        if date is not None:
            fields.insert(0, (b"Date", date()))
        in_chunks = length is None and status not in _BODILESS and self._version == b"1.1"
        if in_chunks:
            fields.append((b"Transfer-Encoding", b"chunked"))
        if not self._may_go_on and not closes:
            fields.append((b"Connection", b"close"))
        self._may_go_on = self._may_go_on and not closes
        bodiless = self._head_only or status in _BODILESS
        self._body = BodyWriter(0 if bodiless else length, in_chunks=in_chunks and not bodiless)
        return write_head(_status_line(status), fields)

    def data(self, body: bytes) -> bytes:
        """Returns a piece of body; nothing if the request was HEAD."""
        return b"" if self._head_only else self._body.data(body)

    def finish(self, trailers: Headers = ()) -> bytes:
        """Returns the end of a response. ``trailers`` are sent if the body is sent in chunks."""
        self._is_whole = True
        return self._body.finish(trailers)

    @property
    def is_request_whole(self) -> bool:
        """Whether the body of the request was taken to its end."""
        return not self._left and self._chunks is None

    def next_cycle(self) -> bool:
        """Whether another request may come: the response and the request are whole, and both sides keep the connection
        (RFC 9112 §9.3)."""
        return self._is_whole and self._may_go_on and self.is_request_whole

    def switch(self, headers: Headers) -> bytes:
        """Returns the 101 response. The connection is no longer HTTP after it; ``trailing`` has what came already."""
        self._may_go_on = False
        return write_head(_status_line(101), headers)

    def trailing(self) -> bytes:
        """Returns the bytes behind the request's head. After an upgrade they begin the stream, and are no request."""
        return self._heads.rest()


def _status_line(status: int) -> bytes:
    """The phrase of a status that only the backend knows is empty (RFC 9112 §4)."""
    return b"HTTP/1.1 %d %b" % (status, _PHRASES.get(status, b""))


def _read_head(parser: h11.Connection, head: bytes) -> RequestHead:
    """Reads a head by h11. Raises ``h11.RemoteProtocolError``."""
    shown, target = with_ascii_target(head)
    parser.receive_data(shown)
    event = parser.next_event()
    assert isinstance(event, h11.Request)
    target = event.target if target is None else target
    return RequestHead(event.method, target, event.http_version, list(event.headers), event.headers.raw_items())


def _cannot_begin(start: bytes) -> bool:
    """Whether no request begins with these bytes. A CR may belong to an empty line, which is skipped once complete."""
    return bool(start) and start != b"\r" and not b"!" <= start[:1] <= b"~"


def _target_too_long(most: int) -> Refusal:
    return Refusal(414, f"request target of more than {most} bytes")


def _check(found: RequestHead, max_target: int, head: bytes) -> Request | Refusal:
    """Returns the request of a head that is well-formed. ``head``: as it was written."""
    headers, target = found.headers, found.target
    if len(target) > max_target:
        return _target_too_long(max_target)
    length = _length(found, head)
    if isinstance(length, Refusal):
        return length
    hosts = values(headers, b"host")
    host = hosts[0] if hosts else b""
    if not target.startswith(b"/"):
        # absolute-form: its authority takes precedence over Host (RFC 9112 §3.2.2)
        try:
            url = urlsplit(target.decode("latin-1"))
        except ValueError:
            url = urlsplit("")
        if url.scheme.lower() not in ("http", "https", "ws", "wss") or not url.netloc or "@" in url.netloc:
            return Refusal(400, "request target is neither a path nor a URL")
        host = url.netloc.encode("latin-1")
        target = target[target.index(b"//") + 2 + len(host) :]
        if not target.startswith(b"/"):
            target = b"/" + target
    if not is_host_field(host):
        return Refusal(400, "Host is not a host")  # RFC 9112 §3.2
    if b"#" in target:
        return Refusal(400, "request target with a fragment")  # RFC 6455 §3
    return Request(found.method, target, host, found.version, headers, found.raw_headers, length)


def _length(found: RequestHead, head: bytes) -> int | Refusal | None:
    """Returns the bytes of the body, ``None`` for one in chunks, or why it could end in two places.

    h11 takes a length that is written twice, and one beside chunks. Whoever reads the other one finds another end of
    the body, and a request behind it (RFC 9112 §11.2).

    head: as it was written
    """
    in_chunks = bool(values(found.headers, b"transfer-encoding"))
    if not in_chunks and values(found.headers, b"content-length") in ([], [b"0"]):
        return 0
    lengths = [length.strip(b" \t") for length in _LENGTHS.findall(head)]
    if in_chunks and lengths:
        return Refusal(400, "request with both Transfer-Encoding and Content-Length")
    if in_chunks:
        # RFC 9112 §6.1
        return None if found.version >= b"1.1" else Refusal(400, "request with Transfer-Encoding in HTTP/1.0")
    if len(lengths) != 1 or not lengths[0].isdigit() or lengths[0].startswith(b"0"):
        return Refusal(400, "request with a malformed Content-Length")
    return int(lengths[0])
