"""The configuration as plain data: frozen, complete, already checked.

Anyone may import this module and it imports nobody. A class is a YAML mapping and a field is a key, so the path of an
error in the file is the path of the attribute in the code. Durations are seconds, sizes are bytes; ``None`` stands for
``off``. ``settings.load`` builds these objects, ``settings.schema`` describes them: both read the same field metadata.
"""

# ruff: noqa: RUF009 - setting() is dataclasses.field() with our metadata
from __future__ import annotations

import enum
import ipaddress
from dataclasses import dataclass, field
from typing import Annotated, Any


def setting(doc: str, *, default: Any = ..., required: bool = False) -> Any:
    """A YAML key: its one-line documentation, and the value that stands when the file has none."""
    metadata = {"doc": doc, "required": required}
    if default is ...:
        return field(metadata=metadata)
    return field(default=default, metadata=metadata)


class LogFormat(enum.Enum):
    JSON = "json"
    TEXT = "text"


class LogLevel(enum.Enum):
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class TextFrames(enum.Enum):
    """What a tunnel does with a text message: TCP knows bytes only."""

    REJECT = "reject"
    ACCEPT = "accept"


class TlsVersion(enum.Enum):
    TLS12 = "TLSv1.2"
    TLS13 = "TLSv1.3"


class ClientAuth(enum.Enum):
    """Whether a client must show a certificate."""

    REQUIRED = "required"
    OPTIONAL = "optional"


class Redirect(enum.Enum):
    HTTPS = "https"


class Pings(enum.Enum):
    """Whose a Ping in a relay is."""

    FORWARD = "forward"
    ANSWER = "answer"


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
    """``unix:/path``."""

    path: str

    def __str__(self) -> str:
        return f"unix:{self.path}"


Address = TcpAddress | UnixAddress

SCHEMES_PORT = -1  # in a bind without a port: the scheme's own (RFC 6455 §3)


@dataclass(frozen=True, slots=True)
class Network:
    """Addresses of peers: an IP network, or with ``None`` whoever comes over a Unix socket (``unix``)."""

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


# What a value means beyond its Python type. settings.scalars has the syntax, the limits and the schema of each.
Duration = Annotated[float, "seconds"]
Timeout = Annotated[float, "seconds, more than 0"]
MessageSize = Annotated[int, "bytes"]
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
Workers = Annotated[int, "processes; 0 is auto: one for each core that this process may use"]
BindAddress = Annotated[Address, "to bind"]


@dataclass(frozen=True, slots=True)
class WebSocketUrl:
    """A relay's backend, ``ws://host[:port][/path]`` or ``wss://``.

    ``path`` is ``None`` where the URL has none: the request's own path is kept then (DESIGN: a backend URL without a
    path keeps the request's; with one, it replaces the matched prefix).
    """

    address: TcpAddress
    path: str | None
    tls: bool = False

    def __str__(self) -> str:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A certificate chain, PEM, the server's own first, and its key."""

    certificate: FilePath | None = setting("The certificate and those that lead to its CA, PEM.", default=None)
    key: FilePath | None = setting("Its private key, PEM; left out, it is in the certificate's file.", default=None)
    password_file: FilePath | None = setting("A file with the key's password, if it is encrypted.", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls(Certificate):
    """TLS on a listener. One certificate, or several of which the client's SNI chooses; the first is the default."""

    certificates: tuple[Certificate, ...] = setting(
        "Several certificates: the one for the name that the client asks for, the first for any other.", default=()
    )
    min_version: TlsVersion = setting("The oldest version that is spoken.", default=TlsVersion.TLS12)
    ciphers: Ciphers | None = setting("Cipher suites of TLS 1.2, as OpenSSL writes them.", default=None)
    client_ca: FilePath | None = setting("The CAs that sign clients' certificates, PEM.", default=None)
    client_auth: ClientAuth = setting(
        "With client_ca: required refuses clients without a certificate, optional takes them too.",
        default=ClientAuth.REQUIRED,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendTls(Certificate):
    """TLS to a backend. ``certificate`` and ``key`` are the gateway's own, for backends that ask for one."""

    ca: FilePath | None = setting(
        "The CAs that sign the backend's certificate, PEM; the system's when left out.", default=None
    )
    server_name: HostName | None = setting(
        "The name the certificate must have; the address's host when left out.", default=None
    )
    verify: bool = setting("Check the backend's certificate; false is for experiments only.", default=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyProtocol:
    """The PROXY protocol, versions 1 and 2, in front of every connection from these peers."""

    from_: tuple[Network, ...] = setting("Peers that must speak it; others are refused.", required=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    bind: BindAddress = setting(
        "Where to accept connections: host[:port], [v6][:port] or unix:/path; without a port 80, with tls 443.",
        required=True,
    )
    tls: Tls | None = setting("Speak TLS on this listener.", default=None)
    proxy_protocol: ProxyProtocol | None = setting("Expect the PROXY protocol of a balancer in front.", default=None)
    redirect: Redirect | None = setting("https answers plain HTTP requests with a redirect to https.", default=None)
    mode: FileMode | None = setting("Permissions of a Unix socket, like 0660.", default=None)
    backlog: Count = setting("Connections that may wait in the kernel to be accepted.", default=4096)

    def __post_init__(self) -> None:
        if isinstance(self.bind, TcpAddress) and self.bind.port == SCHEMES_PORT:
            address = TcpAddress(self.bind.host, 443 if self.tls else 80)
            object.__setattr__(self, "bind", address)  # frozen for everybody else


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    format: LogFormat = setting("json for machines, text for people.", default=LogFormat.JSON)
    level: LogLevel = setting("The least serious level that is written.", default=LogLevel.INFO)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drain:
    delay: Duration = setting(
        "How long to go on taking connections after the signal, so that balancers can notice first.", default=0.0
    )
    spread: Duration = setting("Sessions are closed one after the other over this time, not all at once.", default=20.0)
    grace: Duration = setting("How long sessions may then take to close before they are cut.", default=10.0)
    code: DrainCode = setting(
        "The close code that tells clients and backends of the drain: 1001, 1012 or 3000 to 4999.", default=1001
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    handshake: Timeout = setting(
        "For a client to send its request head, and for a backend to answer the upgrade.", default=10.0
    )
    connect: Timeout = setting("For the connection to a backend.", default=5.0)
    idle: Timeout | None = setting("Without a data frame in either direction, a session ends.", default=None)
    write: Timeout | None = setting("A peer that takes nothing of what waits for it is cut.", default=30.0)
    close: Timeout = setting("For the answer to a Close frame, and for the end of TCP after it.", default=5.0)
    lifetime: Timeout | None = setting("A session ends at this age, or up to a tenth earlier.", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    interval: Timeout = setting("A leg from which nothing came for so long is sent a Ping.", default=20.0)
    timeout: Timeout = setting("Nothing came for so long after the Ping: the leg is dead.", default=20.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteLimits:
    message: MessageSize | None = setting(
        "The largest message a client or backend may send; a larger one ends with 1009.", default=16 << 20
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    heartbeat: Heartbeat | None = setting(
        "Heartbeat of every route that does not set its own, or off.", default=Heartbeat()
    )
    timeouts: Timeouts = setting("Timeouts of every route that does not set its own.", default=Timeouts())
    limits: RouteLimits = setting("Limits of every route that does not set its own.", default=RouteLimits())


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    host: tuple[HostPattern, ...] = setting(
        "Host names, without a port; *.example.com matches one or more labels.", default=()
    )
    path: PathPattern | None = setting("/x exact, /x/* prefix, ~regex; any path when it is left out.", default=None)
    subprotocol: tuple[Subprotocol, ...] = setting("The client must offer one of these.", default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Relay:
    """Pass messages between WebSocket clients and a WebSocket backend."""

    to: tuple[WebSocketUrl, ...] = setting(
        "The WebSocket backends, tried in order: ws://host[:port][/path] or wss://.", required=True
    )
    tls: BackendTls = setting("TLS to wss:// backends.", default=BackendTls())
    pings: Pings = setting("forward passes Pings on, answer answers them here.", default=Pings.FORWARD)
    validate_text: bool = setting("Check that text messages are UTF-8 (RFC 6455 §8.1).", default=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tunnel:
    """Pass bytes between WebSocket clients and a TCP service."""

    to: tuple[Target, ...] = setting(
        "The TCP services, tried in order: tcp://host:port, tls://host:port or unix:/path.", required=True
    )
    tls: BackendTls = setting("TLS to tls:// services.", default=BackendTls())
    subprotocols: tuple[Subprotocol, ...] = setting(
        "Accepted subprotocols; the first that the client offers is chosen.", default=("binary",)
    )
    text: TextFrames = setting(
        "reject ends a session with 1003 on a text message, accept passes its bytes on.", default=TextFrames.REJECT
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """Serve files over plain HTTP."""

    root: Directory = setting("The directory that is served; relative to the configuration file.", required=True)


Action = Relay | Tunnel | Files


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A match and what happens then. ``action`` is the one of ``relay``, ``tunnel``, ``files`` that the file names."""

    name: RouteName = setting("The route's name in logs and errors.", required=True)
    on_reload: OnReload = setting(
        "When a reload changes or removes this route: keep lets its sessions go on, drain closes them.",
        default=OnReload.KEEP,
    )
    match: Match = setting("Which requests this route takes; every request when it is left out.", default=Match())
    heartbeat: Heartbeat | None = setting("Heartbeat of this route, or off.", default=Heartbeat())
    timeouts: Timeouts = setting("Timeouts of this route; what is left out comes from defaults.", default=Timeouts())
    limits: RouteLimits = setting("Limits of this route; what is left out comes from defaults.", default=RouteLimits())
    action: Action


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of the gateway as a whole, all workers together."""

    sessions: Count | None = setting("Sessions at once; more are answered with 503.", default=None)
    handshakes: Count = setting(
        "Handshakes that are worked on in one go; the others wait in line, new connections in the kernel.", default=64
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    listeners: tuple[Listener, ...] = setting("The addresses that accept connections.", required=True)
    routes: tuple[Route, ...] = setting("What to do with a request: the first route that matches wins.", required=True)
    defaults: Defaults = setting("What every route starts from.", default=Defaults())
    trusted_proxies: tuple[Network, ...] = setting(
        "Peers whose X-Forwarded-For, -Proto, -Host and -Port, or Forwarded, are believed.", default=()
    )
    workers: Workers = setting("Processes that share the work: a number, or auto for one per core.", default=1)
    limits: Limits = setting("Limits of the whole gateway.", default=Limits())
    drain: Drain = setting("How the process ends.", default=Drain())
    log: Log = setting("The log.", default=Log())
