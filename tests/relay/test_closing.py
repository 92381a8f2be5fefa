"""The close table as data: complete, and nothing in it that may not stand on the wire."""

from __future__ import annotations

import pytest

from wsgate.relay.closing import OWED, OWN_WORD, Cause, End, Side, word_for
from wsgate.wire.close import MAX_REASON, Close, may_be_sent

SOURCES = [
    (cause, side)
    for cause in (Cause.GONE, Cause.FAULT, Cause.SILENT, Cause.STUCK, Cause.UNANSWERED, Cause.FINISHED)
    for side in Side
    if (cause, side) != (Cause.FINISHED, Side.CLIENT)  # a client is never plain TCP
]


@pytest.mark.parametrize(("cause", "side"), SOURCES)
def test_every_end_has_a_word_that_fits_a_close_frame(cause: Cause, side: Side) -> None:
    word = word_for(None, End(cause), side)
    assert word.code is not None
    assert may_be_sent(word.code)
    assert 0 < len(word.reason) <= MAX_REASON


@pytest.mark.parametrize(("cause", "side"), SOURCES)
def test_who_waits_for_an_answer_gets_its_own_words_back(cause: Cause, side: Side) -> None:
    assert word_for(Close(4000, b"mine"), End(cause), side) == Close(4000, b"mine")


@pytest.mark.parametrize("close", [Close(None), Close(1000), Close(4999, b"why")])
def test_a_close_goes_on_as_it_is(close: Close) -> None:
    assert word_for(Close(4000, b"mine"), End(Cause.CLOSED, close), Side.CLIENT) == close


def test_codes_of_the_table_in_the_design() -> None:
    codes = {(cause, side): word_for(None, End(cause), side).code for cause, side in SOURCES}
    assert codes == {
        (Cause.GONE, Side.CLIENT): 1001,
        (Cause.GONE, Side.BACKEND): 1011,
        (Cause.FAULT, Side.CLIENT): 1001,
        (Cause.FAULT, Side.BACKEND): 1011,
        (Cause.SILENT, Side.CLIENT): 1001,
        (Cause.SILENT, Side.BACKEND): 1011,
        (Cause.STUCK, Side.CLIENT): 1001,
        (Cause.STUCK, Side.BACKEND): 1011,
        (Cause.UNANSWERED, Side.CLIENT): 1001,
        (Cause.UNANSWERED, Side.BACKEND): 1011,
        (Cause.FINISHED, Side.BACKEND): 1000,
    }


def test_every_cause_is_told_in_one_place() -> None:
    """Who ends it by itself has said so; a drain's code is the operator's, a revocation's its watcher's; nobody can be
    told of a bug or a cut."""
    told = {cause for cause, _ in SOURCES} | set(OWN_WORD)
    assert set(Cause) - told == {Cause.CLOSED, Cause.DRAIN, Cause.REVOKED, Cause.BUG, Cause.CUT}
    assert {OWED[Cause.SILENT].code, *(close.code for close in OWN_WORD.values())} == {1011, 1001}
