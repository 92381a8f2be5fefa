"""The sessions that ended last."""

from __future__ import annotations

from dataclasses import replace

from tests.relay import joined
from wsgate.gate.ended_sessions import KEPT, EndedSessions
from wsgate.relay.closing import Cause
from wsgate.relay.outcome import Outcome

OUTCOME = Outcome(Cause.IDLE, None, "", None, None, 0, 0, 0, 0, None, None)


def test_the_newest_come_first_and_old_ones_are_forgotten() -> None:
    ended = EndedSessions()
    for number in range(KEPT + 2):
        ended.add(replace(joined.INFO, id=str(number)), OUTCOME, float(number))
    assert [each.info.id for each in ended] == [str(number) for number in range(KEPT + 1, 1, -1)]
    assert next(iter(ended)).at == KEPT + 1
