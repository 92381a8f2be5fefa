"""Heartbeat, timeouts and limits of a route: each route has its own, or those of ``defaults``."""

# ruff: noqa: RUF009 - setting() is dataclasses.field() with our metadata
from __future__ import annotations

from dataclasses import dataclass

from wsgate.settings.model.compression import Compression
from wsgate.settings.model.key import setting
from wsgate.settings.values import ByteRate, Count, MessageSize, Timeout
from wsgate.settings.words import Over


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
        default=16 << 20,
    )
    frame: MessageSize | None = setting(
        "The largest data frame a client or backend may send; a larger one ends the session with 1009.", default=None
    )
    fragments: Count | None = setting(
        "The most frames of which a message through a relay may consist; one more ends the session with 1009.",
        default=100_000,
    )
    sessions: Count | None = setting("Sessions of the route at once; more are answered with 429.", default=None)
    sessions_per_address: Count | None = setting(
        "Sessions of the route from one client address at once, of IPv6 from a /64; more are answered with 429.",
        default=None,
    )
    sessions_per_user: Count | None = setting(
        "Sessions of the route of one user at once, whom auth has found; more are answered with 429.", default=None
    )
    messages_per_second: Count | None = setting(
        "The most messages that a client, and a backend, may send per second on average.", default=None
    )
    bytes_per_second: ByteRate | None = setting(
        "The most bytes, frame headers included, that a client, and a backend, may send per second on average.",
        default=None,
    )
    burst: Timeout = setting("After a pause, as much may come at once as the rates allow in this time.", default=1.0)
    over: Over = setting(
        "Who sends faster than these rates: throttle reads it more slowly, close ends the session with 1008.",
        default=Over.THROTTLE,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    heartbeat: Heartbeat | None = setting(
        "Heartbeat of every route that does not set its own, or off.", default=Heartbeat()
    )
    compression: Compression | None = setting(
        "Compression on every route that does not write its own; what a route writes replaces all of this.",
        default=Compression(),
    )
    timeouts: Timeouts = setting("Timeouts of every route that does not set its own.", default=Timeouts())
    limits: RouteLimits = setting("Limits of every route that does not set its own.", default=RouteLimits())
