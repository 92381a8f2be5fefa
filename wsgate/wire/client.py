"""The client side of HTTP/1.1: one request out, one answer of bounded size in. h11 reads all but a plain 101.

After the answer the connection ends or changes its protocol. A backend's answer to an upgrade and a token source's
answer have the same bounds.

The end of a connection and its loss are different here. A body without a length ends where the connection ends (RFC
9112 §6.3). After a reset, or after TLS without close_notify, the body may be incomplete (§8, RFC 8446 §6.1).
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

import h11

from wsgate.wire.head import MAX_HEAD, HeadBuffer, TooLarge, describe_error, shortened, without_blanks_before_colons
from wsgate.wire.headers import Headers
from wsgate.wire.plain_head import read_plain_answer
from wsgate.wire.writing import write_head

MAX_BODY = 64 << 10  # bytes

_BEGINNING = b"HTTP/"
_TLS = (b"\x15\x03", b"\x16\x03")  # an alert or a handshake, of any version (RFC 8446 §5.1)


@dataclass(frozen=True, slots=True)
class Answer:
    """A final answer. ``cut`` says how an incomplete body ended; it is empty for a complete one."""

    status: int
    headers: Headers
    body: bytes
    cut: str = ""


@dataclass(slots=True)
class Switched:
    """A 101. ``early`` holds the bytes that came behind its head."""

    headers: Headers
    raw_headers: Headers
    early: bytes


class BadAnswerCause(enum.Enum):
    """Why there is no valid answer. Causes other than ``OTHER`` are those that an operator may be able to cure."""

    NOTHING_CAME = enum.auto()
    TLS_CAME = enum.auto()
    TOO_LARGE = enum.auto()
    OTHER = enum.auto()


@dataclass(frozen=True, slots=True)
class BadAnswer:
    """No answer, a malformed one, or half of one. ``reason`` is for the log."""

    reason: str
    cause: BadAnswerCause = BadAnswerCause.OTHER


class HttpClient:
    """One GET request and its answer. The caller sends ``request``.

    target: in origin-form; bytes above 0x7F are sent unchanged
    headers: all of the request's fields
    max_head: bytes that each head of the answer may have
    max_body: bytes that its body may have
    switches: the request asks for an upgrade
    """

    def __init__(
        self,
        target: bytes,
        headers: Headers,
        max_head: int = MAX_HEAD,
        max_body: int = MAX_BODY,
        *,
        switches: bool = False,
    ) -> None:
        self._headers = headers
        self._switches = switches
        self._parser: h11.Connection | None = None
        self._heads = HeadBuffer(max_head)
        self._max_body = max_body
        self._answer: h11.Response | None = None
        self._body = bytearray()
        self.request = write_head(b"GET %b HTTP/1.1" % target, headers)

    def receive(self, data: bytes) -> Answer | Switched | BadAnswer | None:
        """Returns the answer if ``data`` completes it, else ``None``.

        data: what the connection gave; ``b""`` is its regular end, for its loss call ``lost``
        """
        if self._answer is not None:
            self._read_by_h11.receive_data(data)
            return self._read_body(ended=not data)
        if not data:
            return self._no_answer("ended without an answer", "ended inside its answer's head")
        self._heads.receive(data)
        return self._read_heads()

    def lost(self, why: str) -> Answer | BadAnswer:
        """The connection is lost. Returns the part of the answer that came before.

        why: for the log
        """
        return self._no_answer(why, why) if self._answer is None else self._cut("its body broke off")

    def give_up(self) -> Answer | None:
        """The deadline has passed. Returns an answer whose body is incomplete, or ``None`` if no head has come."""
        return None if self._answer is None else self._cut("its body stalled")

    def _no_answer(self, nothing: str, half: str) -> BadAnswer:
        return BadAnswer(half) if self._heads.peek(1) else BadAnswer(nothing, BadAnswerCause.NOTHING_CAME)

    def _read_heads(self) -> Answer | Switched | BadAnswer | None:
        while self._heads.peek(1):
            wrong = begins_wrongly(self._heads)
            if wrong is not None:
                return wrong
            head = self._heads.take()
            if head is None:
                return None
            if isinstance(head, TooLarge):
                return BadAnswer(f"its answer's head has more than {head.limit} bytes", BadAnswerCause.TOO_LARGE)
            plain = read_plain_answer(head)
            if plain is not None and plain.status == 101 and self._switches:
                return Switched(plain.headers, plain.raw_headers, self._heads.rest())
            parser = self._read_by_h11
            try:
                parser.receive_data(without_blanks_before_colons(head))
                event = parser.next_event()
            except h11.RemoteProtocolError as error:
                return BadAnswer(f"malformed answer: {describe_error(error)}")
            if isinstance(event, h11.Response):
                self._answer = event
                if rest := self._heads.rest():
                    parser.receive_data(rest)
                return self._read_body(ended=False)
            assert isinstance(event, h11.InformationalResponse)
            if event.status_code == 101:
                return Switched(list(event.headers), event.headers.raw_items(), self._heads.rest())
        return None

    def _read_body(self, *, ended: bool) -> Answer | None:
        assert self._answer is not None
        try:
            while True:
                event = self._read_by_h11.next_event()
                if event is h11.NEED_DATA:
                    return None
                if not isinstance(event, h11.Data):
                    return self._whole()  # EndOfMessage
                self._body += event.data
                if len(self._body) > self._max_body:
                    del self._body[self._max_body :]
                    return self._cut("its body is longer than", "")
        except h11.RemoteProtocolError:
            return self._cut("its body broke off" if ended else "its body is malformed")

    def _whole(self) -> Answer:
        assert self._answer is not None
        return Answer(self._answer.status_code, self._answer.headers.raw_items(), bytes(self._body))

    def _cut(self, how: str, after: str = " after") -> Answer:
        assert self._answer is not None
        whole = self._whole()
        return Answer(whole.status, whole.headers, whole.body, f"{how}{after} {len(self._body)} bytes")

    @property
    def _read_by_h11(self) -> h11.Connection:
        """The connection that reads what is not plain; it knows what was asked for."""
        if self._parser is None:
            self._parser = h11.Connection(h11.CLIENT)
            self._parser.send(h11.Request(method=b"GET", target=b"/", headers=list(self._headers)))
            self._parser.send(h11.EndOfMessage())
        return self._parser


def begins_wrongly(heads: HeadBuffer) -> BadAnswer | None:
    """Returns what is wrong with the first bytes of an answer; ``None`` if it may be one.

    Without waiting for more: a peer of another protocol may itself be waiting for us.
    """
    start = heads.peek(len(_BEGINNING))
    if start.startswith(_TLS):
        return BadAnswer("malformed answer: it is TLS", BadAnswerCause.TLS_CAME)
    if start != _BEGINNING[: len(start)] and start != b"\r":  # a CR may belong to an empty line
        return BadAnswer(f"malformed answer: it begins with {_quote(heads.peek(40))}")
    return None


def _quote(data: bytes) -> str:
    return shortened(repr(data).removeprefix("b"))
