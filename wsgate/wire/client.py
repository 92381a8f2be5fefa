"""The client's half of HTTP/1.1 over h11: one request out, one bounded answer in; the connection ends behind it, or
changes its protocol.

The same bounds hold for a backend's answer to an upgrade and for the answer of a source of tokens. Whether a body is
whole decides what it is worth, so the end of a connection and its loss are different things here: without a length a
body ends where the connection does (RFC 9112 §6.3), and one that was reset, or whose TLS had no close_notify, has been
cut (§8, RFC 8446 §6.1).
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

import h11

from wsgate.wire.head import MAX_HEAD, HeadBuffer, TooLarge, in_short, in_words, without_blanks_before_colons
from wsgate.wire.headers import Headers

MAX_BODY = 64 << 10  # bytes

_BEGINNING = b"HTTP/"
_TLS = (b"\x15\x03", b"\x16\x03")  # an alert or a handshake, of any version (RFC 8446 §5.1)


@dataclass(frozen=True, slots=True)
class Answer:
    """A final answer. ``cut`` says what became of a body that is not whole."""

    status: int
    headers: Headers
    body: bytes
    cut: str = ""


@dataclass(frozen=True, slots=True)
class Switched:
    """A 101. ``early`` is what came behind its head."""

    headers: Headers
    raw_headers: Headers
    early: bytes


class Why(enum.Enum):
    """Of answers that are none those for which there may be a cure."""

    NOTHING_CAME = enum.auto()
    TLS_CAME = enum.auto()
    TOO_LARGE = enum.auto()
    OTHER = enum.auto()


@dataclass(frozen=True, slots=True)
class Broken:
    """No answer; ``reason`` is for the log."""

    reason: str
    why: Why = Why.OTHER


class HttpClient:
    """``request`` is to be sent.

    target: in origin-form; bytes above 0x7F go out as they are
    headers: all of the request's fields
    max_head: bytes of each head of the answer
    """

    def __init__(self, target: bytes, headers: Headers, max_head: int = MAX_HEAD) -> None:
        self._h11 = h11.Connection(h11.CLIENT)
        self._heads = HeadBuffer(max_head)
        self._answer: h11.Response | None = None
        self._body = bytearray()
        head = self._send(h11.Request(method=b"GET", target=b"/", headers=list(headers)))
        # h11 would take no target with such bytes
        self.request = b"GET " + target + head.removeprefix(b"GET /") + self._send(h11.EndOfMessage())

    def receive(self, data: bytes) -> Answer | Switched | Broken | None:
        """The answer as far as ``data`` completes it. ``b""`` is the connection's end, not its loss."""
        if self._answer is not None:
            self._h11.receive_data(data)
            return self._read_body(ended=not data)
        if not data:
            return self._no_answer("ended without an answer", "ended inside its answer's head")
        self._heads.receive(data)
        return self._read_heads()

    def lost(self, why: str) -> Answer | Broken:
        """The connection is lost: what of the answer came before."""
        return self._no_answer(why, why) if self._answer is None else self._cut("its body broke off")

    def give_up(self) -> Answer | None:
        """Time is up. An answer whose body has stalled is one all the same; ``None`` where there is none."""
        return None if self._answer is None else self._cut("its body stalled")

    def _no_answer(self, nothing: str, half: str) -> Broken:
        return Broken(half) if self._heads.start(1) else Broken(nothing, Why.NOTHING_CAME)

    def _read_heads(self) -> Answer | Switched | Broken | None:
        while start := self._heads.start(len(_BEGINNING)):
            if start.startswith(_TLS):
                return Broken("malformed answer: it is TLS", Why.TLS_CAME)
            if start != _BEGINNING[: len(start)] and start != b"\r":  # which may be that of an empty line
                # At once: what speaks another protocol may wait for us to say something else
                return Broken(f"malformed answer: it begins with {_quote(self._heads.start(40))}")
            head = self._heads.take()
            if head is None:
                return None
            if isinstance(head, TooLarge):
                return Broken(f"its answer's head has more than {head.limit} bytes", Why.TOO_LARGE)
            try:
                self._h11.receive_data(without_blanks_before_colons(head))
                event = self._h11.next_event()
            except h11.RemoteProtocolError as error:
                return Broken(f"malformed answer: {in_words(error)}")
            if isinstance(event, h11.Response):
                self._answer = event
                if rest := self._heads.rest():
                    self._h11.receive_data(rest)
                return self._read_body(ended=False)
            assert isinstance(event, h11.InformationalResponse)
            if event.status_code == 101:
                return Switched(list(event.headers), event.headers.raw_items(), self._heads.rest())
        return None

    def _read_body(self, *, ended: bool) -> Answer | None:
        assert self._answer is not None
        try:
            while True:
                event = self._h11.next_event()
                if event is h11.NEED_DATA:
                    return None
                if not isinstance(event, h11.Data):
                    return self._whole()  # EndOfMessage
                self._body += event.data
                if len(self._body) > MAX_BODY:
                    del self._body[MAX_BODY:]
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

    def _send(self, event: h11.Event) -> bytes:
        return self._h11.send(event) or b""


def _quote(data: bytes) -> str:
    return in_short(repr(data).removeprefix("b"))
