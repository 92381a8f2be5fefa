"""One request and its answer.

A handler gets the exchange and returns the answer: a ``Refusal``, a ``Response``, or an ``Opened`` backend. It never
uses the client's connection: only ``gate.connection`` sends answers.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

from wsgate.events.emit import HIDDEN
from wsgate.gate.auth.identity import NOBODY, Admitted
from wsgate.gate.auth.places import target_without
from wsgate.gate.client import Client, RemoteEnd
from wsgate.gate.gateway import Gateway
from wsgate.gate.incoming import Incoming
from wsgate.gate.session_limits import Count, leave
from wsgate.gate.tracing import UpgradeSpan
from wsgate.net.dial import TlsClient
from wsgate.net.transport import Transport
from wsgate.relay.recorded_tunnel import RecordBuffer
from wsgate.relay.session import Session
from wsgate.relay.session_info import ClientInfo, SessionInfo
from wsgate.settings.model import BackendTls, PlaceKind, Record, Tunnel, WebSocketUrl
from wsgate.site.backend import LiveBackend
from wsgate.site.route import LiveRoute
from wsgate.site.site import Site
from wsgate.wire.handshake import Upgrade
from wsgate.wire.headers import Headers
from wsgate.wire.http import BodyEnd, Refusal, Request


@dataclass(slots=True, eq=False)
class Exchange:
    """A request for a route's handler.

    site: with which the exchange began; it keeps this one even if a reload builds another
    upgrade: the upgrade that the request asks for, without credentials; ``None`` for plain HTTP
    client: as far as trusted sources tell
    end: the other end of the connection
    here: the client's connection; a handler must not read or write it
    admitted: who the client is, as its credentials tell
    span: of this upgrade; ``None`` if nobody traces
    incoming: the client's side of a request that is forwarded over plain HTTP; ``None`` for others
    request_id: empty if requests have none
    since: when the request was there (trio seconds)
    counted: what the session is counted by that begins; ``None`` before
    """

    gateway: Gateway
    site: Site
    route: LiveRoute
    request: Request
    upgrade: Upgrade | None
    client: Client
    end: RemoteEnd
    here: Transport
    admitted: Admitted = NOBODY
    incoming: Incoming | None = None
    request_id: str = ""
    since: float = 0.0
    span: UpgradeSpan | None = None
    counted: tuple[Count, ...] | None = None

    def count_session(self) -> Refusal | None:
        """Counts a session in, unless it has been. Returns why there may be none. Its end is ``uncount_session``."""
        if self.counted is not None:
            return None
        settings, limits = self.site.settings, self.gateway.session_limits
        counted = limits.enter(settings, self.route, self.client, self.user)
        if isinstance(counted, Refusal):
            return counted
        self.counted = counted
        return None

    async def count_everywhere(self) -> Refusal | None:
        """Counts a session that is counted in this gateway in the others, too. Returns why there may be none.

        Waits for a moment, and only where ``limits.shared`` is written.
        """
        return await self.gateway.shared_limits.check(
            self.site.settings, self.route, self.client, self.user, rates=self.upgrade is not None
        )

    def uncount_session(self) -> None:
        """No session has begun."""
        if self.counted is not None:
            leave(self.counted)
            self.counted = None

    @property
    def user(self) -> str | None:
        """The authenticated user; ``None`` if no credential named one."""
        return self.admitted.user

    @property
    def target(self) -> bytes:
        """The request's target as a backend gets it, without credentials."""
        auth = self.route.auth
        return self.request.target if auth is None else target_without(auth.places, self.request.target)

    @property
    def client_info(self) -> ClientInfo:
        """Returns the client's data for the log."""
        info = self.client.info
        if (user := self.user) is not None:
            info = replace(info, user=user)
        token = self.route.settings.action.token if isinstance(self.route.settings.action, Tunnel) else None
        if token is not None and info.host is not None and any(each.kind is PlaceKind.HOST for each in token.from_):
            info = replace(info, host=HIDDEN)  # it is the token
        return info

    def backend_tls(self, settings: BackendTls) -> TlsClient | None:
        """Returns the TLS settings for the route's backends; ``None`` if none of them uses TLS."""
        tls = self.route.tls
        if tls is None:
            return None
        return TlsClient(tls.context, settings.server_name, self.gateway.pump.serve_if_due)


class Body(Protocol):
    """The body of a response, read in pieces."""

    async def read(self) -> bytes:
        """Returns the next piece; ``b""`` at the end, or if reading fails."""

    def close(self) -> None:
        """Releases the body."""


class Stream(Protocol):
    """A body of unknown size, from a backend that may still be read from and written to."""

    @property
    def end(self) -> BodyEnd | None:
        """What ended it; ``None`` while it goes on, and after it broke off."""

    @property
    def needs_attention(self) -> bool:
        """Whether ``attend`` has something to do."""

    async def read(self) -> bytes:
        """Returns the next piece; ``b""`` at the end, and if the rest cannot be read."""

    async def attend(self) -> None:
        """Runs while the answer is sent: sends the rest of the request. Returns if the client has left."""

    def close(self, *, is_sent: bool) -> None:
        """Nobody reads any more. ``is_sent``: the client has got all that was read."""


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP answer: a head, ``data``, and ``size`` bytes of ``body``, or all that ``stream`` gives.

    The owner of the response closes the body or stream.
    """

    status: int
    headers: Headers
    data: bytes = b""
    body: Body | None = None
    size: int = 0
    stream: Stream | None = None


# Makes the session between the client's connection and the opened backend; the buffer gets a copy of the bytes
Join = Callable[[Exchange, SessionInfo, RecordBuffer | None], Session]


@dataclass(slots=True, eq=False)
class Opened:
    """A backend that is ready for a session; only the 101 is missing.

    transport: the backend's connection; the owner of this object closes it if no session begins
    name: of the backend, for the log
    join: makes the session
    subprotocol, extensions, headers: for the 101
    protocol: that the 101 switches to, whose fields are in ``headers``; ``None`` for WebSocket
    codec_memory: bytes that the session may keep for compression between two messages
    compression: what becomes of compressed messages, as the log has it; empty without any
    early: bytes that the backend has sent already
    token: the client's token with its source, for ``gate.revoke``
    record: how to record the session; ``None``: not at all
    backend: entered for this session; the owner leaves it at the session's end, or if no session begins
    """

    transport: Transport
    name: str
    join: Join
    subprotocol: bytes | None = None
    extensions: bytes = b""
    headers: Headers = ()
    early: bytes = b""
    token: object = None
    backend: LiveBackend[WebSocketUrl] | None = None
    record: Record | None = None
    protocol: bytes | None = None
    codec_memory: int = 0
    compression: str = ""


Answer = Refusal | Response | Opened


@dataclass(frozen=True, slots=True)
class Handler:
    """The code of a kind of route.

    handle: returns the answer to a request
    upgrades: whether it handles only upgrade requests; otherwise it handles all others
    takes_bodies: whether it also gets requests with a body; behind its answer the connection ends if nobody read it
    """

    handle: Callable[[Exchange], Awaitable[Answer]]
    upgrades: bool = field(default=True, kw_only=True)
    takes_bodies: bool = field(default=False, kw_only=True)
