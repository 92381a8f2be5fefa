"""What is measured: every row of the benchmark, declared once.

A row is some work, the proxies that do it in alternation (its cases), and a goal: which quantity of the first case is
compared with which other cases, and the ratio to reach, which ``bounds`` has. ``None``: the row only informs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass

from bench.bounds import BOUNDS

KIB = 1 << 10
MIB = 1 << 20

# Quantities of a case, as in stats.Sample
CPU = "cpu_us"  # the proxy's CPU microseconds per message; per session where sessions are counted
RATE = "messages_s"
BYTES = "mb_s"
MEMORY = "kb_session"
P99 = "p99_us"


@dataclass(frozen=True, slots=True)
class Load:
    """What the generator does; the fields are its options (``options.h``)."""

    mode: str = "echo"
    path: str = "/echo"
    connections: int = 1
    active: int = 0  # 0: all
    in_flight: int = 1
    size: int = 64  # bytes of payload
    text: bool = False
    raw: bool = False
    tunnel: bool = False
    tls: bool = False
    http: bool = False
    rotate: bool = False
    json: bool = False  # text messages that compress as most do; without, random bytes, or one line over and over
    offer: str = ""  # of permessage-deflate: they are sent compressed
    burst: int = 0
    rate: float = 0.0  # messages per second on open sessions, in a storm or beside requests
    requests: float = 0.0  # per second, beside messages
    seconds: float = 0.0  # at least; the run's other rows may have more
    warm_up: float = 0.0  # seconds, likewise

    @property
    def can_pause(self) -> bool:
        """Its sessions can rest, or all be over, while another proxy works; thousands would be too many at once."""
        return self.mode in ("echo", "upgrade", "beside") and self.connections < 1000


@dataclass(frozen=True, slots=True)
class Case:
    """One column of a row: a proxy and what is asked of it."""

    label: str
    proxy: str  # a key of proxies.PROXIES
    load: Load
    service: str = "ws"  # the backend's role behind the proxy


@dataclass(frozen=True, slots=True)
class Goal:
    """A quantity of the first case over that of the best of ``against``; without ``against`` the quantity itself.

    With ``over`` each is first divided by the quantity of a case of its own: the first case by ``over[0]``, those
    of ``against`` by the others in their order. So what a circumstance costs one proxy is compared with what it costs
    another.
    """

    quantity: str
    against: tuple[str, ...] = ()
    at_least: float | None = None  # must be reached
    aim: float | None = None
    higher_is_better: bool = False
    over: tuple[str, ...] = ()

    def reached(self, value: float, limit: float) -> bool:
        return value >= limit if self.higher_is_better else value <= limit


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    title: str
    cases: tuple[Case, ...]
    goal: Goal
    repetitions: int = 0  # at most; 0: as many as the run's other rows
    least_of: int = 1  # slices in each round, of which the one with the lowest quantity counts
    quick: bool = False  # part of the quick run

    @property
    def in_slices(self) -> bool:
        """Whether the proxies can alternate quickly."""
        return all(case.load.can_pause for case in self.cases)

    def is_compared(self, case: Case) -> bool:
        """Whether the row's ratio may depend on this case; the others only inform."""
        return case is self.cases[0] or not self.goal.against or case.label in (*self.goal.against, *self.goal.over)

    @property
    def forwards_http(self) -> bool:
        """Whether the proxies also forward requests without an upgrade, on kept connections."""
        return any(case.load.http or case.load.mode == "beside" for case in self.cases)


TUNED_PEERS = ("nginx 64k", "haproxy 64k")
PEERS = ("nginx", "nginx 64k", "haproxy", "haproxy 64k")


def _goal(
    name: str,
    quantity: str,
    against: tuple[str, ...] = (),
    *,
    higher_is_better: bool = False,
    over: tuple[str, ...] = (),
) -> Goal:
    """``name``: the row's, as in ``BOUNDS``."""
    at_least, aim = BOUNDS.get(name, (None, None))
    return Goal(quantity, against, at_least, aim, higher_is_better, over)


def _against_peers(load: Load) -> tuple[Case, ...]:
    return tuple(Case(proxy, proxy, load) for proxy in ("wsgate", *PEERS))


def _relay(name: str, title: str, load: Load, *, quick: bool = False) -> Row:
    return Row(name, title, _against_peers(load), _goal(name, CPU, TUNED_PEERS), quick=quick)


def _text(name: str, title: str, load: Load, *, quick: bool = False) -> Row:
    cases = (Case("text", "wsgate", dataclasses.replace(load, text=True)), Case("binary", "wsgate", load))
    return Row(name, title, cases, _goal(name, CPU, ("binary",)), quick=quick)


def _tunnel(
    name: str, title: str, load: Load, quantity: str, service: str = "tcp-echo", *, quick: bool = False, rounds: int = 0
) -> Row:
    """Tunnels against websockify, and against HAProxy in TCP mode, whose clients speak plain TCP."""
    cases = (
        Case("wsgate", "wsgate", _tunnelled(load), service),
        Case("websockify", "websockify", _tunnelled(load), service),
        Case("haproxy tcp", "haproxy tcp", _raw(load), service),
    )
    return Row(name, title, cases, _goal(name, quantity, ("websockify",), higher_is_better=True), rounds, quick=quick)


def _tunnelled(load: Load) -> Load:
    return dataclasses.replace(load, path="/websockify", tunnel=True)


def _raw(load: Load) -> Load:
    """The same bytes without WebSocket."""
    return dataclasses.replace(load, path="/websockify", raw=True)


_ECHO_64 = Load(connections=64, size=64)
_ECHO_1K = Load(connections=64, size=KIB)
_ECHO_4K = Load(connections=16, size=4 * KIB)
_ECHO_64K = Load(connections=8, size=64 * KIB)
# until the kernel has grown a new connection's buffers, a large message takes longer
_ECHO_1M = Load(connections=4, size=MIB, seconds=0.6, warm_up=0.4)
_SOURCE = Load(mode="source", connections=8)
_SINK = Load(mode="sink", path="/sink", connections=8)
_SESSIONS = Load(mode="upgrade", connections=16)
_STORM = Load(mode="storm", connections=64, rate=3200, burst=5000, seconds=30)  # at most: it ends when all are in
_REQUESTS = Load(connections=64, size=64, http=True)
# in a slice of a third, 800 messages: enough for a p99
_BESIDE = Load(mode="beside", connections=64, rate=3200, burst=16, requests=2000, seconds=0.75, warm_up=0.3)
_JSON_1K = Load(connections=64, size=KIB, text=True, json=True)
_JSON_64K = Load(connections=8, size=64 * KIB, text=True, json=True)
_WINDOWS = "permessage-deflate; client_max_window_bits"  # as browsers offer it
_NO_WINDOWS = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
_MANY = Load(connections=8000, active=64)


def _compression() -> Iterable[Row]:
    """A message of JSON that a client has compressed, and its echo."""
    for name, load, shown in (
        ("1k", _JSON_1K, "1 KiB, 64 connections"),
        ("64k", _JSON_64K, "64 KiB, 8 connections"),
    ):
        # Each message is compressed by itself: with windows each would be a copy of the one before it
        alone = dataclasses.replace(load, offer=_NO_WINDOWS)
        cases = (
            Case("compressed here", "wsgate shared", alone),
            Case("ws", "ws", alone),
            Case("level 6", "wsgate level 6", alone),
            Case("on both sides", "wsgate both", alone),
            Case("plain", "wsgate", load),
        )
        title = f"JSON compressed by the gateway, {shown}, against ws"
        yield Row(f"deflate-{name}", title, cases, _goal(f"deflate-{name}", CPU, ("ws",)))
        passed = dataclasses.replace(load, offer=_WINDOWS)
        passing = (
            Case("inspected", "wsgate", passed),
            Case("blind", "wsgate blind", passed),
            Case("plain", "wsgate", load),
        )
        title = f"compressed JSON passed on and inflated beside, {shown}, against blind"
        yield Row(f"inspect-{name}", title, passing, _goal(f"inspect-{name}", CPU, ("blind",)))
    idle = dataclasses.replace(_JSON_1K, mode="idle", connections=4000)
    offering = dataclasses.replace(idle, offer=_WINDOWS)
    contexts = (
        Case("context: shared", "wsgate shared", offering),
        Case("plain", "wsgate", idle),
        Case("context: session", "wsgate session", offering),
        Case("inspected", "wsgate", offering),
        Case("blind", "wsgate blind", offering),
    )
    title = "memory per idle session that compresses, at 4,000, after a message"
    yield Row("idle-deflate", title, contexts, _goal("idle-deflate", MEMORY, ("plain",)), repetitions=1)


def _twin() -> Iterable[Row]:
    """Without the compiled kernel, as where it cannot be built: what that costs."""
    for name, title, load in (
        ("python-64", "relay 64 B, 64 connections, without the compiled kernel", _ECHO_64),
        ("python-64k", "relay 64 KiB, 8 connections, without the compiled kernel", _ECHO_64K),
    ):
        cases = (
            Case("in Python", "wsgate in Python", load),
            *(Case(proxy, proxy, load) for proxy in ("wsgate", *TUNED_PEERS)),
        )
        yield Row(name, title, cases, _goal(name, CPU, TUNED_PEERS))
    cases = (
        Case("in Python", "wsgate in Python", _tunnelled(_ECHO_64), "tcp-echo"),
        Case("wsgate", "wsgate", _tunnelled(_ECHO_64), "tcp-echo"),
        Case("websockify", "websockify", _tunnelled(_ECHO_64), "tcp-echo"),
    )
    goal = _goal("python-tunnel", RATE, ("websockify",), higher_is_better=True)
    yield Row("python-tunnel", "tunnel 64 B, 64 connections, without the compiled kernel", cases, goal)


def _rows() -> Iterable[Row]:
    yield _relay("relay-64", "relay 64 B, 64 connections, ping-pong", _ECHO_64, quick=True)
    yield _relay("relay-1k", "relay 1 KiB, 64 connections, ping-pong", _ECHO_1K)
    yield _relay("relay-4k", "relay 4 KiB, 16 connections, ping-pong", _ECHO_4K, quick=True)
    yield _relay("relay-64k", "relay 64 KiB, 8 connections, ping-pong", _ECHO_64K, quick=True)
    yield _relay("relay-1m", "relay 1 MiB, 4 connections, ping-pong", _ECHO_1M)
    flying = dataclasses.replace(_ECHO_64, connections=16, in_flight=16)
    yield _relay("relay-64-16", "relay 64 B, 16 connections, 16 in flight on each", flying, quick=True)
    yield _relay("relay-64-1", "relay 64 B, one connection (latency)", dataclasses.replace(_ECHO_64, connections=1))

    yield from _twin()

    yield _text("text-64", "text 64 B against binary, 64 connections", _ECHO_64, quick=True)
    yield _text("text-1k", "text 1 KiB against binary, 64 connections", _ECHO_1K)
    yield _text("text-4k", "text 4 KiB against binary, 16 connections", _ECHO_4K, quick=True)
    yield _text("text-64k", "text 64 KiB against binary, 8 connections", _ECHO_64K)
    yield _text("text-1m", "text 1 MiB against binary, 4 connections", _ECHO_1M)

    for name, size, shown in (("64", 64, "64 B"), ("64k", 64 * KIB, "64 KiB")):
        source = dataclasses.replace(_SOURCE, size=size, path=f"/source/{size}")
        yield _relay(f"source-{name}", f"one way to the client, {shown}, 8 connections", source)
        yield _relay(
            f"sink-{name}", f"one way to the backend, {shown}, 8 connections", dataclasses.replace(_SINK, size=size)
        )

    secure = dataclasses.replace(_ECHO_64, tls=True)
    yield _relay("tls-64", "TLS to the client, relay 64 B, 64 connections", secure, quick=True)
    secure = dataclasses.replace(_ECHO_64K, tls=True)
    yield _relay("tls-64k", "TLS to the client, relay 64 KiB, 8 connections", secure)

    yield _tunnel("tunnel-64", "tunnel 64 B, 64 connections", _ECHO_64, RATE, quick=True)
    yield _tunnel("tunnel-1k", "tunnel 1 KiB, 64 connections", _ECHO_1K, RATE)
    yield _tunnel("tunnel-4k", "tunnel 4 KiB, 16 connections", _ECHO_4K, RATE)
    yield _tunnel("tunnel-64k", "tunnel 64 KiB, 8 connections", _ECHO_64K, BYTES, quick=True)
    longer = dataclasses.replace(_ECHO_1M, seconds=2.0, warm_up=0.8)  # websockify takes 60 ms for a message
    yield _tunnel("tunnel-1m", "tunnel 1 MiB, 4 connections", longer, BYTES, rounds=2)
    for mode in ("source", "sink"):
        load = dataclasses.replace(_SOURCE, mode=mode, size=64 * KIB)
        yield _tunnel(f"tunnel-{mode}", f"tunnel, one way, {mode}, 64 KiB", load, BYTES, f"tcp-{mode}")
    cases = (
        Case("wsgate", "wsgate", _tunnelled(_ECHO_64), "tcp-echo"),
        Case("haproxy tcp", "haproxy tcp", _raw(_ECHO_64), "tcp-echo"),
    )
    goal = _goal("tunnel-tcp", CPU, ("haproxy tcp",))
    yield Row("tunnel-tcp", "tunnel 64 B, 64 connections, against HAProxy in TCP mode", cases, goal, quick=True)

    # slices of a second: one scrape in each
    observed = dataclasses.replace(_ECHO_64, seconds=3.0)
    cases = (Case("on", "wsgate observed", observed), Case("off", "wsgate", observed))
    goal = _goal("observed", CPU, ("off",))
    yield Row("observed", "log and metrics on, relay 64 B, against off", cases, goal, repetitions=4)
    # rates and counts that nobody reaches
    cases = (Case("on", "wsgate limited", _ECHO_64), Case("off", "wsgate", _ECHO_64))
    yield Row("limits", "limits on, relay 64 B, against off", cases, _goal("limits", CPU, ("off",)))

    sessions = _against_peers(_SESSIONS)
    goal = _goal("sessions", CPU, ("nginx 64k",))
    yield Row("sessions", "sessions: connect, upgrade, close", sessions, goal, quick=True)
    sessions = _against_peers(dataclasses.replace(_SESSIONS, tls=True))
    goal = _goal("sessions-tls", CPU, ("nginx 64k",))
    yield Row("sessions-tls", "sessions over TLS: connect, upgrade, close", sessions, goal)

    requests = _against_peers(_REQUESTS)
    # as a core gives them: with nginx the load's core is what limits the requests per second
    goal = _goal("http", CPU, ("nginx",))
    yield Row("http", "plain HTTP forwarded, 64 B, 64 kept connections", requests, goal, quick=True)
    requests = _against_peers(dataclasses.replace(_REQUESTS, connections=8, size=64 * KIB))
    goal = _goal("http-64k", CPU, TUNED_PEERS)
    yield Row("http-64k", "plain HTTP forwarded, 64 KiB, 8 kept connections", requests, goal)
    quiet = dataclasses.replace(_BESIDE, burst=0, requests=0.0)
    beside = (
        Case("with requests", "wsgate", _BESIDE),
        Case("quiet", "wsgate", quiet),
        Case("nginx, with requests", "nginx", _BESIDE),
        Case("nginx, quiet", "nginx", quiet),
    )
    goal = _goal("http-beside", P99, ("quiet",))
    title = "p99 of 64 live sessions beside 2,000 requests/s, against quiet"
    yield Row("http-beside", title, beside, goal, repetitions=4, least_of=4)

    yield from _compression()

    for count in (1000, 8000):
        idle = _against_peers(Load(mode="idle", connections=count))
        title, goal = f"memory per idle session at {count:,}", _goal(f"idle-{count}", MEMORY)
        yield Row(f"idle-{count}", title, idle, goal, repetitions=1, quick=count == 1000)
    idle = _against_peers(Load(mode="idle", connections=1000, tls=True))
    goal = _goal("idle-tls", MEMORY)
    yield Row("idle-tls", "memory per idle TLS session at 1,000", idle, goal, repetitions=1)
    load = Load(mode="idle", path="/websockify", tunnel=True, connections=100)
    pair = tuple(Case(proxy, proxy, load, "tcp-echo") for proxy in ("wsgate", "websockify"))
    goal = _goal("idle-tunnel", MEMORY, ("websockify",))
    yield Row("idle-tunnel", "memory per idle tunnel at 100", pair, goal, repetitions=1)

    open_sessions = (
        Case("8,000 open", "wsgate", _MANY),
        Case("64 open", "wsgate", _ECHO_64),
        Case("nginx 64k, 8,000", "nginx 64k", _MANY),
        Case("haproxy 64k, 8,000", "haproxy 64k", _MANY),
    )
    goal = _goal("open-8000", CPU, ("64 open",))
    title = "64 B on 64 of 8,000 open sessions, against 64 of 64"
    yield Row("open-8000", title, open_sessions, goal)
    load = dataclasses.replace(_MANY, rotate=True)
    turns = (
        Case("all 8,000 in turn", "wsgate", load),
        Case("64 open", "wsgate", _ECHO_64),
        Case("nginx 64k, 8,000", "nginx 64k", load),
        Case("nginx 64k, 64 open", "nginx 64k", _ECHO_64),
        Case("haproxy 64k, 8,000", "haproxy 64k", load),
    )
    goal = _goal("turns-8000", CPU, ("nginx 64k, 8,000",), over=("64 open", "nginx 64k, 64 open"))
    title = "64 B on 8,000 sessions in turn, over 64 of 64, each proxy's own"
    yield Row("turns-8000", title, turns, goal, repetitions=5)

    storm = tuple(Case(proxy, proxy, _STORM) for proxy in ("wsgate", *TUNED_PEERS, "direct"))
    goal = _goal("storm", P99, ("nginx 64k",))
    yield Row("storm", "p99 of 64 live sessions while 5,000 connect", storm, goal)
    secure = dataclasses.replace(_STORM, tls=True)
    storm = tuple(Case(proxy, proxy, secure) for proxy in ("wsgate", *TUNED_PEERS))
    goal = _goal("storm-tls", P99, ("nginx 64k",))
    yield Row("storm-tls", "p99 of 64 live sessions while 5,000 connect over TLS", storm, goal, repetitions=3)

    workers = (
        Case("wsgate, 2", "wsgate 2", _ECHO_64),
        Case("wsgate, 1", "wsgate 1 free", _ECHO_64),
        Case("nginx 64k, 2", "nginx 64k 2", _ECHO_64),
        Case("nginx 64k, 1", "nginx 64k 1 free", _ECHO_64),
        Case("haproxy 64k, 2", "haproxy 64k 2", _ECHO_64),
        Case("haproxy 64k, 1", "haproxy 64k 1 free", _ECHO_64),
    )
    goal = _goal("workers", RATE, ("wsgate, 1",), higher_is_better=True)
    yield Row("workers", "two workers against one, relay 64 B, beside the load on all cores", workers, goal)


# The generator straight at the echo backend, both on the load's core: what it can do at most beside a proxy.
SELF_TEST = Row(
    "self-test",
    "generator against the echo backend, no proxy, 64 B, 16 in flight",
    (Case("direct", "direct", dataclasses.replace(_ECHO_64, connections=16, in_flight=16)),),
    _goal("self-test", RATE, higher_is_better=True),
    quick=True,
)

ROWS = (SELF_TEST, *_rows())
