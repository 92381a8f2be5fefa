"""One request and its one answer.

A handler is told of the exchange and returns the answer: a ``Refusal``, a ``Response``, or what it has ``Opened``. It
never touches the client's connection: ``gate.connection`` gives the answer, whatever it is, in one place.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

from wsgate.gate.client import Client, RemoteEnd
from wsgate.gate.gateway import Gateway
from wsgate.net.dial import TlsClient
from wsgate.net.transport import Transport
from wsgate.relay.session import Session
from wsgate.relay.session_info import ClientInfo, SessionInfo
from wsgate.relay.tap import Tap
from wsgate.settings.model import BackendTls, Record
from wsgate.site.route import LiveRoute
from wsgate.site.site import Site
from wsgate.wire.handshake import Upgrade
from wsgate.wire.headers import Headers
from wsgate.wire.http import Refusal, Request


@dataclass(slots=True, eq=False)
class Exchange:
    """A request, as a route's handler gets it.

    site: the one that it began with, whatever a reload does meanwhile
    upgrade: what it asks for, where that is a WebSocket
    end: the other end of the connection; ``client`` is who asks, as far as it is known
    here: the client's connection, which is not the handler's to read or write
    user: whose password the client knew, where one was asked for
    """

    gateway: Gateway
    site: Site
    route: LiveRoute
    request: Request
    upgrade: Upgrade | None
    client: Client
    end: RemoteEnd
    here: Transport
    user: str | None = None

    @property
    def client_info(self) -> ClientInfo:
        """For the log."""
        info = self.client.info
        return info if self.user is None else replace(info, user=self.user)

    def backend_tls(self, settings: BackendTls) -> TlsClient | None:
        """How to speak TLS to the route's backends; ``None`` where none of them does."""
        tls = self.route.tls
        if tls is None:
            return None
        return TlsClient(tls.context, settings.server_name, self.gateway.pump.serve_if_due)


class Body(Protocol):
    """What follows a response's head, piece by piece."""

    async def read(self) -> bytes:
        """The next piece; ``b""`` where there is no more, or no more can be had."""

    def close(self) -> None:
        """Nobody reads any more."""


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP answer: a head, ``data``, and ``size`` bytes of ``body``, which whoever has the response closes."""

    status: int
    headers: Headers
    data: bytes = b""
    body: Body | None = None
    size: int = 0


# The session between the client's connection and what was opened; a tap gets a copy of what passes
Join = Callable[[Exchange, SessionInfo, Tap | None], Session]


@dataclass(slots=True, eq=False)
class Opened:
    """A backend that is ready. What remains is to say 101, and to move bytes.

    transport: its connection, which whoever has this closes where there is no session
    name: the backend's, for the log
    subprotocol, extensions, headers: for the 101
    early: what the backend has sent already
    token: where the client's token was looked up, and the token
    """

    transport: Transport
    name: str
    join: Join
    subprotocol: bytes | None = None
    extensions: bytes = b""
    headers: Headers = ()
    early: bytes = b""
    token: object = None
    record: Record | None = None


Answer = Refusal | Response | Opened


@dataclass(frozen=True, slots=True)
class Handler:
    """What a kind of route does with requests.

    handle: returns the answer to one
    upgrades: it takes requests for a WebSocket, and no others; or it takes all others
    """

    handle: Callable[[Exchange], Awaitable[Answer]]
    upgrades: bool = field(default=True, kw_only=True)
