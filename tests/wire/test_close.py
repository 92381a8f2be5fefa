from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgate.wire.close import MAX_REASON, Close, CloseCode, may_be_sent, parse_close
from wsgate.wire.fault import Fault

from .utf8_cases import INVALID, TRUNCATED, VALID

# RFC 6455 §7.4: the registered codes that may be sent, and the two free ranges
SENDABLE = {1000, 1001, 1002, 1003, *range(1007, 1015), *range(3000, 5000)}


def test_every_code_there_is() -> None:
    assert {code for code in range(1 << 16) if may_be_sent(code)} == SENDABLE


def test_the_two_codes_that_say_what_was_not_there() -> None:
    assert {code for code in CloseCode if not may_be_sent(code)} == {CloseCode.NO_STATUS, CloseCode.ABNORMAL}


@pytest.mark.parametrize(
    ("payload", "close"),
    [
        (b"", Close(None)),
        (b"\x03\xe8", Close(1000)),
        (b"\x03\xf6try later", Close(1014, b"try later")),
        (b"\x0b\xb8" + "é".encode(), Close(3000, "é".encode())),
        (b"\x13\x87" + b"x" * MAX_REASON, Close(4999, b"x" * MAX_REASON)),
    ],
)
def test_what_a_close_says(payload: bytes, close: Close) -> None:
    assert parse_close(payload) == close
    assert close.payload() == payload


@pytest.mark.parametrize("code", [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535])
@pytest.mark.parametrize("reason", [b"", b"reason", b"\xff"])
def test_codes_that_may_not_be_sent(code: int, reason: bytes) -> None:
    wanted = Fault(CloseCode.PROTOCOL_ERROR, f"close code {code} may not be sent")
    assert parse_close(code.to_bytes(2, "big") + reason) == wanted


def test_half_a_code() -> None:
    assert parse_close(b"\x03") == Fault(CloseCode.PROTOCOL_ERROR, "close payload of one byte")


@pytest.mark.parametrize("reason", [text for text, _ in INVALID] + TRUNCATED)
def test_a_reason_that_is_not_utf8(reason: bytes) -> None:
    assert parse_close(b"\x03\xe8" + reason) == Fault(CloseCode.INVALID_DATA, "close reason is not UTF-8")


@given(st.sampled_from(sorted(SENDABLE)), st.sampled_from(VALID) | st.text(max_size=30).map(str.encode))
def test_round_trip(code: int, reason: bytes) -> None:
    close = Close(code, reason)
    assert parse_close(close.payload()) == close


@given(st.binary(max_size=125))
def test_any_payload_has_a_meaning_or_a_fault(payload: bytes) -> None:
    close = parse_close(payload)
    assert close.rule if isinstance(close, Fault) else close.payload() == payload
