"""The orders of sessions that ``wsgate top`` knows: those of its keys, and one for each column."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from wsgate.commands.snapshot import Rates, Row


@dataclass(frozen=True, slots=True)
class Order:
    """An order of sessions.

    key: what is typed for it; empty if it has no key
    name: as the last line of a screen has it
    sort: the API's, where it does not list all sessions; the nearest one that it has
    columns: that are marked, and shown however narrow the terminal is
    """

    key: str
    name: str
    sort: str
    columns: frozenset[str]
    by: Callable[[Row], Any]


def _none_last(value: float | None) -> tuple[bool, float]:
    return value is None, -(value or 0)


def _octets_of(row: Row) -> int:
    up: int = row.session["bytes_up"]
    down: int = row.session["bytes_down"]
    return up + down


MOST = Order(
    *("m", "most per second", "-bytes_down", frozenset({"UP/s", "DOWN/s"})),
    lambda row: (_none_last(None if row.rates is None else row.rates.octets), -_octets_of(row)),
)
_NEWEST = Order("s", "newest", "-since", frozenset({"AGE"}), lambda row: row.session["duration"])
_UP = Order("u", "bytes up", "-bytes_up", frozenset({"UP"}), lambda row: -row.session["bytes_up"])
_DOWN = Order("d", "bytes down", "-bytes_down", frozenset({"DOWN"}), lambda row: -row.session["bytes_down"])
_RTT = Order(*("r", "RTT", "-client_rtt_ms", frozenset({"RTT"})), lambda row: _none_last(row.session["client_rtt_ms"]))
ORDERS = (MOST, _NEWEST, _UP, _DOWN, _RTT)


def _by_text(column: str, sort: str = "") -> Order:
    name = column.lower()
    return Order("", name, sort or name, frozenset({column}), lambda row: str(row.session.get(name) or "\U0010ffff"))


def _by_rate(column: str, sort: str, rate: Callable[[Rates], float]) -> Order:
    return Order(
        *("", column, sort, frozenset({column})),
        lambda row: _none_last(None if row.rates is None else rate(row.rates)),
    )


# By the names of columns, in lower case. Texts go from the first to the last, numbers from the largest to the smallest;
# the newest session is the first
BY_COLUMN = {
    **{column.lower(): _by_text(column) for column in ("ID", "ROUTE", "CLIENT", "USER", "BACKEND")},
    "age": _NEWEST,
    "up/s": _by_rate("UP/s", "-bytes_up", lambda rates: rates.bytes_up),
    "down/s": _by_rate("DOWN/s", "-bytes_down", lambda rates: rates.bytes_down),
    "msg/s": _by_rate("MSG/s", "-messages_down", lambda rates: rates.messages),
    "up": _UP,
    "down": _DOWN,
    "rtt": _RTT,
    "state": _by_text("STATE", "since"),
}
