"""What every connection of the process shares: the routes, the pump, whether it is draining."""

from __future__ import annotations

from dataclasses import dataclass, field

import trio

from wsgate.gate.route import Router
from wsgate.relay.pump import Pump
from wsgate.settings.model import Settings


@dataclass(slots=True)
class Gateway:
    """Made once by the composition root and handed to every connection.

    draining: no new session is taken; upgrades are answered with 503
    idle: the scopes of connections that have asked for nothing yet; a drain cancels them
    cut: sessions that were ended by cancellation, without their Close
    """

    settings: Settings
    pump: Pump = field(default_factory=Pump)
    draining: bool = False
    idle: set[trio.CancelScope] = field(default_factory=set)
    cut: int = 0
    router: Router = field(init=False)

    def __post_init__(self) -> None:
        self.router = Router(self.settings.routes)

    def drain(self, code: int) -> None:
        """Take no new session, and tell every session with ``code`` that the gateway goes away."""
        self.draining = True
        for scope in list(self.idle):
            scope.cancel()
        for join in list(self.pump.joins):
            join.drain(code)
