"""The client side of HTTP/1.1 over h11, streaming: one request out with its body, one answer in, both piece by piece.

The end of a connection and its loss are different here: a body without a length ends where the connection ends (RFC
9112 §6.3), and may be incomplete after a reset or after TLS without close_notify.
"""

from __future__ import annotations

from dataclasses import dataclass

import h11

from wsgate.wire.client import Broken, BrokenCause, begins_wrongly
from wsgate.wire.head import MAX_HEAD, HeadBuffer, TooLarge, describe_error, without_blanks_before_colons
from wsgate.wire.headers import Headers, values
from wsgate.wire.http import BodyEnd


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


class BackendHttp:
    """One request to a backend and its answer.

    method, target, headers: of the request; bytes above 0x7F in the target are sent unchanged
    max_head: bytes that each head of the answer may have
    in_chunks: whether the request's body is sent in chunks, so that trailers may follow it
    """

    def __init__(self, method: bytes, target: bytes, headers: Headers, max_head: int = MAX_HEAD) -> None:
        self._h11 = h11.Connection(h11.CLIENT)
        self._heads = HeadBuffer(max_head)
        self._in_body = False
        self._closed = False
        self.in_chunks = any(name == b"Transfer-Encoding" for name, _ in headers)
        head = self._send(h11.Request(method=method, target=b"/", headers=list(headers)))
        # h11 rejects a target with bytes above 0x7F, so the target is put in afterwards
        self.request = method + b" " + target + head.removeprefix(method + b" /")

    def data(self, piece: bytes) -> bytes:
        """Returns a piece of the request's body as it is sent."""
        return self._send(h11.Data(data=piece))

    def finish(self, trailers: Headers = ()) -> bytes:
        """Returns the end of the request. ``trailers`` need a body in chunks."""
        return self._send(h11.EndOfMessage(headers=list(trailers)))

    def receive(self, data: bytes) -> None:
        """Adds what the connection gave; ``b""`` is its regular end."""
        self._closed = self._closed or not data
        if self._in_body:
            self._h11.receive_data(data)
        else:
            self._heads.receive(data)

    @property
    def has_begun(self) -> bool:
        """Whether anything of a head has come that was not returned yet."""
        return self._heads.peek(1) != b""

    def next_head(self) -> AnswerHead | Broken | None:
        """Returns the next head, interim or final; ``None`` if more bytes are needed."""
        wrong = begins_wrongly(self._heads)
        if wrong is not None:
            return wrong
        head = self._heads.take()
        if isinstance(head, TooLarge):
            return Broken(f"its answer's head has more than {head.limit} bytes", BrokenCause.TOO_LARGE)
        if head is None:
            if not self._closed:
                return None
            if self.has_begun:
                return Broken("ended inside its answer's head")
            return Broken("ended without an answer", BrokenCause.NOTHING_CAME)
        try:
            self._h11.receive_data(without_blanks_before_colons(head))
            event = self._h11.next_event()
        except h11.RemoteProtocolError as error:
            return Broken(f"malformed answer: {describe_error(error)}")
        assert isinstance(event, h11.Response | h11.InformationalResponse)
        headers = list(event.headers)
        if isinstance(event, h11.Response):
            if values(headers, b"transfer-encoding") and values(headers, b"content-length"):
                return Broken("malformed answer: both Transfer-Encoding and Content-Length")  # RFC 9112 §6.3
            self._in_body = True
            if rest := self._heads.take_rest():
                self._h11.receive_data(rest)
            if self._closed:
                self._h11.receive_data(b"")
        return AnswerHead(event.status_code, headers, event.headers.raw_items(), event.http_version)

    def next_piece(self) -> bytes | BodyEnd | Broken | None:
        """Returns the next piece of the answer's body, its end, or why there is none; ``None`` if more bytes are
        needed."""
        assert self._in_body
        try:
            event = self._h11.next_event()
        except h11.RemoteProtocolError as error:
            return Broken("its body broke off" if self._closed else f"malformed body: {describe_error(error)}")
        if event is h11.NEED_DATA:
            return None
        if isinstance(event, h11.Data):
            return bytes(event.data)
        assert isinstance(event, h11.EndOfMessage)
        return BodyEnd(event.headers.raw_items())

    @property
    def may_be_kept(self) -> bool:
        """Whether the connection can take another request: both messages ended, and nothing is behind the answer."""
        states = self._h11.our_state, self._h11.their_state
        return states == (h11.DONE, h11.DONE) and not self._h11.trailing_data[0] and not self._closed

    def _send(self, event: h11.Event) -> bytes:
        return self._h11.send(event) or b""
