"""What a gateway counts: sessions, refusals, answers, and what the sessions move.

Each event is counted when it happens. What an open session has moved is counted by its flows anyway; ``take_traffic``
adds it to the totals of the route now and then, and ``ended`` the rest.
"""

from __future__ import annotations

import http

import trio

from wsgate import __version__
from wsgate.events.metric_rows import Cell, MetricRow
from wsgate.events.metrics import (
    BUILD_INFO,
    BYTES,
    CLOSE_CODES,
    DRAINED,
    DRAINING,
    DURATION,
    ENDED,
    LOST,
    MESSAGES,
    MICROSECOND,
    OPENED,
    REFUSED,
    REQUESTS,
    RETRIES,
    RTT,
    SERVING,
    SESSIONS,
    STALLED,
    STALLS,
    UPGRADE,
    Metric,
)
from wsgate.relay.closing import Cause, Side
from wsgate.relay.session import Outcome, Session
from wsgate.wire.http import Refusal

# The cause of a refusal, by its status, where it names none itself
_CAUSES = {
    401: "unauthorized",
    403: "forbidden",
    404: "no_route",
    408: "timeout",
    429: "limit",
    499: "client_gone",
    502: "backend_failed",
    503: "unavailable",
    504: "backend_timeout",
}
BACKEND_REFUSED = "backend_refused"  # a backend's own answer
BAD_REQUEST = "bad_request"

_STATUSES = {status.value: str(status.value) for status in http.HTTPStatus}
_OWN_CODES = range(1000, 1016)  # close codes of RFC 6455 §7.4.1 and its registry


class GatewayMetrics:
    """Counts in the row of a process."""

    def __init__(self, row: MetricRow) -> None:
        self.row = row
        self._routes: dict[str, RouteMetrics] = {}
        self._serving = row.cell(SERVING)
        self._draining = row.cell(DRAINING)
        row.cell(BUILD_INFO, __version__).set(1)

    def route(self, name: str) -> RouteMetrics:
        """Returns the counters of a route. ``name`` is empty for requests that found none."""
        found = self._routes.get(name)
        if found is None:
            found = self._routes[name] = RouteMetrics(self.row, name)
        return found

    def serves(self) -> None:
        """The process accepts connections from now on."""
        self._serving.set(1)

    def drains(self, sessions: int) -> None:
        """The process has been told to stop, with so many open sessions."""
        self._serving.set(0)
        self._draining.set(1)
        self.row.cell(DRAINED).set(sessions)


class RouteMetrics:
    """Counts what happens on one route."""

    def __init__(self, row: MetricRow, name: str) -> None:
        self._row = row
        self._name = name
        self._cells: dict[tuple[str, ...], Cell] = {}
        self._sessions = row.cell(SESSIONS, name)
        self._opened = row.cell(OPENED, name)
        self._upgrade = row.histogram(UPGRADE, name)
        self._duration = row.histogram(DURATION, name)
        self._retries = row.cell(RETRIES, name)
        self._moved = [
            (row.cell(MESSAGES, name, way), row.cell(BYTES, name, way), row.cell(STALLS, name, way))
            for way in ("up", "down")
        ]
        self._stalled = [row.cell(STALLED, name, way) for way in ("up", "down")]

    def opened(self) -> None:
        """A session has begun."""
        self._sessions.add()
        self._opened.add()

    def upgraded(self, seconds: float) -> None:
        """A client has got its 101, so long after its request."""
        self._upgrade.observe(seconds)

    def ended(self, session: Session, outcome: Outcome) -> None:
        """A session is over."""
        self.take_traffic(session)
        self._sessions.add(-1)
        self._duration.observe(trio.current_time() - session.info.since)
        side = "gateway" if outcome.side is None else outcome.side.value
        self._count(ENDED, side, outcome.cause.value)
        self._count(CLOSE_CODES, Side.CLIENT.value, code_label(outcome.client_code))
        self._count(CLOSE_CODES, Side.BACKEND.value, code_label(outcome.backend_code))
        if outcome.cause is Cause.SILENT:
            self._count(LOST, side)

    def refused(self, refusal: Refusal) -> None:
        """A request for a WebSocket got none."""
        self._count(REFUSED, cause_of(refusal))

    def answered(self, status: int) -> None:
        """A request that asked for no WebSocket got an answer."""
        self._count(REQUESTS, _STATUSES.get(status) or f"{status // 100}xx")

    def retried(self) -> None:
        """A backend failed, and another one is tried."""
        self._retries.add()

    def take_traffic(self, session: Session) -> None:
        """Adds what a session has moved since the last time."""
        traffic = session.take_traffic()
        if traffic is None:
            return
        (up, down), (stalled_up, stalled_down) = self._moved, self._stalled
        for cells, numbers in ((up, traffic[:3]), (down, traffic[4:7])):
            for cell, number in zip(cells, numbers, strict=True):
                if number:
                    cell.add(int(number))
        if traffic.stalled_up:
            stalled_up.add(round(traffic.stalled_up / MICROSECOND))
        if traffic.stalled_down:
            stalled_down.add(round(traffic.stalled_down / MICROSECOND))
        for side, rtt in session.take_rtts():
            self._row.histogram(RTT, self._name, side.value).observe(rtt)

    def _count(self, metric: Metric, *labels: str) -> None:
        key = (metric.name, *labels)
        cell = self._cells.get(key)
        if cell is None:
            cell = self._cells[key] = self._row.cell(metric, self._name, *labels)
        cell.add()


def cause_of(refusal: Refusal) -> str:
    """Returns the cause of a refusal, one of a fixed set of words."""
    if refusal.body is not None:
        return BACKEND_REFUSED
    return refusal.cause or _CAUSES.get(refusal.status, BAD_REQUEST)


def code_label(code: int | None) -> str:
    """Returns a close code as a label; those that applications choose have one for a thousand of them."""
    if code is None:
        return "none"
    return str(code) if code in _OWN_CODES else f"{code // 1000}xxx"
