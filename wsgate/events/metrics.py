"""The table of all metrics: their names, types, texts and labels. docs/metrics.md is made of it.

Labels have few values: names in the configuration, or one of a fixed set. So a stranger cannot make new time series.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from wsgate.wire.counts import OPCODES, SIZES


class Kind(enum.Enum):
    """The types of Prometheus that are used."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Across(enum.Enum):
    """What becomes of the values of several processes. Those of counters and histograms are added."""

    SUM = "sum"
    LEAST = "least"
    MOST = "most"
    EACH = "each"  # each process has its own, under the label ``worker``


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric.

    labels: their names
    help: one line
    scale: what 1 in memory stands for: values are kept as whole numbers, seconds as microseconds
    buckets: the upper bounds of a histogram, without the last, which is infinite
    across: for gauges
    known: the values of the last label, if all of them are known; their numbers stand side by side in memory
    """

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    scale: float = 1
    buckets: tuple[float, ...] = ()
    across: Across = Across.SUM
    known: tuple[str, ...] = ()

    @property
    def cells(self) -> int:
        """How many whole numbers stand side by side: those of a histogram are its buckets and its sum."""
        return len(self.buckets) + 2 if self.kind is Kind.HISTOGRAM else len(self.known) or 1


MICROSECOND = 1e-6

_QUICK = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # seconds
_LONG = (1.0, 10.0, 60.0, 600.0, 3600.0, 21600.0, 86400.0, 604800.0)  # seconds: to a week
_TURNS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)  # seconds

_ROUTE = ("route",)
_BACKEND = ("route", "backend")
_FLOW = ("route", "direction")
_LEG = ("route", "side")


def _counter(name: str, help: str, labels: tuple[str, ...] = (), scale: float = 1) -> Metric:
    return Metric(name, Kind.COUNTER, help, labels, scale)


def _gauge(name: str, help: str, labels: tuple[str, ...] = (), across: Across = Across.SUM) -> Metric:
    return Metric(name, Kind.GAUGE, help, labels, across=across)


def _seconds(name: str, help: str, labels: tuple[str, ...], buckets: tuple[float, ...]) -> Metric:
    return Metric(name, Kind.HISTOGRAM, help, labels, MICROSECOND, buckets)


BUILD_INFO = _gauge("wsgate_build_info", "1, with the version as a label.", ("version",), Across.MOST)
SERVING = _gauge("wsgate_workers_serving", "Processes that accept connections, and do not drain.")
DRAINING = _gauge("wsgate_draining", "Whether the gateway drains: 1 from the signal to stop on.", across=Across.MOST)
DRAINED = _gauge("wsgate_drain_sessions_at_start", "Sessions that were open when the drain began.")
WORKERS_DIED = _counter("wsgate_workers_died_total", "Workers that died, and were replaced.")
RELOADS = _counter("wsgate_reloads_total", "Configurations that a process has taken into use while it ran.")
RELOADS_REFUSED = _counter("wsgate_reloads_refused_total", "Reloads that were refused, because the file was wrong.")
RELOAD_REFUSED = _gauge(
    "wsgate_reload_refused",
    "Whether the last reload was refused: what runs is older than the file.",
    across=Across.MOST,
)

SESSIONS = _gauge("wsgate_sessions", "Open sessions.", _ROUTE)
SESSIONS_LIMIT = _gauge(
    "wsgate_sessions_limit",
    "Sessions that there may be at once, by limits.sessions or the descriptors.",
    across=Across.MOST,
)
OPENED = _counter("wsgate_sessions_opened_total", "Sessions that have begun.", _ROUTE)
ENDED = _counter(
    "wsgate_sessions_ended_total",
    "Sessions that have ended, by the side that ended them (client, backend or gateway) and the cause in the log.",
    ("route", "side", "cause"),
)
DURATION = _seconds("wsgate_session_duration_seconds", "How long ended sessions were open.", _ROUTE, _LONG)
CLOSE_CODES = _counter(
    "wsgate_close_codes_total",
    "First close code on each leg of ended sessions; 3xxx and 4xxx are those of applications, none is no Close.",
    ("route", "side", "code"),
)
UPGRADE = _seconds(
    "wsgate_upgrade_duration_seconds",
    "From a complete request for a WebSocket to its 101, with the backend's.",
    _ROUTE,
    _QUICK,
)
REFUSED = _counter(
    "wsgate_upgrades_refused_total", "Requests for a WebSocket that got none, by cause.", ("route", "cause")
)
NOT_ADMITTED = _counter(
    "wsgate_auth_failures_total",
    "Credentials for lack of which requests were refused, by kind and by cause: missing, malformed, wrong, ….",
    ("route", "kind", "cause"),
)
REQUESTS = _counter(
    "wsgate_http_requests_total",
    "Requests that asked for no WebSocket, by the status of the answer.",
    ("route", "code"),
)
SILENT = _counter(
    "wsgate_silent_connections_ended_total",
    "Connections that owed their request and were ended: their address had too many (address), or descriptors ran out "
    "(resources).",
    ("cause",),
)
NOT_SHARED = _gauge(
    "wsgate_limits_not_shared",
    "Whether a process counts for itself because the Redis server of limits.shared does not answer.",
    across=Across.MOST,
)
SHARED_FAILURES = _counter(
    "wsgate_limits_shared_failures_total",
    "Calls to the Redis server of limits.shared that failed or took too long; once a second while it does not answer.",
)
HANDSHAKES = _gauge("wsgate_handshakes", "Connections between accept and the answer to their request.")

MESSAGES = _counter("wsgate_messages_total", "Whole messages; up is from the client.", _FLOW)
BYTES = _counter("wsgate_bytes_total", "Bytes received after the upgrade, frame headers included.", _FLOW)
FRAMES = Metric(
    "wsgate_frames_total",
    Kind.COUNTER,
    "Frames that a WebSocket peer has sent.",
    (*_FLOW, "opcode"),
    known=OPCODES,
)
SIZE = Metric(
    "wsgate_message_size_bytes",
    Kind.HISTOGRAM,
    "Payload of each whole message that a WebSocket peer has sent; of a compressed one inflated, if it is looked into.",
    _FLOW,
    buckets=SIZES,
)
STALLS = _counter("wsgate_stalls_total", "How often a peer accepted no more, so that the other was not read.", _FLOW)
STALLED = _counter("wsgate_stalled_seconds_total", "How long peers accepted no more.", _FLOW, MICROSECOND)
THROTTLES = _counter(
    "wsgate_throttles_total", "How often a peer sent faster than the route allows, and was not read for a while.", _FLOW
)
THROTTLED = _counter(
    "wsgate_throttled_seconds_total", "How long peers were not read because they sent too fast.", _FLOW, MICROSECOND
)
RTT = _seconds("wsgate_heartbeat_rtt_seconds", "From the gateway's Ping to its Pong.", _LEG, _QUICK)
LOST = _counter("wsgate_heartbeats_lost_total", "Legs that did not answer a Ping in time.", _LEG)

COMPRESSION_BYTES = _counter(
    "wsgate_compression_bytes_total",
    "Bytes of the messages that are compressed between the gateway and a side and that it inflates or compresses, in "
    "the form plain and in the form compressed.",
    (*_FLOW, "side", "form"),
)
COMPRESSION_SECONDS = _counter(
    "wsgate_compression_seconds_total",
    "How long the gateway has inflated (up from the client, down from the backend) and compressed (the other two).",
    (*_FLOW, "side"),
    MICROSECOND,
)
COMPRESSED_SESSIONS = _counter(
    "wsgate_compressed_sessions_total",
    "Sessions that have begun, and with whose client or backend compression was agreed on.",
    _LEG,
)
COMPRESSION_MEMORY = _gauge(
    "wsgate_compression_memory_bytes",
    "What open sessions may keep for compression between two messages, of limits.compression_memory.",
    ("worker",),
    Across.EACH,
)
COMPRESSION_MEMORY_LIMIT = _gauge(
    "wsgate_compression_memory_limit_bytes", "limits.compression_memory of a process.", ("worker",), Across.EACH
)

WAITING = _gauge("wsgate_sessions_waiting", "New sessions that wait for a place at a backend.", _ROUTE)
BACKEND_SESSIONS = _gauge("wsgate_backend_sessions", "Sessions of a backend, with running handshakes.", _BACKEND)
BACKEND_HEALTHY = _gauge(
    "wsgate_backend_healthy", "Whether a backend's health checks succeed; 1 without checks.", _BACKEND, Across.LEAST
)
BACKEND_EJECTED = _gauge(
    "wsgate_backend_ejected", "Whether a backend gets no sessions for a while because it failed.", _BACKEND, Across.MOST
)
BACKEND_DRAINING = _gauge(
    "wsgate_backend_draining",
    "Whether a backend gets no new sessions, and those that it has end.",
    _BACKEND,
    Across.MOST,
)
ROUTE_DRAINING = _gauge(
    "wsgate_route_draining", "Whether a route takes no new sessions, and those that it has end.", _ROUTE, Across.MOST
)
BACKEND_FAILURES = _counter(
    "wsgate_backend_failures_total", "Attempts to use a backend that failed, and sessions that it broke off.", _BACKEND
)
BACKEND_EJECTIONS = _counter("wsgate_backend_ejections_total", "How often a backend was ejected.", _BACKEND)
RETRIES = _counter("wsgate_backend_retries_total", "Requests for which another backend was tried.", _ROUTE)

ACME_FAILURES = _counter(
    "wsgate_acme_failures_total",
    "Certificates that could not be got by ACME, by the file that they are for.",
    ("file",),
)
CERTIFICATE = _gauge(
    "wsgate_certificate_expiry_timestamp_seconds",
    "When the certificate in a file expires, in seconds since 1970.",
    ("file",),
    Across.LEAST,
)
CERTIFICATE_MISSING = _gauge(
    "wsgate_certificate_missing",
    "Whether a listener has no certificate from a file, because that or its key is not there yet or cannot be used.",
    ("file",),
    Across.MOST,
)
LOG_DROPPED = _counter("wsgate_log_lines_dropped_total", "Lines of the log that were not written, by any process.")
ADMIN_REFUSED = _counter("wsgate_admin_refused_total", "Requests that the admin listener has refused.", ("code",))

LAG = _seconds(
    "wsgate_event_loop_lag_seconds",
    "How much later than asked a task of the event loop ran, once a second.",
    (),
    _TURNS,
)
ROUND = _seconds("wsgate_pump_round_seconds", "How long the pump's last turn took, once a second.", (), _TURNS)
FULL_ROUNDS = _counter("wsgate_pump_full_rounds_total", "Turns of the pump that its time limit ended.")
ALIVE = _gauge(
    "wsgate_process_alive_timestamp_seconds",
    "When the event loop of a process last gave a sign, in seconds since 1970.",
    ("worker",),
    Across.EACH,
)
FDS = _gauge("wsgate_process_open_fds", "Open file descriptors of a process.", ("worker",), Across.EACH)
MAX_FDS = _gauge("wsgate_process_max_fds", "File descriptors that a process may have.", ("worker",), Across.EACH)
MEMORY = _gauge("wsgate_process_resident_memory_bytes", "Resident memory of a process.", ("worker",), Across.EACH)

METRICS: tuple[Metric, ...] = tuple(value for value in list(globals().values()) if isinstance(value, Metric))
