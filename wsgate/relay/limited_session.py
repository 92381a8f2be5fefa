"""A session of a route that limits rates. Other sessions pay nothing for it."""

from __future__ import annotations

from typing import Any

import trio

from wsgate.relay.flow import MakeFlows
from wsgate.relay.leg import Leg
from wsgate.relay.outcome import Outcome
from wsgate.relay.pump import Pump
from wsgate.relay.rate_limiter import Observer, RateLimiter
from wsgate.relay.session import LiveRoute, Session
from wsgate.relay.session_info import SessionInfo


class LimitedSession(Session):
    """A session whose two flows are held to the rates of its route.

    observer: is told of throttles
    """

    __slots__ = ("_limiters",)

    def __init__(
        self,
        info: SessionInfo,
        route: LiveRoute,
        pump: Pump,
        client: Leg,
        backend: Leg,
        make_flows: MakeFlows,
        *,
        observer: Observer,
        token: Any = None,
    ) -> None:
        super().__init__(info, route, pump, client, backend, make_flows, token=token)
        limits = route.settings.limits
        self._limiters = [RateLimiter(flow, limits, observer) for flow in self._flows]

    def outcome(self) -> Outcome:
        outcome = super().outcome()
        now = trio.current_time()
        outcome.throttled_up, outcome.throttled_down = (limiter.throttled(now) for limiter in self._limiters)
        return outcome

    def _begin_closing(self) -> None:
        now = trio.current_time()
        for limiter in self._limiters:
            limiter.lift(now)
        super()._begin_closing()
