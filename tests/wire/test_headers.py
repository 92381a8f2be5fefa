from __future__ import annotations

from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgate.text.token import CHARACTERS
from wsgate.wire import headers
from wsgate.wire.headers import HOP_BY_HOP, elements, end_to_end, has_token, split_fields, values, without_names

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


@pytest.mark.usefixtures("twin")
def test_lines_are_split() -> None:
    lines = b"Host: a:1\r\nX-Empty:\r\nx-blank: \t \r\nVIA:one,  two\t\r\nvia: \xc3\x84\r\n"
    raw, lower, by_name = split_fields(lines)
    assert raw == [
        (b"Host", b"a:1"),
        (b"X-Empty", b""),
        (b"x-blank", b""),
        (b"VIA", b"one,  two"),
        (b"via", b"\xc3\x84"),
    ]
    assert lower == [(name.lower(), value) for name, value in raw]
    assert by_name == {b"host": [b"a:1"], b"x-empty": [b""], b"x-blank": [b""], b"via": [b"one,  two", b"\xc3\x84"]}
    assert list(by_name) == [b"host", b"x-empty", b"x-blank", b"via"]
    assert split_fields(b"") == ([], [], {})


WRONG = [
    *(
        b"Host",
        b"Host: a",
        b"Host: a\r",
        b"Host: a\n",
        b"Host: a\r\nX",
        b"Host: a\r\nX\r\n",
        b"\r\n",
        b"Host: a\r\n\r\n",
    ),
    *(b"Host: a\rX: b\r\n", b"Host: a\r\r\n", b"X\r\nHost: a\r\n", b"Host\r: a\r\n"),
]


@pytest.mark.usefixtures("twin")
@pytest.mark.parametrize("lines", WRONG)
def test_what_is_no_line_is_refused(lines: bytes) -> None:
    with pytest.raises(ValueError, match="without"):
        split_fields(lines)


@given(
    st.lists(st.tuples(st.text(CHARACTERS.decode(), min_size=1, max_size=9), st.text("ab:,=\t \x00\xff", max_size=9)))
)
def test_both_split_alike(compiled: ModuleType, fields: list[tuple[str, str]]) -> None:
    lines = b"".join(f"{name}:{value}\r\n".encode("latin-1") for name, value in fields)
    assert compiled.split_fields(lines) == headers.split_fields(lines)


@given(st.text("aB: \t\r\n").map(str.encode))
def test_both_refuse_alike(compiled: ModuleType, lines: bytes) -> None:
    found = []
    for split in (compiled.split_fields, headers.split_fields):
        try:
            found.append(split(lines))
        except ValueError as error:
            found.append(str(error))
    assert found[0] == found[1]


@pytest.mark.parametrize("lines", ["Host: a", bytearray(b"Host: a\r\n"), None])
def test_the_compiled_one_takes_bytes_alone(compiled: ModuleType, lines: object) -> None:
    with pytest.raises(TypeError):
        compiled.split_fields(lines)
