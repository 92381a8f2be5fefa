from __future__ import annotations

import pytest

from wsgate.wire.headers import HOP_BY_HOP, elements, end_to_end, has_token, values, without_names

HEADERS = [
    (b"host", b"example.com"),
    (b"accept", b"text/html, */*"),
    (b"connection", b"keep-alive ,\tUpgrade"),
    (b"accept", b" , a,,b ,"),
]


def test_values_are_those_of_one_name_in_order() -> None:
    assert values(HEADERS, b"accept") == [b"text/html, */*", b" , a,,b ,"]
    assert values(HEADERS, b"accep") == []


def test_elements_over_all_lines_without_empty_ones() -> None:
    assert elements(HEADERS, b"accept") == [b"text/html", b"*/*", b"a", b"b"]
    assert elements(HEADERS, b"cookie") == []


@pytest.mark.parametrize(
    ("token", "there"), [(b"upgrade", True), (b"keep-alive", True), (b"keep", False), (b"", False), (b"close", False)]
)
def test_has_token(token: bytes, there: bool) -> None:
    assert has_token(HEADERS, b"connection", token) is there


@pytest.mark.parametrize("name", sorted(HOP_BY_HOP))
def test_hop_by_hop_fields_go_no_further(name: bytes) -> None:
    for spelling in (name, name.title(), name.upper()):
        assert end_to_end([(b"A", b"1"), (spelling, b"x"), (b"b", b"2")]) == [(b"A", b"1"), (b"b", b"2")]


def test_nor_do_those_that_connection_names() -> None:
    """RFC 9110 §7.6.1; names in any case, on several lines, with any white space."""
    headers = [
        (b"X-One", b"1"),
        (b"Connection", b"close, x-one"),
        (b"X-two", b"2"),
        (b"CONNECTION", b" X-TWO ,, X-Four"),
        (b"X-Three", b"3"),
        (b"X-Three", b"again"),
    ]
    assert end_to_end(headers) == [(b"X-Three", b"3"), (b"X-Three", b"again")]


def test_nor_do_others_on_demand() -> None:
    headers = [(b"Host", b"h"), (b"Cookie", b"a=b"), (b"hoster", b"x")]
    assert end_to_end(headers, (b"host",)) == [(b"Cookie", b"a=b"), (b"hoster", b"x")]
    assert end_to_end([]) == []


def test_fields_without_some_names() -> None:
    """Names in any case, and those that servers cannot tell from them."""
    headers = [(b"X-A", b"1"), (b"x_a", b"2"), (b"B", b"3"), (b"X-A-B", b"4")]
    assert without_names(headers, {b"x-a", b"b"}) == headers[3:]
    assert without_names(headers, ()) == headers
    assert end_to_end(headers, (b"b",), more=(b"x-a",)) == headers[3:]


def test_nor_do_prefixes_on_demand() -> None:
    headers = [(b"X-Own-One", b"1"), (b"x-own-", b"2"), (b"X-Own", b"3"), (b"Y-X-Own-One", b"4")]
    assert end_to_end(headers, prefixes=(b"x-own-", b"z")) == headers[2:]


@pytest.mark.parametrize("mark", "!#$%&'*+.^_`|~")
def test_nor_do_names_that_are_read_as_those(mark: str) -> None:
    """CGI and similar servers turn every character that is no letter or digit into "_"."""
    alike = [(name.replace("-", mark).encode(), b"x") for name in ("Transfer-Encoding", "X-Real-IP", "x-own-1")]
    other = [(f"X{mark}Request{mark}Id".encode(), b"1"), (b"x-real", b"2")]
    assert end_to_end([*alike, *other], (b"x-real-ip",), (b"x-own-",)) == other
    named = [(b"Connection", f"x{mark}y".encode())]
    assert end_to_end([*named, (f"X{mark}Y".encode(), b"1"), (b"X-Y", b"2")]) == [(b"X-Y", b"2")]


def test_strangers_choose_more_names_than_are_kept() -> None:
    fields = [(b"X-%d" % number, b"") for number in range(1000)]
    assert end_to_end([*fields, (b"Upgrade", b"h2c")]) == fields
    assert end_to_end(fields) == fields


@pytest.mark.parametrize("length", [64, 65, 10_000])
def test_a_long_name_is_judged_each_time(length: int) -> None:
    passed, dropped = (b"X" * length, b""), (b"X-Forwarded-".ljust(length, b"x"), b"")
    for _ in range(2):
        assert end_to_end([passed, dropped], prefixes=(b"x-forwarded-",)) == [passed]
