"""``relay``: WebSocket backends, what they are asked for, which of them gets a session, and which are well."""

# ruff: noqa: RUF009 - setting() is dataclasses.field() with our metadata
from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from wsgate.settings.model.key import setting
from wsgate.settings.model.tls import BackendTls
from wsgate.settings.values import (
    Address,
    CookieName,
    Count,
    FilePath,
    HashKey,
    HostField,
    NewPrefix,
    OriginField,
    PathPrefix,
    RewriteTarget,
    Share,
    StrippedPrefix,
    Timeout,
    UrlPath,
    WebSocketUrl,
    Weight,
)
from wsgate.settings.words import OnUnhealthy, Pings, Policy, RetryOn


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayBackend:
    """One WebSocket backend of a relay; its URL alone may be written for it."""

    SHORT: ClassVar[str] = "url"

    url: WebSocketUrl = setting("ws://host[:port][/path], wss:// or unix:/socket[:/path].", required=True)
    weight: Weight = setting("Its share of the sessions, beside the others' weights.", default=1)
    backup: bool = setting("It gets sessions only when no other backend can take them.", default=False)
    sessions: Count | None = setting("The most sessions that it gets at once, of all workers together.", default=None)
    drain: bool = setting("It gets no new session, and those that it has end with 1012.", default=False)

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
    slow_start: Timeout | None = setting(
        "The time in which the share of a backend that has come back, also from an ejection, grows to the whole.",
        default=None,
    )
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
class Queue:
    """New sessions wait where each backend has as many as it may have; who comes first is served first."""

    size: Count = setting("The most sessions that wait at once; one more gets 503.", default=100)
    timeout: Timeout = setting("A session that has got no place by then gets 503.", default=5.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplacePrefix:
    """Another prefix for the paths that begin with one."""

    prefix: PathPrefix = setting("What paths begin with here; other paths stay.", required=True)
    with_: NewPrefix = setting("What stands in its place for backends.", required=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewrite:
    """The path that backends are asked for, in exactly one of the ways strip, replace and to. The query stays."""

    strip: StrippedPrefix | None = setting("This prefix is removed; paths that do not have it stay.", default=None)
    replace: ReplacePrefix | None = setting("A prefix is replaced by another one.", default=None)
    to: RewriteTarget | None = setting(
        "The whole path: {path} in it is the path that was asked for, {rest} what follows the route's prefix, "
        "{name} or {1} what a group of the route's regex matched.",
        default=None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Relay:
    """Pass messages between WebSocket clients and a WebSocket backend."""

    to: tuple[RelayBackend, ...] = setting("The WebSocket backends: URLs, or mappings with url and more.", default=())
    to_file: FilePath | None = setting(
        "A file with backends, beside or instead of to; it is read again when it changes.", default=None
    )
    resolve: Timeout | None = setting(
        "Names of backends are resolved this often, and each of their addresses is a backend; off: at each dial.",
        default=None,
    )
    rewrite: Rewrite | None = setting(
        "Another path than the client's for the backends; a path in to stands in front of it.", default=None
    )
    balance: Balance = setting("Which backend gets the next session.", default=Balance())
    rebalance: Share | None = setting(
        "So many of the sessions, in per cent, are moved each second to a backend that is new or has come back.",
        default=None,
    )
    retry: Retry = setting("When another backend is tried.", default=Retry())
    queue: Queue | None = setting(
        "New sessions wait for a place, where each backend has as many sessions as it may have, or off: they get 503.",
        default=None,
    )
    health: Health | None = setting("Check the backends also when nobody uses them.", default=None)
    eject: Eject | None = setting("When a backend that fails gets no more sessions, or off.", default=Eject())
    tls: BackendTls = setting("TLS to wss:// backends.", default=BackendTls())
    host: HostField | None = setting(
        "The Host that backends are asked for: keep the client's, backend its own name, or a name; left out, backend "
        "for wss:// with a name, else keep.",
        default=None,
    )
    origin: OriginField = setting(
        "The Origin that backends are told: keep the page's, remove it, or an origin.", default="keep"
    )
    pings: Pings = setting("forward passes Pings on, answer answers them here.", default=Pings.FORWARD)
    validate_text: bool = setting("Check that text messages are UTF-8 (RFC 6455 §8.1).", default=True)
