"""Heads have one meaning or are refused, in every cutting, and what is passed on has no other meaning for other
parsers."""

from __future__ import annotations

import re
from random import Random

from tests.peers.heads import KEY
from wsgate.settings.model import ProxyVersion, TcpAddress
from wsgate.wire.backend_http import BackendHttp
from wsgate.wire.client import BadAnswer
from wsgate.wire.extensions import encode_extensions
from wsgate.wire.forwarding import request_fields, trailer_fields
from wsgate.wire.handshake import (
    Accepted,
    BackendHandshake,
    Declined,
    Upgrade,
    accept_headers,
    accept_value,
    check_upgrade,
)
from wsgate.wire.headers import values
from wsgate.wire.http import BodyEnd, HttpServer, Refusal, Request
from wsgate.wire.proxy_protocol import BEGINNINGS, MAX_V1, MAX_V2, Malformed, ProxyHeader, encode, parse

from .inputs import chance, cut, mutated, some

_KEY = KEY.encode()
_MAX_HEAD, _MAX_TARGET = 2000, 500  # bytes

_DANGEROUS = re.compile(rb"[\0\r\n]")  # RFC 9110 §5.5: other control characters may be carried
_BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n")

_UPGRADE = [
    b"Upgrade: websocket",
    b"Connection: Upgrade",
    b"Sec-WebSocket-Version: 13",
    b"Sec-WebSocket-Key: " + _KEY,
]
_TARGETS = [
    b"/",
    b"/chat?token=x",
    b"//websockify",
    b"/a/../b%2fc",
    b"http://h/p",
    b"*",
    b"/\xff\xfe",
    b"/" + b"x" * 499,
]
_FIELDS = [
    *(b"Host: other", b"Host:", b"Host: a b", b"Host: [::1]:80", b"Content-Length: 0", b"Content-Length: 5"),
    *(b"Transfer-Encoding: chunked", b"Transfer-Encoding : chunked", b"Connection: keep-alive, X-A", b"X-A: b"),
    *(b"Sec-WebSocket-Protocol: binary, base64", b"Sec-WebSocket-Protocol:", b'Sec-WebSocket-Protocol: a"b'),
    *(b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits", b'Sec-WebSocket-Extensions: ;;x="'),
    *(b"X_Forwarded_For: 1.1.1.1", b"X-Forwarded-For: 1.1.1.1, 2.2.2.2", b"Cookie: a=b; token=c", b" folded"),
    *(b"Origin: null", b"X-Long: " + b"y" * 900, b"\xc3\xa9: \xc3\xa9", b"A:\t \x00", b": empty", b"nothing"),
]
_BODIES = [*(b"",) * 5, b"hello", b"5\r\nhello\r\n0\r\n\r\n", b"3;a=b\r\nhel\r\n2\r\nlo\r\n0\r\nX-T: t\r\n\r\n"]

Read = list[tuple[object, ...]]


def requests(random: Random) -> None:
    """The same requests from every cutting; and what a backend would be sent for one is one head, whole and clean."""
    data = b"".join(_request(random) for _ in range(random.choice((1, 1, 2, 3))))
    data = mutated(random, data) + (random.randbytes(random.randrange(30)) if chance(random, 3) else b"")
    once = _read_requests([data])
    for _ in range(2):
        pieces = cut(random, data)
        read = _read_requests(pieces)
        assert read == once, (read, once, pieces)


def _request(random: Random) -> bytes:
    method = random.choice((b"GET",) * 8 + (b"HEAD", b"POST", b"get"))
    version = random.choice((b"HTTP/1.1",) * 8 + (b"HTTP/1.0", b"HTTP/2.0"))
    lines = [b" ".join((method, random.choice(_TARGETS), version)), b"Host: gateway.test:8080"]
    lines += [*_UPGRADE * random.choice((0, 1, 1)), *some(random, _FIELDS, 5)]
    ends = [b"\r\n"] * 9 + [b"\n"]
    front = random.choice((b"",) * 6 + (b"\r\n", b"\n\n"))
    return front + b"".join(line + random.choice(ends) for line in [*lines, b""]) + random.choice(_BODIES)


def _read_requests(pieces: list[bytes]) -> Read:
    """As a connection does, with every body, up to its upgrade, a refusal, or the end."""
    server = HttpServer(_MAX_HEAD, _MAX_TARGET)
    read: Read = []
    request: Request | None = None
    body: bytes | None = None  # while one is read
    for number, piece in enumerate([*filter(None, pieces), b""]):
        server.receive(piece)
        while (said := _next(server) if body is None else server.next_piece()) is not None:
            if isinstance(said, str):
                return [*read, (said,)]
            if isinstance(said, Refusal):
                server.respond(said.status, said.headers, said.reason.encode())
                return [*read, ("refused", said.status, said.reason)]
            if isinstance(said, Request):
                _check_request(said)
                read.append((said.method, said.target, said.host, said.version, tuple(said.headers)))
                upgrade = check_upgrade(said)
                if isinstance(upgrade, Upgrade) and said.length == 0:
                    _check_forwarded(said, upgrade)
                    server.switch(accept_headers(upgrade, next(iter(upgrade.subprotocols), None)))
                    rest = server.trailing() + b"".join([*filter(None, pieces), b""][number + 1 :])
                    return [*read, ("upgraded", rest)]
                request, body = said, b""
            elif isinstance(said, bytes):
                assert body is not None
                body += said
            else:
                assert request is not None
                assert body is not None
                assert request.length in (None, len(body)), (request.length, body)
                _check_passed_on(request, body, said)
                read.append(("body", body, tuple(said.trailers)))
                body = None
                server.respond(404, body=b"no", close=False)
                if not server.next_cycle():
                    return [*read, ("last",)]
    return read


def _next(server: HttpServer) -> Request | Refusal | str | None:
    try:
        return server.next_request()
    except EOFError:
        return "ended"


def _check_request(request: Request) -> None:
    assert request.target.startswith(b"/")
    assert not re.search(rb"[\x00-\x20\x7f#]", request.target), request.target
    for name, value in request.headers:
        assert not _DANGEROUS.search(name + value), (name, value)
    lengths = values(request.headers, b"content-length")  # RFC 9112 §6.3: the body ends in one place
    if values(request.headers, b"transfer-encoding"):
        assert (request.length, lengths) == (None, [])
    else:
        assert [int(length) for length in lengths or [b"0"]] == [request.length]


def _check_forwarded(request: Request, upgrade: Upgrade) -> None:
    """What is sent to the backend is one request, to us and by its lines, for the same target."""
    asked = BackendHandshake(request, upgrade, target=request.target, key=_KEY, written=[(b"X-Real-IP", b"::1")])
    head = asked.request
    assert head.endswith(b"\r\n\r\n")
    assert head.count(b"\r\n\r\n") == 1
    assert not _BARE.search(head), head
    server = HttpServer(2 * _MAX_HEAD, _MAX_TARGET)
    server.receive(head)
    again = server.next_request()
    assert isinstance(again, Request), (head, again)
    assert (again.target, again.host) == (request.target, request.host)
    assert len(again.headers) == head.count(b"\r\n") - 2
    assert isinstance(check_upgrade(again), Upgrade)
    assert server.trailing() == b""


def _check_passed_on(request: Request, body: bytes, end: BodyEnd) -> None:
    """What a backend of ``http: forward`` gets is one request with the same body."""
    fields = request_fields(request, request.host, [(b"X-Real-IP", b"::1")])
    http = BackendHttp(request.method, request.target, fields)
    sent = http.request + (http.data(body) if body else b"")
    sent += http.finish(trailer_fields(end.trailers) if http.in_chunks else ())
    server = HttpServer(2 * _MAX_HEAD, _MAX_TARGET)
    server.receive(sent)
    again = server.next_request()
    assert isinstance(again, Request), (sent, again)
    assert (again.method, again.target, again.host) == (request.method, request.target, request.host)
    assert again.length == request.length
    got = b""
    while isinstance(piece := server.next_piece(), bytes):
        got += piece
    assert isinstance(piece, BodyEnd)
    assert got == body
    assert server.trailing() == b""


# -- what a backend answers --------------------------------------------------------------------------------------------

_STATUS = [
    b"101 Switching Protocols",
    b"200 OK",
    b"204",
    b"302 Found",
    b"401 No",
    b"404 ",
    b"503 \xff",
    b"103 Hints",
    b"999 x",
]
_ANSWER_FIELDS = [
    *(b"Content-Length: 3", b"Content-Length: 03, 3", b"Content-Length: -1", b"Transfer-Encoding: chunked"),
    *(b"Sec-WebSocket-Protocol: chat", b"Sec-WebSocket-Protocol:", b"Sec-WebSocket-Protocol: other"),
    *(b"Sec-WebSocket-Extensions: permessage-deflate", b"Sec-WebSocket-Extensions: x-webkit"),
    *(
        b"Set-Cookie: a=b",
        b"Location : /x",
        b"X: \xc3\xa9",
        b"Connection: close",
        b" folded",
        b"Server:\t x \t",
        b"WWW-Authenticate: Basic",
    ),
]
_BODIES = [b"", b"abc", b"3\r\nabc\r\n0\r\n\r\n", b"3\r\nabc\r\n", b"\x81\x00", b"x" * 70_000]


def answers(random: Random) -> None:
    """A backend's answer: the same result in every cutting, and the client can get it."""
    lines = [b"HTTP/1.1 " + random.choice(_STATUS[:1] * 6 + _STATUS)]
    if b" 101 " in lines[0] + b" ":
        lines += [b"Upgrade: websocket", b"Connection: upgrade", b"Sec-WebSocket-Accept: " + accept_value(_KEY)]
    lines += some(random, _ANSWER_FIELDS, 4)
    data = b"".join(line + b"\r\n" for line in [*lines, b""]) + random.choice(_BODIES[:5] * 5 + _BODIES)
    if chance(random, 6):
        data = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + data
    data, lost = mutated(random, data), chance(random, 3)
    once = _read_answer([data], lost)
    for _ in range(2):
        pieces = cut(random, data)
        assert _read_answer(pieces, lost) == once, (data, pieces)


def _read_answer(pieces: list[bytes], lost: bool) -> object:
    server = HttpServer()
    server.receive(b"\r\n".join([b"GET / HTTP/1.1", b"Host: x", *_UPGRADE, b"Sec-WebSocket-Protocol: chat", b"", b""]))
    request = server.next_request()
    assert isinstance(request, Request)
    upgrade = check_upgrade(request)
    assert isinstance(upgrade, Upgrade)
    asked = BackendHandshake(request, upgrade, target=b"/", key=_KEY, written=(), max_head=_MAX_HEAD)
    came = [*filter(None, pieces)]
    answer, at = None, 0
    while answer is None and at < len(came):
        answer = asked.receive(came[at])
        at += 1
    if answer is None:
        answer = asked.lost("reset") if lost else asked.receive(b"")
    assert answer is not None
    if isinstance(answer, Declined):
        assert not _BARE.search(server.respond(answer.status, answer.headers, answer.body).partition(b"\r\n\r\n")[0])
        return answer
    if isinstance(answer, BadAnswer):
        return "broken"  # the text may depend on how much has come
    assert isinstance(answer, Accepted)
    extensions = b"" if answer.deflate is None else encode_extensions([answer.deflate])
    head = server.switch([*accept_headers(upgrade, answer.subprotocol, extensions), *answer.headers])
    assert head.count(b"\r\n\r\n") == 1
    assert not _BARE.search(head)
    return (answer.subprotocol, extensions, tuple(answer.headers), answer.early + b"".join(came[at:]))


# -- PROXY headers -----------------------------------------------------------------------------------------------------

_PROXIES = [
    *(
        b"PROXY TCP4 192.0.2.1 192.0.2.2 65535 80\r\n",
        b"PROXY TCP6 2001:db8::1 ::ffff:1.2.3.4 1 2\r\n",
        b"PROXY UNKNOWN x\r\n",
    ),
    BEGINNINGS[1] + b"\x21\x11\x00\x0c" + bytes(range(12)),
    BEGINNINGS[1] + b"\x21\x21\x00\x28" + bytes(range(40)),
    BEGINNINGS[1] + b"\x21\x31\x00\xd8" + b"/run/a\xff".ljust(108, b"\0") + b"\0abstract".ljust(108, b"\0"),
    BEGINNINGS[1] + b"\x20\x00\x00\x00",
]


def proxies(random: Random) -> None:
    """No part of a header has another meaning than the whole, and its addresses can be encoded again."""
    data = mutated(random, random.choice(_PROXIES)) + random.choice((b"", b"GET / HTTP/1.1\r\n"))
    whole = parse(data)
    for size in sorted(random.sample(range(len(data) + 1), min(20, len(data) + 1))):
        part = parse(data[:size])
        # a result does not change; a header that is too large is refused before all of it has come
        assert part is None or part == whole or isinstance(part, Malformed) == isinstance(whole, Malformed), data[:size]
    if isinstance(whole, ProxyHeader):
        assert whole.size <= len(data)
        assert parse(data[: whole.size - 1]) is None
        for version in ProxyVersion:
            said = parse(encode(version, whole.source, whole.destination))
            assert isinstance(said, ProxyHeader)
            assert said.source == (whole.source if isinstance(whole.source, TcpAddress) else None)
    if whole is None:
        assert len(data) < (MAX_V1 if data.startswith(b"P") else MAX_V2)
