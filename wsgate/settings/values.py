"""The types of values in the configuration: addresses, and special types of numbers and texts. Words are in ``words``.

Only ``settings.model`` imports this; other code imports the types from there.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import Annotated
from urllib.parse import quote

from wsgate.settings.words import LogToKind, PathKind, PlaceKind
from wsgate.text.host import is_loopback


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

    @property
    def shown(self) -> str:
        """The URL for the log, without the query, which may have a secret."""
        return str(self).partition("?")[0]


@dataclass(frozen=True, slots=True)
class TokenUrl(HttpUrl):
    """The URL of a service that knows tokens, with ``{token}`` somewhere behind the host."""


@dataclass(frozen=True, slots=True)
class RedisUrl:
    """The URL of a Redis server, or of Sentinels that know one; its forms are in ``settings.redis_url``.

    service: what the Sentinels call it, ``None`` if the address is the server's
    """

    tls: bool
    addresses: tuple[TcpAddress, ...]
    database: int = 0
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    service: str | None = None

    def __str__(self) -> str:
        """The whole URL, with its password."""
        return self._text("" if self.password is None else f"{quote(self.user or '', '')}:{quote(self.password, '')}@")

    @property
    def shown(self) -> str:
        """The URL for the log, without user and password."""
        return self._text("")

    @property
    def is_overheard(self) -> bool:
        """Whether what is said crosses a network in clear text."""
        return not self.tls and not all(is_loopback(address.host) for address in self.addresses)

    def _text(self, login: str) -> str:
        scheme = ("rediss" if self.tls else "redis") + ("" if self.service is None else "+sentinel")
        service = "" if self.service is None else f"/{self.service}"
        return f"{scheme}://{login}{','.join(map(str, self.addresses))}{service}/{self.database}"


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
SecretFile = Annotated[str, "absolute path of a file with a secret"]
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
AnswerFieldName = Annotated[str, "name of a field of an answer that backends get, as it is written"]
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
