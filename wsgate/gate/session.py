"""The story of one connection, on one page.

Accepted, it sends a request head, in time. A route takes it. Files are sent, and the connection may ask again. For an
upgrade the backend is opened first; then the client gets its 101, both sockets become legs and the pump moves their
bytes until one line in the log says how it went. Every way off that path is a ``Refusal``: an HTTP answer after which
nothing more is read from this client.
"""

from __future__ import annotations

import logging
import socket
from dataclasses import dataclass

import trio

from wsgate.gate.account import Record, refused
from wsgate.gate.backend import Backend, open_relay, open_tunnel
from wsgate.gate.files import CHUNK, OpenFile, open_file
from wsgate.gate.gateway import Gateway
from wsgate.gate.sockets import end_politely, receive, send_all, set_nodelay
from wsgate.relay.closing import Side
from wsgate.relay.join import Join, relay, tunnel
from wsgate.relay.leg import TcpLeg, WebSocketLeg
from wsgate.settings.model import Files, Relay, Route, TextFrames, Tunnel
from wsgate.wire.handshake import Declined, Upgrade, accept_headers, check_upgrade, choose_subprotocol
from wsgate.wire.headers import Headers, elements
from wsgate.wire.http import HttpServer, Refusal, Request
from wsgate.wire.kernel import FrameWalk
from wsgate.wire.walk import NO_LIMIT

_log = logging.getLogger("wsgate")

_RETRY_AFTER = ((b"Retry-After", b"5"),)
LATE = 1.0  # seconds for a connection that the drain found in the kernel's queue to ask for something

DRAINING = Refusal(503, "the gateway is shutting down: connect again", _RETRY_AFTER)
NO_ROUTE = Refusal(404, "no route for this host, path and subprotocol")
NO_WEBSOCKET = Refusal(404, "nothing here speaks WebSocket")
UPGRADE_REQUIRED = Refusal(
    426, "this is a WebSocket endpoint", ((b"Upgrade", b"websocket"), (b"Connection", b"Upgrade"))
)
CLIENT_GONE = Refusal(499, "the client went away before its answer")  # nginx's status; nobody is there to hear it
TOO_SLOW = Refusal(408, "the request took too long")


@dataclass(frozen=True, slots=True)
class _Session:
    """Everything is agreed on; what remains is moving bytes. ``early`` came behind the two heads."""

    record: Record
    join: Join
    early: tuple[bytes, bytes]


async def serve(gateway: Gateway, sock: socket.socket, client: str) -> None:
    """One connection from its acceptance to its end. Owns ``sock``. ``client`` is the peer's address for the log."""
    try:
        with sock:
            gateway.pump.give_turn()
            set_nodelay(sock)
            # What the handshake needed is gone with this call: an idle session keeps none of it
            session = await _Handshake(gateway, sock, client).run()
            if session is not None:
                await _relay(gateway, session)
    except Exception:
        # Our own bug ends this connection, loudly, and no other
        _log.exception("internal error: please report it", extra={"event": "bug", "fields": {"client": client}})


async def _relay(gateway: Gateway, session: _Session) -> None:
    session.record.opened()
    try:
        await session.join.run(session.early)
    except trio.Cancelled:
        gateway.cut += 1
        raise
    finally:
        session.record.ended(session.join.outcome())


class _Handshake:
    """Everything before the first frame."""

    def __init__(self, gateway: Gateway, sock: socket.socket, client: str) -> None:
        self._gateway = gateway
        self._sock = sock
        self._client = client
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
                await self._refuse(request)
                return None
            upgrade = check_upgrade(request)
            offered = elements(request.headers, b"sec-websocket-protocol")
            route = self._gateway.router.find(request.host, request.path, offered)
            if route is None:
                await self._refuse(NO_ROUTE, request)
                return None
            if isinstance(route.action, Files):
                if upgrade is not None:
                    await self._refuse(NO_WEBSOCKET, request, route)
                    return None
                if not await self._send_file(route, route.action, request):
                    return None
                continue
            if upgrade is None:
                await self._refuse(UPGRADE_REQUIRED, request, route)
                return None
            if isinstance(upgrade, Refusal):
                await self._refuse(upgrade, request, route)
                return None
            if self._gateway.draining:
                await self._refuse(DRAINING, request, route)
                return None
            return await self._open(route, request, upgrade)

    async def _next_request(self) -> Request | Refusal | None:
        """The next head, within the handshake timeout; ``None`` where the client ends, or never begins."""
        http = self._http
        idle = self._gateway.idle
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
                    idle.add(scope)
                    if self._gateway.draining:  # accepted just before: its request may be on its way
                        scope.deadline = min(scope.deadline, trio.current_time() + LATE)
                try:
                    http.receive(await receive(self._sock))
                finally:
                    idle.discard(scope)
        return TOO_SLOW if http.begun else None

    async def _open(self, route: Route, request: Request, upgrade: Upgrade) -> _Session | None:
        """Open the backend, then say 101."""
        self._gateway.pump.give_turn()
        action = route.action
        if isinstance(action, Relay):
            opened = await open_relay(route, action, request, upgrade, self._forwarded(request))
        else:
            assert isinstance(action, Tunnel)
            opened = await open_tunnel(route, action)
        if isinstance(opened, Refusal):
            await self._refuse(opened, request, route)
            return None
        if isinstance(opened, Declined):
            await self._pass_on(opened, request, route)
            return None
        try:
            return await self._accept(route, request, upgrade, opened)
        except BaseException:
            opened.sock.close()
            raise

    async def _accept(self, route: Route, request: Request, upgrade: Upgrade, backend: Backend) -> _Session | None:
        self._gateway.pump.give_turn()
        if self._gateway.draining:  # since this handshake began
            backend.sock.close()
            await self._refuse(DRAINING, request, route)
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
            refused(self._client, request.path.decode("latin-1"), route.name, CLIENT_GONE)
            return None
        record = Record(
            route.name,
            self._client,
            backend.name,
            request.path.decode("latin-1"),
            None if subprotocol is None else subprotocol.decode("latin-1"),
            trio.current_time(),
        )
        join = make_join(self._gateway, route, self._sock, backend.sock, compression=bool(extensions))
        return _Session(record, join, (self._http.trailing(), b"" if answer is None else answer.early))

    def _forwarded(self, request: Request) -> Headers:
        """What the backend is told about the client: written anew, never copied from a stranger."""
        fields = [(b"X-Forwarded-Proto", b"http"), (b"X-Forwarded-Host", request.host)]
        address = _address_only(self._client)
        return [(b"X-Forwarded-For", address), *fields] if address else fields

    async def _send_file(self, route: Route, files: Files, request: Request) -> bool:
        """Send a file; whether the connection may ask for another."""
        opened = await open_file(route, files, request)
        if isinstance(opened, Refusal):
            # a missing file is no reason to lose the connection: a page asks for its icon
            refused(self._client, request.path.decode("latin-1"), route.name, opened)
            return await self._respond(opened, close=self._gateway.draining) and self._next_cycle()
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
        return not self._gateway.draining and self._http.next_cycle()

    async def _pass_on(self, declined: Declined, request: Request, route: Route) -> None:
        """The backend's own refusal, as it said it."""
        refusal = Refusal(declined.status, "refused by the backend")
        refused(self._client, request.path.decode("latin-1"), route.name, refusal)
        with trio.move_on_after(self._timeouts.handshake):
            await send_all(self._sock, self._http.respond(declined.status, declined.headers, declined.body))
            await end_politely(self._sock)

    async def _refuse(self, refusal: Refusal, request: Request | None = None, route: Route | None = None) -> None:
        """Say no and end the connection."""
        path = None if request is None else request.path.decode("latin-1")
        refused(self._client, path, None if route is None else route.name, refusal)
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


def make_join(
    gateway: Gateway, route: Route, client: socket.socket, backend: socket.socket, *, compression: bool
) -> Join:
    """Join two sockets behind their handshakes, as the route says."""
    action = route.action
    limit = NO_LIMIT if route.limits.message is None else route.limits.message
    client_leg = WebSocketLeg(gateway.pump, client, Side.CLIENT, masks=False)
    if isinstance(action, Relay):
        backend_leg = WebSocketLeg(gateway.pump, backend, Side.BACKEND, masks=True)
        text = action.validate_text
        up = FrameWalk(masked=True, limit=limit, validate_text=text, compression=compression)
        down = FrameWalk(masked=False, limit=limit, validate_text=text, compression=compression)
        wire = relay(client_leg, backend_leg, up, down)
        return Join(gateway.pump, client_leg, backend_leg, wire, close_timeout=route.timeouts.close)
    assert isinstance(action, Tunnel)
    tcp_leg = TcpLeg(gateway.pump, backend, Side.BACKEND)
    up = FrameWalk(masked=True, limit=limit, unwrap=True, accept_text=action.text is TextFrames.ACCEPT)
    wire = tunnel(client_leg, tcp_leg, up)
    return Join(gateway.pump, client_leg, tcp_leg, wire, close_timeout=route.timeouts.close)


def _address_only(client: str) -> bytes:
    """The IP address in "host:port" or "[v6]:port"; nothing for a Unix socket's peer."""
    host, colon, _ = client.rpartition(":")
    return host.strip("[]").encode() if colon and not client.startswith("unix:") else b""
