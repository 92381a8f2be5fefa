"""The time limits of an open session: heartbeat, idle, write, lifetime, and the expiry of its credential.

Theory of operation
-------------------
The path of a message arms no timer. A leg notes when bytes came (``last_read``) and since when it is stalled
(``stalled_since``); a flow notes when it moved data (``last_moved``). The session has one timer (``timer_heap``), for
the earliest time at which a limit can be exceeded. It checks then, and mostly finds that this time has moved on. So a
busy session costs one check per interval, and every limit is exact.

Time is an argument; nothing here waits.

The heartbeat sends a Ping only to a leg that was silent while the gateway read it. A leg that is not read, because the
other side is slow, is not silent, and neither is a peer whose bytes have not been read yet. A peer that still accepts
the bytes in front of the Ping has not got the Ping yet; the write timeout bounds this. A peer that reads nothing gets
its Ping too: its kernel accepts it, and any byte from the peer before the deadline proves that it is alive.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from wsgate.relay.closing import Cause
from wsgate.relay.flow import Flow
from wsgate.relay.leg import Leg
from wsgate.relay.websocket_leg import WebSocketLeg
from wsgate.settings.model import Heartbeat, Timeouts

LIFETIME_JITTER = 0.1  # of the lifetime, so that sessions that began together do not all reconnect together


@dataclass(frozen=True, slots=True)
class Expired:
    """A limit that was exceeded, and the leg that caused it; ``None`` if no leg did."""

    cause: Cause
    leg: Leg | None
    detail: str


def next_beat(leg: WebSocketLeg, heartbeat: Heartbeat, now: float) -> float:
    """Returns when to call ``beat`` next for a leg."""
    if not leg.reading:
        return now + heartbeat.interval
    if leg.unanswered_since is None:
        return leg.last_read + heartbeat.interval
    # look after an interval even if the timeout is longer: if the peer has answered, the next Ping is due then
    return min(leg.unanswered_since + heartbeat.timeout, now + heartbeat.interval)


def beat(leg: WebSocketLeg, heartbeat: Heartbeat, now: float) -> bool:
    """Sends a Ping to a silent leg. Returns whether the leg did not answer an earlier Ping in time."""
    if not leg.reading or (leg.unanswered_since is not None and leg.last_read >= leg.unanswered_since):
        leg.unanswered_since = None
    if leg.unanswered_since is not None and now >= leg.unanswered_since + heartbeat.timeout:
        sent = leg.has_sent_ping() or leg.pending is not None
        if sent and not leg.is_delivering(now, heartbeat.timeout) and not leg.has_unread():
            return True
        leg.unanswered_since = now
    if leg.unanswered_since is None and leg.reading and now >= leg.last_read + heartbeat.interval:
        leg.unanswered_since = now
        leg.ping()
    return False


class Timers:
    """The limits of one session. All times are in trio seconds.

    expires: when the client's credential does
    """

    __slots__ = ("_expires", "_flows", "_heartbeat", "_legs", "_lifetime_end", "_timeouts")

    def __init__(
        self,
        legs: Sequence[Leg],
        flows: Sequence[Flow],
        timeouts: Timeouts,
        heartbeat: Heartbeat | None,
        now: float,
        expires: float = math.inf,
    ) -> None:
        self._expires = expires
        self._legs = legs
        self._flows = flows
        self._timeouts = timeouts
        self._heartbeat = heartbeat
        self._lifetime_end = math.inf
        if timeouts.lifetime is not None:
            self._lifetime_end = now + timeouts.lifetime * (1 - LIFETIME_JITTER * random.random())
        for leg in legs:
            leg.last_read = now
        for flow in flows:
            flow.last_moved = now

    def next_deadline(self, now: float) -> float:
        """Returns when to call ``handle_deadline`` next."""
        deadlines = [self._lifetime_end, self._expires, self.write_deadline(now)]
        if self._timeouts.idle is not None:
            deadlines.append(self._last_moved() + self._timeouts.idle)
        if self._heartbeat is not None:
            deadlines += [next_beat(leg, self._heartbeat, now) for leg in self._legs if isinstance(leg, WebSocketLeg)]
        return min(deadlines)

    def handle_deadline(self, now: float) -> Expired | None:
        """Does what is due. Returns the limit that was exceeded, if any."""
        if (stuck := self.stuck(now)) is not None:
            return stuck
        if self._heartbeat is not None:
            for leg in self._legs:
                if isinstance(leg, WebSocketLeg) and beat(leg, self._heartbeat, now):
                    return Expired(Cause.SILENT, leg, f"{leg.side.value} did not answer a Ping")
        if self._timeouts.idle is not None and now >= self._last_moved() + self._timeouts.idle:
            return Expired(Cause.IDLE, None, f"no data for {self._timeouts.idle:g} s")
        if now >= self._expires:
            return Expired(Cause.EXPIRED, None, "the client's token has expired")
        if now >= self._lifetime_end:
            return Expired(Cause.LIFETIME, None, f"lifetime of {self._timeouts.lifetime:g} s")
        return None

    def write_deadline(self, now: float) -> float:
        """Returns the earliest time at which a leg can exceed the write timeout, also one that stalls only from now."""
        if self._timeouts.write is None:
            return math.inf
        since = now
        for leg in self._legs:
            if leg.pending is not None and leg.stalled_since < since:
                since = leg.stalled_since
        return since + self._timeouts.write

    def stuck(self, now: float) -> Expired | None:
        """Returns the limit exceeded by a leg that has accepted nothing for the write timeout, if any."""
        if self._timeouts.write is not None:
            for leg in self._legs:
                due = leg.pending is not None and now >= leg.stalled_since + self._timeouts.write
                if due and not leg.retry_pending():
                    detail = f"{leg.side.value} took nothing for {self._timeouts.write:g} s"
                    return Expired(Cause.STUCK, leg, detail)
        return None

    def _last_moved(self) -> float:
        return max(flow.last_moved for flow in self._flows)
