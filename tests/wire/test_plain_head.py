"""What is read without h11 is what h11 reads: the same fields, the same end of the body, the same next message."""

from __future__ import annotations

import h11
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wsgate.wire.backend_http import BackendHttp
from wsgate.wire.client import BadAnswer
from wsgate.wire.http import HttpServer, Refusal, Request
from wsgate.wire.plain_head import AnswerHead, read_plain_answer, read_plain_request

BROWSER = (
    b"GET /room/1?x=%20 HTTP/1.1\r\nHost: chat.example.com:8443\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n"
    b'Accept: text/html,*/*;q=0.8\r\nSec-CH-UA: "Not A";v="8"\r\nCookie: a=b; c="d"\r\nX-Empty:\r\nX-Blank: \t \r\n\r\n'
)
ANSWER = b"HTTP/1.1 200 OK\r\nServer: uvicorn\r\nSet-Cookie: a=b; Path=/\r\nContent-Length: 5\r\n\r\n"


def by_h11(role: type[h11.CLIENT] | type[h11.SERVER], head: bytes, method: bytes = b"GET") -> h11.Connection:
    connection = h11.Connection(role)
    if role is h11.CLIENT:
        connection.send(h11.Request(method=method, target=b"/", headers=[(b"Host", b"a")]))
        connection.send(h11.EndOfMessage())
    connection.receive_data(head)
    return connection


def test_what_browsers_and_servers_send_is_plain() -> None:
    request = read_plain_request(BROWSER)
    assert request is not None
    assert (request.method, request.target, request.version) == (b"GET", b"/room/1?x=%20", b"1.1")
    assert request.raw_headers[0] == (b"Host", b"chat.example.com:8443")
    assert request.headers[-2:] == [(b"x-empty", b""), (b"x-blank", b"")]
    answer = read_plain_answer(ANSWER)
    assert answer == AnswerHead(
        200,
        [(b"server", b"uvicorn"), (b"set-cookie", b"a=b; Path=/"), (b"content-length", b"5")],
        [(b"Server", b"uvicorn"), (b"Set-Cookie", b"a=b; Path=/"), (b"Content-Length", b"5")],
        b"1.1",
    )


GET = b"GET / HTTP/1.1\r\n"
ODD = {
    "a bare LF": b"GET / HTTP/1.1\nHost: a\r\n\r\n",
    "a bare LF behind a field": GET + b"Host: a\nX: b\r\n\r\n",
    "a bare LF at the end": GET + b"Host: a\r\n\n",
    "a bare CR": GET + b"Host: a\rX: b\r\n\r\n",
    "a folded line": GET + b"Host: a\r\n X: b\r\n\r\n",
    "a folded line by a tab": GET + b"Host: a\r\nX: b\r\n\tc\r\n\r\n",
    "a blank before a colon": GET + b"Host : a\r\n\r\n",
    "no colon": GET + b"Host: a\r\nX\r\n\r\n",
    "no name": GET + b"Host: a\r\n: x\r\n\r\n",
    "NUL": GET + b"Host: a\r\nX: \x00\r\n\r\n",
    "another control character": GET + b"Host: a\r\nX: \x0b\r\n\r\n",
    "not ASCII": GET + b"Host: a\r\nX: \xe9\r\n\r\n",
    "no Host": GET + b"X: a\r\n\r\n",
    "two Hosts": GET + b"Host: a\r\nhost: a\r\n\r\n",
    "chunks": GET + b"Host: a\r\nTransfer-Encoding: chunked\r\n\r\n",
    "chunks in other letters": GET + b"Host: a\r\ntransfer-ENCODING: Chunked\r\n\r\n",
    "chunks and a length": GET + b"Host: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
    "two lengths": GET + b"Host: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
    "two lengths in one": GET + b"Host: a\r\nContent-Length: 5, 5\r\n\r\n",
    "a signed length": GET + b"Host: a\r\nContent-Length: +5\r\n\r\n",
    "an empty length": GET + b"Host: a\r\nContent-Length:\r\n\r\n",
    "a very long length": GET + b"Host: a\r\nContent-Length: 1234567890123456789\r\n\r\n",
    "another version": b"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
    "a version in small letters": b"GET / http/1.1\r\nHost: a\r\n\r\n",
    "two blanks": b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
    "a blank at the end": b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
    "no target": b"GET HTTP/1.1\r\nHost: a\r\n\r\n",
    "a line in front": b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "more behind it": GET + b"Host: a\r\n\r\nx",
    "no end": GET + b"Host: a\r\n",
}


@pytest.mark.parametrize("head", ODD.values(), ids=ODD)
def test_what_is_odd_is_left_to_h11(head: bytes) -> None:
    assert read_plain_request(head) is None


OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\nX: a\r\n\r\n",
        OK + b"X: a\n\r\n",
        OK + b"X : a\r\n\r\n",
        OK + b"X: a\r\n b\r\n\r\n",
        OK + b"X: \xe9\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n",
        OK + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\n",
        OK + b"Content-Length: 5, 5\r\n\r\n",
        OK + b"Content-Length: -5\r\n\r\n",
        b"HTTP/1.1 099 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/2.0 200 OK\r\n\r\n",
        b"HTTP/1.1  200 OK\r\n\r\n",
    ],
)
def test_what_is_odd_in_an_answer_is_left_to_h11(head: bytes) -> None:
    assert read_plain_answer(head) is None


# -- against h11 -------------------------------------------------------------------------------------------------------

PARTS = [
    *(b"\r\n", b"\n", b"\r", b" ", b"\t", b":", b",", b";", b"0", b"5", b"1", b"00", b"x", b"\x00", b"\x0b", b"\x7f"),
    *(b"\xe9", b"chunked", b"close", b"keep-alive", b"Host: a\r\n", b"host:b\r\n", b"X: y\r\n", b"X-Y:\t z \r\n"),
    *(b"Content-Length: 5\r\n", b"content-length:0\r\n", b"Content-Length: 2\r\n", b"Content-Length"),
    *(b"Transfer-Encoding: chunked\r\n", b"transfer-encoding", b"Connection: close\r\n", b"Connection: Upgrade\r\n"),
    *(b"Upgrade: websocket\r\n", b"Connection: x, CLOSE\r\n", b"Trailer: a\r\n", b"Expect: 100-continue\r\n"),
]
some = st.lists(st.sampled_from(PARTS), max_size=6).map(b"".join)
mostly = st.just(b"") | some  # nothing odd, half of the time
request_lines = st.builds(
    b"%b %b%b HTTP/%b".__mod__,
    st.tuples(
        st.sampled_from([b"GET", b"POST", b"HEAD", b"CONNECT", b"PRI"]),
        st.sampled_from([b"/", b"/x?y=z", b"*", b"http://a/", b"/\xe9"]),
        mostly,
        st.sampled_from([b"1.1", b"1.0", b"1.1", b"2.0", b"1.10"]),
    ),
)
status_lines = st.builds(
    b"HTTP/%b %b%b%b".__mod__,
    st.tuples(
        st.sampled_from([b"1.1", b"1.0", b"1.1", b"1.2"]),
        st.sampled_from([b"200", b"204", b"304", b"100", b"101", b"103", b"404", b"000", b"099", b"20", b"999"]),
        st.sampled_from([b" OK", b"", b" ", b" \tNot so"]),
        mostly,
    ),
)
fields = st.lists(st.sampled_from([part for part in PARTS if part.endswith(b":y\r\n") or b": " in part]), max_size=4)
request_heads = st.tuples(request_lines, st.just(b"\r\nHost: a\r\n"), fields.map(b"".join), mostly, st.just(b"\r\n"))
answer_heads = st.tuples(status_lines, st.just(b"\r\n"), fields.map(b"".join), mostly, st.just(b"\r\n"))


@given(request_heads.map(b"".join) | some)
def test_a_plain_request_is_what_h11_reads(head: bytes) -> None:
    found = read_plain_request(head)
    if found is None:
        return
    event = by_h11(h11.SERVER, head).next_event()
    assert isinstance(event, h11.Request)
    assert (found.method, found.target, found.version) == (event.method, event.target, event.http_version)
    assert (found.headers, found.raw_headers) == (list(event.headers), event.headers.raw_items())


@given(answer_heads.map(b"".join) | some)
def test_a_plain_answer_is_what_h11_reads(head: bytes) -> None:
    found = read_plain_answer(head)
    if found is None or found.status == 101:
        return
    event = by_h11(h11.CLIENT, head).next_event()
    assert isinstance(event, h11.Response | h11.InformationalResponse)
    assert (found.status, found.version) == (event.status_code, event.http_version)
    assert (found.headers, found.raw_headers) == (list(event.headers), event.headers.raw_items())


NEXT = b"GET /next HTTP/1.1\r\nHost: n\r\n\r\n"


@given(request_heads.map(b"".join), st.sampled_from([b"", b"hello", b"hello" + NEXT, b"he", NEXT, b"0\r\n\r\n" + NEXT]))
@example(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n", b"hello" + NEXT)
def test_a_request_ends_where_h11_ends_it(head: bytes, behind: bytes) -> None:
    """Whatever reads it: a request that is taken has the body that h11 finds, and the same bytes are behind it."""
    server = HttpServer()
    server.receive(head + behind)
    request = server.next_request()
    if not isinstance(request, Request) or not request.target.isascii():
        return
    body, end = b"", None
    while isinstance(piece := server.next_piece(), bytes):
        body += piece
    end = piece
    connection = by_h11(h11.SERVER, head + behind)
    assert isinstance(connection.next_event(), h11.Request)
    expected = b""
    try:
        while isinstance(event := connection.next_event(), h11.Data):
            expected += event.data
    except h11.RemoteProtocolError:
        assert isinstance(end, Refusal)
        return
    assert body == expected
    assert (end is None) is (event is h11.NEED_DATA)
    if end is not None:
        assert server.trailing() == connection.trailing_data[0]


@given(
    answer_heads.map(b"".join),
    st.sampled_from([b"", b"hello", b"hello!", b"he", b"5\r\nhello\r\n0\r\n\r\n"]),
    st.sampled_from([b"GET", b"HEAD", b"POST"]),
    st.booleans(),
)
@example(ANSWER, b"hello", b"GET", False)
def test_an_answer_ends_where_h11_ends_it(head: bytes, behind: bytes, method: bytes, ends: bool) -> None:
    if b" :" in head or b"\t:" in head:  # corrected before h11 reads it
        return
    http = BackendHttp(method, b"/", [(b"Host", b"a")])
    http.finish()
    http.receive(head + behind)
    if ends:
        http.receive(b"")
    found = http.next_head()
    if not isinstance(found, AnswerHead) or found.status < 200:
        return
    body = b""
    while isinstance(piece := http.next_piece(), bytes):
        body += piece
    connection = by_h11(h11.CLIENT, head + behind, method)
    if ends:
        connection.receive_data(b"")
    assert isinstance(connection.next_event(), h11.Response)
    expected = b""
    try:
        while isinstance(event := connection.next_event(), h11.Data):
            expected += event.data
    except h11.RemoteProtocolError:
        assert isinstance(piece, BadAnswer)
        return
    assert body == expected
    assert (piece is None) is (event is h11.NEED_DATA)
    kept = connection.their_state is h11.DONE and not connection.trailing_data[0] and not ends
    assert http.may_be_kept is (kept and connection.our_state is h11.DONE)
