"""The server side of HTTP/1.1 on one connection, over h11: request heads in, responses out.

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
from wsgate.wire.headers import Headers, values

_BODILESS = frozenset({204, 304})  # answers that need no Content-Length (RFC 9110 §8.6)

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
        self._h11 = h11.Connection(h11.SERVER)
        self._heads = HeadBuffer(max_head)
        self._max_target = max_target
        self._date = date
        self._ended = False
        self._head_only = False
        self._in_body = False
        self._had_body = False
        self._in_chunks = False

    def receive(self, data: bytes) -> None:
        """Adds what the connection gave; ``b""`` is its end."""
        if self._in_body:
            self._h11.receive_data(data)
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
        self._head_only = False
        if _cannot_begin(self._heads.peek(2)):  # without waiting: a peer of another protocol may wait for our answer
            return Refusal(400, "malformed request", detail="it begins with a byte that no method has")
        head = self._heads.take()
        if isinstance(head, TooLarge):
            return Refusal(431, f"request head of more than {head.limit} bytes")
        if head is None:
            if not self._ended:
                return None
            if not self.begun:
                raise EOFError
            return Refusal(400, "malformed request", detail="the connection ended inside its head")
        shown, target = with_ascii_target(head)
        try:
            self._h11.receive_data(shown)
            event = self._h11.next_event()
            assert isinstance(event, h11.Request)
            self._head_only = event.method == b"HEAD"
            request = _check(event, event.target if target is None else target, self._max_target, head)
            if isinstance(request, Request):
                if request.length == 0:
                    self._h11.next_event()  # its EndOfMessage: there is no body
                else:
                    self._begin_body()
            return request
        except h11.RemoteProtocolError as error:
            return Refusal(error.error_status_hint, "malformed request", detail=describe_error(error))

    def _begin_body(self) -> None:
        self._in_body = self._had_body = True
        if rest := self._heads.take_rest():
            self._h11.receive_data(rest)

    def next_piece(self) -> bytes | BodyEnd | Refusal | None:
        """Returns the next piece of the request's body, its end, or why it is none; ``None`` if more bytes are
        needed."""
        if not self._in_body:
            return BodyEnd()
        try:
            event = self._h11.next_event()
        except h11.RemoteProtocolError as error:
            detail = f"the connection ended in its body: {error}" if self._ended else describe_error(error)
            return Refusal(400, "malformed request body", detail=detail)
        if event is h11.NEED_DATA:
            return None
        if isinstance(event, h11.Data):
            return bytes(event.data)
        assert isinstance(event, h11.EndOfMessage)
        self._in_body = False
        self._heads.receive(self._h11.trailing_data[0])  # the next request
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
        if self._h11.their_http_version != b"1.1":
            return b""
        return self._send(h11.InformationalResponse(status_code=status, headers=list(headers), reason=_phrase(status)))

    def head(self, status: int, headers: Headers) -> bytes:
        """Returns the head of a response, with a Date if it has none (RFC 9110 §6.6.1); ``data`` and ``finish``
        follow.

        Without Content-Length the body is sent in chunks, or to a client of HTTP/1.0 until the connection's end (RFC
        9112 §6.3).
        """
        fields = list(headers)
        names = {name.lower() for name, _ in fields}
        if self._date is not None and b"date" not in names:
            fields.insert(0, (b"Date", self._date()))
        bodiless = self._head_only or status in _BODILESS
        self._in_chunks = not bodiless and b"content-length" not in names and self._h11.their_http_version == b"1.1"
        return self._send(h11.Response(status_code=status, headers=fields, reason=_phrase(status)))

    def data(self, body: bytes) -> bytes:
        """Returns a piece of body; nothing if the request was HEAD."""
        return self._send(h11.Data(data=body)) if body and not self._head_only else b""

    def finish(self, trailers: Headers = ()) -> bytes:
        """Returns the end of a response. ``trailers`` are sent if the body is sent in chunks."""
        return self._send(h11.EndOfMessage(headers=list(trailers) if self._in_chunks else []))

    def next_cycle(self) -> bool:
        """Prepares for the next request after a whole response.

        Returns False if the connection must end instead (RFC 9112 §9.3).
        """
        if self._h11.our_state is h11.DONE and self._h11.their_state is h11.DONE:
            if self._had_body:  # h11 still has what came behind the body, and would read it without our bounds
                self._h11 = h11.Connection(h11.SERVER)
                self._had_body = False
            else:
                self._h11.start_next_cycle()
            return True
        return False

    def switch(self, headers: Headers) -> bytes:
        """Returns the 101 response. The connection is no longer HTTP after it; ``trailing`` has what came already."""
        return self._send(h11.InformationalResponse(status_code=101, headers=list(headers), reason=_phrase(101)))

    def trailing(self) -> bytes:
        """Returns the bytes behind the request's head. After an upgrade they begin the stream, and are no request."""
        return self._heads.rest()

    def _send(self, event: h11.Event) -> bytes:
        return self._h11.send(event) or b""


def _phrase(status: int) -> bytes:
    try:
        return http.HTTPStatus(status).phrase.encode()
    except ValueError:  # a status of the backend's own; the phrase may be empty (RFC 9112 §4)
        return b""


def _cannot_begin(start: bytes) -> bool:
    """Whether no request begins with these bytes. A CR may belong to an empty line, which is skipped once complete."""
    return bool(start) and start != b"\r" and not b"!" <= start[:1] <= b"~"


def _check(event: h11.Request, target: bytes, max_target: int, head: bytes) -> Request | Refusal:
    headers = list(event.headers)
    if len(target) > max_target:
        return Refusal(414, f"request target of more than {max_target} bytes")
    length = _length(event, head)
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
    return Request(event.method, target, host, event.http_version, headers, event.headers.raw_items(), length)


def _length(event: h11.Request, head: bytes) -> int | Refusal | None:
    """Returns the bytes of the body, ``None`` for one in chunks, or why it could end in two places.

    h11 takes a length that is written twice, and one beside chunks. Whoever reads the other one finds another end of
    the body, and a request behind it (RFC 9112 §11.2).

    head: as it was written
    """
    in_chunks = bool(values(event.headers, b"transfer-encoding"))
    if not in_chunks and values(event.headers, b"content-length") in ([], [b"0"]):
        return 0
    lengths = [length.strip(b" \t") for length in _LENGTHS.findall(head)]
    if in_chunks and lengths:
        return Refusal(400, "request with both Transfer-Encoding and Content-Length")
    if in_chunks:
        # RFC 9112 §6.1
        return None if event.http_version >= b"1.1" else Refusal(400, "request with Transfer-Encoding in HTTP/1.0")
    if len(lengths) != 1 or not lengths[0].isdigit() or lengths[0].startswith(b"0"):
        return Refusal(400, "request with a malformed Content-Length")
    return int(lengths[0])
