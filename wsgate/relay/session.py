"""A session on the data plane: two legs joined by two flows, from the upgrade to the last byte.

Theory of operation
-------------------
Close is to WebSocket what FIN is to TCP: the last thing that flows in one direction. So there is no state
of "the session is closing" with branches for who began. Each leg has an input that is over at some time (it said
Close, it ended, it broke a rule) and an output that is sealed at some time (we said Close, or sent FIN). When an input
is over, the *other* leg is told, by the table in ``closing``; a faulty one is told itself as well. A leg whose input is
over and whose output is sealed waits only for its connection's end, and is released. When both are, it is over.

Time bounds it. While it is open its limits are those of ``timers``. From the first end on there is one deadline: the
close timeout, for the answer; then once more, for the FIN behind it. Whoever has not kept it is cut, but a peer that is
still taking what was accepted for it gets that first: nothing accepted is lost, and the write timeout bounds it.

The session's own task does nothing but wait for the end under the nearest deadline: no task for a timer, none for a
direction.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import trio

from wsgate.relay.about import About
from wsgate.relay.closing import DRAIN_REASON, OWED, OWN_WORD, Cause, End, Side, word_for
from wsgate.relay.flow import Flow, RelayFlow, UnwrapFlow, WrapFlow
from wsgate.relay.leg import Leg, TcpLeg, WebSocketLeg
from wsgate.relay.pump import Pump
from wsgate.relay.states import Input
from wsgate.relay.timers import Timers
from wsgate.settings.model import Route
from wsgate.wire.close import Close
from wsgate.wire.kernel import Walk


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a session went. ``octets_*`` are bytes received from that side's peer, frame headers included.

    side: who ended it; ``None`` for the gateway itself
    client_code, backend_code: the close code that crossed that leg first; 1005 for a Close without a code, ``None``
    where no Close crossed it
    client_rtt, backend_rtt: seconds between the last Ping of the gateway's own and its Pong; ``None`` without one
    """

    cause: Cause
    side: Side | None
    detail: str
    client_code: int | None
    backend_code: int | None
    messages_up: int
    messages_down: int
    octets_up: int
    octets_down: int
    client_rtt: float | None
    backend_rtt: float | None


class _Stage(enum.Enum):
    OPEN = 0
    CLOSING = 1  # an end was told; its answer is awaited
    LINGERING = 2  # everything is said; FIN is awaited


Wire = Callable[["Session"], tuple[Flow, Flow]]


class LiveRoute(Protocol):
    """What a session came by."""

    @property
    def settings(self) -> Route: ...


class Session:
    """Two legs and two flows: up carries the client's bytes to the backend, down the backend's to the client.

    about: whose it is
    route: what it came by; a reload may have put another in its place since
    token: what the client came by, for whoever may take it back; ``None`` where none was needed
    """

    __slots__ = (
        "_deadline",
        "_detail",
        "_ended",
        "_error",
        "_first",
        "_flows",
        "_legs",
        "_pump",
        "_scope",
        "_stage",
        "_timeouts",
        "_timers",
        "about",
        "route",
        "token",
    )

    def __init__(
        self, about: About, route: LiveRoute, pump: Pump, client: Leg, backend: Leg, wire: Wire, *, token: Any = None
    ) -> None:
        self.about = about
        self.route = route
        self.token = token
        self._pump = pump
        self._legs = (client, backend)
        client.owner = backend.owner = self
        self._flows = wire(self)
        settings = route.settings
        self._timeouts = settings.timeouts
        self._timers = Timers(self._legs, self._flows, settings.timeouts, settings.heartbeat, trio.current_time())
        self._stage = _Stage.OPEN
        self._deadline = math.inf
        self._first: tuple[End, Side | None] | None = None
        self._detail = ""
        self._error: Exception | None = None
        self._ended = trio.Event()
        self._scope: trio.CancelScope | None = None

    async def run(self, early: tuple[bytes, bytes] = (b"", b"")) -> Outcome:
        """Move bytes until the session is over. ``early`` came behind the client's and the backend's handshake.

        Raises what a bug of our own raised while this session was served. Cancelled, it cuts both connections.
        """
        pump = self._pump
        try:
            for leg in self._legs:
                pump.adopt(leg)
            for flow, data in zip(self._flows, early, strict=True):
                flow.feed(data)
            for flow in self._flows:
                if flow.sink.pending is None:
                    flow.flowing()
            while not self._ended.is_set():
                with trio.CancelScope(deadline=self._next_deadline(trio.current_time())) as self._scope:
                    await self._ended.wait()
                if self._scope.cancelled_caught:
                    pump.serve_if_due()  # thousands may be due at once
                    self._handle_deadline(trio.current_time())
        finally:
            for leg in self._legs:
                leg.release()
            for leg in self._legs:
                leg.part()
            for flow in self._flows:
                del flow.owner
        if self._error is not None:
            raise self._error
        return self.outcome()

    @property
    def id(self) -> str:
        return self.about.id

    def outcome(self) -> Outcome:
        """What is known so far; after ``run``, or in the place of its result where it was cancelled."""
        end, side = self._first or (End(Cause.CUT), None)
        client, backend = self._legs
        up, down = self._flows
        return Outcome(
            end.cause,
            side,
            "; ".join(filter(None, (end.detail, self._detail))),
            client.code,
            backend.code,
            up.messages,
            down.messages,
            up.octets,
            down.octets,
            _rtt(client),
            _rtt(backend),
        )

    # -- called by flows and legs --------------------------------------------------------------------------------------

    def input_ended(self, source: Leg, end: End) -> None:
        """A leg has said its last word: tell the other leg, and a faulty one itself."""
        if self._first is None:
            self._first = (end, source.side)
        client, backend = self._legs
        if end.cause in (Cause.FAULT, Cause.TOO_BIG):
            assert end.close is not None
            source.close(end.close)
        elif end.cause in OWED:
            source.close(OWED[end.cause])
        elif end.cause is Cause.GONE:
            source.abandon()
        other = backend if source is client else client
        other.close(word_for(other.received, end, source.side))
        self._begin_closing()

    def progressed(self) -> None:
        """Something came to an end: take the steps that are due now."""
        for leg in self._legs:
            if not leg.released and leg.finish():
                leg.release()
        if all(leg.released for leg in self._legs):
            self._ended.set()
        elif self._stage is _Stage.CLOSING and all(leg.released or self._said_all(leg) for leg in self._legs):
            self._linger()

    def crash(self, error: Exception) -> None:
        """Our own bug: this session ends here and raises it."""
        self._error = error
        self._first = (End(Cause.BUG), None)
        for leg in self._legs:
            leg.release()
        self._ended.set()

    # -- called by the control plane -----------------------------------------------------------------------------------

    def drain(self, code: int) -> None:
        """Tell both sides that the gateway goes away, each at a frame boundary, and wait for their answers."""
        if self._stage is _Stage.OPEN:
            self._end_both(End(Cause.DRAIN, Close(code, DRAIN_REASON)))

    def revoke(self, code: int, reason: bytes) -> None:
        """Tell both sides that the client has lost its right to this session, and wait for their answers."""
        if self._stage is _Stage.OPEN:
            self._end_both(End(Cause.REVOKED, Close(code, reason)))

    def end_unrecorded(self, detail: str) -> None:
        """Tell both sides that the session must be recorded and cannot be, and wait for their answers."""
        if self._stage is _Stage.OPEN:
            self._end_both(End(Cause.UNRECORDED, OWN_WORD[Cause.UNRECORDED], detail))

    # -- time ----------------------------------------------------------------------------------------------------------

    def _next_deadline(self, now: float) -> float:
        if self._stage is _Stage.OPEN:
            return self._timers.next_deadline(now)
        return min(self._deadline, self._timers.write_deadline(now))

    def _handle_deadline(self, now: float) -> None:
        if self._stage is _Stage.OPEN:
            expired = self._timers.handle_deadline(now)
            if expired is None:
                return
            if expired.leg is None:
                self._end_both(End(expired.cause, OWN_WORD[expired.cause], expired.detail))
            else:
                self._give_up(expired.leg, End(expired.cause, detail=expired.detail))
        elif (stuck := self._timers.stuck(now)) is not None:
            assert stuck.leg is not None
            self._give_up(stuck.leg, End(stuck.cause, detail=stuck.detail))
        elif now >= self._deadline:
            self._handle_close_deadline()

    def _handle_close_deadline(self) -> None:
        """The answers, or the FINs behind them, have not come in time."""
        if self._stage is _Stage.LINGERING:
            self._ended.set()  # what the kernel has taken it delivers without us
            return
        now, within = trio.current_time(), self._timeouts.close
        waiting = [leg for leg in self._legs if not leg.released]
        delivering = [leg for leg in waiting if leg.is_delivering(now, within)]
        for leg in waiting:
            if leg not in delivering and leg.input is Input.OPEN:
                detail = f"{leg.side.value} did not close within {within:g} s"
                self._give_up(leg, End(Cause.UNANSWERED, detail=detail))
        if delivering:
            self._set_deadline()
        else:
            self._linger()
            self.progressed()

    def _end_both(self, end: End) -> None:
        """The gateway ends the session: tell both sides, each at a frame boundary, and wait for their answers."""
        assert end.close is not None
        self._first = (end, None)
        for leg in self._legs:
            leg.warn(end.close)
        self._begin_closing()

    def _give_up(self, leg: Leg, end: End) -> None:
        """Wait no longer for a leg: its connection ends now, the other side is told."""
        if self._first is not None:
            self._detail = "; ".join(filter(None, (self._detail, end.detail)))
        self._flows[self._legs.index(leg)].stop()
        self.input_ended(leg, end)
        leg.release()
        self.progressed()

    def _begin_closing(self) -> None:
        if self._stage is _Stage.OPEN:
            self._stage = _Stage.CLOSING
            self._set_deadline()
        self.progressed()

    def _linger(self) -> None:
        self._stage = _Stage.LINGERING
        self._set_deadline()

    def _set_deadline(self) -> None:
        self._deadline = trio.current_time() + self._timeouts.close
        if self._scope is not None:
            self._scope.deadline = min(self._scope.deadline, self._deadline)

    @staticmethod
    def _said_all(leg: Leg) -> bool:
        return leg.input is not Input.OPEN and leg.output_over


def _rtt(leg: Leg) -> float | None:
    return leg.rtt if isinstance(leg, WebSocketLeg) else None


def relay(client: WebSocketLeg, backend: WebSocketLeg, up: Walk, down: Walk, *, answers_pings: bool = False) -> Wire:
    """WebSocket on both sides. ``answers_pings``: each side's Pings are answered here, not passed on."""
    return lambda owner: (
        RelayFlow(owner, client.pump, client, backend, up, answers_pings=answers_pings),
        RelayFlow(owner, client.pump, backend, client, down, answers_pings=answers_pings),
    )


def tunnel(client: WebSocketLeg, backend: TcpLeg, up: Walk) -> Wire:
    """WebSocket to the client, TCP to the backend. ``up`` unwraps."""
    return lambda owner: (
        UnwrapFlow(owner, client.pump, client, backend, up),
        WrapFlow(owner, client.pump, backend, client),
    )
