"""The client's half of HTTP/1.1. How an answer's body ends is in test_fetch.py and test_handshake.py, which use it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgate.wire.client import Answer, BadAnswer, BadAnswerCause, HttpClient, Switched

ASKED = ((b"Host", b"a"), (b"Upgrade", b"x"), (b"Connection", b"upgrade"))


def client(max_head: int = 1000) -> HttpClient:
    return HttpClient(b"/", ASKED, max_head, switches=True)


def answer(*pieces: bytes, max_head: int = 1000) -> Answer | Switched | BadAnswer | None:
    asked = client(max_head)
    for piece in pieces:
        if (found := asked.receive(piece)) is not None:
            return found
    return None


def test_a_target_outside_ascii_goes_out_as_it_came() -> None:
    assert HttpClient(b"/\xc3\xa9?\xff", ASKED).request.startswith(b"GET /\xc3\xa9?\xff HTTP/1.1\r\nHost: a\r\n")


def test_blanks_before_a_colon_are_removed() -> None:
    """RFC 9112 §5.1. They count as what they stand for, lengths too."""
    data = b"HTTP/1.1 200 OK\r\nSet-Cookie \t: a=1\r\nContent-Length : 2\r\n\r\nhi"
    assert answer(data) == Answer(200, [(b"Set-Cookie", b"a=1"), (b"Content-Length", b"2")], b"hi")


def test_empty_lines_in_front_are_skipped_and_a_bodys_are_its_own() -> None:
    data = b"\r\n\nHTTP/1.1 103 x\r\n\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n\r\n\r\nhi"
    expected = Answer(200, [(b"Content-Length", b"6")], b"\r\n\r\nhi")
    assert answer(data) == expected
    assert answer(*(data[at : at + 1] for at in range(len(data)))) == expected


@pytest.mark.parametrize(
    "fields",
    [
        b"Content-Length: 1\r\nContent-Length : 2",
        b"Content-Length: 1, 2",
        b"Transfer-Encoding: gzip, chunked",
        b"Transfer-Encoding : chunked\r\nTransfer-Encoding: chunked",
        b"X: a\x00b",
        b"X: a\rb",
    ],
)
def test_what_decides_boundaries_stays_strict(fields: bytes) -> None:
    broken = answer(b"HTTP/1.1 200 OK\r\n" + fields + b"\r\n\r\nhi")
    assert isinstance(broken, BadAnswer)
    assert broken.reason.startswith("malformed answer: ")
    assert "bytearray" not in broken.reason


@pytest.mark.parametrize("first", [b"\x15\x03\x03\x00\x02\x02\x46", b"\x16\x03\x01"])
def test_tls_is_known_by_its_first_bytes(first: bytes) -> None:
    assert answer(first) == BadAnswer("malformed answer: it is TLS", BadAnswerCause.TLS_CAME)


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b"SSH-2.0-OpenSSH_9.6\r\n", "'SSH-2.0-OpenSSH_9.6\\r\\n'"),
        (b"-ERR unknown command 'GET', with args beginning with", "\"-ERR unknown command 'GET', with args be\""),
        (b"J\x00\x00\x00\n8.0.36\x00", "'J\\x00\\x00\\x00\\n8.0.36\\x00'"),
        (b"\r\nhello", "'hello'"),
        (b"\rHTTP/1.1 200 OK\r\n", "'\\rHTTP/1.1 200 OK\\r\\n'"),
    ],
)
def test_another_protocol_is_known_at_once(data: bytes, shown: str) -> None:
    """And quoted as text: its server may wait for our bytes, and we would wait for the end of its head."""
    assert answer(data) == BadAnswer(f"malformed answer: it begins with {shown}")


def test_words_about_a_field_are_bounded_and_text() -> None:
    broken = answer(b"HTTP/1.1 200 OK\r\nSet Cookie: secret\r\n\r\n")
    assert broken == BadAnswer("malformed answer: illegal header line: 'Set Cookie:…'")


SWITCHING = b"HTTP/1.1 101 x\r\nUpgrade: x\r\nConnection: upgrade\r\n"


@given(st.integers(0, 200), st.lists(st.integers(1, 60), min_size=1, max_size=6), st.booleans())
def test_a_head_is_as_large_in_pieces_as_at_once(size: int, sizes: list[int], final: bool) -> None:
    begin = b"HTTP/1.1 403 no\r\nContent-Length: 0\r\n" if final else SWITCHING
    data = begin + b"Set-Cookie: " + b"c" * size + b"\r\n\r\n"
    at_once = answer(data, max_head=200)
    assert isinstance(at_once, BadAnswer) is (len(data) > 200)
    assert answer(*(data[at : at + 1] for at in range(len(data))), max_head=200) == at_once
    pieces: list[bytes] = []
    at = 0
    while at < len(data):
        pieces.append(data[at : at + sizes[len(pieces) % len(sizes)]])
        at += len(pieces[-1])
    assert answer(*pieces, max_head=200) == at_once


def test_each_head_of_an_answer_has_the_bound() -> None:
    early = b"HTTP/1.1 103 x\r\nLink: " + b"l" * 50 + b"\r\n\r\n"
    assert isinstance(answer(early * 5 + SWITCHING + b"\r\n", max_head=100), Switched)
    assert answer(early * 5, max_head=60) == BadAnswer(
        "its answer's head has more than 60 bytes", BadAnswerCause.TOO_LARGE
    )
