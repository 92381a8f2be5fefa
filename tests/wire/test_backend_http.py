from __future__ import annotations

import pytest

from wsgate.wire.backend_http import BackendHttp
from wsgate.wire.client import BadAnswer, BadAnswerCause
from wsgate.wire.http import BodyEnd
from wsgate.wire.plain_head import AnswerHead

HOST = [(b"Host", b"b.test")]
OK = b"HTTP/1.1 200 OK\r\n"
PIECES = (1, 7, 1000)  # bytes that come at once


def answer(
    data: bytes, size: int = 1000, *, method: bytes = b"GET", ends: bool = False
) -> tuple[BackendHttp, list[object]]:
    """All that comes of an answer: heads, then the body as one, then how it ended (``None``: more is missing)."""
    http = BackendHttp(method, b"/", HOST, max_head=200)
    http.finish()
    pieces = [data[at : at + size] for at in range(0, len(data), size)] + [b""] * ends
    found: list[object] = []
    while not (found and isinstance(found[-1], AnswerHead) and found[-1].status >= 200):
        head = http.next_head()
        if head is None and pieces:
            http.receive(pieces.pop(0))
            continue
        found.append(head)
        if not isinstance(head, AnswerHead):
            return http, found
    body = b""
    while True:
        piece = http.next_piece()
        if isinstance(piece, bytes):
            body += piece
        elif piece is None and pieces:
            http.receive(pieces.pop(0))
        else:
            return http, [*found, body, piece]


def summary(found: list[object]) -> list[object]:
    return [each.status if isinstance(each, AnswerHead) else each for each in found]


def test_a_request_is_sent_with_its_target_as_it_came() -> None:
    http = BackendHttp(b"POST", b"/\xe9?x", [*HOST, (b"Content-Length", b"3")])
    assert http.request == b"POST /\xe9?x HTTP/1.1\r\nHost: b.test\r\nContent-Length: 3\r\n\r\n"
    assert http.data(b"abc") + http.finish() == b"abc"
    assert not http.in_chunks


def test_a_body_in_chunks_with_trailers() -> None:
    http = BackendHttp(b"POST", b"/", [*HOST, (b"Transfer-Encoding", b"chunked")])
    assert http.in_chunks
    assert http.data(b"abc") + http.finish([(b"Sum", b"1")]) == b"3\r\nabc\r\n0\r\nSum: 1\r\n\r\n"


END = BodyEnd([])
ANSWERS: dict[str, tuple[bytes, list[object], bool]] = {
    "a length": (OK + b"Content-Length: 2\r\n\r\nhi", [200, b"hi", END], True),
    "chunks": (OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", [200, b"hi", END], True),
    "no body": (b"HTTP/1.1 204 No Content\r\n\r\n", [204, b"", END], True),
    "304 with a length": (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", [304, b"", END], True),
    "interim answers": (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK + b"Content-Length: 0\r\n\r\n",
        [100, 103, 200, b"", END],
        True,
    ),
    "a blank before a colon": (OK + b"Content-Length : 2\r\n\r\nhi", [200, b"hi", END], True),
    "close": (OK + b"Connection: close\r\nContent-Length: 2\r\n\r\nhi", [200, b"hi", END], False),
    "HTTP/1.0": (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", [200, b"hi", END], False),
    "more than its length": (OK + b"Content-Length: 2\r\n\r\nhi!", [200, b"hi", END], False),
}


@pytest.mark.parametrize(("data", "found", "kept"), ANSWERS.values(), ids=ANSWERS)
def test_answers(data: bytes, found: list[object], kept: bool) -> None:
    for size in PIECES:
        http, got = answer(data, size)
        assert summary(got) == found
        if size == 1000:  # else the rest has not come yet
            assert http.may_be_kept is kept


def test_a_body_up_to_the_end_of_the_connection() -> None:
    for size in PIECES:
        http, got = answer(OK + b"\r\nhi", size, ends=True)
        assert summary(got) == [200, b"hi", END]
        assert not http.may_be_kept


def test_an_answer_that_ended_before_its_head_was_read() -> None:
    http = BackendHttp(b"GET", b"/", HOST)
    http.finish()
    http.receive(OK + b"\r\nhi")
    http.receive(b"")
    assert isinstance(http.next_head(), AnswerHead)
    assert http.next_piece() == b"hi"
    assert http.next_piece() == END


def test_the_end_is_known_with_the_last_piece() -> None:
    http = BackendHttp(b"GET", b"/", HOST)
    http.receive(OK + b"Content-Length: 2\r\n\r\nhi")
    http.next_head()
    assert not http.body_has_ended
    assert http.next_piece() == b"hi"
    assert http.body_has_ended


def test_the_answer_to_head_has_no_body() -> None:
    _, got = answer(OK + b"Content-Length: 5\r\n\r\n", method=b"HEAD")
    assert summary(got) == [200, b"", END]


def test_trailers() -> None:
    _, got = answer(OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\nSum: 1\r\n\r\n")
    assert got[-1] == BodyEnd([(b"Sum", b"1")])


def test_what_is_missing_is_waited_for() -> None:
    assert summary(answer(OK)[1]) == [None]
    assert summary(answer(OK + b"Content-Length: 5\r\n\r\nhi")[1]) == [200, b"hi", None]


BROKEN: dict[str, tuple[bytes, str, BadAnswerCause]] = {
    "nothing": (b"", "ended without an answer", BadAnswerCause.NOTHING_CAME),
    "half a head": (OK, "ended inside its answer's head", BadAnswerCause.OTHER),
    "garbage": (b"SSH-2.0\r\n", "malformed answer: it begins with", BadAnswerCause.OTHER),
    "no status": (b"HTTP/1.1 abc\r\n\r\n", "malformed answer: illegal status line", BadAnswerCause.OTHER),
    "a large head": (OK + b"X: " + b"y" * 300 + b"\r\n\r\n", "its answer's head has more", BadAnswerCause.TOO_LARGE),
    "101": (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", "malformed answer", BadAnswerCause.OTHER),
    "a line break in a value": (OK + b"X: a\rb\r\n\r\n", "malformed answer", BadAnswerCause.OTHER),
    "two lengths": (OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", "malformed answer", BadAnswerCause.OTHER),
    "both lengths": (
        OK + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "malformed",
        BadAnswerCause.OTHER,
    ),
}


@pytest.mark.parametrize(("data", "reason", "cause"), BROKEN.values(), ids=BROKEN)
def test_no_answer(data: bytes, reason: str, cause: BadAnswerCause) -> None:
    for size in PIECES:
        _, (broken,) = answer(data, size, ends=True)
        assert isinstance(broken, BadAnswer)
        assert reason in broken.reason
        assert broken.cause is cause


def test_tls_instead_of_an_answer() -> None:
    _, (broken,) = answer(b"\x15\x03\x03")
    assert broken == BadAnswer("malformed answer: it is TLS", BadAnswerCause.TLS_CAME)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (OK + b"Content-Length: 5\r\n\r\nhi", "its body broke off"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhi", "its body broke off"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\nX\r\n", "malformed body: illegal chunk header"),
    ],
)
def test_a_body_that_is_none(data: bytes, reason: str) -> None:
    for size in PIECES:
        http, (*_, broken) = answer(data, size, ends=True)
        assert isinstance(broken, BadAnswer)
        assert reason in broken.reason
        assert not http.may_be_kept


SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"


@pytest.mark.parametrize("protocol", [b"tcp", None])
def test_an_upgrade_needs_to_be_asked_for(protocol: bytes | None) -> None:
    """The bytes behind a 101 are no HTTP; an answer instead is one, but the connection is not kept."""
    http = BackendHttp(b"POST", b"/", HOST, protocol=protocol)
    http.finish()
    http.receive(SWITCHING + b"\0early")
    head = http.next_head()
    if protocol is None:
        assert isinstance(head, BadAnswer)
        return
    assert isinstance(head, AnswerHead)
    assert (head.status, http.rest()) == (101, b"\0early")


@pytest.mark.parametrize(("protocol", "kept"), [(b"tcp", False), (None, True)])
def test_a_connection_that_was_not_upgraded(protocol: bytes | None, kept: bool) -> None:
    http = BackendHttp(b"POST", b"/", HOST, protocol=protocol)
    http.finish()
    http.receive(OK + b"Content-Length: 0\r\n\r\n")
    assert isinstance(http.next_head(), AnswerHead)
    assert isinstance(http.next_piece(), BodyEnd)
    assert http.may_be_kept is kept
