"""What a gateway counts: sessions, refusals, answers, and what the sessions move.

Each event is counted when it happens, a frame by the walk that goes over it. What an open session has moved is counted
by its flows anyway; ``take_traffic`` adds it to the totals of the route now and then, and ``ended`` the rest.
"""

from __future__ import annotations

import http
from collections.abc import Awaitable, Callable

import trio

from wsgate import __version__
from wsgate.events.metric_rows import Cell, MetricRow
from wsgate.events.metrics import (
    BUILD_INFO,
    BYTES,
    CLOSE_CODES,
    COMPRESSED_SESSIONS,
    COMPRESSION_BYTES,
    COMPRESSION_SECONDS,
    DRAINED,
    DRAINING,
    DURATION,
    ENDED,
    FRAMES,
    LOST,
    MESSAGES,
    MICROSECOND,
    NOT_ADMITTED,
    OPENED,
    REFUSED,
    RELOAD_REFUSED,
    RELOADS,
    RELOADS_REFUSED,
    REQUESTS,
    RETRIES,
    RTT,
    SERVING,
    SESSIONS,
    SILENT,
    SIZE,
    STALLED,
    STALLS,
    THROTTLED,
    THROTTLES,
    UPGRADE,
)
from wsgate.relay.closing import Cause, Side
from wsgate.relay.outcome import Outcome
from wsgate.relay.session import Session
from wsgate.relay.traffic import Traffic
from wsgate.wire.counts import MessageSizes
from wsgate.wire.http import Refusal
from wsgate.wire.kernel import Counts, FrameCounts

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
MOST_ENDINGS = 256  # kinds of endings that are kept; applications choose their codes
_OWN_CODES = range(1000, 1016)  # close codes of RFC 6455 §7.4.1 and its registry

_Ending = tuple[str, str, int | None, int | None]  # cause and side, empty for the gateway, and both close codes


class GatewayMetrics:
    """Counts in the row of a process.

    refresh: brings up to date what is not counted when it happens, if anything does
    log_dropped: returns how many lines of the log were dropped so far
    """

    def __init__(self, row: MetricRow, log_dropped: Callable[[], int] = lambda: 0) -> None:
        self.row = row
        self.refresh: Callable[[], Awaitable[None]] = trio.lowlevel.checkpoint
        self.log_dropped = log_dropped
        self._requests: dict[str, RequestMetrics] = {}
        self._sessions: dict[str, SessionMetrics] = {}
        self._serving = row.cell(SERVING)
        self._draining = row.cell(DRAINING)
        row.cell(BUILD_INFO, __version__).set(1)

    def requests(self, route: str) -> RequestMetrics:
        """Returns the counters of a route's requests. ``route`` is its name; empty for requests that found none."""
        found = self._requests.get(route)
        if found is None:
            found = self._requests[route] = RequestMetrics(self.row, route)
        return found

    def sessions(self, route: str) -> SessionMetrics:
        """Returns the counters of a route's sessions."""
        found = self._sessions.get(route)
        if found is None:
            found = self._sessions[route] = SessionMetrics(self.row, route)
        return found

    def ended_silent(self, cause: str, number: int) -> None:
        """Connections that owed a request were ended: for their ``address``, or for lack of ``resources``."""
        if number:
            self.row.cell(SILENT, cause).add(number)

    def serves(self) -> None:
        """The process accepts connections from now on."""
        self._serving.set(1)

    def reloaded(self) -> None:
        """The process uses a new configuration."""
        self.row.cell(RELOADS).add()
        self.row.cell(RELOAD_REFUSED).set(0)

    def refused_reload(self) -> None:
        """The process keeps its configuration, because the new one is wrong."""
        self.row.cell(RELOADS_REFUSED).add()
        self.row.cell(RELOAD_REFUSED).set(1)

    def drains(self, sessions: int) -> None:
        """The process has been told to stop, with so many open sessions."""
        self._serving.set(0)
        self._draining.set(1)
        self.row.cell(DRAINED).set(sessions)


class RequestMetrics:
    """Counts the requests of one route that do not become sessions."""

    def __init__(self, row: MetricRow, route: str) -> None:
        self._row = row
        self._route = route

    def refused(self, refusal: Refusal) -> None:
        """A request for a WebSocket got none."""
        self._row.cell(REFUSED, self._route, cause_of(refusal)).add()

    def not_admitted(self, kind: str, cause: str) -> None:
        """A request was refused for lack of a credential. ``kind``: the key of ``auth``"""
        self._row.cell(NOT_ADMITTED, self._route, kind, cause).add()

    def answered(self, status: int) -> None:
        """A request that asked for no WebSocket got an answer."""
        self._row.cell(REQUESTS, self._route, _STATUSES.get(status) or f"{status // 100}xx").add()

    def retried(self) -> None:
        """A backend failed, and another one is tried."""
        self._row.cell(RETRIES, self._route).add()


class SessionMetrics:
    """Counts the sessions of one route."""

    def __init__(self, row: MetricRow, route: str) -> None:
        self._row = row
        self._route = route
        self._endings: dict[_Ending, list[Cell]] = {}
        self._frames: dict[tuple[str, bool], Counts] = {}
        self._sizes: dict[str, MessageSizes] = {}
        self._open = row.cell(SESSIONS, route)
        self._opened = row.cell(OPENED, route)
        self._upgrade = row.histogram(UPGRADE, route)
        self._duration = row.histogram(DURATION, route)
        self._up, self._down = (
            [row.cell(metric, route, way) for metric in (MESSAGES, BYTES, STALLS, STALLED)] for way in ("up", "down")
        )

    def opened(self) -> None:
        """A session has begun."""
        self._open.add()
        self._opened.add()

    def compressed(self, side: Side) -> None:
        """A session has begun, and messages may be compressed on this side of it."""
        self._row.cell(COMPRESSED_SESSIONS, self._route, side.value).add()

    def frames(self, direction: str, *, sizes: bool = True) -> Counts:
        """Returns where the walks of a direction count, "up" or "down". It is the row itself: nothing is copied.

        sizes: they count the sizes of messages, too; not if those are compressed and the flow counts the plain ones
        """
        found = self._frames.get((direction, sizes))
        if found is None:
            frames, messages = (self._row.words(metric, self._route, direction) for metric in (FRAMES, SIZE))
            nowhere = memoryview(bytearray(messages.nbytes)).cast("Q")
            found = self._frames[direction, sizes] = FrameCounts(frames, messages if sizes else nowhere)
        return found

    def sizes(self, direction: str) -> MessageSizes:
        """Returns where flows count the plain sizes of messages that were compressed."""
        found = self._sizes.get(direction)
        if found is None:
            found = self._sizes[direction] = MessageSizes(self._row.words(SIZE, self._route, direction))
        return found

    def upgraded(self, seconds: float) -> None:
        """A client has got its 101, so long after its request."""
        self._upgrade.observe(seconds)

    def ended(self, session: Session, outcome: Outcome, now: float) -> None:
        """A session is over, since ``now`` (trio seconds)."""
        traffic = session.take_traffic()
        if traffic is not None:
            self._add(traffic)
        self._add_codec_work(session)
        self._open.add(-1)
        self._duration.observe(now - session.info.since)
        # by their names, because before Python 3.12 the hash of an enum's member calls a Python function
        side = "" if outcome.side is None else outcome.side._value_
        how = outcome.cause._value_, side, outcome.client_code, outcome.backend_code
        cells = self._endings.get(how)
        for cell in self._add_ending(how) if cells is None else cells:
            cell.add()

    def take_traffic(self, session: Session) -> None:
        """Adds what an open session has moved since the last time."""
        traffic = session.take_traffic()
        if traffic is not None:
            self._add(traffic)
            for side, rtt in session.take_rtts():
                self._row.histogram(RTT, self._route, side.value).observe(rtt)
            self._add_codec_work(session)

    def throttled(self, source: Side) -> None:
        """A side of a session sends too fast, and is not read for a while."""
        self._row.cell(THROTTLES, self._route, _direction(source)).add()

    def throttle_over(self, source: Side, seconds: float) -> None:
        """It is read again, after so long."""
        self._row.cell(THROTTLED, self._route, _direction(source)).add(round(seconds / MICROSECOND))

    def _add(self, traffic: Traffic) -> None:
        if traffic.octets_up:
            messages, octets, _, _ = self._up
            messages.add(traffic.messages_up)
            octets.add(traffic.octets_up)
        if traffic.octets_down:
            messages, octets, _, _ = self._down
            messages.add(traffic.messages_down)
            octets.add(traffic.octets_down)
        if traffic.stalls_up or traffic.stalled_up:
            _, _, stalls, stalled = self._up
            stalls.add(traffic.stalls_up)
            stalled.add(round(traffic.stalled_up / MICROSECOND))
        if traffic.stalls_down or traffic.stalled_down:
            _, _, stalls, stalled = self._down
            stalls.add(traffic.stalls_down)
            stalled.add(round(traffic.stalled_down / MICROSECOND))

    def _add_codec_work(self, session: Session) -> None:
        for flow in session.flows:
            work = flow.take_codec_work()
            if work is None:
                continue
            direction = _direction(flow.source.side)
            for side, plain, compressed, seconds in (
                (flow.source.side, work.inflated, work.received, work.inflating),
                (flow.sink.side, work.plain, work.deflated, work.deflating),
            ):
                if seconds:
                    labels = self._route, direction, side.value
                    self._row.cell(COMPRESSION_BYTES, *labels, "plain").add(plain)
                    self._row.cell(COMPRESSION_BYTES, *labels, "compressed").add(compressed)
                    self._row.cell(COMPRESSION_SECONDS, *labels).add(round(seconds / MICROSECOND))

    def _add_ending(self, how: _Ending) -> list[Cell]:
        """Returns the counters of one kind of ending. It happens thousands of times, so they are kept."""
        cause, side, client_code, backend_code = how
        by = side or "gateway"
        cells = [
            self._row.cell(ENDED, self._route, by, cause),
            self._row.cell(CLOSE_CODES, self._route, Side.CLIENT.value, code_label(client_code)),
            self._row.cell(CLOSE_CODES, self._route, Side.BACKEND.value, code_label(backend_code)),
        ]
        if cause == Cause.SILENT.value:
            cells.append(self._row.cell(LOST, self._route, by))
        if len(self._endings) < MOST_ENDINGS:
            self._endings[how] = cells
        return cells


def _direction(source: Side) -> str:
    return "up" if source is Side.CLIENT else "down"


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
