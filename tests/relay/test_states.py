from __future__ import annotations

import itertools

import pytest

from wsgate.relay.states import STEPS, Input, Output, advance

INPUT_STEPS = {("open", "over"), ("open", "eof"), ("over", "eof")}
OUTPUT_STEPS = {
    ("open", "closing"),
    ("open", "sealed"),
    ("closing", "sealed"),
    ("sealed", "shut"),
    ("open", "broken"),
    ("closing", "broken"),
    ("sealed", "broken"),
    ("shut", "broken"),
}


@pytest.mark.parametrize(("now", "to"), list(itertools.product(Input, Input)))
def test_an_input_goes_forward_only(now: Input, to: Input) -> None:
    if (now.value, to.value) in INPUT_STEPS:
        assert advance(now, to) is to
    else:
        with pytest.raises(AssertionError, match=f"a leg's input cannot go from {now.value} to {to.value}"):
            advance(now, to)


@pytest.mark.parametrize(("now", "to"), list(itertools.product(Output, Output)))
def test_an_output_goes_forward_only(now: Output, to: Output) -> None:
    if (now.value, to.value) in OUTPUT_STEPS:
        assert advance(now, to) is to
    else:
        with pytest.raises(AssertionError, match=f"a leg's output cannot go from {now.value} to {to.value}"):
            advance(now, to)


def test_every_state_has_its_row() -> None:
    assert set(STEPS) == {*Input, *Output}
