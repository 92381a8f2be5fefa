from __future__ import annotations

import pytest

from tests.commands.top import session, snapshot
from wsgate.commands.snapshot import Rates, rows, total


def test_rates_are_the_difference_of_two_snapshots() -> None:
    before = snapshot(10.0, session(messages_up=1, messages_down=2, bytes_up=100, bytes_down=1000))
    now = snapshot(12.0, session(messages_up=3, messages_down=6, bytes_up=200, bytes_down=5000))
    (row,) = rows(before, now)
    assert row.rates == Rates(1.0, 2.0, 50.0, 2000.0)
    assert (row.rates.octets, row.rates.messages) == (2050.0, 3.0)
    assert total([row, row]) == Rates(2.0, 4.0, 100.0, 4000.0)


@pytest.mark.parametrize(
    ("before", "now", "bytes_up"),
    [
        (None, session(bytes_up=100), None),
        ([], session(bytes_up=100, duration=1.5), 50.0),  # it is new
        ([], session(bytes_up=100, duration=61.0), None),  # it was not among those that were listed
        ([session(bytes_up=900)], session(bytes_up=100, client="192.0.2.9:1"), None),  # another one, with the same id
        ([session(bytes_up=900)], session(bytes_up=100), 0.0),
    ],
)
def test_what_is_known_of_a_session(
    before: list[dict[str, object]] | None, now: dict[str, object], bytes_up: object
) -> None:
    (row,) = rows(None if before is None else snapshot(10.0, *before), snapshot(12.0, now))
    assert (None if row.rates is None else row.rates.bytes_up) == bytes_up


def test_two_snapshots_of_one_moment_have_no_rates() -> None:
    (row,) = rows(snapshot(10.0, session()), snapshot(10.0, session()))
    assert row.rates is None


def test_the_total_of_none() -> None:
    assert total([]) == Rates()
    assert total(rows(None, snapshot(1.0, session()))) is None


def test_missing_workers_are_named_once() -> None:
    now = snapshot(1.0, missing=[2, 3])
    assert now.missing_workers == [2, 3]
    assert snapshot(1.0).missing_workers == []
