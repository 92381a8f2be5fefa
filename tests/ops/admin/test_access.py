from __future__ import annotations

import pytest

from wsgate.ops.admin.access import FOREIGN_HOST, FOREIGN_PAGE, check_host, is_cross_site, is_token, shown_token
from wsgate.settings.model import TcpAddress, UnixAddress
from wsgate.wire.http import Refusal, Request

BIND = TcpAddress("127.0.0.1", 9600)


def asking(host: bytes, **fields: bytes) -> Request:
    headers = [(name.encode(), value) for name, value in fields.items()]
    return Request(b"GET", b"/metrics", host, b"1.1", headers, headers)


@pytest.mark.parametrize(
    "host",
    [
        b"127.0.0.1:9600",
        b"127.0.0.1",
        b"[::1]:9600",
        b"localhost:9600",
        b"LOCALHOST",
        b"10.1.2.3:9600",
        b"gw.example",
        b"",
    ],
)
def test_own_hosts(host: bytes) -> None:
    assert check_host(asking(host), BIND, ("gw.example",)) is None


@pytest.mark.parametrize(
    "host", [b"evil.example:9600", b"localhost.evil.example", b"127.0.0.1.evil.example", b"2130706433", b"%6c"]
)
def test_a_name_that_a_foreign_page_may_have_is_refused(host: bytes) -> None:
    assert check_host(asking(host), BIND, ("gw.example",)) is FOREIGN_HOST


def test_a_browser_reaches_no_unix_socket() -> None:
    assert check_host(asking(b"evil.example"), UnixAddress("/run/a.sock"), ()) is None


@pytest.mark.parametrize(
    ("origin", "refusal"),
    [(b"http://127.0.0.1:9600", None), (b"http://evil.example", FOREIGN_PAGE), (b"null", FOREIGN_PAGE)],
)
def test_pages_of_other_origins(origin: bytes, refusal: Refusal | None) -> None:
    assert check_host(asking(b"127.0.0.1:9600", origin=origin), BIND, ()) is refusal


@pytest.mark.parametrize(
    ("site", "foreign"),
    [(b"same-origin", False), (b"none", False), (b"same-site", True), (b"cross-site", True), (b"", True)],
)
def test_what_browsers_say_without_an_origin(site: bytes, foreign: bool) -> None:
    request = Request(b"GET", b"/", b"127.0.0.1", b"1.1", [(b"sec-fetch-site", site)], [])
    assert is_cross_site(request) is foreign
    assert not is_cross_site(asking(b"127.0.0.1"))


@pytest.mark.parametrize(
    ("field", "token"),
    [(b"Bearer abc", b"abc"), (b"bearer  abc", b"abc"), (b"Basic abc", None), (b"Bearer", b""), (b"", None)],
)
def test_the_token_that_is_shown(field: bytes, token: bytes | None) -> None:
    assert shown_token(asking(b"", authorization=field)) == token
    assert shown_token(asking(b"")) is None


def test_two_tokens_are_none() -> None:
    fields = [(b"authorization", b"Bearer a"), (b"authorization", b"Bearer b")]
    assert shown_token(Request(b"GET", b"/", b"", b"1.1", fields, fields)) is None


def test_tokens() -> None:
    assert is_token(b"abc", b"abc")
    assert not is_token(b"abd", b"abc")
    assert not is_token(b"", b"abc")
