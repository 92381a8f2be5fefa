"""The close table as data: complete, and nothing in it that may not stand on the wire."""

from __future__ import annotations

import pytest

from wsgate.relay.closing import (
    CLOSE_BY_GATEWAY,
    CLOSE_TO_CAUSER,
    DRAIN_REASON,
    Cause,
    End,
    Side,
    close_for_other,
    end_for_fault,
)
from wsgate.wire.close import MAX_REASON, Close, may_be_sent
from wsgate.wire.fault import Fault

SOURCES = [
    (cause, side)
    for cause in (
        *(Cause.GONE, Cause.FAULT, Cause.TOO_BIG, Cause.TOO_FAST, Cause.SILENT, Cause.STUCK, Cause.UNANSWERED),
        Cause.FINISHED,
    )
    for side in Side
]


@pytest.mark.parametrize(("cause", "side"), SOURCES)
def test_every_end_has_a_word_that_fits_a_close_frame(cause: Cause, side: Side) -> None:
    word = close_for_other(None, End(cause), side)
    assert word.code is not None
    assert may_be_sent(word.code)
    assert 0 < len(word.reason) <= MAX_REASON


@pytest.mark.parametrize(("cause", "side"), SOURCES)
def test_who_waits_for_an_answer_gets_its_own_words_back(cause: Cause, side: Side) -> None:
    assert close_for_other(Close(4000, b"mine"), End(cause), side) == Close(4000, b"mine")


@pytest.mark.parametrize("close", [Close(None), Close(1000), Close(4999, b"why")])
def test_a_close_goes_on_as_it_is(close: Close) -> None:
    assert close_for_other(Close(4000, b"mine"), End(Cause.CLOSED, close), Side.CLIENT) == close


def test_codes_of_the_table_in_the_design() -> None:
    codes = {(cause, side): close_for_other(None, End(cause), side).code for cause, side in SOURCES}
    assert codes == {
        (Cause.GONE, Side.CLIENT): 1001,
        (Cause.GONE, Side.BACKEND): 1011,
        (Cause.FAULT, Side.CLIENT): 1001,
        (Cause.FAULT, Side.BACKEND): 1011,
        (Cause.TOO_BIG, Side.CLIENT): 1001,
        (Cause.TOO_BIG, Side.BACKEND): 1011,
        (Cause.TOO_FAST, Side.CLIENT): 1001,
        (Cause.TOO_FAST, Side.BACKEND): 1011,
        (Cause.SILENT, Side.CLIENT): 1001,
        (Cause.SILENT, Side.BACKEND): 1011,
        (Cause.STUCK, Side.CLIENT): 1001,
        (Cause.STUCK, Side.BACKEND): 1011,
        (Cause.UNANSWERED, Side.CLIENT): 1001,
        (Cause.UNANSWERED, Side.BACKEND): 1011,
        (Cause.FINISHED, Side.BACKEND): 1000,
        (Cause.FINISHED, Side.CLIENT): 1000,
    }


@pytest.mark.parametrize(("cause", "side"), [source for source in SOURCES if source[0] is not Cause.FINISHED])
def test_every_word_says_whose_doing_it_was(cause: Cause, side: Side) -> None:
    assert close_for_other(None, End(cause), side).reason.decode().split()[0] == side.value


def test_what_the_gateway_does_it_says_of_itself() -> None:
    ours = [close for cause, close in CLOSE_BY_GATEWAY.items() if cause is not Cause.EXPIRED]  # the client's own token
    words = [DRAIN_REASON, *(close.reason for close in (*CLOSE_TO_CAUSER.values(), *ours))]
    assert all(b"the gateway" in word for word in words)


@pytest.mark.parametrize(
    ("fault", "cause", "told"),
    [
        (Fault(1002, "reserved opcode 0x3"), Cause.FAULT, b"client broke the protocol: reserved opcode 0x3"),
        (Fault(1007, "text is not UTF-8"), Cause.FAULT, b"client broke the protocol: text is not UTF-8"),
        (
            Fault(1009, "message over the limit of 5 bytes"),
            Cause.TOO_BIG,
            b"client sent too much: message over the limit of 5 bytes",
        ),
    ],
)
def test_the_other_side_is_told_the_rule_too(fault: Fault, cause: Cause, told: bytes) -> None:
    """A message over our limit breaks no protocol."""
    end = end_for_fault(fault)
    assert end == End(cause, Close(fault.code, fault.rule.encode()), fault.rule)
    assert close_for_other(None, end, Side.CLIENT) == Close(1001, told)


def test_a_long_rule_is_cut_to_what_a_close_frame_holds() -> None:
    word = close_for_other(None, end_for_fault(Fault(1002, "x" * MAX_REASON)), Side.BACKEND)
    assert len(word.reason) == MAX_REASON


def test_every_cause_is_told_in_one_place() -> None:
    """The side that caused the end needs no Close; the code of a drain is in the settings, those of a revocation and
    of an operator come from their callers; a bug or a cut is not told."""
    told = {cause for cause, _ in SOURCES} | set(CLOSE_BY_GATEWAY)
    assert set(Cause) - told == {Cause.CLOSED, Cause.DRAIN, Cause.REVOKED, Cause.OPERATOR, Cause.BUG, Cause.CUT}
    assert {CLOSE_TO_CAUSER[Cause.SILENT].code, *(close.code for close in CLOSE_BY_GATEWAY.values())} == {
        1011,
        1001,
        1008,
        1012,
    }
