"""The whole file, and what is the gateway's own: log, drain, limits."""

# ruff: noqa: RUF009 - setting() is dataclasses.field() with our metadata
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from wsgate.settings.model.admin import Admin
from wsgate.settings.model.defaults import Defaults
from wsgate.settings.model.key import setting
from wsgate.settings.model.listener import Listener
from wsgate.settings.model.route import Route
from wsgate.settings.model.tracing import Tracing
from wsgate.settings.places import Places
from wsgate.settings.values import (
    Count,
    DrainCode,
    Duration,
    HeadSize,
    LogTo,
    Network,
    RedisUrl,
    RequestIdField,
    Size,
    Timeout,
    Workers,
)
from wsgate.settings.words import KeepRequestId, LogAccess, LogFormat, LogLevel, LogToKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    format: LogFormat = setting("json for machines, text for people.", default=LogFormat.JSON)
    level: LogLevel = setting("The least serious level that is written.", default=LogLevel.INFO)
    to: LogTo = setting(
        "Where it goes: stderr, stdout, file:/path, journald, syslog, or syslog:udp:// or syslog:tcp:// and host:port.",
        default=LogTo(LogToKind.STDERR),
    )
    access: LogAccess = setting(
        "A line for each HTTP answer: all, those with a status of 400 or more (errors), or none (off).",
        default=LogAccess.ALL,
    )
    flood: Count | None = setting(
        "Lines a second of the same event and cause; of more, one in 10 s says how many. Sessions are never left out.",
        default=100,
    )
    interval: Timeout | None = setting("Each session that is open has a line so often; at least 1s.", default=None)


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
class RequestId:
    """The id of each request: in the log, and for its backend; the field's name alone may be written for it."""

    SHORT: ClassVar[str] = "header"

    header: RequestIdField = setting("The field in which backends get it.", default="X-Request-Id")
    keep: KeepRequestId = setting(
        "Whose id is kept, if it is of at most 128 letters, digits and -._:/+=@~: trusted is that of a trusted proxy, "
        "any is everybody's, never is nobody's.",
        default=KeepRequestId.TRUSTED,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of the gateway as a whole, all workers together."""

    sessions: Count | None = setting(
        "Sessions at once, or as many as there are descriptors for, if those are fewer; more are answered with 503.",
        default=10_000,
    )
    sessions_per_address: Count | None = setting(
        "Sessions of one client address at once, of IPv6 of a /64; more are answered with 429. A trusted proxy that "
        "names no client, and a Unix socket, are not counted.",
        default=200,
    )
    upgrades_per_second: Count | None = setting(
        "Upgrades in a second of clients that have been let in, and as many at once; more are answered with 503.",
        default=None,
    )
    upgrades_per_second_per_address: Count | None = setting(
        "Upgrades in a second of one client address, let in or not, and as many at once; more are answered with 429.",
        default=None,
    )
    silent_per_address: Count | None = setting(
        "Connections of one client address that owe their request or TLS handshake. With one more, the one that has "
        "been silent for longest is ended; if all have just come, the new one has 250ms. Each worker has its share.",
        default=100,
    )
    handshakes: Count = setting(
        "Handshakes that are worked on in one go; the others wait in line, new connections in the kernel.", default=64
    )
    compression_memory: Size = setting(
        "Memory of each worker for windows that sessions keep between compressed messages. When it is used up, a new "
        "session gets none: it is not compressed where it would be passed, and with context: shared elsewhere.",
        default=256 << 20,
    )
    head: HeadSize = setting(
        "A request's head, cookies and all, and the head of a backend's answer; a larger one gets 431, or is a 502.",
        default=16 << 10,
    )
    target: HeadSize = setting("A request's target, path and query; a longer one gets 414.", default=8 << 10)
    shared: RedisUrl | None = setting(
        "A Redis server, or Sentinels of one, over which several gateways count sessions of addresses and users, and "
        "upgrades in a second, together. It needs the extra redis.",
        default=None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    listeners: tuple[Listener, ...] = setting("The addresses that accept connections.", required=True)
    routes: tuple[Route, ...] = setting("What to do with a request: the first route that matches wins.", required=True)
    defaults: Defaults = setting("What every route starts from.", default=Defaults())
    trusted_proxies: tuple[Network, ...] = setting(
        "Peers whose X-Forwarded-For, -Proto, -Host and -Port, or Forwarded, are believed.", default=()
    )
    request_id: RequestId | None = setting("The id that each request gets, or off.", default=RequestId())
    workers: Workers = setting("Processes that share the work: a number, or auto for one per core.", default=1)
    limits: Limits = setting("Limits of the whole gateway.", default=Limits())
    drain: Drain = setting("How the process ends.", default=Drain())
    exit_when_idle: Timeout | None = setting(
        "End the process when there was no session for so long; for services that are started on demand.", default=None
    )
    log: Log = setting("The log.", default=Log())
    admin: Admin | None = setting("A listener for metrics and health, or off.", default=None)
    tracing: Tracing | None = setting("Send a span of each upgrade to an OpenTelemetry collector.", default=None)
    # Not a configuration key: the text of the file for each value from the environment, by path. Messages show it
    # instead of the value.
    from_environment: Mapping[str, str] = field(default_factory=dict, compare=False, metadata={"is_key": False})
    # Not a configuration key: the place of each value in the file.
    places: Places = field(default_factory=Places, compare=False, repr=False, metadata={"is_key": False})
