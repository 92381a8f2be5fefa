"""Numbers that each worker writes and all of them read."""

from __future__ import annotations

import os
from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.log import Log
from wsgate.site.shared_table import PROBES, SharedNumber, SharedTable, WorkerTable

SLOTS = 4096


def test_each_sees_the_numbers_of_the_others() -> None:
    ours, theirs, third = SharedTable(3).rows
    number = ours.number("a")
    assert number.others() == 0
    theirs.number("a").set(2)
    third.number("a").set(5)
    third.number("b").set(100)
    ours.number("a").set(1000)
    assert number.others() == 7
    assert number.of_others() == [2, 5]
    assert theirs.number("a").others() == 1005
    third.number("a").set(0)
    assert number.of_others() == [2, 0]
    assert third.number("a").of_others() == [1000, 2]
    assert theirs.number("b").others() == 100


def test_the_table_of_a_dead_worker() -> None:
    """Its replacement, which is a fork of the parent, begins anew."""
    ours, theirs = SharedTable(2).rows
    child = os.fork()
    if not child:
        for number in range(100):
            theirs.number(str(number)).set(number)
        os._exit(0)
    os.waitpid(child, 0)
    assert ours.number("7").others() == 7
    theirs.clear()
    assert all(ours.number(str(number)).others() == 0 for number in range(100))
    theirs.number("7").set(3)
    assert ours.number("7").others() == 3


@settings(max_examples=200)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 5), st.integers(0, 3)), max_size=60), st.integers(1, 3))
def test_as_a_dictionary(steps: list[tuple[int, int, int]], apart: int) -> None:
    """Names that collide, or are neighbours."""
    rows = SharedTable(3, SLOTS).rows
    keys = [2 + SLOTS * (each // 2) + (each % 2) * apart for each in range(6)]
    expected: dict[tuple[int, int], int] = defaultdict(int)
    for worker, name, value in steps:
        rows[worker].write(keys[name], value)
        expected[worker, name] = value
        for each, key in enumerate(keys):
            found = SharedNumber(rows[2], key)
            assert found.of_others() == [expected[0, each], expected[1, each]]
            assert found.others() == expected[0, each] + expected[1, each]
    for worker in range(2):
        for key in keys:
            rows[worker].write(key, 0)
        assert rows[worker]._used == 0
    assert not any(rows[0].cells)  # no marks are left


def fill(table: WorkerTable, count: int) -> None:
    for number in range(count):
        table.write(2 + 2 * number, 1)


def test_a_full_table_is_said_once(log: Log) -> None:
    ours, theirs = SharedTable(2, SLOTS).rows
    fill(theirs, SLOTS // 2)
    assert log.events() == []
    for name in ("a", "b"):
        theirs.number(name).set(1)
        assert ours.number(name).others() == 0
    assert log.events() == ["worker counts alone"]
    assert "2048 backends" in str(log.one("worker counts alone")["reason"])
    theirs.number("a").set(0)
    theirs.write(2, 0)
    theirs.number("a").set(4)
    assert ours.number("a").others() == 4


@pytest.mark.parametrize("place", [0, SLOTS - 1])
def test_too_many_names_at_one_place(log: Log, place: int) -> None:
    ours, theirs = SharedTable(2, SLOTS).rows
    keys = [SLOTS * (number + 1) + place for number in range(PROBES + 1)]
    for key in keys:
        theirs.write(key, key)
    assert log.events() == ["worker counts alone"]
    assert [SharedNumber(ours, key).others() for key in keys] == [*keys[:-1], 0]
