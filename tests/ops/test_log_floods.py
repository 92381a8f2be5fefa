"""Which lines of a flood are written; the clock is the test's."""

from __future__ import annotations

import logging
import math

import pytest
import trio
from trio.testing import MockClock

from wsgate.events.emit import EventRecord
from wsgate.ops import log
from wsgate.ops.log import JsonFormatter, LineHandler, write_owed_lines
from wsgate.ops.log_floods import MOST, WINDOW, Floods


def refused(number: int = 0, *, event: str = "refused", **cause: object) -> EventRecord:
    return EventRecord(logging.INFO, event, {"route": "chat", "status": 404, "path": f"/{number}", **cause})


def written(floods: Floods, number: int, now: float, **cause: object) -> int:
    return sum(not floods.holds_back(refused(each, **cause), now) for each in range(number))  # type: ignore[arg-type]


def owed(floods: Floods, now: float) -> list[dict[str, object]]:
    return [record.fields for record in floods.over(now)]  # type: ignore[attr-defined]


def test_a_flood_is_one_line_in_ten_seconds() -> None:
    floods = Floods(5)
    assert written(floods, 5, 100.0) == 5
    assert floods.due == math.inf
    assert written(floods, 1000, 100.5) == 0
    assert floods.due == 100.5 + WINDOW
    assert owed(floods, 105.0) == []
    assert written(floods, 234, 109.0) == 0
    line = {"route": "chat", "status": 404, "path": "/233", "more": 1233, "within": WINDOW}
    assert owed(floods, 110.5) == [line]
    assert owed(floods, 110.5) == []
    assert written(floods, 51, 111.0) == 0  # it goes on
    assert [line["more"] for line in owed(floods, 120.5)] == [50]
    assert written(floods, 1, 121.0) == 0
    assert owed(floods, 130.5) == [{"route": "chat", "status": 404, "path": "/0"}]  # it was the only one
    assert written(floods, 5, 131.0) == 5


def test_few_a_second_are_all_written() -> None:
    floods = Floods(5)
    assert [written(floods, 5, 100.0 + second) for second in range(100)] == [5] * 100


def test_another_cause_is_another_flood() -> None:
    floods = Floods(1)
    assert written(floods, 5, 100.0) == 1
    assert written(floods, 5, 100.0, status=403) == 1
    assert written(floods, 5, 100.0, route="other") == 1
    assert written(floods, 5, 100.0, event="handshake failed") == 1
    assert sorted(line["more"] for line in owed(floods, math.inf)) == [3, 3, 3, 3]  # type: ignore[type-var]


@pytest.mark.parametrize("event", ["opened", "still open", "session", "answered"])
def test_sessions_and_answers_are_never_left_out(event: str) -> None:
    assert written(Floods(1), 100, 100.0, event=event) == 100


def test_off_leaves_out_nothing() -> None:
    assert written(Floods(None), 100, 100.0) == 100
    assert not Floods(1).holds_back(logging.LogRecord("trio", 30, "", 0, "no event", (), None), 100.0)


def test_memory_is_bounded() -> None:
    """Causes that are quiet go first; a flood is forgotten only if all causes are floods."""
    floods = Floods(1)
    assert written(floods, 2, 100.0) == 1
    for number in range(3 * MOST):
        assert written(floods, 1, 100.0 + number, backend=f"b{number}") == 1
    assert [line["more"] for line in owed(floods, math.inf) if "more" in line] == []
    for number in range(3 * MOST):
        written(floods, 2, 100.0, backend=f"b{number}")
    assert len(owed(floods, math.inf)) == MOST


async def test_what_is_owed_is_written_though_no_other_line_comes(
    nursery: trio.Nursery, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[bytes] = []
    handler = LineHandler(lines.append, JsonFormatter())
    handler.floods = Floods(1)
    monkeypatch.setattr(log, "_handler", lambda: handler)
    monkeypatch.setattr("time.monotonic", trio.current_time)
    for number in range(3):
        handler.handle(refused(number))
    assert len(lines) == 1
    nursery.start_soon(write_owed_lines)
    await trio.sleep(2 * WINDOW + 1)
    assert len(lines) == 2
    assert b'"more": 1, "within": 10.0' in lines[1]


def test_the_next_line_comes_behind_what_is_owed(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    lines: list[bytes] = []
    handler = LineHandler(lines.append, JsonFormatter())
    handler.floods = Floods(1)
    monkeypatch.setattr("time.monotonic", lambda: now)
    for number in range(4):
        handler.handle(refused(number))
    now += WINDOW
    handler.handle(EventRecord(logging.INFO, "ready", {}))
    assert b'"more": 2' in lines[1]
    assert b'"ready"' in lines[2]
