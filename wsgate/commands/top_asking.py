"""Asks a gateway for all that ``wsgate top`` shows."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from wsgate.commands.admin_client import AdminClient
from wsgate.commands.snapshot import Rates, Snapshot
from wsgate.commands.top_orders import Order

LISTED = 1000  # sessions in one answer: the most that the API gives
FIRST = 1.0  # seconds until the second question, at most: rates need two

# Asks the gateway; an order chooses among the sessions if there are too many. Raises ``AskError``
Asked = Callable[[Order], Snapshot]


def ask_gateway(client: AdminClient, filter: Mapping[str, str], clock: Callable[[], float] = time.monotonic) -> Asked:
    """Returns what asks a gateway."""

    def ask(order: Order) -> Snapshot:
        sessions = client.ask("GET", "sessions", {**filter, "sort": order.sort, "limit": str(LISTED)})
        at = clock()
        moved = None
        if sessions["total"] > len(sessions["sessions"]) and not filter:
            points = client.ask("GET", "history")["points"]
            moved = Rates(*points[-1][2:]) if points else None  # behind its time and its number of sessions
        backends = client.ask("GET", "backends", {name: filter[name] for name in filter if name == "route"})
        return Snapshot(at, client.ask("GET", "status"), sessions, backends, moved)

    return ask
