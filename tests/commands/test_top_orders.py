from __future__ import annotations

import pytest

from tests.commands.top import session
from wsgate.commands.snapshot import Rates, Row
from wsgate.commands.top_orders import BY_COLUMN, ORDERS
from wsgate.ops.admin.filters import SORTS

ROWS = [
    Row(session("a", user="bob", bytes_up=3, duration=9.0), Rates(1, 1, 5, 0)),
    Row(session("b", client="192.0.2.0:1", route="app", bytes_down=7, client_rtt_ms=2.0), Rates(9, 0, 0, 3)),
    Row(session("c", user="ann", backend="ws://a:1", state="closing", duration=1.0), None),
]


@pytest.mark.parametrize(
    ("column", "ids"),
    [
        *(("id", "abc"), ("route", "bac"), ("client", "bac"), ("user", "cab"), ("backend", "cab"), ("state", "cab")),
        *(("age", "cab"), ("up", "abc"), ("down", "bac"), ("rtt", "bac")),
        *(("up/s", "abc"), ("down/s", "bac"), ("msg/s", "bac")),
    ],
)
def test_each_column_is_an_order(column: str, ids: str) -> None:
    assert "".join(row.session["id"] for row in sorted(ROWS, key=BY_COLUMN[column].by)) == ids


def test_the_gateway_knows_the_nearest_of_each() -> None:
    assert {order.sort.removeprefix("-") for order in (*ORDERS, *BY_COLUMN.values())} <= set(SORTS)
