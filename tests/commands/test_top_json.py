from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import replace

from tests.commands.top import backend, session, snapshot
from wsgate.commands.snapshot import Rates, Snapshot
from wsgate.commands.top_json import lines, plain
from wsgate.commands.top_orders import BY_COLUMN, MOST, Order

BEFORE = snapshot(0.0, session("1"), session("2"))
NOW = snapshot(2.0, session("1", bytes_up=4), session("2", bytes_up=9, user="a\x1bn"), backends=[backend()])


def asked(*snapshots: Snapshot) -> tuple[list[Order], Iterator[Snapshot]]:
    return [], itertools.chain(snapshots, itertools.repeat(snapshots[-1]))


def test_one_snapshot() -> None:
    waits: list[float] = []
    orders, answers = asked(BEFORE, NOW)

    def ask(order: Order) -> Snapshot:
        orders.append(order)
        return next(answers)

    (line,) = lines(ask, MOST, None, waits.append)
    assert (waits, orders) == ([1.0], [MOST, MOST])
    assert line.isascii()
    assert line.isprintable()
    found = json.loads(line)
    assert found["time"].endswith("Z")
    assert (found["status"]["ready"], found["total"], found["backends"]) == (True, 2, [backend()])
    rates = {"messages_up": 0.0, "messages_down": 0.0, "bytes_up": 6.5, "bytes_down": 0.0}
    assert found["rates"] == rates
    assert [each["id"] for each in found["sessions"]] == ["2", "1"]
    assert found["sessions"][0]["rates"] == {**rates, "bytes_up": 4.5}
    assert "missing_workers" not in found


def test_a_line_in_each_interval() -> None:
    waits: list[float] = []
    _, answers = asked(BEFORE, NOW)
    found = [
        json.loads(line) for line in itertools.islice(lines(lambda order: next(answers), MOST, 5.0, waits.append), 3)
    ]
    assert waits == [1.0, 5.0, 5.0]
    assert [each["sessions"][0]["rates"] is None for each in found] == [False, True, True]  # no time has passed


def test_what_is_not_known() -> None:
    worker = replace(NOW, sessions={**NOW.sessions, "missing_workers": [2]}, moved=Rates(1, 2, 3, 4))
    found = plain(BEFORE, worker, BY_COLUMN["id"])
    assert found["missing_workers"] == [2]
    assert found["rates"]["bytes_down"] == 4
    assert [each["id"] for each in found["sessions"]] == ["1", "2"]
    late = snapshot(2.0, session("3"))
    assert plain(BEFORE, late, MOST)["sessions"][0]["rates"] is None
