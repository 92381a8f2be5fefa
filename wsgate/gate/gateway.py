"""What every connection of the process shares: the routes, the pump, whether it is draining."""

from __future__ import annotations

import contextlib
import itertools
import math
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field

import trio

from wsgate.events.trouble import BackendTroubles
from wsgate.gate.handshake_limiter import HandshakeLimiter
from wsgate.gate.shared_counters import SharedCounters, WorkerCounters
from wsgate.net.dial import TlsClient
from wsgate.relay.pump import Pump
from wsgate.relay.registry import Registry
from wsgate.settings.model import Basic, Listener, OnReload, Relay, Route, Settings, Tunnel
from wsgate.site.passwords import Users
from wsgate.site.router import Router
from wsgate.site.tokens.lookups import Lookups

LATE = 1.0  # seconds for a connection that the drain found in the kernel's queue to ask for something


@dataclass(slots=True, eq=False)
class Entrance:
    """A listener as its connections see it.

    context: what the next TLS handshake uses: certificates change
    closed: the listener is gone, or has other settings: its connections are not kept for further requests
    """

    listener: Listener
    context: ssl.SSLContext | None = None
    closed: bool = False


@dataclass(slots=True)
class Gateway:
    """Made once by the composition root and handed to every connection.

    ready: new connections are welcome; not before the listeners accept, nor after the signal to stop
    draining: no new session is taken; upgrades are answered with 503
    idle: the scopes of connections that have asked for nothing yet; a drain cancels them
    owing: the scopes of connections whose PROXY header, TLS handshake or request is not whole yet, and since when, the
        oldest first; where room is short they go
    sessions: those that are open
    backend_tls: by route name, for the routes that have backends behind TLS
    lookups: by route name, for the routes whose clients show tokens
    cut: sessions that were ended by cancellation, without their Close
    workers: how many processes share the limits
    row: this process's counts, among those of the others
    handshake_limiter: what a handshake takes before it works
    troubles: of the backends that the file names
    """

    settings: Settings
    pump: Pump = field(default_factory=Pump)
    ready: bool = False
    draining: bool = False
    idle: set[trio.CancelScope] = field(default_factory=set)
    owing: dict[trio.CancelScope, float] = field(default_factory=dict)
    sessions: Registry = field(init=False)
    cut: int = 0
    backend_tls: dict[str, ssl.SSLContext] = field(default_factory=dict)
    lookups: dict[str, Lookups] = field(default_factory=dict)
    workers: int = 1
    row: WorkerCounters = field(default_factory=lambda: SharedCounters().rows[0])
    troubles: BackendTroubles = field(default_factory=BackendTroubles)
    router: Router = field(init=False)
    handshake_limiter: HandshakeLimiter = field(init=False)
    _users: dict[Basic, Users] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.router = Router(self.settings.routes)
        self.sessions = Registry(self.row.number if self.workers > 1 else 0)
        self.handshake_limiter = HandshakeLimiter(self._share_of_turns())

    def tls_client(self, route: str, action: Relay | Tunnel) -> TlsClient | None:
        """How to speak TLS to a route's backends; ``None`` where none of them does."""
        context = self.backend_tls.get(route)
        return None if context is None else TlsClient(context, action.tls.server_name, self.pump.serve_if_due)

    def users_of(self, basic: Basic) -> Users:
        """Who has a password there."""
        if basic not in self._users:
            self._users[basic] = Users(basic)
        return self._users[basic]

    def expect(self, scope: trio.CancelScope) -> None:
        """A connection that has asked for nothing waits under ``scope``, until it is discarded from ``idle``."""
        self.idle.add(scope)
        if self.draining:  # accepted just before: its request may be on its way
            scope.deadline = min(scope.deadline, trio.current_time() + LATE)

    @contextlib.contextmanager
    def owed(self, scope: trio.CancelScope) -> Iterator[None]:
        """Within it, ``scope`` waits for what a client has to say before it can be led anywhere."""
        self.owing[scope] = trio.current_time()
        try:
            yield
        finally:
            self.owing.pop(scope, None)

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

    def adopt(
        self,
        settings: Settings,
        router: Router,
        backend_tls: dict[str, ssl.SSLContext],
        lookups: dict[str, Lookups],
    ) -> None:
        """Take other settings, for what comes from now on. Routes that did not change are the same objects."""
        self.settings = settings
        self.router = router
        self.backend_tls = backend_tls
        self.lookups = lookups
        self._users.clear()
        self.troubles.forget()
        self.handshake_limiter.limit = self._share_of_turns()

    def must_leave(self, route: Route) -> bool:
        """Whether a session by ``route``, whose handshake is just over, would have been told to end meanwhile."""
        if self.draining:
            return True
        return route.on_reload is OnReload.DRAIN and not self.has(route)

    def has(self, route: Route) -> bool:
        """Whether a route is as it was when it was found."""
        return any(route is current for current in self.settings.routes)

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

    def _share_of_turns(self) -> int:
        return math.ceil(self.settings.limits.handshakes / self.workers)
