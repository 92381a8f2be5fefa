"""The counts that workers share."""

from __future__ import annotations

import os

import pytest

from wsgate.gate.shared_counters import Counts, SharedCounters


def test_counts_of_one_process() -> None:
    board = SharedCounters()
    (row,) = board.rows
    assert [row.enter(None) for _ in range(4)] == [True] * 4
    row.leave()
    row.leave(cut=True)
    row.leave(never_opened=True)
    assert row.sessions == 1
    assert board.counts() == Counts(sessions=1, ended=2, cut=1)


def test_limits_add_up() -> None:
    board = SharedCounters(3)
    one, other, third = board.rows
    assert one.enter(3)
    assert other.enter(3)
    assert not third.full(3)
    assert other.enter(3)
    assert all(row.full(3) and not row.enter(3) for row in board.rows)
    assert not third.full(None)
    assert board.counts() == Counts(3, 0, 0)
    one.leave()
    assert third.enter(3)
    assert board.sessions == 3


def test_who_is_refused_is_not_counted() -> None:
    board = SharedCounters(2)
    assert board.rows[0].enter(1)
    for _ in range(5):
        assert not board.rows[1].enter(1)
    assert board.counts() == Counts(1, 0, 0)


def test_a_dead_workers_sessions_are_cut() -> None:
    board = SharedCounters(2)
    for _ in range(3):
        board.rows[0].enter(None)
        board.rows[1].enter(None)
    board.rows[0].leave()
    assert board.rows[0].abandon() == 2
    assert board.counts() == Counts(sessions=3, ended=3, cut=2)
    assert board.rows[0].abandon() == 0


def test_beats() -> None:
    board = SharedCounters(2)
    board.rows[1].beat = 12.3456
    assert board.rows[1].beat == pytest.approx(12.345)
    assert board.rows[0].beat == 0.0


def test_children_write_where_their_parent_reads() -> None:
    board = SharedCounters(2)
    for row in board.rows:
        child = os.fork()
        if not child:
            for _ in range(1000):
                row.enter(None)
            os._exit(0)
        os.waitpid(child, 0)
    assert board.sessions == 2000
