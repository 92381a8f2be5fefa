"""The configuration as plain data: frozen, complete, already checked.

Anyone may import this module; it imports nothing but its own values, and where they stand in their file. A class is a
YAML mapping and a field is a key, so the path of an error in the file is the path of the attribute in the code.
Durations are seconds, sizes are bytes; ``None`` stands for ``off``. ``settings.load`` builds these objects,
``settings.schema`` describes them: both read the same field metadata.
"""

# ruff: noqa: RUF009 - setting() is dataclasses.field() with our metadata
# ruff: noqa: F403, F405 - all values are the model's, for everybody who imports it
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from wsgate.settings.places import Places
from wsgate.settings.values import *


def setting(doc: str, *, default: Any = ..., required: bool = False) -> Any:
    """Declares a YAML key with its documentation, one line, and its default."""
    metadata = {"doc": doc, "required": required}
    if default is ...:
        return field(metadata=metadata)
    return field(default=default, metadata=metadata)


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
    plaintext: bool = setting(
        "Take clients without TLS on the same port, too: the first byte tells (websockify's way).", default=False
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
    redirect: ListenerRedirect | None = setting(
        "https answers plain HTTP requests with a redirect to https.", default=None
    )
    mode: FileMode | None = setting("Permissions of a Unix socket, like 0660.", default=None)
    backlog: Count = setting("Connections that may wait in the kernel to be accepted.", default=4096)

    def __post_init__(self) -> None:
        if isinstance(self.bind, TcpAddress) and self.bind.port == SCHEMES_PORT:
            address = TcpAddress(self.bind.host, 443 if self.tls else 80)
            object.__setattr__(self, "bind", address)  # the class is frozen


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
    response: Timeout = setting("For a backend to begin its answer to a request that is no upgrade.", default=60.0)
    close: Timeout = setting("For the answer to a Close frame, and for the end of TCP after it.", default=5.0)
    lifetime: Timeout | None = setting("A session ends at this age, or up to a tenth earlier.", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    interval: Timeout = setting("A leg from which nothing came for so long is sent a Ping.", default=20.0)
    timeout: Timeout = setting("Nothing came for so long after the Ping: the leg is dead.", default=20.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteLimits:
    message: MessageSize | None = setting(
        "The largest message a client or backend may send through a relay; a larger one ends the session with 1009.",
        default=None,
    )
    frame: MessageSize | None = setting(
        "The largest data frame a client or backend may send; a larger one ends the session with 1009.", default=None
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
    path: PathPattern | None = setting(
        "/x exact, /x/* prefix, ~regex, which is matched from the path's start on, and to its end only with a $ there; "
        "any path when it is left out. What is compared is the path's normal form.",
        default=None,
    )
    subprotocol: tuple[Subprotocol, ...] = setting("The client must offer one of these.", default=())
    header: tuple[MatchField, ...] = setting(
        "Fields that the request must have, each with just this value: a mapping, name: value.", default=()
    )
    query: tuple[QueryField, ...] = setting(
        "Parameters that the query must have, each with just this value: a mapping, name: value.", default=()
    )
    websocket: bool | None = setting(
        "true takes requests for a WebSocket only, false all others; both when it is left out.", default=None
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayBackend:
    """One WebSocket backend of a relay; its URL alone may be written for it."""

    SHORT: ClassVar[str] = "url"

    url: WebSocketUrl = setting("ws://host[:port][/path], wss:// or unix:/socket[:/path].", required=True)
    weight: Weight = setting("Its share of the sessions, beside the others' weights.", default=1)
    backup: bool = setting("It gets sessions only when no other backend can take them.", default=False)
    sessions: Count | None = setting("The most sessions that it gets at once.", default=None)

    @property
    def address(self) -> Address:
        return self.url.address

    @property
    def tls(self) -> bool:
        return self.url.tls

    def __str__(self) -> str:
        return str(self.url)


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """Which backend gets the next session; a policy alone may be written for it."""

    SHORT: ClassVar[str] = "policy"

    policy: Policy = setting(
        "first (the first that can be used), round_robin, random (the better of two) or least_sessions, all by weight.",
        default=Policy.FIRST,
    )
    hash: HashKey | None = setting(
        "Equal values get the same backend: address, header:NAME, cookie:NAME, query:NAME, host or path.", default=None
    )
    cookie: CookieName | None = setting(
        "The gateway gives each client a cookie of this name, which brings it back to the same backend.", default=None
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """When another backend is tried for a session that one could not take."""

    attempts: Count | None = setting("How many backends are tried; off is all of them.", default=None)
    on: tuple[RetryOn, ...] = setting(
        "connect (no connection, no TLS, no valid answer in time), and answers: 502, 503, 504.",
        default=(RetryOn.CONNECT, RetryOn.BAD_GATEWAY, RetryOn.UNAVAILABLE, RetryOn.TIMEOUT),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Backends are asked regularly whether they are well: in exactly one of the ways websocket, http and tcp."""

    websocket: UrlPath | None = setting(
        "Open a WebSocket at this path, send a Ping, await the Pong, and close it.", default=None
    )
    http: UrlPath | None = setting("GET this path; a status from 200 to 399 is well.", default=None)
    tcp: bool = setting("Connect, with TLS to wss://.", default=False)
    interval: Timeout = setting("The time between two checks of a backend, more or less a tenth.", default=5.0)
    timeout: Timeout = setting("For one check.", default=2.0)
    rise: Count = setting("So many checks in a row must succeed until it gets sessions again.", default=2)
    fall: Count = setting("So many checks in a row must fail until it gets no more sessions.", default=3)
    on_unhealthy: OnUnhealthy = setting(
        "keep lets its sessions go on, close ends them with 1012, so that their clients come back to another one.",
        default=OnUnhealthy.KEEP,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Eject:
    """A backend that fails again and again gets no sessions for a while."""

    failures: Count = setting("So many failures in a row eject it.", default=5)
    early: Timeout | None = setting(
        "A session that the backend ends abnormally within this time is a failure; a clean close never is.", default=2.0
    )
    for_: Timeout = setting("For how long, the first time; each time in a row twice as long, up to 5m.", default=10.0)
    at_most: Share = setting("The most backends that are ejected at once, in per cent; never all.", default=50)


@dataclass(frozen=True, slots=True, kw_only=True)
class Relay:
    """Pass messages between WebSocket clients and a WebSocket backend."""

    to: tuple[RelayBackend, ...] = setting(
        "The WebSocket backends: URLs, or mappings with url and more.", required=True
    )
    balance: Balance = setting("Which backend gets the next session.", default=Balance())
    retry: Retry = setting("When another backend is tried.", default=Retry())
    health: Health | None = setting("Check the backends also when nobody uses them.", default=None)
    eject: Eject | None = setting("When a backend that fails gets no more sessions, or off.", default=Eject())
    tls: BackendTls = setting("TLS to wss:// backends.", default=BackendTls())
    host: HostField | None = setting(
        "The Host that backends are asked for: keep the client's, backend its own name, or a name; left out, backend "
        "for wss:// with a name, else keep.",
        default=None,
    )
    pings: Pings = setting("forward passes Pings on, answer answers them here.", default=Pings.FORWARD)
    validate_text: bool = setting("Check that text messages are UTF-8 (RFC 6455 §8.1).", default=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Jwt:
    """Tokens that are signed and carry their target: the claims host and port; exp and nbf are heeded."""

    key: FilePath | None = setting("The key that verifies them: a public key, PEM, or a shared secret.", default=None)
    jwks: FilePath | None = setting("A JSON Web Key Set that has the keys (RFC 7517).", default=None)
    algorithms: tuple[Text, ...] = setting(
        "Signature algorithms that are taken; left out, those that fit the key, never none.", default=()
    )
    audience: Text | None = setting("The aud that tokens must have.", default=None)
    issuer: Text | None = setting("The iss that tokens must have.", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Redis:
    """Tokens that are keys of a Redis database; the value is host:port, or JSON with host and port."""

    address: ServiceAddress = setting("The server: host:port or unix:/path.", required=True)
    database: Database = setting("The number of the database.", default=0)
    user: Text | None = setting("The user, where the server has users.", default=None)
    password_file: FilePath | None = setting("A file whose first line is the password.", default=None)
    prefix: Text | None = setting("Put in front of the token to make the key: vnc: for example.", default=None)
    tls: BackendTls | None = setting("Speak TLS to the server.", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """Tokens that a Python function of your own looks up."""

    call: EntryPoint = setting(
        "package.module:name of a function, async or not, or of a class with a method lookup: it gets the token and "
        "returns host:port, (host, port) or None.",
        required=True,
    )
    source: Text | None = setting("For a class: what it is made with.", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """What a client shows to be led to its target, and where targets are looked up: in exactly one of ``SOURCES``."""

    from_: tuple[Place, ...] = setting(
        "Where the token is: query:NAME, header:NAME, cookie:NAME, host or path; the first that is there counts.",
        required=True,
    )
    file: FileOrDirectory | None = setting(
        "A file with lines like token: host:port, or a directory of such files; read again whenever they change.",
        default=None,
    )
    directory: Directory | None = setting(
        "A directory in which each file's name is a token and its text the target; a socket is the target itself.",
        default=None,
    )
    jwt: Jwt | None = setting("Signed tokens that carry their target.", default=None)
    redis: Redis | None = setting("A Redis database.", default=None)
    url: TokenUrl | None = setting(
        "An HTTP service: http://host/path/{token} answers host:port, or JSON with host and port; 404 is no target.",
        default=None,
    )
    python: Lookup | None = setting("A Python function.", default=None)
    url_tls: BackendTls = setting("TLS to the https service of url.", default=BackendTls())
    scheme: Scheme = setting("What is spoken to targets that come without a scheme of their own.", default=Scheme.TCP)
    timeout: Timeout = setting("For one lookup.", default=5.0)
    revoke: bool = setting("End a session with 1008 when its token leads nowhere any more.", default=False)


SOURCES = ("file", "directory", "jwt", "redis", "url", "python")  # the keys of Token that are one


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientTarget:
    """Clients name their target themselves, among those that ``allow`` has."""

    from_: tuple[Place, ...] = setting(
        "Where the target is, as host:port: query:NAME, header:NAME, cookie:NAME or path; the first that is there "
        "counts.",
        required=True,
    )
    scheme: Scheme = setting("What is spoken to it.", default=Scheme.TCP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Each session is written to a file of its own; wsgate recording shows what to do with them."""

    directory: Directory = setting("Where the files are written; it must be there.", required=True)
    max_size: Size = setting("What one file may take; a session's recording ends there.", default=1 << 30)
    on_error: OnError = setting(
        "What a full, broken or hanging disk does: stop (the session goes on unrecorded), end (the session ends with "
        "1011, and who comes is refused with 503).",
        default=OnError.STOP,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Tunnel:
    """Pass bytes between WebSocket clients and a TCP service: one of ``to``, ``token`` and ``target`` says which."""

    to: tuple[Target, ...] = setting(
        "The TCP services, tried in order: tcp://host:port, tls://host:port or unix:/path.", default=()
    )
    token: Token | None = setting("Each client's token says which service it is led to.", default=None)
    target: ClientTarget | None = setting("Each client names its service itself; needs allow.", default=None)
    allow: tuple[TargetRule, ...] = setting(
        "What may be reached, after DNS: network, host pattern, * or unix:/directory/, each with :port or :first-last.",
        default=(),
    )
    deny: tuple[TargetRule, ...] = setting("What may not be reached, whatever allow has.", default=())
    tls: BackendTls = setting("TLS to tls:// services.", default=BackendTls())
    proxy_protocol: ProxyVersion | None = setting(
        "Tell the service who the client is, by the PROXY protocol v1 or v2.", default=None
    )
    subprotocols: tuple[Subprotocol, ...] = setting(
        "Accepted subprotocols; the first of these that the client offers is chosen. Left out: binary, or else the "
        "first that the client offers, but never base64.",
        default=(),
    )
    strict: bool = setting(
        "Refuse clients that offer subprotocols of which none is accepted; false lets them in without one, which "
        "browsers do not take.",
        default=True,
    )
    text: TextFrames = setting(
        "reject ends a session with 1003 on a text message, accept passes its bytes on.", default=TextFrames.REJECT
    )
    record: Record | None = setting("Write every session to a file.", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """Serve files over plain HTTP."""

    root: Directory = setting("The directory that is served; relative to the configuration file.", required=True)
    index: tuple[FileName, ...] = setting(
        "What a directory shows: the first of these that is there.", default=("index.html",)
    )
    fallback: FileBelowRoot | None = setting(
        "The file below root that is sent for every path that leads to none, like /index.html; for single-page "
        "applications.",
        default=None,
    )
    listing: bool = setting("List the directories that have no index.", default=False)
    precompressed: bool = setting("Send file.br or file.gz for file, to clients that take it.", default=True)
    cache_control: HeaderValue = setting("Cache-Control of every file.", default="no-cache")
    headers: tuple[HeaderField, ...] = setting("More header fields for every file: a mapping, name: value.", default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Respond:
    """Answer with a status and a text; the status alone may be written for it."""

    SHORT: ClassVar[str] = "status"

    status: Status = setting("The status, 200 to 599.", default=200)
    body: BodyText | None = setting("The text that is sent, in UTF-8; nothing when it is left out.", default=None)
    headers: tuple[AnswerField, ...] = setting(
        "More header fields: a mapping, name: value. Content-Type of a body is text/plain unless it is here.",
        default=(),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirect:
    """Send clients to another URL; the URL alone may be written for it."""

    SHORT: ClassVar[str] = "to"

    to: RedirectTarget = setting(
        "An http:// or https:// URL, or a path; {host} in it is the requested host without its port, {path} the whole "
        "path, {rest} what follows the route's prefix, {query} the query with its question mark.",
        required=True,
    )
    status: RedirectStatus = setting(
        "302 or 307 for now, 301 or 308 for ever, 303 to be read with GET; 307 and 308 keep the method.", default=302
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Basic:
    """HTTP Basic authentication, RFC 7617. Only over TLS nobody else hears the password."""

    users: tuple[Credential, ...] = setting("user:hash, as htpasswd writes it, or user:{PLAIN}password.", default=())
    file: FilePath | None = setting("A file with such lines; read again when it changes.", default=None)
    realm: HeaderValue = setting("What the browser shows to its user.", default="wsgate")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCertificateAuth:
    """Clients by the certificate that they have shown; the listener's client_ca has verified it."""

    names: tuple[Text, ...] = setting(
        "Common names (CN) that are let in; every verified one when left out.", default=()
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Auth:
    """Who may use a route. A client must pass each kind that is written."""

    basic: Basic | None = setting("User and password.", default=None)
    client_certificate: ClientCertificateAuth | None = setting("TLS client certificates.", default=None)


PlainAction = Files | Respond | Redirect  # for requests that ask for no WebSocket
Action = Relay | Tunnel | Files | Respond | Redirect


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A match and what happens then. ``action`` is the one that the file names: ``relay``, ``tunnel``, ``files``,
    ``respond`` or ``redirect``."""

    name: RouteName = setting("The route's name in logs and errors.", required=True)
    on_reload: OnReload = setting(
        "When a reload changes or removes this route: keep lets its sessions go on, drain closes them.",
        default=OnReload.KEEP,
    )
    match: Match = setting("Which requests this route takes; every request when it is left out.", default=Match())
    origins: tuple[WebOrigin, ...] = setting(
        "Pages that may open WebSockets here, by their Origin; same-host is those of the host that is asked for, any "
        "is every page. Left out: same-host where auth has basic or client_certificate, else any.",
        default=(),
    )
    auth: Auth | None = setting("Who may use this route; everybody when left out.", default=None)
    errors: Errors = setting(
        "How a WebSocket is refused: status is an HTTP answer, which browsers show to nobody; close accepts, then "
        "closes with a code and a reason.",
        default=Errors.STATUS,
    )
    http: PlainHttp = setting(
        "Requests to relay that ask for no WebSocket: reject answers them with 426, forward passes them on over HTTP.",
        default=PlainHttp.REJECT,
    )
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
    head: HeadSize = setting(
        "A request's head, cookies and all, and the head of a backend's answer; a larger one gets 431, or is a 502.",
        default=32 << 10,
    )
    target: HeadSize = setting("A request's target, path and query; a longer one gets 414.", default=16 << 10)


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
    exit_when_idle: Timeout | None = setting(
        "End the process when there was no session for so long; for services that are started on demand.", default=None
    )
    log: Log = setting("The log.", default=Log())
    # Not a configuration key: the text of the file for each value from the environment, by path. Messages show it
    # instead of the value.
    from_environment: Mapping[str, str] = field(default_factory=dict, compare=False, metadata={"is_key": False})
    # Not a configuration key: the place of each value in the file.
    places: Places = field(default_factory=Places, compare=False, repr=False, metadata={"is_key": False})
