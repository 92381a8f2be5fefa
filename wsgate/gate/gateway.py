"""What every connection of the process shares: the site, the pump, whether it is draining."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field

import trio

from wsgate.gate.handshake_limiter import HandshakeLimiter
from wsgate.gate.shared_counters import SharedCounters, WorkerCounters
from wsgate.relay.pump import Pump
from wsgate.relay.registry import Registry
from wsgate.settings.model import Settings
from wsgate.site.site import Site

LATE = 1.0  # seconds for a connection that the drain found in the kernel's queue to ask for something


@dataclass(slots=True)
class Gateway:
    """Made once by the composition root and handed to every connection.

    ready: new connections are welcome; not before the listeners accept, nor after the signal to stop
    draining: no new session is taken; upgrades are answered with 503
    idle: the scopes of connections that have asked for nothing yet; a drain cancels them
    owing: the scopes of connections whose PROXY header, TLS handshake or request is not whole yet, and since when, the
        oldest first; where room is short they go
    sessions: those that are open
    cut: sessions that were ended by cancellation, without their Close
    workers: how many processes share the limits
    counters: this process's counts, among those of the others
    handshake_limiter: what a handshake takes before it works
    """

    site: Site
    pump: Pump = field(default_factory=Pump)
    ready: bool = False
    draining: bool = False
    idle: set[trio.CancelScope] = field(default_factory=set)
    owing: dict[trio.CancelScope, float] = field(default_factory=dict)
    sessions: Registry = field(init=False)
    cut: int = 0
    workers: int = 1
    counters: WorkerCounters = field(default_factory=lambda: SharedCounters().rows[0])
    handshake_limiter: HandshakeLimiter = field(init=False)

    def __post_init__(self) -> None:
        self.sessions = Registry(self.counters.number if self.workers > 1 else 0)
        self.handshake_limiter = HandshakeLimiter(self._share_of_handshakes())

    @property
    def settings(self) -> Settings:
        """As they are now; an exchange has those of the site that it began with."""
        return self.site.settings

    @property
    def is_full(self) -> bool:
        """Whether there are as many sessions as there may be."""
        return self.counters.full(self.site.settings.limits.sessions)

    def expect(self, scope: trio.CancelScope) -> None:
        """A connection that has asked for nothing waits under ``scope``, until it is discarded from ``idle``."""
        self.idle.add(scope)
        if self.draining:  # accepted just before: its request may be on its way
            scope.deadline = min(scope.deadline, trio.current_time() + LATE)

    def owed(self, scope: trio.CancelScope) -> _Owed:
        """Within it, ``scope`` waits for what a client has to say before it can be led anywhere."""
        return _Owed(self.owing, scope)

    def end_silent(self, seconds: float, most: int) -> int:
        """Others wait for a place: end up to ``most`` of those who have owed something for so long. Returns how many.

        Nothing is said to them, and nobody waits for their goodbye: ``owing`` does not have their scope any more.
        """
        before = trio.current_time() - seconds
        scopes = [scope for scope, since in itertools.islice(self.owing.items(), most) if since <= before]
        for scope in scopes:
            del self.owing[scope]
            scope.cancel()
        return len(scopes)

    def adopt(self, site: Site) -> None:
        """Take another site, for what comes from now on."""
        self.site = site
        self.handshake_limiter.limit = self._share_of_handshakes()

    def stop_taking(self) -> None:
        """Take no new session from now on, and wait for nobody who has asked for nothing."""
        self.draining = True
        self._end_idle(frozenset(self.idle), 2)

    def _end_idle(self, scopes: frozenset[trio.CancelScope], turns: int) -> None:
        """Not before those whose request is there already have read it: it takes a turn to wake up, and one to read."""
        if turns:
            trio.lowlevel.current_trio_token().run_sync_soon(self._end_idle, scopes, turns - 1)
            return
        for scope in scopes & self.idle:
            scope.cancel()

    def _share_of_handshakes(self) -> int:
        return math.ceil(self.settings.limits.handshakes / self.workers)


class _Owed:
    """Entered for each request: a generator in its place would cost as much as half of the rest."""

    __slots__ = ("_owing", "_scope")

    def __init__(self, owing: dict[trio.CancelScope, float], scope: trio.CancelScope) -> None:
        self._owing = owing
        self._scope = scope

    def __enter__(self) -> None:
        self._owing[self._scope] = trio.current_time()

    def __exit__(self, *error: object) -> None:
        self._owing.pop(self._scope, None)
