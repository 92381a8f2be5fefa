"""A session on the data plane: two legs joined by two flows, from the upgrade to the last byte.

Theory of operation
-------------------
A Close is for WebSocket what a FIN is for TCP: the last thing sent in one direction. So there are no separate code
paths for the side that closes first. Each leg has an input that is over at some time (the peer sent a Close, ended the
connection, or broke a rule) and an output that is sealed at some time (we sent a Close or a FIN). When an input is
over, the *other* leg gets a Close by the table in ``closing``; a faulty leg gets one too. A leg whose input is over and
whose output is sealed waits only for the end of its connection, and is then released. The session is over when both
legs are released.

Every wait has a deadline. The limits of an open session are in ``timers``. From the first end on there is one deadline:
the close timeout for the answer, and once more for the FIN after it. The connection of a leg that misses it is cut. But
a peer that still accepts bytes gets all of them first: nothing that the gateway has accepted is lost, and the write
timeout bounds the wait.

A session has no task, because one of trio's takes two kilobytes. Its one timer, for the nearest deadline, is in the
heap of all sessions (``timer_heap``). One task finishes all sessions that are over (``finisher``): it closes what is
still open and calls the session's ``Ending``. That is never done in the midst of a step of the session.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Iterator
from typing import Any, Protocol

import trio

from wsgate.relay.closing import CLOSE_BY_GATEWAY, CLOSE_TO_CAUSER, DRAIN_REASON, Cause, End, Side, close_for_other
from wsgate.relay.flow import Flow, MakeFlows
from wsgate.relay.leg import Leg
from wsgate.relay.outcome import Outcome
from wsgate.relay.pump import Pump
from wsgate.relay.session_info import SessionInfo
from wsgate.relay.states import INPUT_OPEN
from wsgate.relay.timer_heap import Timer
from wsgate.relay.timers import Timers
from wsgate.relay.traffic import Traffic, traffic_of
from wsgate.relay.websocket_leg import WebSocketLeg
from wsgate.settings.model import Route
from wsgate.wire.close import Close

_NO_TRAFFIC = Traffic()


class _Stage(enum.Enum):
    OPEN = 0
    CLOSING = 1  # a Close was sent; its answer is awaited
    LINGERING = 2  # both sides have sent everything; FIN is awaited


_OPEN, _CLOSING, _LINGERING = _Stage
_CLOSED = Cause.CLOSED


class LiveRoute(Protocol):
    """The route of a session."""

    @property
    def settings(self) -> Route: ...


class Ending(Protocol):
    """What is done at the end of a session."""

    def session_ended(self, session: Session, error: Exception | None, *, cut: bool) -> None:
        """Called once, when both connections are closed. Raises nothing.

        error: a bug of ours that was raised while the session was served
        cut: the session was cut, by the control plane
        """
        ...


class Session:
    """Two legs and two flows: ``up`` carries the client's bytes to the backend, ``down`` the backend's to the client.

    info: its id, client, route and backend
    route: the route with which it began; a reload may have replaced it since
    make_flows: makes the two flows
    token: the client's token, for revoking it; ``None`` without one
    """

    __slots__ = (
        "_deadline",
        "_detail",
        "_ending",
        "_error",
        "_first",
        "_flows",
        "_is_over",
        "_legs",
        "_pump",
        "_stage",
        "_timeouts",
        "_timer",
        "_timers",
        "_traffic",
        "info",
        "route",
        "token",
    )

    def __init__(
        self,
        info: SessionInfo,
        route: LiveRoute,
        pump: Pump,
        client: Leg,
        backend: Leg,
        make_flows: MakeFlows,
        *,
        token: Any = None,
    ) -> None:
        self.info = info
        self.route = route
        self.token = token
        self._pump = pump
        self._legs = (client, backend)
        client.owner = backend.owner = self
        self._flows = make_flows(self)
        settings = route.settings
        self._timeouts = settings.timeouts
        now = trio.current_time()
        self._timers = Timers(self._legs, self._flows, settings.timeouts, settings.heartbeat, now, info.expires)
        self._stage: _Stage = _OPEN
        self._deadline = math.inf
        self._first: tuple[End, Side | None] | None = None
        self._detail = ""
        self._error: Exception | None = None
        self._traffic = _NO_TRAFFIC
        self._is_over = False
        self._ending: Ending | None = None
        self._timer: Timer | None = None  # for the next deadline

    def start(self, ending: Ending, early: tuple[bytes, bytes] = (b"", b"")) -> None:
        """Moves bytes from now on, until the session is over or cut. Raises nothing.

        ending: called then; never before this returns
        early: bytes that came together with the client's and the backend's handshake
        """
        self._ending = ending
        try:
            for leg in self._legs:
                self._pump.add(leg)
            for flow, data in zip(self._flows, early, strict=True):
                flow.feed(data)
            for flow in self._flows:
                if flow.sink.pending is None:
                    flow.resume()
            if not self._is_over:
                self._set_timer(trio.current_time())
        except Exception as error:
            self.crash(error)

    def finish(self, *, cut: bool = False) -> None:
        """Closes what is still open and calls the ending. Does nothing if that was done before."""
        ending, self._ending = self._ending, None
        if ending is None:
            return
        self._is_over = True
        try:
            self._release()
        except Exception as error:
            self._error = self._error or error
        ending.session_ended(self, self._error, cut=cut)

    def _release(self) -> None:
        if self._timer is not None:
            self._pump.timers.cancel(self._timer)
        for leg in self._legs:
            leg.release()
        for leg in self._legs:
            leg.drop_references()
        for flow in self._flows:
            del flow.owner

    @property
    def id(self) -> str:
        return self.info.id

    @property
    def flows(self) -> tuple[Flow, Flow]:
        """Up and down."""
        return self._flows

    def outcome(self) -> Outcome:
        """Returns the outcome as far as it is known; also after a cut."""
        end, side = (End(Cause.CUT), None) if self._first is None else self._first
        client, backend = self._legs
        up, down = self._flows
        return Outcome(
            end.cause,
            side,
            "; ".join(filter(None, (end.detail, self._detail))),
            client.close_code,
            backend.close_code,
            up.messages,
            down.messages,
            up.octets,
            down.octets,
            _rtt(client),
            _rtt(backend),
            up.largest,
            down.largest,
            client.close_reason.decode(errors="replace"),
            backend.close_reason.decode(errors="replace"),
            codec_up=up.codec_work,
            codec_down=down.codec_work,
        )

    def take_traffic(self) -> Traffic | None:
        """Returns what the session has moved since the last call; ``None`` for nothing. Also after the end.

        So an idle session costs a few comparisons.
        """
        before = self._traffic
        up, down = self._flows
        client, backend = self._legs
        if (
            up.octets == before.octets_up
            and down.octets == before.octets_down
            and client.stalled == before.stalled_down
            and backend.stalled == before.stalled_up
        ):
            return None
        self._traffic = now = traffic_of(self._flows, client, backend)
        return now if before is _NO_TRAFFIC else now.since(before)

    def take_rtts(self) -> Iterator[tuple[Side, float]]:
        """Yields the round trips that Pings of the gateway have measured since the last call, in seconds."""
        for leg in self._legs:
            rtt = leg.take_rtt() if isinstance(leg, WebSocketLeg) else None
            if rtt is not None:
                yield leg.side, rtt

    # -- called by flows and legs --------------------------------------------------------------------------------------

    def input_ended(self, source: Leg, end: End) -> None:
        """The input of a leg is over: sends a Close to the other leg, and to a faulty leg itself."""
        if self._first is None:
            self._first = (end, source.side)
        if end.cause is not _CLOSED:  # nearly always it is
            _answer_causer(source, end)
        client, backend = self._legs
        other = backend if source is client else client
        other.close(close_for_other(other.received_close, end, source.side))
        self._begin_closing()

    def progressed(self) -> None:
        """Does the next steps after the input or the output of a leg has reached its end."""
        client, backend = self._legs
        for leg in (client, backend):
            if not leg.released and leg.finish():
                leg.release()
        if client.released and backend.released:
            self._end()
        elif self._stage is _CLOSING and client.has_sent_all and backend.has_sent_all:
            self._linger()

    def crash(self, error: Exception) -> None:
        """Ends this session at once because of a bug of ours."""
        self._error = error
        self._first = (End(Cause.BUG), None)
        for leg in self._legs:
            leg.release()
        self._end()

    # -- called by the control plane -----------------------------------------------------------------------------------

    def drain(self, code: int) -> None:
        """Starts to end the session because the process stops: sends a Close with ``code`` to both sides."""
        if self._stage is _OPEN:
            self._end_both(End(Cause.DRAIN, Close(code, DRAIN_REASON)))

    def revoke(self, code: int, reason: bytes, detail: str = "") -> None:
        """Starts to end the session because its token or credential is no longer valid: sends a Close to both sides."""
        if self._stage is _OPEN:
            self._end_both(End(Cause.REVOKED, Close(code, reason), detail))

    def end_unhealthy(self, detail: str) -> None:
        """Starts to end the session because its backend's health checks fail: sends a Close to both sides."""
        if self._stage is _OPEN:
            self._end_both(End(Cause.UNHEALTHY, CLOSE_BY_GATEWAY[Cause.UNHEALTHY], detail))

    def move(self, detail: str) -> None:
        """Starts to end the session because its client should come back, to another backend: sends a Close to both
        sides."""
        if self._stage is _OPEN:
            self._end_both(End(Cause.MOVED, CLOSE_BY_GATEWAY[Cause.MOVED], detail))

    def end_by_operator(self, code: int, reason: bytes) -> None:
        """Starts to end the session because who runs the gateway asks for it: sends a Close to both sides."""
        if self._stage is _OPEN:
            self._end_both(End(Cause.OPERATOR, Close(code, reason)))

    def cut(self) -> None:
        """Closes both connections at once, without a Close."""
        self.finish(cut=True)

    @property
    def is_open(self) -> bool:
        """Whether nothing has begun to end it."""
        return self._stage is _OPEN

    def end_unrecorded(self, detail: str) -> None:
        """Starts to end the session because it must be recorded and cannot be: sends a Close to both sides."""
        if self._stage is _OPEN:
            self._end_both(End(Cause.UNRECORDED, CLOSE_BY_GATEWAY[Cause.UNRECORDED], detail))

    def _end(self) -> None:
        """Nothing is left to do."""
        if not self._is_over:
            self._is_over = True
            self._pump.finisher.add(self)

    # -- time ----------------------------------------------------------------------------------------------------------

    @property
    def owner(self) -> Session:
        return self

    def wake(self, now: float) -> None:
        """A deadline may have been reached."""
        self._timer = None
        self._handle_deadline(now)
        if not self._is_over and self._timer is None:
            self._set_timer(now)

    def _set_timer(self, now: float) -> None:
        timers, timer = self._pump.timers, self._timer
        when = self._next_deadline(now)
        if timer is not None:
            if timers.is_due_by(timer, when):
                return  # it is set again then
            timers.cancel(timer)
        self._timer = timers.at(when, self)

    def _next_deadline(self, now: float) -> float:
        if self._stage is _OPEN:
            return self._timers.next_deadline(now)
        return min(self._deadline, self._timers.write_deadline(now))

    def _handle_deadline(self, now: float) -> None:
        if self._stage is _OPEN:
            expired = self._timers.handle_deadline(now)
            if expired is None:
                return
            if expired.leg is None:
                self._end_both(End(expired.cause, CLOSE_BY_GATEWAY[expired.cause], expired.detail))
            else:
                self._give_up(expired.leg, End(expired.cause, detail=expired.detail))
        elif (stuck := self._timers.stuck(now)) is not None:
            assert stuck.leg is not None
            self._give_up(stuck.leg, End(stuck.cause, detail=stuck.detail))
        elif now >= self._deadline:
            self._handle_close_deadline()

    def _handle_close_deadline(self) -> None:
        """The answers to the Close, or the FINs after them, have not come in time."""
        if self._stage is _LINGERING:
            self._end()  # the kernel delivers what it has accepted without us
            return
        now, within = trio.current_time(), self._timeouts.close
        waiting = [leg for leg in self._legs if not leg.released]
        delivering = [leg for leg in waiting if leg.is_delivering(now, within)]
        for leg in waiting:
            if leg not in delivering and leg.input is INPUT_OPEN:
                detail = f"{leg.side.value} did not close within {within:g} s"
                self._give_up(leg, End(Cause.UNANSWERED, detail=detail))
        if delivering:
            self._set_deadline()
        else:
            self._linger()
            self.progressed()

    def _end_both(self, end: End) -> None:
        """The gateway ends the session: sends a Close to both sides at a frame boundary; their answers are awaited."""
        assert end.close is not None
        self._first = (end, None)
        for leg in self._legs:
            leg.request_close(end.close)
        self._begin_closing()

    def _give_up(self, leg: Leg, end: End) -> None:
        """Closes the connection of a leg now and sends a Close to the other side."""
        if self._first is not None:
            self._detail = "; ".join(filter(None, (self._detail, end.detail)))
        self._flows[self._legs.index(leg)].stop()
        self.input_ended(leg, end)
        leg.release()
        self.progressed()

    def _begin_closing(self) -> None:
        if self._stage is _OPEN:
            self._stage = _CLOSING
            self._set_deadline()
        self.progressed()

    def _linger(self) -> None:
        self._stage = _LINGERING
        self._set_deadline()

    def _set_deadline(self) -> None:
        now = trio.current_time()
        self._deadline = now + self._timeouts.close
        if not self._is_over:
            self._set_timer(now)


def _answer_causer(source: Leg, end: End) -> None:
    """Sends a Close to the leg that has ended the session without one, if it can still be told."""
    if end.cause in (Cause.FAULT, Cause.TOO_BIG, Cause.TOO_FAST):
        assert end.close is not None
        source.close(end.close)
    elif end.cause in CLOSE_TO_CAUSER:
        source.close(CLOSE_TO_CAUSER[end.cause])
    elif end.cause is Cause.GONE:
        source.abandon()


def _rtt(leg: Leg) -> float | None:
    return leg.rtt if isinstance(leg, WebSocketLeg) else None
