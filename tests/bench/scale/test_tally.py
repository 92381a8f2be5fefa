from __future__ import annotations

import pytest

from bench.scale.tally import Event, Tally

from .stories import CONNECTED, tally


def test_an_end_says_where_the_session_was() -> None:
    found = tally(CONNECTED, ["2.5 close 1 1012", "3 lost 0", "3 refused 0 503"])
    assert found.events[4:] == [
        Event(2.5, "close", 1, "r2", "b2", 1012),
        Event(3.0, "lost", 0, "r1", "b1"),
        Event(3.0, "refused", 0, code=503),
    ]
    assert found.open == {2: ("r1", "b2"), 3: ("r2", "b1")}
    assert (found.on("r1"), found.on("r2"), found.on("r3")) == (1, 1, 0)


@pytest.mark.parametrize("line", ["2 open 0 r1 b1", "2 lost 7", "2 gone 0", "2 close x 1000", "2"])
def test_what_cannot_be_is_an_error(line: str) -> None:
    with pytest.raises(ValueError, match=r"opened|open|unknown|invalid|values"):
        tally(CONNECTED, [line])


def test_nothing_has_happened() -> None:
    assert Tally().events == []
