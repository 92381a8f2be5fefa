"""Conditional requests."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgate.wire.conditions import ConditionResult, Validators, evaluate_conditions, range_applies

STATE = Validators(b'"now"', 784111777)
THEN, EARLIER, LATER = (
    b"Sun, 06 Nov 1994 08:49:37 GMT",  # RFC 9110 §5.6.7
    b"Sun, 06 Nov 1994 08:49:36 GMT",
    b"Sun, 06 Nov 1994 08:49:38 GMT",
)
SEND, NOT_MODIFIED, FAILED = ConditionResult.SEND, ConditionResult.NOT_MODIFIED, ConditionResult.FAILED


def test_what_a_client_is_told_of_a_state() -> None:
    assert STATE.fields() == [(b"ETag", b'"now"'), (b"Last-Modified", THEN)]


@pytest.mark.parametrize(
    ("headers", "verdict"),
    [
        ({}, SEND),
        ({b"if-none-match": b'"now"'}, NOT_MODIFIED),
        ({b"if-none-match": b'W/"now"'}, NOT_MODIFIED),
        ({b"if-none-match": b'"old", "now"'}, NOT_MODIFIED),
        ({b"if-none-match": b"*"}, NOT_MODIFIED),
        ({b"if-none-match": b'"old"'}, SEND),
        ({b"if-none-match": b"now"}, SEND),
        ({b"if-none-match": b""}, SEND),
        ({b"if-match": b'"now"'}, SEND),
        ({b"if-match": b"*"}, SEND),
        ({b"if-match": b'"a,b", "now"'}, SEND),
        ({b"if-match": b'W/"now"'}, FAILED),
        ({b"if-match": b'"old"'}, FAILED),
        ({b"if-modified-since": THEN}, NOT_MODIFIED),
        ({b"if-modified-since": LATER}, NOT_MODIFIED),
        ({b"if-modified-since": EARLIER}, SEND),
        ({b"if-modified-since": b"Sunday, 06-Nov-94 08:49:37 GMT"}, NOT_MODIFIED),
        ({b"if-modified-since": b"Sun Nov  6 08:49:37 1994"}, NOT_MODIFIED),
        ({b"if-modified-since": b"yesterday"}, SEND),
        ({b"if-modified-since": b"\xff"}, SEND),
        ({b"if-modified-since": b"Sun, 99 Nov 1994 08:49:37 GMT"}, SEND),
        ({b"if-unmodified-since": THEN}, SEND),
        ({b"if-unmodified-since": LATER}, SEND),
        ({b"if-unmodified-since": EARLIER}, FAILED),
        ({b"if-unmodified-since": b"never"}, SEND),
        # §13.2.2: tags stand over dates, and failing over not being modified
        ({b"if-none-match": b'"old"', b"if-modified-since": LATER}, SEND),
        ({b"if-match": b'"now"', b"if-unmodified-since": EARLIER}, SEND),
        ({b"if-match": b'"old"', b"if-none-match": b'"now"'}, FAILED),
        ({b"if-unmodified-since": EARLIER, b"if-modified-since": LATER}, FAILED),
        ({b"if-match": b'"now"', b"if-none-match": b'"now"'}, NOT_MODIFIED),
    ],
)
def test_conditions(headers: dict[bytes, bytes], verdict: ConditionResult) -> None:
    assert evaluate_conditions(list(headers.items()), STATE) is verdict


def test_a_list_in_two_fields() -> None:
    assert evaluate_conditions([(b"if-none-match", b'"old"'), (b"if-none-match", b'"now"')], STATE) is NOT_MODIFIED


def test_a_date_that_is_there_twice_is_none() -> None:
    assert evaluate_conditions([(b"if-modified-since", LATER), (b"if-modified-since", LATER)], STATE) is SEND


@pytest.mark.parametrize(
    ("value", "counts"),
    [
        (None, True),
        (b'"now"', True),
        (b'"old"', False),
        (b'W/"now"', False),
        (THEN, True),
        (LATER, False),
        (EARLIER, False),
        (b"now", False),
    ],
)
def test_if_range(value: bytes | None, counts: bool) -> None:
    assert range_applies([] if value is None else [(b"if-range", value)], STATE) is counts


def test_if_range_twice() -> None:
    assert not range_applies([(b"if-range", b'"now"')] * 2, STATE)


FIELDS = [b"if-match", b"if-none-match", b"if-modified-since", b"if-unmodified-since", b"if-range"]


@given(st.lists(st.tuples(st.sampled_from(FIELDS), st.binary(max_size=40))))
def test_strangers_may_write_anything(headers: list[tuple[bytes, bytes]]) -> None:
    assert evaluate_conditions(headers, STATE) in ConditionResult
    assert range_applies(headers, STATE) in (True, False)
