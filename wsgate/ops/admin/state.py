"""Whether the gateway lives, and whether it should get new clients, from the metrics of all its processes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from wsgate.events.metrics import ALIVE, BACKEND_HEALTHY, DRAINED, DRAINING, SERVING, SESSIONS, Metric
from wsgate.ops.admin.exposition import Gathered

SILENCE = 15.0  # seconds without a sign of a process, after which it hangs: it gives one each second


def not_alive(gathered: Gathered, now: Callable[[], float] = time.time) -> list[str]:
    """Returns what hangs, in a line each; empty while all is well."""
    found = []
    for (worker,), (at,) in sorted(gathered.get(ALIVE.name, {}).items()):
        if at and (silent := now() - at) > SILENCE:
            who = "the gateway" if worker == "0" else f"worker {worker}"
            found.append(f"{who} has given no sign for {silent:.0f} s")
    return found


def not_ready(gathered: Gathered, routes: Sequence[str] = ()) -> list[str]:
    """Returns why the gateway should get no new clients, in a line each; empty if it should.

    routes: of which some backend must be healthy
    """
    found = []
    if _total(gathered, DRAINING):
        at_start, left = _total(gathered, DRAINED), _total(gathered, SESSIONS)
        found.append(f"draining: {left} of {max(left, at_start)} sessions are still open")
    elif not _total(gathered, SERVING):
        found.append("not listening yet")
    healthy = {route for (route, _), (value,) in gathered.get(BACKEND_HEALTHY.name, {}).items() if value}
    found += [f"no backend of the route {route} is healthy" for route in routes if route not in healthy]
    return found


def open_sessions(gathered: Gathered) -> int:
    """Returns the number of open sessions of all processes."""
    return int(_total(gathered, SESSIONS))


def _total(gathered: Gathered, metric: Metric) -> int:
    return sum(value for (value,) in gathered.get(metric.name, {}).values())
