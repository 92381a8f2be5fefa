"""The story of one connection, on one page.

Accepted, it sends a request head, in time. A route takes it. Files are sent, and the connection may ask again. For an
upgrade the backend is opened first; then the client gets its 101, both sockets become legs and the pump moves their
bytes until one line in the log says how it went. Every way off that path is a ``Refusal``: an HTTP answer after which
nothing more is read from this client.
"""

from __future__ import annotations

import contextlib
import logging
import socket
from dataclasses import dataclass

import trio

from wsgate.gate.account import Record, refused
from wsgate.gate.backend import Backend, open_relay, open_tunnel
from wsgate.gate.client import Client, Origin, backend_fields, origin
from wsgate.gate.files import CHUNK, OpenFile, open_file
from wsgate.gate.gateway import Entrance, Gateway
from wsgate.gate.proxy_protocol import real_address
from wsgate.gate.redirect import redirection
from wsgate.gate.secure import TLS_HANDSHAKE, refuse_tls, secure
from wsgate.gate.sockets import end_politely, receive, send_all, set_nodelay
from wsgate.relay.closing import Side
from wsgate.relay.join import Join, relay, tunnel
from wsgate.relay.leg import TcpLeg, WebSocketLeg
from wsgate.relay.tcp import limit_unacknowledged, watch_for_silence
from wsgate.relay.tls import PeerSocket
from wsgate.settings.model import Address, Files, Pings, Relay, Route, TextFrames, Tunnel
from wsgate.wire.handshake import Declined, Upgrade, accept_headers, check_upgrade, choose_subprotocol
from wsgate.wire.headers import Headers, elements
from wsgate.wire.http import HttpServer, Refusal, Request
from wsgate.wire.kernel import FrameWalk
from wsgate.wire.proxy_protocol import BEGINNINGS as PROXY_HEADERS
from wsgate.wire.walk import NO_LIMIT

_log = logging.getLogger("wsgate")

_RETRY_AFTER = ((b"Retry-After", b"5"),)

FULL = Refusal(503, "the gateway is full: try again later", _RETRY_AFTER)
DRAINING = Refusal(503, "the gateway is shutting down: connect again", _RETRY_AFTER)
ROUTE_CHANGED = Refusal(503, "this route has just changed: connect again", _RETRY_AFTER)
NO_ROUTE = Refusal(404, "no route for this host, path and subprotocol")
NO_WEBSOCKET = Refusal(404, "nothing here speaks WebSocket")
UPGRADE_REQUIRED = Refusal(
    426, "this is a WebSocket endpoint", ((b"Upgrade", b"websocket"), (b"Connection", b"Upgrade"))
)
CLIENT_GONE = Refusal(499, "the client went away before its answer")  # nginx's status; nobody is there to hear it
TOO_SLOW = Refusal(408, "the request took too long")
UNEXPECTED_PROXY_HEADER = Refusal(
    400, "malformed request", detail="a PROXY header: set proxy_protocol on the listener, or let the balancer send none"
)


@dataclass(frozen=True, slots=True)
class _Session:
    """Everything is agreed on; what remains is moving bytes. ``early`` came behind the two heads."""

    route: Route
    record: Record
    join: Join
    early: tuple[bytes, bytes]


async def serve(gateway: Gateway, entrance: Entrance, sock: socket.socket, peer: Address) -> None:
    """One connection from its acceptance to its end. Owns ``sock``. ``peer`` is who has connected."""
    try:
        with sock:
            gateway.pump.give_turn()
            set_nodelay(sock)
            # Who the client is, by the word of a balancer in front
            address = await real_address(gateway, entrance, sock, peer)
            if address is None:
                return
            # Who it has proved to be, where TLS asked it
            tls = entrance.context is not None
            secured = await secure(gateway, entrance, sock, str(address)) if tls else (sock, None)
            if secured is None:
                return
            if isinstance(secured, Refusal):
                await _Handshake(gateway, entrance, sock, Client(peer, address)).refuse(secured)
                return
            connection, certificate = secured
            client = Client(peer, address, tls, certificate)
            with contextlib.closing(connection):
                # What the handshake needed is gone with this call: an idle session keeps none of it
                session = await _Handshake(gateway, entrance, connection, client).run()
                if session is not None:
                    await _relay(gateway, session)
    except Exception:
        # Our own bug ends this connection, loudly, and no other
        _log.exception("internal error: please report it", extra={"event": "bug", "fields": {"client": str(peer)}})


async def _relay(gateway: Gateway, session: _Session) -> None:
    join = session.join
    gateway.sessions[join] = session.route
    gateway.opened += 1
    session.record.opened()
    if gateway.must_leave(session.route):  # since its 101, which this client was slow to take
        trio.lowlevel.current_trio_token().run_sync_soon(join.drain, gateway.settings.drain.code)  # once it runs
    cut = False
    try:
        await join.run(session.early)
    except trio.Cancelled:
        gateway.cut += 1
        cut = True
        raise
    finally:
        del gateway.sessions[join]
        gateway.row.leave(cut=cut)
        session.record.ended(join.outcome())


class _Handshake:
    """Everything before the first frame."""

    def __init__(
        self,
        gateway: Gateway,
        entrance: Entrance,
        sock: PeerSocket,
        client: Client,
    ) -> None:
        self._gateway = gateway
        self._entrance = entrance
        self._sock = sock
        self._client = client
        self._who = client.who()  # until a request says more
        self._http = HttpServer()
        self._timeouts = gateway.settings.defaults.timeouts

    async def run(self) -> _Session | None:
        """Answer requests until one becomes a session, or the connection ends."""
        while True:
            await trio.lowlevel.checkpoint()  # one read may hold hundreds of requests
            request = await self._next_request()
            if request is None:
                return None
            if isinstance(request, Refusal):
                await self.refuse(request)
                return None
            source = origin(self._client, request, self._gateway.settings.trusted_proxies)
            self._who = source.who
            upgrade = check_upgrade(request)
            moved = self._redirection(source, request, upgrade=upgrade is not None)
            if moved is not None:
                await self.refuse(moved, request)
                return None
            offered = elements(request.headers, b"sec-websocket-protocol")
            route = self._gateway.router.find(request.host, request.path, offered)
            if route is None:
                await self.refuse(NO_ROUTE, request)
                return None
            if isinstance(route.action, Files):
                if upgrade is not None:
                    await self.refuse(NO_WEBSOCKET, request, route)
                    return None
                if not await self._send_file(route, route.action, request):
                    return None
                continue
            if upgrade is None:
                await self.refuse(UPGRADE_REQUIRED, request, route)
                return None
            if isinstance(upgrade, Refusal):
                await self.refuse(upgrade, request, route)
                return None
            if self._gateway.draining:
                await self.refuse(DRAINING, request, route)
                return None
            if self._gateway.row.full(self._gateway.settings.limits.sessions):
                await self.refuse(FULL, request, route)
                return None
            return await self._open(route, request, upgrade, source)

    async def _next_request(self) -> Request | Refusal | None:
        """The next head, within the handshake timeout; ``None`` where the client ends, or never begins."""
        http = self._http
        with trio.move_on_after(self._timeouts.handshake) as scope:
            while True:
                try:
                    request = http.next_request()
                except EOFError:
                    return None
                if request is not None:
                    self._gateway.pump.give_turn()
                    return request
                if not http.begun:
                    self._gateway.expect(scope)
                try:
                    data = await receive(self._sock)
                finally:
                    self._gateway.idle.discard(scope)
                self._gateway.pump.give_turn()
                await self._gateway.turns.take()
                if data.startswith(TLS_HANDSHAKE) and not http.begun and self._entrance.context is None:
                    await refuse_tls(self._entrance, self._sock, str(self._client.address))
                    return None
                if data.startswith(PROXY_HEADERS) and not http.begun:
                    return UNEXPECTED_PROXY_HEADER
                http.receive(data)
        return TOO_SLOW if http.begun else None

    def _redirection(self, source: Origin, request: Request, *, upgrade: bool) -> Refusal | None:
        listeners = self._gateway.settings.listeners
        return redirection(self._entrance.listener, listeners, source, request, upgrade=upgrade)

    async def _open(self, route: Route, request: Request, upgrade: Upgrade, source: Origin) -> _Session | None:
        """Open the backend, then say 101."""
        self._gateway.pump.give_turn()
        action = route.action
        if isinstance(action, Relay):
            opened = await open_relay(
                route, action, request, upgrade, backend_fields(source), self._gateway.tls_client(route.name, action)
            )
        else:
            assert isinstance(action, Tunnel)
            opened = await open_tunnel(route, action, self._gateway.tls_client(route.name, action))
        if isinstance(opened, Refusal):
            await self.refuse(opened, request, route)
            return None
        if isinstance(opened, Declined):
            await self._pass_on(opened, request, route)
            return None
        entered, session = False, None
        try:
            await self._gateway.turns.take()
            entered = self._gateway.row.enter(self._gateway.settings.limits.sessions)
            if entered:
                session = await self._accept(route, request, upgrade, opened)
            else:
                opened.sock.close()
                await self.refuse(FULL, request, route)
            return session
        finally:
            if session is None:
                opened.sock.close()
                if entered:
                    self._gateway.row.leave(never_opened=True)

    async def _accept(self, route: Route, request: Request, upgrade: Upgrade, backend: Backend) -> _Session | None:
        self._gateway.pump.give_turn()
        if self._gateway.must_leave(route):  # since this handshake began
            backend.sock.close()
            await self.refuse(DRAINING if self._gateway.draining else ROUTE_CHANGED, request, route)
            return None
        action, answer = route.action, backend.answer
        extensions = b""
        more: Headers = ()
        if answer is not None:
            subprotocol, extensions, more = answer.subprotocol, answer.extensions, answer.headers
        else:
            assert isinstance(action, Tunnel)
            subprotocol = choose_subprotocol(upgrade.subprotocols, [name.encode() for name in action.subprotocols])
        head = self._http.switch([*accept_headers(upgrade, subprotocol, extensions), *more])
        sent = False
        with trio.move_on_after(self._timeouts.handshake):
            sent = await send_all(self._sock, head)
        if not sent:
            backend.sock.close()
            refused(self._who, request.path.decode("latin-1"), route.name, CLIENT_GONE)
            return None
        record = Record(
            route.name,
            self._who,
            backend.name,
            request.path.decode("latin-1"),
            None if subprotocol is None else subprotocol.decode("latin-1"),
            trio.current_time(),
        )
        join = make_join(self._gateway, route, self._sock, backend.sock, compression=bool(extensions))
        return _Session(route, record, join, (self._http.trailing(), b"" if answer is None else answer.early))

    async def _send_file(self, route: Route, files: Files, request: Request) -> bool:
        """Send a file; whether the connection may ask for another."""
        opened = await open_file(route, files, request)
        if isinstance(opened, Refusal):
            # a missing file is no reason to lose the connection: a page asks for its icon
            refused(self._who, request.path.decode("latin-1"), route.name, opened)
            return await self._respond(opened, close=self._is_last()) and self._next_cycle()
        with opened.file:
            return await self._send_body(opened, head_only=request.method == b"HEAD") and self._next_cycle()

    async def _send_body(self, opened: OpenFile, *, head_only: bool) -> bool:
        http = self._http
        left = 0 if head_only else opened.size
        data = http.head(200, opened.headers)
        while True:
            with trio.move_on_after(self._timeouts.handshake) as scope:
                if data and not await send_all(self._sock, data):
                    return False
            if scope.cancelled_caught:
                return False
            if not left:
                break
            chunk = await trio.to_thread.run_sync(opened.file.read, min(CHUNK, left))
            if not chunk:  # the file shrank: the client learns it from the missing bytes
                return False
            left -= len(chunk)
            data = http.data(chunk)
        http.finish()
        return True

    def _next_cycle(self) -> bool:
        return not self._is_last() and self._http.next_cycle()

    def _is_last(self) -> bool:
        """Whether this connection is not kept for another request."""
        return self._gateway.draining or self._entrance.closed

    async def _pass_on(self, declined: Declined, request: Request, route: Route) -> None:
        """The backend's own refusal, as it said it."""
        refusal = Refusal(declined.status, "refused by the backend", detail=declined.detail)
        refused(self._who, request.path.decode("latin-1"), route.name, refusal)
        with trio.move_on_after(self._timeouts.handshake):
            await send_all(self._sock, self._http.respond(declined.status, declined.headers, declined.body))
            await end_politely(self._sock)

    async def refuse(self, refusal: Refusal, request: Request | None = None, route: Route | None = None) -> None:
        """Say no and end the connection."""
        path = None if request is None else request.path.decode("latin-1")
        refused(self._who, path, None if route is None else route.name, refusal)
        if await self._respond(refusal, close=True):
            with trio.move_on_after(self._timeouts.close):
                await end_politely(self._sock)

    async def _respond(self, refusal: Refusal, *, close: bool) -> bool:
        headers = [*refusal.headers, (b"Content-Type", b"text/plain; charset=utf-8")]
        body = f"{refusal.status} {refusal.reason}\n".encode()
        sent = False
        with trio.move_on_after(self._timeouts.handshake):
            sent = await send_all(self._sock, self._http.respond(refusal.status, headers, body, close=close))
        return sent


def make_join(gateway: Gateway, route: Route, client: PeerSocket, backend: PeerSocket, *, compression: bool) -> Join:
    """Join two sockets behind their handshakes, as the route says."""
    action = route.action
    limit = NO_LIMIT if route.limits.message is None else route.limits.message
    if route.timeouts.write is not None:
        for sock in (client, backend):
            limit_unacknowledged(sock, 2 * route.timeouts.write)  # behind our own timeout, which can say more
    client_leg = WebSocketLeg(gateway.pump, client, Side.CLIENT, masks=False)
    if isinstance(action, Relay):
        backend_leg = WebSocketLeg(gateway.pump, backend, Side.BACKEND, masks=True)
        text = action.validate_text
        up = FrameWalk(masked=True, limit=limit, validate_text=text, compression=compression)
        down = FrameWalk(masked=False, limit=limit, validate_text=text, compression=compression)
        wire = relay(client_leg, backend_leg, up, down, answers_pings=action.pings is Pings.ANSWER)
        return Join(gateway.pump, client_leg, backend_leg, wire, route.timeouts, route.heartbeat)
    assert isinstance(action, Tunnel)
    tcp_leg = TcpLeg(gateway.pump, backend, Side.BACKEND)
    if route.heartbeat is not None:
        watch_for_silence(backend, route.heartbeat.interval, route.heartbeat.timeout)
    up = FrameWalk(masked=True, limit=limit, unwrap=True, accept_text=action.text is TextFrames.ACCEPT)
    wire = tunnel(client_leg, tcp_leg, up)
    return Join(gateway.pump, client_leg, tcp_leg, wire, route.timeouts, route.heartbeat)
