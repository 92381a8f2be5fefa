"""Range requests."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgate.wire.ranges import ByteRange, Unsatisfiable, parse_range


@pytest.mark.parametrize(
    ("field", "part"),
    [
        (b"bytes=0-0", ByteRange(0, 0)),
        (b"bytes=0-", ByteRange(0, 9)),
        (b"bytes=3-5", ByteRange(3, 5)),
        (b"bytes=9-9", ByteRange(9, 9)),
        (b"bytes=3-99", ByteRange(3, 9)),
        (b"bytes=-1", ByteRange(9, 9)),
        (b"bytes=-10", ByteRange(0, 9)),
        (b"bytes=-99", ByteRange(0, 9)),
        (b"BYTES= 3-5 ", ByteRange(3, 5)),
        (b"bytes=003-0000000000000000000005", ByteRange(3, 5)),
        (b"bytes=0-10737418239", ByteRange(0, 9)),
        (b"bytes=3-" + b"9" * 9000, ByteRange(3, 9)),
        (b"bytes=-" + b"9" * 9000, ByteRange(0, 9)),
        # not one range: the whole file
        (b"bytes=5-3", None),
        (b"bytes=0-1,3-4", None),
        (b"bytes=", None),
        (b"bytes=-", None),
        (b"bytes", None),
        (b"", None),
        (b"lines=0-1", None),
        (b"bytes=a-b", None),
        (b"bytes=0x1-2", None),
        (b"bytes=1.5-2", None),
        (b"bytes=--1", None),
        (b"bytes=+1-2", None),
        (b"bytes=1-2-3", None),
        (b"bytes =1-2", None),
    ],
)
def test_of_ten_bytes(field: bytes, part: ByteRange | None) -> None:
    assert parse_range(field, 10) == part


@pytest.mark.parametrize("field", [b"bytes=10-", b"bytes=10-20", b"bytes=-0", b"bytes=" + b"9" * 9000 + b"-"])
def test_what_ten_bytes_do_not_have(field: bytes) -> None:
    with pytest.raises(Unsatisfiable):
        parse_range(field, 10)


@pytest.mark.parametrize("field", [b"bytes=0-", b"bytes=-1", b"bytes=5-6", b"bytes=-0"])
def test_an_empty_file_has_no_part(field: bytes) -> None:
    assert parse_range(field, 0) is None


def test_what_is_told_of_a_part() -> None:
    part = ByteRange(3, 5)
    assert part.size == 3
    assert part.content_range(10) == b"bytes 3-5/10"


NUMBERS = st.integers(0, 30)


@given(NUMBERS, NUMBERS, st.binary(min_size=1, max_size=20))
def test_it_is_what_slicing_gives(first: int, last: int, data: bytes) -> None:
    for field, expected in (
        (b"bytes=%d-%d" % (first, last), data[first : last + 1] if first <= last else data),
        (b"bytes=%d-" % first, data[first:]),
        (b"bytes=-%d" % last, data[-last:] if last else b""),
    ):
        try:
            part = parse_range(field, len(data))
        except Unsatisfiable:
            assert not expected
        else:
            assert (data if part is None else data[part.first : part.last + 1]) == expected


@given(st.binary(max_size=30), st.integers(0, 1 << 70))
def test_no_field_gets_more_than_there_is(text: bytes, size: int) -> None:
    for field in (text, b"bytes=" + text):
        try:
            part = parse_range(field, size)
        except Unsatisfiable:
            continue
        assert part is None or 0 <= part.first <= part.last < size
