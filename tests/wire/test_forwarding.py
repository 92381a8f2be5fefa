from __future__ import annotations

import pytest

from tests.peers.heads import write_head
from wsgate.wire.forwarding import (
    forwards_left,
    is_idempotent,
    is_loop,
    other_protocol,
    request_fields,
    response_fields,
    switching_fields,
    trailer_fields,
)
from wsgate.wire.headers import Headers
from wsgate.wire.http import HttpServer, Request
from wsgate.wire.plain_head import AnswerHead

FORWARDED = [(b"X-Forwarded-For", b"192.0.2.7")]


def ask(method: str = "GET", version: str = "HTTP/1.1", **fields: str) -> Request:
    server = HttpServer()
    named = {name.replace("_", "-"): value for name, value in fields.items()}
    server.receive(write_head(f"{method} / {version}", {"Host": "a.test", **named}))
    request = server.next_request()
    assert isinstance(request, Request)
    return request


@pytest.mark.parametrize(
    ("sent", "got"),
    [
        ({"Accept": "x/y", "Cookie": "a=b"}, [(b"Accept", b"x/y"), (b"Cookie", b"a=b")]),
        ({"Connection": "keep-alive, X-One", "X-One": "1", "Keep-Alive": "5", "Proxy-Connection": "x"}, []),
        ({"Upgrade": "foo", "Proxy-Authorization": "secret"}, []),
        (
            {"X-Forwarded-For": "10.0.0.1", "Forwarded": "for=x", "X-Real-Ip": "1", "X-Client-Cert-Verify": "SUCCESS"},
            [],
        ),
        ({"Expect": "100-continue", "Content-Length": "5"}, [(b"Expect", b"100-continue"), (b"Content-Length", b"5")]),
        ({"Content-Length": "0"}, [(b"Content-Length", b"0")]),
        (
            {"Transfer-Encoding": "chunked", "Trailer": "Sum"},
            [(b"Trailer", b"Sum"), (b"Transfer-Encoding", b"chunked")],
        ),
        ({"TE": "trailers, deflate"}, [(b"TE", b"trailers"), (b"Connection", b"TE")]),
        ({"TE": "deflate"}, []),
    ],
)
def test_what_a_backend_is_sent(sent: dict[str, str], got: Headers) -> None:
    fields = request_fields(ask("POST", **sent), b"b.test", FORWARDED)
    assert fields[0] == (b"Host", b"b.test")
    assert (b"Via", b"1.1 wsgate") in fields
    assert FORWARDED[0] in fields
    rest = [each for each in fields[1:] if each not in (*FORWARDED, (b"Via", b"1.1 wsgate"))]
    assert rest == got


def test_names_that_look_like_others_are_dropped() -> None:
    server = HttpServer()
    server.receive(
        b"GET / HTTP/1.1\r\nHost: a\r\nTransfer_Encoding: chunked\r\nContent_Length: 5\r\nX_Forwarded_For: 1\r\n\r\n"
    )
    request = server.next_request()
    assert isinstance(request, Request)
    assert request_fields(request, b"a", []) == [(b"Host", b"a"), (b"Via", b"1.1 wsgate")]


def test_fields_that_a_backend_does_not_get() -> None:
    asked = ask("POST", Cookie="a=b", X_A="1", Via="1.1 other")
    asked.raw_headers = [*asked.raw_headers, (b"X_A", b"2")]
    fields = request_fields(asked, b"a", [(b"X-A", b"ours")], frozenset({b"cookie", b"x-a", b"via"}))
    assert fields == [(b"Host", b"a"), (b"X-A", b"ours")]
    assert trailer_fields([(b"X-A", b"1"), (b"X-B", b"2")], (b"x-a",)) == [(b"X-B", b"2")]


@pytest.mark.parametrize(
    ("method", "said", "left", "sent"),
    [
        ("OPTIONS", "2", 2, b"1"),
        ("TRACE", "1", 1, b"0"),
        ("TRACE", "0", 0, b"0"),
        ("GET", "2", None, b"2"),
        ("OPTIONS", "-1", None, b"-1"),
        ("OPTIONS", "9999999999", None, b"9999999999"),
    ],
)
def test_how_often_a_request_is_passed_on(method: str, said: str, left: int | None, sent: bytes) -> None:
    asked = ask(method, Max_Forwards=said)
    assert forwards_left(asked) == left
    fields = request_fields(asked, b"a", [])
    assert [value for name, value in fields if name.lower() == b"max-forwards"] == [sent]
    assert forwards_left(ask(method)) is None


def test_max_forwards_that_the_route_removes() -> None:
    fields = request_fields(ask("OPTIONS", Max_Forwards="2"), b"a", [], (b"max-forwards",))
    assert not any(name.lower() == b"max-forwards" for name, _ in fields)


def test_via_goes_behind_what_was_there_and_has_the_version_that_came() -> None:
    fields = request_fields(ask(version="HTTP/1.0", Via="1.1 other"), b"a", [])
    assert [value for name, value in fields if name == b"Via"] == [b"1.1 other", b"1.0 wsgate"]


@pytest.mark.parametrize(
    ("via", "loop"),
    [
        ("1.1 wsgate", False),
        (", ".join(["1.1 wsgate"] * 3), False),
        (", ".join(["1.1 wsgate"] * 4), True),
        (", ".join(["1.1 other"] * 9), False),
        (", ".join(["1.1 other (wsgate)", "1.1"] * 9), False),
    ],
)
def test_a_loop(via: str, loop: bool) -> None:
    assert is_loop(ask(Via=via)) is loop


@pytest.mark.parametrize(("method", "expected"), [("GET", True), ("PUT", True), ("POST", False), ("PATCH", False)])
def test_idempotent(method: str, expected: bool) -> None:
    assert is_idempotent(ask(method)) is expected


@pytest.mark.parametrize(
    ("status", "sent", "got"),
    [
        (200, [(b"Content-Length", b"5"), (b"X", b"1")], [(b"X", b"1"), (b"Content-Length", b"5")]),
        (200, [(b"Connection", b"close, X"), (b"X", b"1")], []),
        (200, [(b"Transfer-Encoding", b"chunked"), (b"Trailer", b"Sum")], [(b"Trailer", b"Sum")]),
        (304, [(b"Content-Length", b"5")], [(b"Content-Length", b"5")]),
        (204, [(b"Content-Length", b"0")], []),
        (200, [(b"Set-Cookie", b"a"), (b"Set-Cookie", b"b")], [(b"Set-Cookie", b"a"), (b"Set-Cookie", b"b")]),
    ],
)
def test_what_a_client_is_sent(status: int, sent: Headers, got: Headers) -> None:
    lower = [(name.lower(), value) for name, value in sent]
    fields = response_fields(status, lower, sent)
    assert [each for each in fields if each[0] != b"Via"] == got
    assert (b"Via", b"1.1 wsgate") in fields


def test_an_interim_answer_has_no_length_and_no_via() -> None:
    sent = [(b"Link", b"</x>"), (b"Content-Length", b"5")]
    assert response_fields(103, [(name.lower(), value) for name, value in sent], sent) == [(b"Link", b"</x>")]


def test_trailers_that_would_frame_route_or_authenticate_are_dropped() -> None:
    sent = [(b"Sum", b"1"), (b"Content-Length", b"5"), (b"Host", b"x"), (b"Authorization", b"x"), (b"Set-Cookie", b"x")]
    assert trailer_fields(sent) == [(b"Sum", b"1")]
    assert trailer_fields([]) == []


@pytest.mark.parametrize(
    ("version", "upgrade", "connection", "protocol"),
    [
        ("HTTP/1.1", "SPDY/3.1", "Upgrade", b"SPDY/3.1"),
        ("HTTP/1.1", "tcp", "keep-alive, upgrade", b"tcp"),
        ("HTTP/1.1", "h3x", "Upgrade", b"h3x"),
        ("HTTP/1.1", "tcp", "close", None),
        ("HTTP/1.0", "tcp", "Upgrade", None),
        ("HTTP/1.1", "tcp, SPDY/3.1", "Upgrade", None),
        ("HTTP/1.1", "h2c", "Upgrade, HTTP2-Settings", None),
        ("HTTP/1.1", "h2", "Upgrade", None),
        ("HTTP/1.1", "H2C-14", "Upgrade", None),
        ("HTTP/1.1", "HTTP/2.0", "Upgrade", None),
        ("HTTP/1.1", "http", "Upgrade", None),
        ("HTTP/1.1", "TLS/1.0", "Upgrade", None),
        ("HTTP/1.1", "a b", "Upgrade", None),
        ("HTTP/1.1", "a/b/c", "Upgrade", None),
    ],
)
def test_upgrades_that_may_be_passed_on(version: str, upgrade: str, connection: str, protocol: bytes | None) -> None:
    asked = ask(version=version, Upgrade=upgrade, Connection=connection)
    assert other_protocol(asked) == protocol
    fields = request_fields(asked, b"a", [], protocol=protocol)
    expected = [] if protocol is None else [(b"Upgrade", protocol), (b"Connection", b"Upgrade")]
    assert [each for each in fields if each[0].lower() in (b"upgrade", b"connection")] == expected


@pytest.mark.parametrize(
    ("upgrade", "connection", "fields"),
    [
        ("SPDY/3.1", "Upgrade", [(b"Upgrade", b"SPDY/3.1"), (b"Connection", b"Upgrade"), (b"X-A", b"1")]),
        ("spdy/3.1", "upgrade, x-a", [(b"Upgrade", b"spdy/3.1"), (b"Connection", b"Upgrade")]),
        ("tcp", "Upgrade", None),
        ("SPDY/3.1, tcp", "Upgrade", None),
        ("SPDY/3.1", "close", None),
        (None, "Upgrade", None),
    ],
)
def test_the_fields_of_a_101(upgrade: str | None, connection: str, fields: list[tuple[bytes, bytes]] | None) -> None:
    raw = [(b"X-A", b"1"), (b"Connection", connection.encode()), (b"Content-Length", b"0")]
    if upgrade is not None:
        raw.append((b"Upgrade", upgrade.encode()))
    head = AnswerHead(101, [(name.lower(), value) for name, value in raw], raw, b"1.1")
    assert switching_fields(b"SPDY/3.1", head) == fields
