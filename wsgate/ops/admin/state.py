"""Whether the gateway lives, and whether it should get new clients, from the metrics of all its processes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from wsgate.events.metric_rows import Labels
from wsgate.events.metrics import (
    ALIVE,
    BACKEND_DRAINING,
    BACKEND_EJECTED,
    BACKEND_HEALTHY,
    DRAINED,
    DRAINING,
    RELOAD_REFUSED,
    ROUTE_DRAINING,
    SERVING,
    SESSIONS,
    SESSIONS_LIMIT,
    Metric,
)
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

    routes: which must take sessions, with some backend
    """
    found = []
    if _total(gathered, DRAINING):
        at_start, left = _total(gathered, DRAINED), _total(gathered, SESSIONS)
        found.append(f"draining: {left} of {max(left, at_start)} sessions are still open")
    elif not _total(gathered, SERVING):
        found.append("not listening yet")
    drained, healthy = draining_routes(gathered), _true(gathered, BACKEND_HEALTHY)
    with_healthy = {route for route, _ in healthy}
    takers = healthy - _true(gathered, BACKEND_EJECTED) - _true(gathered, BACKEND_DRAINING)
    with_takers = {route for route, _ in takers}
    for route in routes:
        if route in drained:
            found.append(f"the route {route} drains")
        elif route not in with_healthy:
            found.append(f"no backend of the route {route} is healthy")
        elif route not in with_takers:
            found.append(f"no backend of the route {route} takes sessions: each is unhealthy, ejected or draining")
    return found


def warnings(gathered: Gathered) -> list[str]:
    """Returns what an operator should look at although the gateway is ready, in a line each."""
    if not _true(gathered, RELOAD_REFUSED):
        return []
    return ["the last reload was refused: what runs is older than the configuration file, and the log says why"]


def draining_routes(gathered: Gathered) -> list[str]:
    """Returns the names of the routes that drain."""
    return sorted(route for (route,) in _true(gathered, ROUTE_DRAINING))


def open_sessions(gathered: Gathered) -> int:
    """Returns the number of open sessions of all processes."""
    return int(_total(gathered, SESSIONS))


def most_sessions(gathered: Gathered) -> int | None:
    """Returns how many sessions there may be; ``None``: any number."""
    return int(_total(gathered, SESSIONS_LIMIT)) or None


def _true(gathered: Gathered, metric: Metric) -> set[Labels]:
    return {labels for labels, (value,) in gathered.get(metric.name, {}).items() if value}


def _total(gathered: Gathered, metric: Metric) -> int:
    return sum(value for (value,) in gathered.get(metric.name, {}).values())
