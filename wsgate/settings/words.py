"""The words that values of the configuration may be, one enum for each kind.

Only ``settings.model`` imports this; other code imports the enums from there.
"""

from __future__ import annotations

import enum


class LogFormat(enum.Enum):
    JSON = "json"
    TEXT = "text"


class LogLevel(enum.Enum):
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class AdminMetrics(enum.Enum):
    """Who may read the metrics at the admin listener."""

    OPEN = "open"
    TOKEN = "token"


class AdminTap(enum.Enum):
    """What operators may see of the frames of a session."""

    OFF = "off"
    FRAMES = "frames"
    PAYLOAD = "payload"


class LogToKind(enum.Enum):
    STDERR = "stderr"
    STDOUT = "stdout"
    FILE = "file:"
    JOURNALD = "journald"
    SYSLOG = "syslog:"  # a Unix socket
    SYSLOG_UDP = "syslog:udp://"
    SYSLOG_TCP = "syslog:tcp://"


class LogAccess(enum.Enum):
    """Which requests that become no session have a line in the log."""

    ALL = "all"
    ERRORS = "errors"
    OFF = "off"


class StateAnswer(enum.Enum):
    """What a route for balancers answers."""

    ALIVE = "alive"
    READY = "ready"


class TextFrames(enum.Enum):
    """What a tunnel does with a text message: TCP knows bytes only."""

    REJECT = "reject"
    ACCEPT = "accept"


class Errors(enum.Enum):
    """How a client that asked for a WebSocket is told that it gets none."""

    STATUS = "status"
    CLOSE = "close"


class Scheme(enum.Enum):
    """What is spoken to a target whose own text has no scheme."""

    TCP = "tcp"
    TLS = "tls"


class ProxyVersion(enum.Enum):
    """The version of the PROXY protocol that a target is told."""

    V1 = "v1"
    V2 = "v2"


class TlsVersion(enum.Enum):
    TLS12 = "TLSv1.2"
    TLS13 = "TLSv1.3"


class AcmeChallenge(enum.Enum):
    """How a CA checks that a name leads to the gateway."""

    AUTO = "auto"
    HTTP = "http-01"
    TLS_ALPN = "tls-alpn-01"


class ClientAuth(enum.Enum):
    """Whether a client must show a certificate."""

    REQUIRED = "required"
    OPTIONAL = "optional"


class ListenerRedirect(enum.Enum):
    HTTPS = "https"


class PlainHttp(enum.Enum):
    """What becomes of requests that ask for no WebSocket, on a route that relays."""

    REJECT = "reject"
    FORWARD = "forward"


class Upgrades(enum.Enum):
    """Which upgrades a route passes on."""

    WEBSOCKET = "websocket"
    ANY = "any"


class Pings(enum.Enum):
    """Whose a Ping in a relay is."""

    FORWARD = "forward"
    ANSWER = "answer"


class Policy(enum.Enum):
    """Which backend gets the next session."""

    FIRST = "first"
    ROUND_ROBIN = "round_robin"
    RANDOM = "random"
    LEAST_SESSIONS = "least_sessions"


class RetryOn(enum.Enum):
    """A failure of a backend before the 101, after which another one is tried."""

    CONNECT = "connect"
    BAD_GATEWAY = "502"
    UNAVAILABLE = "503"
    TIMEOUT = "504"


class OnUnhealthy(enum.Enum):
    """What becomes of the sessions of a backend that its checks call unhealthy."""

    KEEP = "keep"
    CLOSE = "close"


class Over(enum.Enum):
    """What becomes of a session whose client or backend sends faster than its route allows."""

    THROTTLE = "throttle"
    CLOSE = "close"


class OnError(enum.Enum):
    """What becomes of a session that cannot be recorded any more."""

    STOP = "stop"
    END = "end"


class KeepRequestId(enum.Enum):
    """Whose id of a request is kept."""

    TRUSTED = "trusted"
    ANY = "any"
    NEVER = "never"


class CompressionMode(enum.Enum):
    """Who compresses if it is not the gateway."""

    PASS = "pass"  # client and backend, end to end


class CompressionContext(enum.Enum):
    """What the gateway's own compression holds between two messages."""

    SHARED = "shared"  # nothing
    SESSION = "session"  # a window for each direction


class OnReload(enum.Enum):
    """What a reload does with the sessions of a route that it changes or removes."""

    KEEP = "keep"
    DRAIN = "drain"


class PlaceKind(enum.Enum):
    """Where in a request a client says what it wants."""

    QUERY = "query"
    HOST = "host"
    PATH = "path"
    COOKIE = "cookie"
    HEADER = "header"


class PathKind(enum.Enum):
    EXACT = "exact"
    PREFIX = "prefix"
    REGEX = "regex"
