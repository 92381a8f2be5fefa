"""The client side of HTTP/1.1, streaming: one request out with its body, one answer in, both piece by piece.

Plain heads and bodies of a known length are read here, all others by h11.

The end of a connection and its loss are different here: a body without a length ends where the connection ends (RFC
9112 §6.3), and may be incomplete after a reset or after TLS without close_notify.
"""

from __future__ import annotations

import h11

from wsgate.wire.client import BadAnswer, BadAnswerCause, begins_wrongly
from wsgate.wire.head import MAX_HEAD, HeadBuffer, TooLarge, describe_error, without_blanks_before_colons
from wsgate.wire.headers import Headers, has_token, values
from wsgate.wire.http import BodyEnd
from wsgate.wire.plain_head import AnswerHead, read_plain_answer
from wsgate.wire.writing import BodyWriter, write_head

_BODILESS = frozenset({204, 304})  # answers without a body, whatever their Content-Length is (RFC 9112 §6.3)


class BackendHttp:
    """One request to a backend and its answer.

    method, target, headers: of the request; bytes above 0x7F in the target are sent unchanged
    max_head: bytes that each head of the answer may have
    protocol: to which the request asks to be upgraded, so that a 101 may answer it; ``None`` for none
    in_chunks: whether the request's body is sent in chunks, so that trailers may follow it
    """

    def __init__(
        self,
        method: bytes,
        target: bytes,
        headers: Headers,
        max_head: int = MAX_HEAD,
        protocol: bytes | None = None,
    ) -> None:
        self._method = method
        self._protocol = protocol
        length, self.in_chunks = 0, False
        for name, value in headers:
            if name == b"Content-Length":
                length = int(value)
            elif name == b"Transfer-Encoding":
                self.in_chunks = True
        self.request = write_head(b"%b %b HTTP/1.1" % (method, target), headers)
        self._body = BodyWriter(length, in_chunks=self.in_chunks)
        self._is_sent = False
        # The answer
        self._heads = HeadBuffer(max_head)
        self._closed = False
        self._left = 0  # bytes of a body of a known length that have not come yet
        self._parser: h11.Connection | None = None  # reads any other body
        self._may_be_kept = False  # by its head
        self._is_whole = False

    def data(self, piece: bytes) -> bytes:
        """Returns a piece of the request's body as it is sent."""
        return self._body.data(piece)

    def finish(self, trailers: Headers = ()) -> bytes:
        """Returns the end of the request. ``trailers`` need a body in chunks."""
        self._is_sent = True
        return self._body.finish(trailers)

    def receive(self, data: bytes) -> None:
        """Adds what the connection gave; ``b""`` is its regular end."""
        self._closed = self._closed or not data
        if self._parser is not None:
            self._parser.receive_data(data)
        else:
            self._heads.receive(data)

    @property
    def has_begun(self) -> bool:
        """Whether anything of a head has come that was not returned yet."""
        return self._heads.peek(1) != b""

    def next_head(self) -> AnswerHead | BadAnswer | None:
        """Returns the next head, interim or final; ``None`` if more bytes are needed."""
        wrong = begins_wrongly(self._heads)
        if wrong is not None:
            return wrong
        head = self._heads.take()
        if isinstance(head, TooLarge):
            return BadAnswer(f"its answer's head has more than {head.limit} bytes", BadAnswerCause.TOO_LARGE)
        if head is None:
            if not self._closed:
                return None
            if self.has_begun:
                return BadAnswer("ended inside its answer's head")
            return BadAnswer("ended without an answer", BadAnswerCause.NOTHING_CAME)
        found = read_plain_answer(head)
        length = None if found is None else self._length(found)
        if found is None or length is None:
            return self._read_odd(head)
        if found.status >= 200:
            self._begin_body(found, length)
        return found

    def next_piece(self) -> bytes | BodyEnd | BadAnswer | None:
        """Returns the next piece of the answer's body, its end, or why there is none; ``None`` if more bytes are
        needed."""
        if self._parser is not None:
            return self._next_of_odd(self._parser)
        if not self._left:
            self._is_whole = True
            return BodyEnd([])
        piece = self._heads.take_some(self._left)
        self._left -= len(piece)
        if not piece and self._closed:
            return BadAnswer("its body broke off")
        return piece or None

    def rest(self) -> bytes:
        """Returns the bytes behind a 101, which are no HTTP."""
        return self._heads.rest()

    @property
    def body_has_ended(self) -> bool:
        """Whether ``next_piece`` returns the end of the body next, if its length is known."""
        return self._parser is None and not self._left

    @property
    def may_be_kept(self) -> bool:
        """Whether the connection can take another request: both messages ended, and nothing is behind the answer."""
        if self._protocol is not None:  # what the client sends next may be meant for the other protocol
            return False
        if self._closed or not (self._is_sent and self._is_whole and self._may_be_kept):
            return False
        behind = self._heads.rest() if self._parser is None else self._parser.trailing_data[0]
        return not behind

    def _length(self, found: AnswerHead) -> int | None:
        """Returns the bytes of the body of a plain answer; ``None`` if h11 must find its end."""
        if self._method == b"CONNECT" or found.status == 101:  # for h11, these change the protocol
            return None
        if self._method == b"HEAD" or found.status < 200 or found.status in _BODILESS:
            return 0
        lengths = values(found.headers, b"content-length")
        return int(lengths[0]) if lengths else None

    def _begin_body(self, found: AnswerHead, length: int) -> None:
        self._left = length
        self._may_be_kept = found.version >= b"1.1" and not has_token(found.headers, b"connection", b"close")

    def _read_odd(self, head: bytes) -> AnswerHead | BadAnswer:
        """Reads a head by h11, which then also reads the body."""
        parser = h11.Connection(h11.CLIENT)
        upgrade = [] if self._protocol is None else [(b"Connection", b"upgrade"), (b"Upgrade", self._protocol)]
        parser.send(h11.Request(method=self._method, target=b"/", headers=[(b"Host", b""), *upgrade]))
        parser.send(h11.EndOfMessage())
        try:
            parser.receive_data(without_blanks_before_colons(head))
            event = parser.next_event()
        except h11.RemoteProtocolError as error:
            return BadAnswer(f"malformed answer: {describe_error(error)}")
        assert isinstance(event, h11.Response | h11.InformationalResponse)
        found = AnswerHead(event.status_code, list(event.headers), event.headers.raw_items(), event.http_version)
        if isinstance(event, h11.Response):
            if values(found.headers, b"transfer-encoding") and values(found.headers, b"content-length"):
                return BadAnswer("malformed answer: both Transfer-Encoding and Content-Length")  # RFC 9112 §6.3
            self._begin_body(found, 0)
            self._parser = parser
            if rest := self._heads.take_rest():
                parser.receive_data(rest)
            if self._closed:
                parser.receive_data(b"")
        return found

    def _next_of_odd(self, parser: h11.Connection) -> bytes | BodyEnd | BadAnswer | None:
        try:
            event = parser.next_event()
        except h11.RemoteProtocolError as error:
            return BadAnswer("its body broke off" if self._closed else f"malformed body: {describe_error(error)}")
        if event is h11.NEED_DATA:
            return None
        if isinstance(event, h11.Data):
            return bytes(event.data)
        assert isinstance(event, h11.EndOfMessage)
        self._is_whole = parser.their_state is h11.DONE
        return BodyEnd(event.headers.raw_items())
