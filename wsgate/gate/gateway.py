"""The state that all connections of a process share."""

from __future__ import annotations

import math
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import trio

from wsgate.events.metric_rows import MetricRows
from wsgate.gate.auth.revocation import Admissions
from wsgate.gate.ended_sessions import EndedSessions
from wsgate.gate.handshake_limiter import HandshakeLimiter
from wsgate.gate.http_date import HttpDate
from wsgate.gate.metrics import GatewayMetrics
from wsgate.gate.session_limits import SessionLimits
from wsgate.gate.session_moves import SessionMoves
from wsgate.gate.shared_counters import SharedCounters, WorkerCounters
from wsgate.gate.shared_limits import SharedLimits
from wsgate.gate.silent_connections import Scope, SilentConnections
from wsgate.gate.tracing import Tracer
from wsgate.gate.upgrade_rates import UpgradeRates
from wsgate.net.timed_waits import TimedWaits
from wsgate.relay.pump import Pump
from wsgate.relay.registry import Registry
from wsgate.relay.tap import Taps
from wsgate.settings.model import Settings
from wsgate.site.route_drains import RouteDrains
from wsgate.site.site import Site

# Seconds for which a backend's answer is waited for without a cancel scope, and without watching the client, for its
# leaving, which takes two tasks
SHORT_WAIT = 0.1
LATE = 1.0  # seconds for the first request of a connection that was in the kernel's queue when the drain began


@dataclass(slots=True)
class Gateway:
    """The state of a serving process, made once by the composition root.

    site: the present one; an exchange keeps the one with which it began
    ready: the listeners accept, and no signal to stop has come
    draining: no new session is accepted; upgrades are answered with 503
    idle: the scopes of connections that wait for a request; a drain cancels them
    silent: the connections whose PROXY header, TLS handshake or request is incomplete
    sessions: the open ones
    ended: those that ended last
    taps: of them, for operators who look at their frames
    cut: how many sessions were cancelled without a Close
    workers: how many processes share the limits
    descriptor_sessions: how many sessions all of them have descriptors for; ``None``: any number
    counters: this process's row of the shared counters
    session_limits: counts the sessions of routes, addresses and users
    upgrade_rates: counts upgrades in a second
    shared_limits: counts both together with other gateways
    handshake_limiter: bounds the work on handshakes
    metrics: counts what happens
    upgrading: how many requests are between their head and their answer
    admissions: the sessions whose credentials may become invalid
    tracer: makes a span of each upgrade; ``None`` if nobody traces
    date: returns the value of Date in answers
    route_drains: the routes that take no new session
    session_moves: the sessions that are moved to other gateways
    short_waits: for the answers of backends; nearly all come soon
    request_waits: for the next requests of connections that have had an answer
    codec_memory: bytes that the open sessions may keep for compression between two messages
    acme_challenges: for the CA that checks a name by TLS-ALPN-01, by host; nearly always empty
    """

    site: Site
    pump: Pump = field(default_factory=Pump)
    ready: bool = False
    draining: bool = False
    idle: set[Scope] = field(default_factory=set)
    silent: SilentConnections = field(default_factory=SilentConnections)
    sessions: Registry = field(init=False)
    ended: EndedSessions = field(default_factory=EndedSessions)
    taps: Taps = field(default_factory=Taps)
    cut: int = 0
    workers: int = 1
    descriptor_sessions: int | None = None
    counters: WorkerCounters = field(default_factory=lambda: SharedCounters().rows[0])
    session_limits: SessionLimits = field(init=False)
    upgrade_rates: UpgradeRates = field(init=False)
    shared_limits: SharedLimits = field(init=False)
    handshake_limiter: HandshakeLimiter = field(init=False)
    date: Callable[[], bytes] = field(default_factory=HttpDate)
    metrics: GatewayMetrics = field(default_factory=lambda: GatewayMetrics(MetricRows().row()))
    upgrading: int = 0
    route_drains: RouteDrains = field(init=False)
    session_moves: SessionMoves = field(default_factory=SessionMoves)
    short_waits: TimedWaits = field(default_factory=lambda: TimedWaits(SHORT_WAIT))
    request_waits: TimedWaits = field(init=False)
    admissions: Admissions = field(default_factory=Admissions)
    tracer: Tracer | None = None
    codec_memory: int = 0
    acme_challenges: Mapping[str, ssl.SSLContext] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.sessions = Registry(self.counters.number if self.workers > 1 else 0)
        self.session_limits = SessionLimits(self.counters.table, lambda name: self.shared_limits.left(name))
        self.shared_limits = SharedLimits(self.session_limits)
        self.shared_limits.use(self.settings.limits.shared)
        self.upgrade_rates = UpgradeRates(self.counters.buckets)
        self.handshake_limiter = HandshakeLimiter(self._share_of_handshakes())
        self.request_waits = TimedWaits(self.settings.defaults.timeouts.handshake)
        self._share_counts()
        self.route_drains = RouteDrains(self.counters.table)
        self.route_drains.take_over(route.name for route in self.site.routes)

    @property
    def settings(self) -> Settings:
        """The present settings; an exchange uses those of its site."""
        return self.site.settings

    @property
    def is_full(self) -> bool:
        """Whether the limit of sessions is reached."""
        return self.counters.full(self.most_sessions)

    @property
    def most_sessions(self) -> int | None:
        """How many sessions all processes may have; ``None``: any number."""
        wanted, allowed = self.site.settings.limits.sessions, self.descriptor_sessions
        if wanted is None or allowed is None:
            return allowed if wanted is None else wanted
        return min(wanted, allowed)

    @property
    def has_codec_memory(self) -> bool:
        """Whether a new session may keep something for compression. The last one may exceed the limit."""
        return self.codec_memory < self.site.settings.limits.compression_memory

    def add_idle(self, scope: trio.CancelScope) -> None:
        """Adds ``scope``, under which a connection waits for a request, to ``idle``. The caller discards it."""
        self.idle.add(scope)
        if self.draining:  # accepted just before, so its request may be on its way
            scope.deadline = min(scope.deadline, trio.current_time() + LATE)

    @property
    def most_silent(self) -> int | None:
        """How many connections of one address may be silent in this process; ``None``: any number."""
        most = self.settings.limits.silent_per_address
        return None if most is None else math.ceil(most / self.workers)

    def end_silent(self, most: int) -> int:
        """Ends up to ``most`` silent connections, to free descriptors. They get no answer. Returns how many."""
        ended = self.silent.end(most)
        self.metrics.ended_silent("resources", ended)
        return ended

    def use_site(self, site: Site) -> None:
        """Uses another site for all requests from now on."""
        self.site = site
        self.handshake_limiter.limit = self._share_of_handshakes()
        self.request_waits.seconds = site.settings.defaults.timeouts.handshake
        self.shared_limits.use(site.settings.limits.shared)
        self._share_counts()
        for route in site.routes:
            if route.upstream is not None:
                route.upstream.activate()  # at once: sessions may wait for places that the reload has made

    def stop_accepting(self) -> None:
        """Accepts no new session from now on, and ends connections that wait for a request."""
        self.draining = True
        self._end_idle(frozenset(self.idle), 2)

    def _end_idle(self, scopes: frozenset[Scope], turns: int) -> None:
        """Ends idle connections after ``turns`` more iterations of trio's loop, so that a connection whose request has
        come can wake up and read it."""
        if turns:
            trio.lowlevel.current_trio_token().run_sync_soon(self._end_idle, scopes, turns - 1)
            return
        for scope in scopes & self.idle:
            scope.cancel()

    def _share_counts(self) -> None:
        table = self.counters.table
        if table is not None:
            for route in self.site.routes:
                if route.upstream is not None:
                    route.upstream.share(table)

    def _share_of_handshakes(self) -> int:
        return math.ceil(self.settings.limits.handshakes / self.workers)
