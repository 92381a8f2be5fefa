from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgate.wire.head import HeadBuffer, TooLarge, with_ascii_target, without_blanks_before_colons


def taken(heads: HeadBuffer) -> list[bytes | TooLarge]:
    found: list[bytes | TooLarge] = []
    while (head := heads.take()) is not None:
        found.append(head)
        if isinstance(head, TooLarge):
            break
    return found


@pytest.mark.parametrize("end", [b"\r\n\r\n", b"\n\n", b"\n\r\n", b"\r\n\n"])
def test_a_head_ends_with_an_empty_line(end: bytes) -> None:
    heads = HeadBuffer(100)
    heads.receive(b"a\r\nb" + end + b"rest")
    assert (taken(heads), heads.rest()) == ([b"a\r\nb" + end], b"rest")


def test_the_largest_head() -> None:
    head = b"x" * 6 + b"\r\n\r\n"
    for limit, found in ((10, head), (9, TooLarge(9))):
        heads = HeadBuffer(limit)
        heads.receive(head + b"y" * 1000)
        assert heads.take() == found


def test_empty_lines_in_front_are_dropped_and_count() -> None:
    for limit, found in ((14, b"abc\r\n\r\n"), (9, TooLarge(9))):
        heads = HeadBuffer(limit)
        heads.receive(b"\r\n\n\r")
        assert heads.peek(9) == b"\r"
        heads.receive(b"\n")
        assert heads.peek(9) == b""
        heads.receive(b"abc\r\n\r\n")
        assert heads.take() == found


def test_what_is_behind_a_head_is_left_alone() -> None:
    """Behind an upgrade it is a stream, behind an answer's head a body."""
    heads = HeadBuffer(100)
    heads.receive(b"a\r\n\r\n\r\n\nrest")
    assert heads.take() == b"a\r\n\r\n"
    assert heads.rest() == b"\r\n\nrest"


def test_an_unfinished_head_is_as_large_as_what_is_there() -> None:
    heads = HeadBuffer(10)
    heads.receive(b"x" * 10)
    assert heads.take() is None
    heads.receive(b"x")
    assert heads.take() == TooLarge(10)


@given(
    st.lists(st.sampled_from([b"a", b"bc", b"\r", b"\n", b"\r\n", b"\r\n\r\n"]), max_size=30).map(b"".join),
    st.integers(1, 30),
    st.data(),
)
def test_heads_do_not_depend_on_how_they_come(data: bytes, limit: int, draw: st.DataObject) -> None:
    at_once = HeadBuffer(limit)
    at_once.receive(data)
    expected = taken(at_once)
    in_pieces = HeadBuffer(limit)
    found: list[bytes | TooLarge] = []
    at = 0
    while at < len(data) and not (found and isinstance(found[-1], TooLarge)):
        size = draw.draw(st.integers(1, 5))
        in_pieces.receive(data[at : at + size])
        found += taken(in_pieces)
        at += size
    assert found == expected
    if not (expected and isinstance(expected[-1], TooLarge)):
        assert in_pieces.rest() == at_once.rest()


@pytest.mark.parametrize(
    ("head", "put_right"),
    [
        (b"HTTP/1.1 200 OK\r\nX : 1\r\nY\t \t: 2\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: 1\r\nY: 2\r\n\r\n"),
        (b"HTTP/1.1 200 a b : c\r\nX: a : b\r\n\r\n", b"HTTP/1.1 200 a b : c\r\nX: a : b\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\nX: a\r\n b : c\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: a\r\n b : c\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\nX Y : 1\r\n\r\n", b"HTTP/1.1 200 OK\r\nX Y : 1\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\n : 1\r\n\r\n", b"HTTP/1.1 200 OK\r\n : 1\r\n\r\n"),
    ],
)
def test_blanks_before_colons(head: bytes, put_right: bytes) -> None:
    """RFC 9112 §5.1: behind a field's name only; all else is left to the parser."""
    assert without_blanks_before_colons(head) == put_right


@pytest.mark.parametrize(
    ("head", "shown", "target"),
    [
        (b"GET /\xe9 HTTP/1.1\r\n\r\n", b"GET /%E9 HTTP/1.1\r\n\r\n", b"/\xe9"),
        (b"GET / HTTP/1.1\r\nX: \xe9\r\n\r\n", b"GET / HTTP/1.1\r\nX: \xe9\r\n\r\n", None),
        (b"GET /\xe9\x00 HTTP/1.1\r\n\r\n", b"GET /\xe9\x00 HTTP/1.1\r\n\r\n", None),
        (b"GET /\xe9 /\xe9 HTTP/1.1\r\n\r\n", b"GET /\xe9 /\xe9 HTTP/1.1\r\n\r\n", None),
    ],
)
def test_targets_outside_ascii(head: bytes, shown: bytes, target: bytes | None) -> None:
    assert with_ascii_target(head) == (shown, target)
