from __future__ import annotations

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgate.text.paths import normal
from wsgate.wire.head import MAX_HEAD, MAX_TARGET
from wsgate.wire.http import BodyEnd, HttpServer, Refusal, Request

GET = b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n"
HEAD = b"HEAD / HTTP/1.1\r\nHost: example.com\r\n\r\n"


def head(line: bytes, *fields: bytes) -> bytes:
    return b"\r\n".join([line, *(fields or (b"Host: example.com",)), b"", b""])


def feed(*pieces: bytes) -> tuple[HttpServer, Request | Refusal | None]:
    """A server that has been given these pieces, and its first answer to them."""
    server = HttpServer()
    for piece in pieces:
        server.receive(piece)
        if (request := server.next_request()) is not None:
            return server, request
    return server, None


def cuttings(data: bytes) -> list[list[bytes]]:
    return [
        [data],
        [data[at : at + 1] for at in range(len(data))],
        *([data[:at], data[at:]] for at in range(1, len(data))),
    ]


def read_response(data: bytes, method: bytes = b"GET") -> tuple[h11.Response, bytes]:
    """Returns what a client reads of a whole response; h11 checks its length."""
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method=method, target=b"/", headers=[(b"Host", b"example.com")]))
    client.send(h11.EndOfMessage())
    client.receive_data(data)
    response = client.next_event()
    assert isinstance(response, h11.Response)
    body = b""
    while isinstance(event := client.next_event(), h11.Data):
        body += event.data
    assert isinstance(event, h11.EndOfMessage)
    assert client.trailing_data[0] == b""
    return response, body


# -- requests ----------------------------------------------------------------------------------------------------------

TARGETS: list[tuple[bytes, bytes, bytes]] = [
    (b"/", b"/", b"example.com"),
    (b"/chat/a%2Fb?x=/../&y", b"/chat/a%2Fb?x=/../&y", b"example.com"),
    (b"//double", b"//double", b"example.com"),
    # absolute-form (RFC 9112 §3.2.2): its authority stands over Host's
    (b"http://other:81/chat?x", b"/chat?x", b"other:81"),
    (b"HTTPS://Other/chat", b"/chat", b"Other"),
    (b"ws://other/chat", b"/chat", b"other"),
    (b"wss://[::1]:8443/chat", b"/chat", b"[::1]:8443"),
    (b"http://other", b"/", b"other"),
    (b"http://other?x=http://third/", b"/?x=http://third/", b"other"),
    (b"http://other//double", b"//double", b"other"),
]


@pytest.mark.parametrize(("sent", "target", "host"), TARGETS)
def test_targets(sent: bytes, target: bytes, host: bytes) -> None:
    for pieces in cuttings(head(b"GET " + sent + b" HTTP/1.1")):
        _, request = feed(*pieces)
        assert isinstance(request, Request)
        assert (request.target, request.host) == (target, host)
        assert request.path == normal(target.partition(b"?")[0])


def test_a_request_as_it_was_written_and_as_it_is_looked_up() -> None:
    _, request = feed(head(b"PROPFIND /x HTTP/1.1", b"hOsT: example.com:80", b"X-A:1", b"x-a:  2 ", b"Cookie: \xe9"))
    assert request == Request(
        b"PROPFIND",
        b"/x",
        b"example.com:80",
        b"1.1",
        [(b"host", b"example.com:80"), (b"x-a", b"1"), (b"x-a", b"2"), (b"cookie", b"\xe9")],
        [(b"hOsT", b"example.com:80"), (b"X-A", b"1"), (b"x-a", b"2"), (b"Cookie", b"\xe9")],
    )


@pytest.mark.parametrize(
    ("data", "host"),
    [
        (b"GET / HTTP/1.0\r\n\r\n", b""),
        (b"GET / HTTP/1.0\r\nHost: old\r\n\r\n", b"old"),
        (b"GET / HTTP/1.1\r\nHost:\r\n\r\n", b""),
        (b"GET http://a/ HTTP/1.0\r\n\r\n", b"a"),
        (b"GET / HTTP/1.1\nHost: bare\n\n", b"bare"),  # RFC 9112 §2.2: a recipient may take LF alone
    ],
)
def test_hosts(data: bytes, host: bytes) -> None:
    for pieces in cuttings(data):
        _, request = feed(*pieces)
        assert isinstance(request, Request)
        assert request.host == host


@pytest.mark.parametrize("fields", [(b"Content-Length: 0",), (b"Content-Length: 0", b"content-length: 0")])
def test_a_body_of_nothing_is_none(fields: tuple[bytes, ...]) -> None:
    server, request = feed(head(b"POST / HTTP/1.1", b"Host: a", *fields))
    assert isinstance(request, Request)
    server.respond(204, close=False)
    assert server.next_cycle()


HOST = b"Host: a"
REFUSED: dict[str, tuple[bytes, int, str]] = {
    "a length of zero zeros": (head(b"GET / HTTP/1.1", HOST, b"Content-Length: 00"), 400, "Content-Length"),
    "a length with a zero in front": (head(b"GET / HTTP/1.1", HOST, b"Content-Length: 05"), 400, "Content-Length"),
    "the same length twice": (
        head(b"GET / HTTP/1.1", HOST, b"Content-Length: 5", b"content-length:5"),
        400,
        "Content-L",
    ),
    "the same length twice in one": (head(b"GET / HTTP/1.1", HOST, b"Content-Length: 5, 5"), 400, "Content-Length"),
    "a length with a plus": (head(b"GET / HTTP/1.1", HOST, b"Content-Length: +5"), 400, "malformed"),
    "a length in two lines": (head(b"GET / HTTP/1.1", HOST, b"Content-Length:\r\n 5"), 400, "Content-Length"),
    "both lengths": (head(b"POST / HTTP/1.1", HOST, b"Transfer-Encoding: chunked", b"Content-Length: 0"), 400, "both"),
    "the other order": (
        head(b"POST / HTTP/1.1", HOST, b"Content-Length: 5", b"Transfer-Encoding: chunked"),
        400,
        "both",
    ),
    "chunks in HTTP/1.0": (head(b"POST / HTTP/1.0", HOST, b"Transfer-Encoding: chunked"), 400, "HTTP/1.0"),
    "two codings of chunks": (head(b"GET / HTTP/1.1", HOST, b"Transfer-Encoding: chunked, chunked"), 501, "malformed"),
    "chunks and a control": (head(b"GET / HTTP/1.1", HOST, b"Transfer-Encoding: chunked\x0b"), 400, "malformed"),
    "chunks that are quoted": (head(b"GET / HTTP/1.1", HOST, b'Transfer-Encoding: "chunked"'), 501, "malformed"),
    "another name for chunks": (head(b"GET / HTTP/1.1", HOST, b"Transfer-Encoding: xchunked"), 501, "malformed"),
    "two lengths": (head(b"GET / HTTP/1.1", HOST, b"Content-Length: 0", b"Content-Length: 1"), 400, "malformed"),
    "a length below zero": (head(b"GET / HTTP/1.1", HOST, b"Content-Length: -1"), 400, "malformed"),
    "a coding that nobody knows": (head(b"GET / HTTP/1.1", HOST, b"Transfer-Encoding: gzip"), 501, "malformed"),
    "two codings": (head(b"GET / HTTP/1.1", HOST, b"Transfer-Encoding: gzip, chunked"), 501, "malformed"),
    "no Host": (b"GET / HTTP/1.1\r\n\r\n", 400, "malformed"),
    "two Hosts": (head(b"GET / HTTP/1.1", HOST, HOST), 400, "malformed"),
    "a space in Host": (head(b"GET / HTTP/1.1", b"Host: a b"), 400, "Host is not"),
    "a path in Host": (head(b"GET / HTTP/1.1", b"Host: a/b"), 400, "Host is not"),
    "a user in Host": (head(b"GET / HTTP/1.1", b"Host: user@a"), 400, "Host is not"),
    "a word for a port": (head(b"GET / HTTP/1.1", b"Host: a:http"), 400, "Host is not"),
    "a port of six digits": (head(b"GET / HTTP/1.1", b"Host: a:123456"), 400, "Host is not"),
    "bytes outside ASCII in Host": (head(b"GET / HTTP/1.1", b"Host: \xe9"), 400, "Host is not"),
    "half an IPv6 address in Host": (head(b"GET / HTTP/1.1", b"Host: [::1"), 400, "Host is not"),
    "two hosts in Host": (head(b"GET / HTTP/1.1", b"Host: a, b"), 400, "Host is not"),
    "a backslash in an authority": (head(b"GET http://a\\b/ HTTP/1.1"), 400, "Host is not"),
    "a fragment": (head(b"GET /chat#top HTTP/1.1"), 400, "fragment"),
    "a fragment behind a query": (head(b"GET /chat?a#top HTTP/1.1"), 400, "fragment"),
    "a fragment behind an authority": (head(b"GET http://a#top HTTP/1.1"), 400, "fragment"),
    "authority-form": (head(b"CONNECT example.com:443 HTTP/1.1"), 400, "neither"),
    "asterisk-form": (head(b"OPTIONS * HTTP/1.1"), 400, "neither"),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "neither"),
    "no slash": (head(b"GET chat HTTP/1.1"), 400, "neither"),
    "another scheme": (head(b"GET ftp://example.com/ HTTP/1.1"), 400, "neither"),
    "a scheme and a path": (head(b"GET http:/example.com/ HTTP/1.1"), 400, "neither"),
    "no authority": (head(b"GET http:///chat HTTP/1.1"), 400, "neither"),
    "a user": (head(b"GET http://user:secret@example.com/ HTTP/1.1"), 400, "neither"),
    "half an IPv6 address": (head(b"GET http://[::1/ HTTP/1.1"), 400, "neither"),
    "bytes outside ASCII in a method": (head(b"G\xc3\xa9T / HTTP/1.1"), 400, "malformed"),
    "bytes outside ASCII in an authority": (head(b"GET http://\xc3\xa9/ HTTP/1.1"), 400, "Host is not"),
    "a control character in a target": (head(b"GET /\xc3\x01 HTTP/1.1"), 400, "malformed"),
    "a DEL in a target": (head(b"GET /\xc3\x7f HTTP/1.1"), 400, "malformed"),
    "a blank in a target": (head(b"GET /\xc3 \xa9 HTTP/1.1"), 400, "malformed"),
    "a CR alone": (b"\r\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400, "malformed"),
    "a blank in front": (b" GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400, "malformed"),
    "a long target outside ASCII": (head(b"GET /" + b"\xe9" * MAX_TARGET + b" HTTP/1.1"), 414, "target"),
    "a line of nothing": (b"\x00\x00\x00\r\n\r\n", 400, "malformed"),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, "malformed"),
    "another protocol": (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", 400, "malformed"),
    "no version": (b"GET /\r\nHost: a\r\n\r\n", 400, "malformed"),
    "a space in a field's name": (head(b"GET / HTTP/1.1", HOST, b"X Y: 1"), 400, "malformed"),
    "a space behind a field's name": (head(b"GET / HTTP/1.1", HOST, b"X : 1"), 400, "malformed"),
    "a zero in a value": (head(b"GET / HTTP/1.1", HOST, b"X: a\0b"), 400, "malformed"),
    "a CR in a value": (head(b"GET / HTTP/1.1", HOST, b"X: a\rb"), 400, "malformed"),
    "no field": (head(b"GET / HTTP/1.1", HOST, b"nonsense"), 400, "malformed"),
    "a long target": (head(b"GET /" + b"a" * MAX_TARGET + b" HTTP/1.1"), 414, "target"),
    "a target as long as a head": (head(b"GET /" + b"a" * MAX_HEAD + b" HTTP/1.1"), 414, "target"),
    "a method as long as a head": (head(b"G" * MAX_HEAD + b" / HTTP/1.1"), 431, "head"),
}


@pytest.mark.parametrize(("data", "status", "word"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused(data: bytes, status: int, word: str) -> None:
    """With a status, one line with the reason, and a response that a client can parse."""
    for pieces in cuttings(data) if len(data) < 100 else [[data]]:
        server, refusal = feed(*pieces)
        assert isinstance(refusal, Refusal)
        assert refusal.status == status
        assert word in refusal.reason
        assert "\n" not in refusal.reason
        response, body = read_response(server.respond(refusal.status, refusal.headers, b"no\n"))
        assert (response.status_code, body) == (status, b"no\n")
        assert not server.next_cycle()


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET /" + b"a" * MAX_HEAD, 414),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * MAX_HEAD, 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: 1\r\n" * (MAX_HEAD // 6), 431),
    ],
    ids=["target", "field", "fields"],
)
def test_a_head_without_an_end(data: bytes, status: int) -> None:
    for size in (100, 5000, len(data)):
        _, refusal = feed(*[data[at : at + size] for at in range(0, len(data), size)])
        assert isinstance(refusal, Refusal)
        assert refusal.status == status


@pytest.mark.parametrize(("size", "status"), [(MAX_HEAD, None), (MAX_HEAD + 1, 431), (2 * MAX_HEAD, 431)])
def test_a_head_is_as_long_whole_as_in_pieces(size: int, status: int | None) -> None:
    start, end = b"GET / HTTP/1.1\r\nHost: a\r\nX: ", b"\r\n\r\n"
    data = start + b"a" * (size - len(start) - len(end)) + end
    for piece in (size, size - 1, 4000):
        _, request = feed(*[data[at : at + piece] for at in range(0, size, piece)])
        assert request is not None
        assert getattr(request, "status", None) == status


@pytest.mark.parametrize("before", [b"\r\n", b"\n", b"\r\n\r\n\n"])
def test_empty_lines_before_a_request_are_skipped(before: bytes) -> None:
    """RFC 9112 §2.2. They are no beginning of it: silence behind them is idleness."""
    for pieces in cuttings(before + GET):
        server, request = feed(*pieces)
        assert isinstance(request, Request)
        assert server.trailing() == b""
    server, nothing = feed(before)
    assert nothing is None
    assert not server.begun
    server.receive(b"")
    with pytest.raises(EOFError):
        server.next_request()


def test_what_is_behind_an_upgrade_is_its_own() -> None:
    server, request = feed(head(b"GET / HTTP/1.1", HOST, b"Upgrade: x", b"Connection: upgrade") + b"\r\n\x0aframes")
    assert isinstance(request, Request)
    assert server.trailing() == b"\r\n\x0aframes"


def test_empty_lines_between_requests() -> None:
    server, first = feed(GET + b"\r\n" + GET)
    assert isinstance(first, Request)
    server.respond(204, close=False)
    assert server.next_cycle()
    assert isinstance(server.next_request(), Request)


def test_empty_lines_count() -> None:
    _, refusal = feed(b"\r\n" * MAX_HEAD)
    assert isinstance(refusal, Refusal)
    assert refusal.status == 431


@pytest.mark.parametrize(
    ("sent", "target"),
    [
        (b"/caf\xc3\xa9?q=\xe9%20", b"/caf\xc3\xa9?q=\xe9%20"),
        (b"/%c3%a9/\xff\x80", b"/%c3%a9/\xff\x80"),
        (b"http://example.com/\xc3\xa9", b"/\xc3\xa9"),
    ],
)
def test_a_target_outside_ascii_is_taken_as_it_came(sent: bytes, target: bytes) -> None:
    for pieces in cuttings(head(b"GET " + sent + b" HTTP/1.1")):
        _, request = feed(*pieces)
        assert isinstance(request, Request)
        assert (request.target, request.host) == (target, b"example.com")


@given(
    st.lists(
        st.sampled_from(
            [b"GET ", b"/x", b" HTTP/1.1", b"\r\n", b"\n", b"\r", b"Host: a", b"X:", b" ", b"\xe9", b"\x16"]
        )
        | st.integers(1, 90).map(lambda size: b"y" * size),
        max_size=24,
    ).map(b"".join)
    | st.integers(40, 120).map(lambda size: head(b"GET / HTTP/1.1", b"Host: a", b"X: " + b"z" * size)),
    st.lists(st.integers(1, 40), min_size=1, max_size=8),
)
def test_what_a_head_is_worth_does_not_depend_on_how_it_comes(data: bytes, sizes: list[int]) -> None:
    """In one piece, byte by byte, or in any pieces: the same request, refusal, or wait for more."""

    def worth(*pieces: bytes) -> Request | Refusal | None:
        server = HttpServer(max_head=128, max_target=64)
        for piece in pieces:
            server.receive(piece)
            if (answer := server.next_request()) is not None:
                return answer
        return None

    pieces: list[bytes] = []
    at = 0
    for size in sizes * (len(data) // sum(sizes) + 1):
        pieces.append(data[at : at + size])
        at += size
    pieces = [piece for piece in pieces if piece]
    whole = worth(data) if data else None
    assert worth(*(data[at : at + 1] for at in range(len(data)))) == whole
    assert worth(*pieces) == whole


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (b"GET /chat?token=secret x HTTP/1.1", "illegal request line: 'GET /chat?…'"),
        (b"NONSENSE", "illegal request line: 'NONSENSE'"),
        (b"GET /\x00 HTTP/1.1", "illegal request line: 'GET /\\x00 HTTP/1.1'"),
    ],
)
def test_the_log_can_read_what_was_malformed_but_no_secret(line: bytes, shown: str) -> None:
    _, refusal = feed(head(line))
    assert isinstance(refusal, Refusal)
    assert refusal.detail == shown


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (b"Authorization : Basic c2VjcmV0", "illegal header line: 'Authorization :…'"),
        (b"nonsense", "illegal header line: 'nonsense'"),
        (b"it's", 'illegal header line: "it\\\'s"'),
        (b"x" * 500, f"illegal header line: '{'x' * 178}…"),
    ],
)
def test_a_malformed_field_in_the_log(line: bytes, shown: str) -> None:
    _, refusal = feed(head(b"GET / HTTP/1.1", HOST, line))
    assert isinstance(refusal, Refusal)
    assert refusal.detail == shown


def test_what_is_behind_a_head_is_no_part_of_it() -> None:
    _, request = feed(GET + b"x" * (2 * MAX_HEAD))
    assert isinstance(request, Request)


def test_the_longest_target() -> None:
    _, request = feed(head(b"GET /" + b"a" * (MAX_TARGET - 1) + b" HTTP/1.1"))
    assert isinstance(request, Request)


def test_an_unfinished_head_is_waited_for() -> None:
    server = HttpServer()
    assert not server.begun
    assert server.next_request() is None
    for at in range(len(GET) - 1):
        server.receive(GET[at : at + 1])
        assert server.next_request() is None
        assert server.begun
    server.receive(GET[-1:])
    assert isinstance(server.next_request(), Request)
    assert not server.begun


def test_an_end_between_requests() -> None:
    server = HttpServer()
    server.receive(b"")
    with pytest.raises(EOFError):
        server.next_request()


def test_an_end_inside_a_head() -> None:
    _, refusal = feed(GET[:-1], b"")
    assert isinstance(refusal, Refusal)
    assert refusal.status == 400


# -- responses ---------------------------------------------------------------------------------------------------------


def test_a_whole_response() -> None:
    server, _ = feed(GET)
    data = server.respond(404, [(b"Content-Type", b"text/plain")], b"gone\n")
    assert data == (
        b"HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 5\r\nConnection: close\r\n\r\ngone\n"
    )
    assert not server.next_cycle()


def test_a_response_before_any_request() -> None:
    """A client that is too slow gets its 408."""
    server, _ = feed(GET[:10])
    response, body = read_response(server.respond(408, body=b"slow\n"))
    assert (response.status_code, body) == (408, b"slow\n")


def test_a_response_in_pieces() -> None:
    server, _ = feed(GET)
    data = server.head(200, [(b"Content-Length", b"6")]) + server.data(b"abc") + server.data(b"def") + server.finish()
    response, body = read_response(data)
    assert (response.status_code, response.reason, body) == (200, b"OK", b"abcdef")
    assert server.next_cycle()


@pytest.mark.parametrize("status", [299, 418, 451, 499, 520, 599])
def test_any_status_of_a_backend_can_be_passed_on(status: int) -> None:
    server, _ = feed(GET)
    response, body = read_response(server.respond(status, body=b"x"))
    assert (response.status_code, body) == (status, b"x")


@pytest.mark.parametrize("status", [204, 304])
def test_a_status_without_a_body(status: int) -> None:
    server, _ = feed(GET)
    data = server.respond(status)
    response, body = read_response(data)
    assert (response.status_code, body) == (status, b"")
    assert b"Content-Length" not in data


def test_the_answer_to_head_has_the_length_but_no_body() -> None:
    server, request = feed(HEAD)
    assert isinstance(request, Request)
    data = server.respond(200, [], b"abc", close=False)
    assert b"Content-Length: 3\r\n" in data
    assert data.endswith(b"\r\n\r\n")
    assert server.next_cycle()
    server.receive(GET)
    assert isinstance(server.next_request(), Request)
    assert server.respond(200, [], b"abc").endswith(b"\r\n\r\nabc")


@pytest.mark.parametrize(
    "data",
    [
        head(b"HEAD / HTTP/1.1", HOST, b"Content-Length: 05"),
        head(b"HEAD /#top HTTP/1.1"),
        head(b"HEAD /" + b"a" * MAX_TARGET + b" HTTP/1.1"),
    ],
    ids=["body", "fragment", "long"],
)
def test_a_refusal_of_head(data: bytes) -> None:
    server, refusal = feed(data)
    assert isinstance(refusal, Refusal)
    response, body = read_response(server.respond(refusal.status, body=b"no\n"), b"HEAD")
    assert (response.status_code, body) == (refusal.status, b"")


# -- bodies ------------------------------------------------------------------------------------------------------------


def read_request_body(server: HttpServer, pieces: list[bytes]) -> tuple[bytes, BodyEnd | Refusal | None]:
    """What comes of a body when its bytes come in these pieces; ``None`` if they are not enough."""
    body = b""
    while True:
        piece = server.next_piece()
        if isinstance(piece, bytes):
            body += piece
        elif piece is not None or not pieces:
            return body, piece
        else:
            server.receive(pieces.pop(0))


BODIES = {
    "a length": (b"Content-Length: 5", b"hello", b"hello", ()),
    "chunks": (b"Transfer-Encoding: chunked", b"2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n", b"hello", []),
    "chunks in capitals": (b"Transfer-Encoding: Chunked", b"5\r\nhello\r\n0\r\n\r\n", b"hello", []),
    "trailers": (b"Transfer-Encoding: chunked", b"1\r\nx\r\n0\r\nSum: 1\r\n\r\n", b"x", [(b"Sum", b"1")]),
    "an empty body in chunks": (b"Transfer-Encoding: chunked", b"0\r\n\r\n", b"", []),
}


@pytest.mark.parametrize(("field", "sent", "body", "trailers"), BODIES.values(), ids=BODIES)
def test_a_body_and_the_next_request(field: bytes, sent: bytes, body: bytes, trailers: list[object]) -> None:
    for pieces in cuttings(head(b"POST /x HTTP/1.1", HOST, field) + sent + GET):
        server = HttpServer()
        request = None
        while request is None:
            server.receive(pieces.pop(0))
            request = server.next_request()
        assert isinstance(request, Request)
        assert request.length == (5 if field.startswith(b"Content-Length") else None)
        assert read_request_body(server, pieces) == (body, BodyEnd(trailers))  # type: ignore[arg-type]
        server.respond(200, close=False)
        assert server.next_cycle()
        following = server.next_request()
        while following is None:
            server.receive(pieces.pop(0))
            following = server.next_request()
        assert isinstance(following, Request)
        assert following.method == b"GET"
        server.respond(200, close=False)
        assert server.next_cycle()


def test_a_request_without_a_body_has_one_that_ends_at_once() -> None:
    server, _ = feed(GET)
    assert server.next_piece() == BodyEnd()


@pytest.mark.parametrize(
    ("sent", "detail"),
    [
        (b"5\r\nhelloX\r\n", "expected"),
        (b"-1\r\n", "illegal chunk header"),
        (b"0x5\r\nhello\r\n", "illegal chunk header"),
        (b"5" * 70000, "too long"),
        (b"0\r\nX Y: 1\r\n\r\n", "illegal header line"),
    ],
    ids=["no end", "negative", "hexadecimal", "long", "trailer"],
)
def test_a_malformed_body(sent: bytes, detail: str) -> None:
    server, request = feed(head(b"POST / HTTP/1.1", HOST, b"Transfer-Encoding: chunked"))
    assert isinstance(request, Request)
    _, fault = read_request_body(server, [sent])
    assert isinstance(fault, Refusal)
    assert (fault.status, fault.reason) == (400, "malformed request body")
    server.respond(400)
    assert not server.next_cycle()


@pytest.mark.parametrize(
    ("field", "sent"), [(b"Content-Length: 5", b"hell"), (b"Transfer-Encoding: chunked", b"1\r\nx")]
)
def test_a_connection_that_ends_in_a_body(field: bytes, sent: bytes) -> None:
    server, _ = feed(head(b"POST / HTTP/1.1", HOST, field))
    _, fault = read_request_body(server, [sent, b""])
    assert isinstance(fault, Refusal)
    assert fault.detail.startswith("the connection ended in its body")


def test_an_answer_before_the_body_is_the_last_one() -> None:
    server, _ = feed(head(b"POST / HTTP/1.1", HOST, b"Content-Length: 5"))
    assert server.respond(413, body=b"no\n")
    assert not server.next_cycle()


def test_interim_answers() -> None:
    server, _ = feed(GET)
    assert server.inform(103, [(b"Link", b"</x>")]) == b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    old, _ = feed(b"GET / HTTP/1.0\r\n\r\n")
    assert old.inform(103, []) == b""


@pytest.mark.parametrize(
    ("request_head", "status", "fields", "expected"),
    [
        (GET, 200, [], b"1\r\nx\r\n0\r\nSum: 1\r\n\r\n"),
        (GET, 200, [(b"Content-Length", b"1")], b"x"),
        (b"GET / HTTP/1.0\r\n\r\n", 200, [], b"x"),
        (HEAD, 200, [], b""),
        (GET, 304, [(b"ETag", b"1")], b""),
    ],
    ids=["chunks", "a length", "HTTP/1.0", "HEAD", "304"],
)
def test_trailers_are_sent_behind_chunks(
    request_head: bytes, status: int, fields: list[tuple[bytes, bytes]], expected: bytes
) -> None:
    server, _ = feed(request_head)
    server.head(status, fields)
    sent = server.data(b"x") if status == 200 else b""
    assert sent + server.finish([(b"Sum", b"1")]) == expected


@pytest.mark.parametrize("behind", [b"\x00nonsense\r\n\r\n", b"GET / HT"], ids=["malformed", "too slow"])
def test_a_refusal_after_head(behind: bytes) -> None:
    """What HEAD asked for is over with its answer."""
    server, _ = feed(HEAD)
    server.respond(404, body=b"gone\n", close=False)
    assert server.next_cycle()
    server.receive(behind)
    assert not isinstance(server.next_request(), Request)
    response, body = read_response(server.respond(400, body=b"no\n"))
    assert (response.status_code, body) == (400, b"no\n")


# -- one connection, several requests ----------------------------------------------------------------------------------


def test_requests_one_after_the_other() -> None:
    """Those that were sent without waiting wait here."""
    server = HttpServer()
    server.receive(head(b"GET /1 HTTP/1.1") + head(b"GET /2 HTTP/1.1") + head(b"GET /3 HTTP/1.1")[:-1])
    for target in (b"/1", b"/2"):
        request = server.next_request()
        assert isinstance(request, Request)
        assert request.target == target
        assert server.respond(200, [], b"ok", close=False).endswith(b"\r\n\r\nok")
        assert server.next_cycle()
    assert server.next_request() is None
    assert server.begun
    server.receive(b"\n")
    assert isinstance(server.next_request(), Request)


@pytest.mark.parametrize(
    "data", [b"GET / HTTP/1.0\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"], ids=["1.0", "close"]
)
def test_a_client_that_wants_no_second_request(data: bytes) -> None:
    server, _ = feed(data)
    assert b"Connection: close\r\n" in server.respond(200, close=False)
    assert not server.next_cycle()


def test_a_response_that_is_not_over() -> None:
    server, _ = feed(GET)
    server.head(200, [(b"Content-Length", b"6")])
    assert not server.next_cycle()


# -- upgrades ----------------------------------------------------------------------------------------------------------

UPGRADE = head(b"GET /chat HTTP/1.1", HOST, b"Connection: Upgrade", b"Upgrade: websocket")


@pytest.mark.parametrize("early", [b"", b"\x81\x85", b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"])
def test_what_comes_behind_an_upgrade_is_never_a_request(early: bytes) -> None:
    for pieces in cuttings(UPGRADE):
        server = HttpServer()
        for piece in pieces[:-1]:
            server.receive(piece)
            assert server.next_request() is None
        server.receive(pieces[-1] + early)
        assert isinstance(server.next_request(), Request)
        assert server.switch([(b"Upgrade", b"websocket")]) == (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"
        )
        assert server.trailing() == early
        assert not server.next_cycle()


def test_an_upgrade_that_is_refused() -> None:
    server, request = feed(UPGRADE + GET)
    assert isinstance(request, Request)
    response, body = read_response(server.respond(503, [(b"Retry-After", b"5")], b"full\n"))
    assert (response.status_code, body) == (503, b"full\n")
    assert not server.next_cycle()


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (b"/%63hat/../%2e/a%2fb?x=/..", "/a%2Fb"),
        (b"//websockify?token=a", "/websockify"),
        (b"http://example.com/x/../y", "/y"),
        (b"/caf\xc3\xa9", "/caf%C3%A9"),
        (b"/%zz", "/%zz"),
    ],
)
def test_the_path_is_in_its_normal_form(target: bytes, path: str) -> None:
    server = HttpServer()
    server.receive(b"GET " + target + b" HTTP/1.1\r\nHost: example.com\r\n\r\n")
    request = server.next_request()
    assert isinstance(request, Request)
    assert request.path == path
    assert request.target in (target, target.removeprefix(b"http://example.com"))


def test_every_response_but_the_101_has_the_date() -> None:
    server = HttpServer(date=lambda: b"Sun, 06 Nov 1994 08:49:37 GMT")
    server.receive(GET)
    assert isinstance(server.next_request(), Request)
    response, _ = read_response(server.respond(200, [(b"X", b"y")], b"z", close=False))
    assert (b"date", b"Sun, 06 Nov 1994 08:49:37 GMT") in response.headers
    assert server.next_cycle()
    server.receive(GET)
    assert isinstance(server.next_request(), Request)
    response, _ = read_response(server.respond(502, [(b"DATE", b"the backend's own")]))
    assert [value for name, value in response.headers if name == b"date"] == [b"the backend's own"]
    server = HttpServer(date=lambda: b"Sun, 06 Nov 1994 08:49:37 GMT")
    server.receive(GET.replace(b"\r\n\r\n", b"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"))
    assert isinstance(server.next_request(), Request)
    assert b"Date" not in server.switch([(b"Upgrade", b"websocket")])
