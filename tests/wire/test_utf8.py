from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgate.wire.utf8 import Utf8Validator

from .utf8_cases import INVALID, TRUNCATED, VALID


def state_after(data: bytes) -> int:
    """Returns how many continuation bytes are missing after ``data``, -1 if it is no UTF-8.

    It implements Table 3-7 of the Unicode standard (also the ABNF of RFC 3629 §4) literally.
    """
    missing, low, high = 0, 0x80, 0xBF
    for byte in data:
        if missing:
            if not low <= byte <= high:
                return -1
            missing, low, high = missing - 1, 0x80, 0xBF
        elif byte > 0x7F:
            if 0xC2 <= byte <= 0xDF:
                missing = 1
            elif 0xE0 <= byte <= 0xEF:
                missing, low, high = 2, 0xA0 if byte == 0xE0 else 0x80, 0x9F if byte == 0xED else 0xBF
            elif 0xF0 <= byte <= 0xF4:
                missing, low, high = 3, 0x90 if byte == 0xF0 else 0x80, 0x8F if byte == 0xF4 else 0xBF
            else:
                return -1
    return missing


def feed_bytewise(data: bytes) -> int:
    """The same answer from the validator: it must know at every byte."""
    validator = Utf8Validator()
    for at in range(len(data)):
        if not validator.feed(data[at : at + 1]):
            assert state_after(data[: at + 1]) == -1
            return -1
        assert state_after(data[: at + 1]) >= 0
        assert validator.finish() == (state_after(data[: at + 1]) == 0)
    return state_after(data)


@pytest.mark.parametrize("text", VALID)
def test_valid(text: bytes) -> None:
    for cut in range(len(text) + 1):
        validator = Utf8Validator()
        assert validator.feed(text[:cut])
        assert validator.feed(bytearray(text[cut:]))
        assert validator.finish()
        assert validator.feed(text), "another message may follow"


@pytest.mark.parametrize(("text", "at"), INVALID)
def test_invalid_at_the_first_byte_that_is_wrong(text: bytes, at: int) -> None:
    for cut in range(at + 1):
        validator = Utf8Validator()
        assert validator.feed(text[:cut])
        assert validator.feed(text[cut:at])
        assert not validator.feed(text[at : at + 1])
    assert not Utf8Validator().feed(text)
    assert not Utf8Validator().feed(text + b"ascii")


@pytest.mark.parametrize("text", TRUNCATED)
def test_truncated(text: bytes) -> None:
    validator = Utf8Validator()
    assert validator.feed(text)
    assert not validator.finish()


def test_nothing() -> None:
    validator = Utf8Validator()
    assert validator.finish()
    assert validator.feed(b"")
    assert validator.finish()


def test_every_pair_of_bytes() -> None:
    for pair in itertools.product(range(0x7E, 0x100), range(0x100)):
        text = bytes(pair)
        assert (feed_bytewise(text) >= 0) == (state_after(text) >= 0)
        assert Utf8Validator().feed(text) == (state_after(text) >= 0)


@given(st.binary(max_size=12) | st.text(max_size=6).map(str.encode), st.integers(0, 12))
def test_any_bytes(text: bytes, cut: int) -> None:
    validator = Utf8Validator()
    assert (validator.feed(text[:cut]) and validator.feed(text[cut:])) == (state_after(text) >= 0)
    feed_bytewise(text)


@given(st.lists(st.sampled_from(VALID + TRUNCATED + [text for text, _ in INVALID]), max_size=4).map(b"".join))
def test_what_may_stand_beside_each_other(text: bytes) -> None:
    feed_bytewise(text)
