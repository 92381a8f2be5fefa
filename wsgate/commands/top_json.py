"""What ``wsgate top`` shows as JSON, a snapshot in each line, for programs."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from wsgate.commands.snapshot import Rates, Snapshot, rows, total
from wsgate.commands.top_asking import FIRST, Asked
from wsgate.commands.top_orders import Order


def lines(
    ask: Asked, order: Order, interval: float | None, sleep: Callable[[float], None] = time.sleep
) -> Iterator[str]:
    """Yields a snapshot, with the rates since the one before, or one in each interval without an end.

    interval: seconds; ``None``: only one snapshot

    Raises ``AskError``.
    """
    before = ask(order)
    sleep(FIRST if interval is None else min(interval, FIRST))
    while True:
        now = ask(order)
        yield json.dumps(plain(before, now, order))
        if interval is None:
            return
        before = now
        sleep(interval)


def plain(before: Snapshot, now: Snapshot, order: Order) -> dict[str, Any]:
    """Returns a snapshot as JSON has it: the sessions in their order, each with its rates."""
    found = rows(before, now)
    missing = now.missing_workers
    return {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "status": now.status,
        "rates": _rates(now.moved or total(found)),
        "backends": now.backends["backends"],
        "total": now.sessions["total"],
        "sessions": [{**row.session, "rates": _rates(row.rates)} for row in sorted(found, key=order.by)],
        **({"missing_workers": missing} if missing else {}),
    }


def _rates(rates: Rates | None) -> dict[str, float] | None:
    """Returns messages and bytes per second; ``None`` if they are not known."""
    if rates is None:
        return None
    return {name: round(value, 2) for name, value in dataclasses.asdict(rates).items()}
