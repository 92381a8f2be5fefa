"""The types of values in the configuration: words, addresses, and special types of numbers and texts.

Only ``settings.model`` imports this; other code imports the types from there.
"""

from __future__ import annotations

import enum
import ipaddress
from dataclasses import dataclass, field
from typing import Annotated


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


@dataclass(frozen=True, slots=True)
class LogTo:
    """Where the log goes: a descriptor of the process, a file, journald or syslog.

    path: of the file, or of syslog's socket
    host, port: of syslog on another machine
    """

    kind: LogToKind
    path: str = ""
    host: str = ""
    port: int = 0

    def __str__(self) -> str:
        return self.kind.value + (self.path or (str(TcpAddress(self.host, self.port)) if self.host else ""))


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


@dataclass(frozen=True, slots=True)
class TcpAddress:
    """``host:port`` or ``[v6]:port``; the brackets are not part of ``host``."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class UnixAddress:
    """``unix:/path``.

    beneath: a directory in which the socket must be when it is dialled, with all symbolic links resolved
    """

    path: str
    beneath: str | None = field(default=None, compare=False)

    def __str__(self) -> str:
        return f"unix:{self.path}"


Address = TcpAddress | UnixAddress

SCHEMES_PORT = -1  # in a bind without a port: the scheme's default port (RFC 6455 §3)


@dataclass(frozen=True, slots=True)
class Network:
    """Addresses of peers: an IP network, or with ``None`` all peers over a Unix socket (``unix``)."""

    ip: ipaddress.IPv4Network | ipaddress.IPv6Network | None

    def __str__(self) -> str:
        return "unix" if self.ip is None else str(self.ip)


@dataclass(frozen=True, slots=True)
class Target:
    """A tunnel's backend: ``tcp://host:port``, ``tls://host:port`` or ``unix:/path``."""

    address: Address
    tls: bool = False

    def __str__(self) -> str:
        return str(self.address) if isinstance(self.address, UnixAddress) else f"{self.scheme}://{self.address}"

    @property
    def scheme(self) -> str:
        return "tls" if self.tls else "tcp"


class PlaceKind(enum.Enum):
    """Where in a request a client says what it wants."""

    QUERY = "query"
    HOST = "host"
    PATH = "path"
    COOKIE = "cookie"
    HEADER = "header"


@dataclass(frozen=True, slots=True)
class Place:
    """``query:NAME``, ``cookie:NAME``, ``header:NAME``, ``host`` (without its port) or ``path`` (the part after the
    route's prefix); the last two have no name."""

    kind: PlaceKind
    name: str = ""

    def __str__(self) -> str:
        return f"{self.kind.value}:{self.name}" if self.name else self.kind.value


@dataclass(frozen=True, slots=True)
class HashKey:
    """What of a request chooses its backend: ``address``, or a place in the request."""

    place: Place | None

    def __str__(self) -> str:
        return "address" if self.place is None else str(self.place)


@dataclass(frozen=True, slots=True)
class TargetRule:
    """The targets of a rule: a network, a host pattern, any host (``None``), or the Unix sockets below a directory; at
    the ports from ``first`` to ``last``.

    ``10.0.0.0/8:5900-5999``, ``[fd00::/8]:5900``, ``*.example.com:22``, ``*:5900``, ``unix:/run/vnc/``.
    """

    what: ipaddress.IPv4Network | ipaddress.IPv6Network | str | UnixAddress | None
    first: int = 1
    last: int = 65535


@dataclass(frozen=True, slots=True)
class EntryPoint:
    """``package.module:name`` of a Python object."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}:{self.name}"


@dataclass(frozen=True, slots=True)
class HttpUrl:
    """``http://host[:port]/path?query`` or ``https://``. ``target``: path and query"""

    tls: bool
    address: TcpAddress
    target: str

    def __str__(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.address}{self.target}"


@dataclass(frozen=True, slots=True)
class TokenUrl(HttpUrl):
    """The URL of a service that knows tokens, with ``{token}`` somewhere behind the host."""


# Types that say more than their Python type. settings.scalars has the syntax, the limits and the schema of each.
Duration = Annotated[float, "seconds"]
Timeout = Annotated[float, "seconds, more than 0"]
MessageSize = Annotated[int, "bytes"]
ByteRate = Annotated[int, "bytes per second, more than 0"]
Switch = Annotated[bool, "on or off"]
CompressionLevel = Annotated[int, "1 to 9"]
WindowSize = Annotated[int, "bytes: a power of two from 512 to 32,768"]
DrainCode = Annotated[int, "close code"]
RouteName = Annotated[str, "route name"]
HostPattern = Annotated[str, "host pattern"]
Subprotocol = Annotated[str, "subprotocol"]
Directory = Annotated[str, "absolute path of a directory"]
FilePath = Annotated[str, "absolute path of a file"]
FileMode = Annotated[int, "permission bits"]
HostName = Annotated[str, "host name or IP address"]
Ciphers = Annotated[str, "OpenSSL cipher list"]
Count = Annotated[int, "1 or more"]
Weight = Annotated[int, "1 to 256"]
Share = Annotated[int, "per cent, 1 to 100"]
Workers = Annotated[int, "processes; 0 is auto: one for each core that this process may use"]
BindAddress = Annotated[Address, "to bind"]
ServiceAddress = Annotated[Address, "host:port or unix:/path"]
Size = Annotated[int, "bytes, more than 0"]
HeadSize = Annotated[int, "bytes, 1 KiB to 1 MiB"]
HeaderField = Annotated[tuple[str, str], "name: value"]
MatchField = Annotated[tuple[str, str], "name: value of a field of the request"]
QueryField = Annotated[tuple[str, str], "name: value of a query, both percent-decoded"]
AnswerField = Annotated[tuple[str, str], "name: value, of a whole answer"]
BackendField = Annotated[tuple[str, str], "name: value of a field for a backend, with variables"]
ClientField = Annotated[tuple[str, str], "name: value of a field for a client, with variables"]
RequestIdField = Annotated[str, "name of a field of a request"]
FieldName = Annotated[str, "name of a header field"]
Method = Annotated[str, "method of a request"]
BackendFieldName = Annotated[str, "name of a field of a request, in lower case"]
ClientFieldName = Annotated[str, "name of a field of an answer, in lower case"]
ClaimValue = Annotated[tuple[str, str], "name of a claim: value that it must have"]
ClaimField = Annotated[tuple[str, str], "name of a field for a backend: name of a claim"]
# Of these a mapping has any names
PAIRS = (HeaderField, AnswerField, MatchField, QueryField, BackendField, ClientField, ClaimValue, ClaimField)
HeaderValue = Annotated[str, "visible characters of ISO 8859-1, and blanks between them"]
FileName = Annotated[str, "name of a file, without a slash"]
FileOrDirectory = Annotated[str, "absolute path of a file or a directory"]
WebOrigin = Annotated[str, "an origin, RFC 6454: scheme://host[:port], or null; or one of the two words below"]

SAME_HOST = "same-host"  # an origin: pages of the requested host, and clients that are no browsers
ANY_ORIGIN = "any"
Credential = Annotated[str, "user:hash or user:{PLAIN}password, a line of an htpasswd file"]
AltName = Annotated[str, "pattern of a name in a certificate's subjectAltName"]
CookieName = Annotated[str, "name of a cookie, RFC 6265"]
UrlPath = Annotated[str, "path of a URL, without a query"]
KeySet = Annotated[str | HttpUrl, "absolute path of a file, or URL"]
CollectorUrl = Annotated[str, "an http:// or https:// URL of an OpenTelemetry collector"]
Text = Annotated[str, "any text that is not empty"]
Database = Annotated[int, "0 or more"]
OriginField = Annotated[str, "keep, remove, or an origin"]
HostField = Annotated[str, "keep, backend, or a host with or without a port"]
Status = Annotated[int, "200 to 599"]
RedirectStatus = Annotated[int, "301, 302, 303, 307 or 308"]
RedirectTarget = Annotated[str, "http:// or https:// URL, or a path, with placeholders like {path}"]
PathPrefix = Annotated[str, "prefix of paths, in its normal form and without a slash at the end; empty: of all paths"]
StrippedPrefix = Annotated[str, "PathPrefix that is not empty"]
NewPrefix = Annotated[str, "prefix of paths, as it is sent, without a slash at the end"]
RewriteTarget = Annotated[str, "path with placeholders like {rest} or {1}"]
BodyText = Annotated[str, "any text that is not empty, of several lines too"]
FileBelowRoot = Annotated[str, "path of a file below the root, which begins with a slash"]


@dataclass(frozen=True, slots=True)
class WebSocketUrl:
    """A relay's backend, ``ws://host[:port][/path]``, ``wss://`` or ``unix:/socket[:/path]``.

    path: replaces what the route matched, as in nginx's proxy_pass, or stands in front of what ``rewrite`` makes;
    ``None`` if the URL has none: the path is kept then
    """

    address: Address
    path: str | None
    tls: bool = False

    def __str__(self) -> str:
        if isinstance(self.address, UnixAddress):
            return f"{self.address}:{self.path}" if self.path else str(self.address)
        return f"{'wss' if self.tls else 'ws'}://{self.address}{self.path or ''}"


class PathKind(enum.Enum):
    EXACT = "exact"
    PREFIX = "prefix"
    REGEX = "regex"


@dataclass(frozen=True, slots=True)
class PathPattern:
    """``/x`` exact, ``/x/*`` prefix (``text`` is ``/x/``), ``~regex`` (searched from the start of the path)."""

    kind: PathKind
    text: str

    def __str__(self) -> str:
        return (
            {PathKind.EXACT: "", PathKind.PREFIX: "", PathKind.REGEX: "~"}[self.kind]
            + self.text
            + ("*" if self.kind is PathKind.PREFIX else "")
        )
