"""One HTTP GET: its request, and a bounded answer."""

from __future__ import annotations

import pytest

from wsgate.wire.fetch import MAX_BODY, Fetch, Fetched, Unusable
from wsgate.wire.head import MAX_HEAD

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


def test_fields_of_the_callers() -> None:
    """They stand in place of those that each request has otherwise."""
    lines = Fetch("h", "/", [(b"accept", b"text/html"), (b"Cookie", b"a=1")]).request.decode().split("\r\n")
    assert {"accept: text/html", "Cookie: a=1", "User-Agent: wsgate"} <= set(lines)
    assert not [line for line in lines if line.startswith("Accept:")]


def test_another_bound() -> None:
    fetch = Fetch("host", "/", max_body=2)
    assert fetch.receive(OK + b"\r\nabc") == Unusable("its body is longer than 2 bytes")


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
    assert receive(most, b"x") == Unusable(f"its body is longer than {MAX_BODY} bytes")


@pytest.mark.parametrize(
    "data",
    [
        OK + b"\r\n10.0.0.7:59",
        OK + b"Content-Length: 13\r\n\r\n10.0.0.7:59",
        OK + b"Transfer-Encoding: chunked\r\n\r\nd\r\n10.0.0.7:59",
        b"HTTP/1.0 200 OK\r\n\r\n10.0.0.7:5901",
    ],
)
def test_an_answer_that_was_cut_is_none(data: bytes) -> None:
    """Half an address may be a valid address too. It is refused even if all of it has come, because that is unknown."""
    fetch = Fetch("host", "/")
    assert fetch.receive(data) is None
    body = data.rpartition(b"\n")[2]
    assert fetch.lost("the connection was lost") == Unusable(f"its body broke off after {len(body)} bytes")


@pytest.mark.parametrize("data", [b"", b"HTTP/1.1 2", OK])
def test_a_connection_that_is_lost_before_the_answer(data: bytes) -> None:
    fetch = Fetch("host", "/")
    if data:
        assert fetch.receive(data) is None
    assert fetch.lost("Connection reset by peer") == Unusable("Connection reset by peer")


@pytest.mark.parametrize(
    ("pieces", "reason"),
    [
        ([b""], "ended without an answer"),
        ([b"HTTP/1.1 200", b""], "ended inside its answer's head"),
        ([OK + b"Content-Length: 9\r\n\r\na:1", b""], "its body broke off after 3 bytes"),
        ([b"SSH-2.0-OpenSSH\r\n"], "malformed answer: it begins with 'SSH-2.0-OpenSSH\\r\\n'"),
        ([b"\x15\x03\x01\x00\x02\x02\x46"], "it speaks TLS: write https:// in url"),
        ([OK + b"X: " + b"y" * MAX_HEAD], f"its answer's head has more than {MAX_HEAD} bytes"),
        ([b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"], "malformed answer: "),
    ],
)
def test_no_answer(pieces: list[bytes], reason: str) -> None:
    answer = receive(*pieces)
    assert isinstance(answer, Unusable)
    assert answer.reason == reason or (reason.endswith(": ") and answer.reason.startswith(reason))
