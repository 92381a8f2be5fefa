"""One HTTP GET: its request, and a bounded answer."""

from __future__ import annotations

import pytest

from wsgate.wire.fetch import MAX_BODY, Fetch, Fetched, Unusable

OK = b"HTTP/1.1 200 OK\r\n"


def receive(*pieces: bytes) -> Fetched | Unusable | None:
    fetch = Fetch("host", "/")
    for piece in pieces:
        if (answer := fetch.receive(piece)) is not None:
            return answer
    return None


def test_the_request() -> None:
    lines = Fetch("[::1]:8080", "/a?b=%20").request.decode().split("\r\n")
    assert lines[0] == "GET /a?b=%20 HTTP/1.1"
    assert {"Host: [::1]:8080", "Connection: close"} <= set(lines)
    assert lines[-2:] == ["", ""]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (OK + b"Content-Length: 3\r\n\r\na:1", Fetched(200, b"a:1")),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\n:1\r\n0\r\n\r\n", Fetched(200, b"a:1")),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 0\r\n\r\n", Fetched(200, b"")),
        (b"HTTP/1.1 204 No Content\r\n\r\n", Fetched(204, b"")),
        (b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", Fetched(302, b"")),
    ],
)
def test_an_answer(data: bytes, expected: Fetched) -> None:
    assert receive(data) == expected
    assert receive(*(data[at : at + 1] for at in range(len(data)))) == expected
    assert receive(data[:-1]) is None


def test_an_answer_that_ends_with_its_connection() -> None:
    assert receive(OK + b"\r\na:1") is None
    assert receive(OK + b"\r\na:1", b"") == Fetched(200, b"a:1")
    most = OK + b"\r\n" + b"x" * MAX_BODY
    assert receive(most, b"") == Fetched(200, b"x" * MAX_BODY)
    assert receive(most, b"x") == Unusable(f"it answered with more than {MAX_BODY} bytes")


@pytest.mark.parametrize(
    ("pieces", "reason"),
    [
        ([b""], "it ended the connection without an answer"),
        ([b"HTTP/1.1 200", b""], "it ended the connection without an answer"),
        ([OK + b"Content-Length: 9\r\n\r\na:1", b""], "its body broke off"),
        ([b"SSH-2.0-OpenSSH\r\n\r\n"], "its answer is not HTTP"),
        ([OK + b"X: " + b"y" * 20_000], "its answer is not HTTP"),
        ([b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"], "its answer is not HTTP"),
    ],
)
def test_no_answer(pieces: list[bytes], reason: str) -> None:
    assert receive(*pieces) == Unusable(reason)
