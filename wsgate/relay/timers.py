"""What time does to an open session: heartbeat, idle, write and lifetime.

Theory of operation
-------------------
Nothing on the path of a message arms a timer. A leg notes when it ``heard`` bytes and since when it is ``stalled``; a
flow notes when it ``moved`` data. The session's task sleeps until the first moment at which a limit could have been
passed, looks, and mostly finds that the moment has moved on: a busy session costs one look per interval, and every
limit is kept to the moment.

Time comes in as an argument; nothing here waits.

A heartbeat asks only a leg that was silent, and that we read: what a peer could not say, because the other side is
slow, is not its silence; nor is what it has said and we have not read yet. While the peer is still taking what was
written in front of the Ping, it has not been asked yet; how long that may last is the write timeout's to say. A peer
that does not read is asked all the same: its kernel takes the Ping, and whatever it sends before the deadline is life.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from wsgate.relay.closing import Cause
from wsgate.relay.flow import Flow
from wsgate.relay.leg import Leg, WebSocketLeg
from wsgate.settings.model import Heartbeat, Timeouts

LIFETIME_JITTER = 0.1  # of the lifetime: sessions that began together do not all come back together


@dataclass(frozen=True, slots=True)
class Expired:
    """A limit that was passed, and the leg whose fault it is; ``None`` where it is nobody's."""

    cause: Cause
    leg: Leg | None
    detail: str


class Pulse:
    """The heartbeat of one leg."""

    __slots__ = ("_asked", "_heartbeat", "leg")

    def __init__(self, leg: WebSocketLeg, heartbeat: Heartbeat) -> None:
        self.leg = leg
        self._heartbeat = heartbeat
        self._asked: float | None = None  # when the Ping was sent that nothing has come after

    def next_deadline(self, now: float) -> float:
        if not self.leg.reading:
            return now + self._heartbeat.interval
        if self._asked is None:
            return self.leg.heard + self._heartbeat.interval
        # whether it has answered is seen after an interval at most, however long it has: the next Ping is due then
        return min(self._asked + self._heartbeat.timeout, now + self._heartbeat.interval)

    def handle_deadline(self, now: float) -> bool:
        """Ask a silent leg; whether one that was asked has not answered in time."""
        leg, heartbeat = self.leg, self._heartbeat
        if not leg.reading or (self._asked is not None and leg.heard >= self._asked):
            self._asked = None
        if self._asked is not None and now >= self._asked + heartbeat.timeout:
            asked = leg.has_asked() or leg.pending is not None
            if asked and not leg.is_delivering(now, heartbeat.timeout) and not leg.has_unread():
                return True
            self._asked = now
        if self._asked is None and leg.reading and now >= leg.heard + heartbeat.interval:
            self._asked = now
            leg.ping()
        return False


class Timers:
    """The limits of one session. ``now`` and all that is returned are seconds of one clock."""

    __slots__ = ("_dies", "_flows", "_legs", "_pulses", "_timeouts")

    def __init__(
        self, legs: Sequence[Leg], flows: Sequence[Flow], timeouts: Timeouts, heartbeat: Heartbeat | None, now: float
    ) -> None:
        self._legs = legs
        self._flows = flows
        self._timeouts = timeouts
        self._pulses = (
            () if heartbeat is None else tuple(Pulse(leg, heartbeat) for leg in legs if isinstance(leg, WebSocketLeg))
        )
        self._dies = math.inf
        if timeouts.lifetime is not None:
            self._dies = now + timeouts.lifetime * (1 - LIFETIME_JITTER * random.random())
        for leg in legs:
            leg.heard = now
        for flow in flows:
            flow.moved = now

    def next_deadline(self, now: float) -> float:
        """When to look again."""
        deadlines = [self._dies, self.write_deadline(now)]
        if self._timeouts.idle is not None:
            deadlines.append(self._last_moved() + self._timeouts.idle)
        deadlines += [pulse.next_deadline(now) for pulse in self._pulses]
        return min(deadlines)

    def handle_deadline(self, now: float) -> Expired | None:
        """Do what is due, and say which limit has been passed."""
        if (stuck := self.stuck(now)) is not None:
            return stuck
        for pulse in self._pulses:
            if pulse.handle_deadline(now):
                return Expired(Cause.SILENT, pulse.leg, f"{pulse.leg.side.value} did not answer a Ping")
        if self._timeouts.idle is not None and now >= self._last_moved() + self._timeouts.idle:
            return Expired(Cause.IDLE, None, f"no data for {self._timeouts.idle:g} s")
        if now >= self._dies:
            return Expired(Cause.LIFETIME, None, f"lifetime of {self._timeouts.lifetime:g} s")
        return None

    def write_deadline(self, now: float) -> float:
        """When a leg may have taken nothing for too long; a leg that stalls meanwhile is late for its own, not this."""
        if self._timeouts.write is None:
            return math.inf
        return min(now if leg.pending is None else leg.stalled for leg in self._legs) + self._timeouts.write

    def stuck(self, now: float) -> Expired | None:
        """The leg that has taken nothing for the write timeout."""
        if self._timeouts.write is not None:
            for leg in self._legs:
                due = leg.pending is not None and now >= leg.stalled + self._timeouts.write
                if due and not leg.takes_again():
                    detail = f"{leg.side.value} took nothing for {self._timeouts.write:g} s"
                    return Expired(Cause.STUCK, leg, detail)
        return None

    def _last_moved(self) -> float:
        return max(flow.moved for flow in self._flows)
