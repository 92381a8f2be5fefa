"""The configuration as plain data: frozen, complete, already checked.

Anyone may import this module and it imports nobody. A class is a YAML mapping and a field is a key, so the path of an
error in the file is the path of the attribute in the code. Durations are seconds, sizes are bytes; ``None`` stands for
``off``. ``settings.load`` builds these objects, ``settings.schema`` describes them: both read the same field metadata.
"""

# ruff: noqa: RUF009 - key() is dataclasses.field() with our metadata
from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Annotated, Any


def key(doc: str, *, default: Any = ..., required: bool = False) -> Any:
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

# What a value means beyond its Python type. settings.scalars has the syntax, the limits and the schema of each.
Duration = Annotated[float, "seconds"]
Timeout = Annotated[float, "seconds, more than 0"]
MessageSize = Annotated[int, "bytes"]
DrainCode = Annotated[int, "close code"]
RouteName = Annotated[str, "route name"]
HostPattern = Annotated[str, "host pattern"]
Subprotocol = Annotated[str, "subprotocol"]
Directory = Annotated[str, "absolute path of a directory"]
BindAddress = Annotated[Address, "to bind"]
TunnelTarget = Annotated[Address, "to connect to"]


@dataclass(frozen=True, slots=True)
class WebSocketUrl:
    """A relay's backend, ``ws://host[:port][/path]``.

    ``path`` is ``None`` where the URL has none: the request's own path is kept then (DESIGN: a backend URL without a
    path keeps the request's; with one, it replaces the matched prefix).
    """

    address: TcpAddress
    path: str | None

    def __str__(self) -> str:
        return f"ws://{self.address}{self.path or ''}"


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
class Listener:
    bind: BindAddress = key("Where to accept connections: host:port, [v6]:port or unix:/path.", required=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    format: LogFormat = key("json for machines, text for people.", default=LogFormat.JSON)
    level: LogLevel = key("The least serious level that is written.", default=LogLevel.INFO)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drain:
    grace: Duration = key("How long sessions may take to close before they are cut.", default=10.0)
    code: DrainCode = key(
        "The close code that tells clients and backends of the drain: 1001, 1012 or 3000 to 4999.", default=1001
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    handshake: Timeout = key(
        "For a client to send its request head, and for a backend to answer the upgrade.", default=10.0
    )
    connect: Timeout = key("For the connection to a backend.", default=5.0)
    close: Timeout = key("For the answer to a Close frame, and for the end of TCP after it.", default=5.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteLimits:
    message: MessageSize | None = key(
        "The largest message a client or backend may send; a larger one ends with 1009.", default=16 << 20
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    timeouts: Timeouts = key("Timeouts of every route that does not set its own.", default=Timeouts())
    limits: RouteLimits = key("Limits of every route that does not set its own.", default=RouteLimits())


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    host: tuple[HostPattern, ...] = key(
        "Host names, without a port; *.example.com matches one or more labels.", default=()
    )
    path: PathPattern | None = key("/x exact, /x/* prefix, ~regex; any path when it is left out.", default=None)
    subprotocol: tuple[Subprotocol, ...] = key("The client must offer one of these.", default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Relay:
    """Pass messages between WebSocket clients and a WebSocket backend."""

    to: tuple[WebSocketUrl, ...] = key("The WebSocket backend: ws://host:port[/path].", required=True)
    validate_text: bool = key("Check that text messages are UTF-8 (RFC 6455 §8.1).", default=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tunnel:
    """Pass bytes between WebSocket clients and a TCP service."""

    to: tuple[TunnelTarget, ...] = key("The TCP service: tcp://host:port or unix:/path.", required=True)
    subprotocols: tuple[Subprotocol, ...] = key(
        "Accepted subprotocols; the first that the client offers is chosen.", default=("binary",)
    )
    text: TextFrames = key(
        "reject ends a session with 1003 on a text message, accept passes its bytes on.", default=TextFrames.REJECT
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """Serve files over plain HTTP."""

    root: Directory = key("The directory that is served; relative to the configuration file.", required=True)


Action = Relay | Tunnel | Files


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A match and what happens then. ``action`` is the one of ``relay``, ``tunnel``, ``files`` that the file names."""

    name: RouteName = key("The route's name in logs and errors.", required=True)
    match: Match = key("Which requests this route takes; every request when it is left out.", default=Match())
    timeouts: Timeouts = key("Timeouts of this route; what is left out comes from defaults.", default=Timeouts())
    limits: RouteLimits = key("Limits of this route; what is left out comes from defaults.", default=RouteLimits())
    action: Action


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    listeners: tuple[Listener, ...] = key("The addresses that accept connections.", required=True)
    routes: tuple[Route, ...] = key("What to do with a request: the first route that matches wins.", required=True)
    defaults: Defaults = key("What every route starts from.", default=Defaults())
    drain: Drain = key("How the process ends.", default=Drain())
    log: Log = key("The log.", default=Log())
