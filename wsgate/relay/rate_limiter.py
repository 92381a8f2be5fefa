"""Holds one direction of a session to a rate of messages and bytes.

Theory of operation
-------------------
A ``RateLimiter`` stands between a flow and its two legs, and only in sessions of routes that limit rates: the source
tells it when so much has come that it must look, and the sink when it accepts no more. So it can stop the reads of a
flow, and other sessions have nothing of it.

The flow counts messages and bytes anyway. After a read they are only compared with those at which a bucket is to be
looked at, by the turn in C or by ``read``. What passes at once is at most a full bucket and one read. The reads are
small if the bucket is. If a bucket is in debt, ``over`` decides:

  throttle  the source is not read until the debt is paid. TCP then holds back the peer, and nothing is lost
  close     the session ends with 1008. While the sink accepts no more, the source is not read, and all that its peer
            has sent meanwhile comes at once afterwards. So the bucket gets the tokens of this time above its capacity

A throttled leg is not read, so it is not silent (``timers``), and the end of its connection is not seen: every few
seconds the limiter looks whether the peer has left, and has its Close read then. When the session begins to end, the
limiter lets go: the Close of a peer must not wait behind its messages. The close timeout bounds what passes then.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import trio

from wsgate.relay.closing import Cause, End
from wsgate.relay.flow import NEVER, WalkingFlow
from wsgate.relay.pump import READ_SIZE
from wsgate.relay.token_bucket import TokenBucket
from wsgate.settings.model import Over, RouteLimits
from wsgate.wire.close import Close, CloseCode

if TYPE_CHECKING:
    from wsgate.relay.closing import Side
    from wsgate.relay.flow import Flow
    from wsgate.relay.leg import Owner

SHORTEST = 0.05  # seconds of a throttle, so that it takes few timers; or half the burst, if that is less
LONGEST = 5.0  # seconds until a timer looks again: that of an ended session is forgotten by then, and a peer gone
_LEAST_READ = 1 << 10  # bytes of each read, at least
_MESSAGE = 64  # bytes of a small message with its header: a read holds about as many of them as the bucket


class Observer(Protocol):
    """Is told of throttles."""

    def throttled(self, source: Side, rule: str) -> None:
        """The peer on this side sends too fast. ``rule``: the limit, in words."""
        ...

    def throttle_over(self, source: Side, seconds: float) -> None:
        """It is read again, after so many seconds."""
        ...


class RateLimiter:
    """Limits one flow. It takes the flow's place at both legs.

    limits: of the route, with a rate of messages or bytes
    """

    __slots__ = (
        "_blocked",
        "_bytes",
        "_closes",
        "_flow",
        "_lifted",
        "_messages",
        "_observer",
        "_read",
        "_read_size",
        "_shortest",
        "_since",
        "_throttled",
        "_until",
    )

    _read: Callable[[], None]

    def __init__(self, flow: Flow, limits: RouteLimits, observer: Observer) -> None:
        self._flow = flow
        self._observer = observer
        self._closes = limits.over is Over.CLOSE
        self._shortest = min(SHORTEST, limits.burst / 2)
        self._messages: TokenBucket | None = None
        self._bytes: TokenBucket | None = None
        read_size = READ_SIZE
        rate = limits.messages_per_second
        if rate is not None and isinstance(flow, WalkingFlow):
            capacity = max(1.0, rate * limits.burst)
            self._messages = TokenBucket(rate, capacity, flow.pump.now)
            read_size = int(capacity) * _MESSAGE
        rate = limits.bytes_per_second
        if rate is not None:
            capacity = rate * limits.burst
            self._bytes = TokenBucket(rate, capacity, flow.pump.now)
            read_size = min(read_size, int(capacity))
        self._read_size = max(read_size, _LEAST_READ)
        flow.octets_due = 0  # what came with the handshake counts after the first read
        self._blocked = False  # the sink accepts no more
        self._since: float | None = None  # since when the source is throttled
        self._until = 0.0
        self._throttled = 0.0
        self._lifted = False
        flow.source.input_flow = self
        flow.sink.output_flow = self
        flow.source.choose_reader()

    def throttled(self, now: float) -> float:
        """Returns the seconds for which the source was not read until now."""
        return self._throttled + (0.0 if self._since is None else now - self._since)

    def lift(self, now: float) -> None:
        """Limits nothing any more."""
        self._lifted = True
        self._flow.octets_due = self._flow.messages_due = NEVER
        self._flow.source.choose_reader()
        if self._since is not None:
            self._end_throttle(now)

    # -- for the pump --------------------------------------------------------------------------------------------------

    @property
    def owner(self) -> Owner:
        return self._flow.source.owner

    def wake(self, now: float) -> None:
        """The source may be read again, or it is time to see whether session and peer are still there."""
        if self._since is None or self._flow.source.released:
            return
        if now < self._until and not self._flow.source.has_left():
            self._flow.pump.timers.at(min(self._until, now + LONGEST), self)
        else:
            self._end_throttle(now)

    # -- for the source ------------------------------------------------------------------------------------------------

    def reader(self) -> Callable[[], None]:
        flow = self._flow
        if len(flow.read_area) > self._read_size:  # also after a tap, during which it was another one
            flow.read_area = flow.pump.read_area[: self._read_size]
        self._read = flow.reader()
        if self._lifted or self._read != flow.pull:  # a turn in C compares by itself
            return self._read
        return self.read

    def read(self) -> None:
        """Reads once and moves the bytes, as the flow alone does, and counts them."""
        self._read()
        flow = self._flow
        if flow.octets >= flow.octets_due or flow.messages >= flow.messages_due:
            self.count()

    def count(self) -> None:
        """Takes the tokens for what has passed, and slows down or ends what has passed too fast."""
        of_bytes, of_messages = self._take(self._flow.pump.now)
        if of_bytes > of_messages:
            assert self._bytes is not None
            self._exceed(f"more than {self._bytes.rate} bytes per second", of_bytes)
        elif of_messages:
            assert self._messages is not None
            self._exceed(f"more than {self._messages.rate} messages per second", of_messages)

    def _take(self, now: float) -> tuple[float, float]:
        """Takes the tokens for what has passed. Returns the seconds until the debt of either bucket is paid."""
        flow = self._flow
        of_bytes = of_messages = 0.0
        flow.octets_due = NEVER
        if self._bytes is not None:
            of_bytes = self._bytes.take(flow.octets, now)
            flow.octets_due = min(self._bytes.due, NEVER)
        if self._messages is not None:
            of_messages = self._messages.take(flow.messages, now)
            flow.messages_due = min(self._messages.due, NEVER)
        return of_bytes, of_messages

    # -- for the sink --------------------------------------------------------------------------------------------------

    @property
    def ended(self) -> bool:
        return self._flow.ended

    def at_boundary(self) -> bool:
        return self._flow.at_boundary()

    def pause(self) -> None:
        self._blocked = True
        if self._closes and not self._lifted:
            self._take(trio.current_time())
        self._flow.pause()

    def resume(self) -> None:
        if self._blocked and self._closes:
            now = trio.current_time()
            for bucket in (self._messages, self._bytes):
                if bucket is not None:
                    bucket.fill(now)
        self._blocked = False
        if self._since is None:
            self._flow.resume()

    # -- the two ways --------------------------------------------------------------------------------------------------

    def _exceed(self, rule: str, debt: float) -> None:
        """The source has sent too much. ``debt``: seconds until it may send again."""
        flow = self._flow
        if self._closes:
            flow.stop()
            flow.owner.input_ended(
                flow.source, End(Cause.TOO_FAST, Close(CloseCode.POLICY_VIOLATION, rule.encode()), rule)
            )
            return
        now = flow.pump.now
        self._since = now
        self._until = now + max(debt, self._shortest)
        flow.last_moved = self._until  # a session is not idle because the gateway does not read it
        flow.pause()
        flow.pump.timers.at(min(self._until, now + LONGEST), self)
        self._observer.throttled(flow.source.side, rule)

    def _end_throttle(self, now: float) -> None:
        assert self._since is not None
        seconds = now - self._since
        self._since = None
        self._throttled += seconds
        self._observer.throttle_over(self._flow.source.side, seconds)
        if not self._blocked:
            self._flow.resume()
