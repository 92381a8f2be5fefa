"""The story of one connection, on one page.

Accepted, it sends a request head, in time. A route takes it. Files are sent, and the connection may ask again. For an
upgrade the backend is opened first; then the client gets its 101, both sockets become legs and the pump moves their
bytes until one line in the log says how it went. Every way off that path is a ``Refusal``: an HTTP answer after which
nothing more is read from this client.
"""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass, replace
from functools import partial

import trio

from wsgate.gate.access_log import ended, opened, refused
from wsgate.gate.admission import admit
from wsgate.gate.backend import Backend, open_relay, open_tunnel
from wsgate.gate.client import Client, Origin, backend_fields, origin, proxy_header
from wsgate.gate.close_answer import by_close, hear_close, opened_and_closed
from wsgate.gate.gateway import Entrance, Gateway
from wsgate.gate.handlers.representation import open_file
from wsgate.gate.handlers.sending import send_answer
from wsgate.gate.joining import make_session
from wsgate.gate.proxy_protocol import real_address
from wsgate.gate.recorder import Recorder, recorder_for
from wsgate.gate.redirect import redirection
from wsgate.gate.subprotocols import in_words, tunnel_subprotocol
from wsgate.gate.targets import ROUTE_CHANGED, find_way, path_for_log
from wsgate.gate.tls_handshake import TLS_HANDSHAKE, refuse_tls, secure
from wsgate.net.io import end_politely, is_reset, local_address, receive, send_all, set_nodelay
from wsgate.net.plain import PlainTransport
from wsgate.net.resolver import lane
from wsgate.net.transport import BLOCKED, Transport
from wsgate.relay.about import About
from wsgate.relay.session import Session
from wsgate.settings.model import Address, Files, Relay, Route, Target, Tunnel, WebSocketUrl
from wsgate.site.tokens.lookups import Lookups
from wsgate.wire.handshake import Declined, Upgrade, accept_headers, check_upgrade
from wsgate.wire.headers import Headers, elements
from wsgate.wire.http import HttpServer, Refusal, Request
from wsgate.wire.proxy_protocol import BEGINNINGS as PROXY_HEADERS

_log = logging.getLogger("wsgate")

_RETRY_AFTER = ((b"Retry-After", b"5"),)

FULL = Refusal(503, "the gateway is full: try again later", _RETRY_AFTER)
DRAINING = Refusal(503, "the gateway is shutting down: connect again", _RETRY_AFTER)
NO_ROUTE = Refusal(404, "no route for this host, path and subprotocol")
NO_WEBSOCKET = Refusal(404, "nothing here speaks WebSocket")
UPGRADE_REQUIRED = Refusal(
    426, "this is a WebSocket endpoint", ((b"Upgrade", b"websocket"), (b"Connection", b"Upgrade"))
)
CLIENT_GONE = Refusal(499, "the client went away before its answer")  # nginx's status; nobody is there to hear it
UNRECORDED = Refusal(503, "sessions cannot be recorded now: try again", _RETRY_AFTER)
TOO_SLOW = Refusal(408, "the request took too long")
UNEXPECTED_PROXY_HEADER = Refusal(
    400, "malformed request", detail="a PROXY header: set proxy_protocol on the listener, or let the balancer send none"
)


@dataclass(frozen=True, slots=True)
class _Agreed:
    """Everything is agreed on; what remains is moving bytes. ``early`` is what came behind the two heads."""

    session: Session
    early: tuple[bytes, bytes]
    recorder: Recorder | None


async def serve(gateway: Gateway, entrance: Entrance, sock: PlainTransport, peer: Address) -> None:
    """One connection from its acceptance to its end. Owns ``sock``. ``peer`` is who has connected."""
    try:
        with sock:
            gateway.pump.serve_if_due()
            set_nodelay(sock)
            # Who the client is, by the word of a balancer in front
            address = await real_address(gateway, entrance, sock, peer)
            if address is None:
                return
            # Who it has proved to be, where TLS asked it
            secured = (sock, None) if entrance.context is None else await secure(gateway, entrance, sock, str(address))
            if secured is None:
                return
            if isinstance(secured, Refusal):
                await _Handshake(gateway, entrance, sock, Client(peer, address)).refuse(secured)
                return
            connection, certificate = secured
            client = Client(peer, address, connection.secure, certificate)
            with contextlib.closing(connection):
                # What the handshake needed is gone with this call: an idle session keeps none of it
                agreed = await _Handshake(gateway, entrance, connection, client).run()
                if agreed is None:
                    return
                if agreed.recorder is None:
                    await _relay(gateway, agreed)
                else:
                    await agreed.recorder.run(
                        partial(_relay, gateway, agreed), agreed.session.outcome, agreed.session.end_unrecorded
                    )
    except Exception:
        # Our own bug ends this connection, loudly, and no other
        _log.exception("internal error: please report it", extra={"event": "bug", "fields": {"client": str(peer)}})


async def _relay(gateway: Gateway, agreed: _Agreed) -> None:
    session = agreed.session
    gateway.sessions.add(session)
    opened(session.about)
    if gateway.must_leave(session.route):  # since its 101, which this client was slow to take
        trio.lowlevel.current_trio_token().run_sync_soon(session.drain, gateway.settings.drain.code)  # once it runs
    cut = False
    try:
        await session.run(agreed.early)
    except trio.Cancelled:
        gateway.cut += 1
        cut = True
        raise
    finally:
        gateway.sessions.remove(session)
        gateway.row.leave(cut=cut)
        ended(session.about, session.outcome())


class _Handshake:
    """Everything before the first frame."""

    def __init__(
        self,
        gateway: Gateway,
        entrance: Entrance,
        sock: Transport,
        client: Client,
    ) -> None:
        self._gateway = gateway
        self._entrance = entrance
        self._sock = sock
        self._client = client
        self._who = client.who()  # until a request says more
        limits = gateway.settings.limits
        self._http = HttpServer(limits.head, limits.target)
        self._upgrade: Upgrade | None = None  # what the last request asks for
        self._timeouts = gateway.settings.defaults.timeouts

    async def run(self) -> _Agreed | None:
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
            self._who = replace(source.who, host=source.host.decode("latin-1") or None)
            upgrade = check_upgrade(request)
            moved = self._redirection(source, request, upgrade=upgrade is not None)
            if moved is not None:
                await self.refuse(moved, request)
                return None
            offered = elements(request.headers, b"sec-websocket-protocol")
            route = self._gateway.router.find(request.host, request.path, offered, websocket=upgrade is not None)
            if isinstance(route, Refusal):
                await self.refuse(route, request)
                return None
            if route is None:
                known = upgrade.subprotocols if isinstance(upgrade, Upgrade) else ()
                detail = f"offered: {in_words(known)}" if known else ""
                await self.refuse(replace(NO_ROUTE, detail=detail), request)
                return None
            if isinstance(route.action, Files):
                if upgrade is not None:
                    await self.refuse(NO_WEBSOCKET, request, route)
                    return None
                admitted = await admit(self._gateway, route, request, source)
                if isinstance(admitted, Refusal):
                    await self.refuse(admitted, request, route)
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
            if is_reset(self._sock):  # of thousands that ask and leave, none is dialled for
                refused(self._who, path_for_log(route, request), route.name, CLIENT_GONE)
                return None
            self._upgrade = upgrade
            if self._gateway.draining:
                await self.refuse(DRAINING, request, route)
                return None
            if self._gateway.row.full(self._gateway.settings.limits.sessions):
                await self.refuse(FULL, request, route)
                return None
            admitted = await admit(self._gateway, route, request, source)
            if not isinstance(admitted, Refusal) and route.auth is not None and not self._gateway.has(route):
                admitted = ROUTE_CHANGED  # a reload came between
            if isinstance(admitted, Refusal):
                await self.refuse(admitted, request, route)
                return None
            if admitted.user is not None:
                self._who = replace(self._who, user=admitted.user)
            return await self._open(route, request, upgrade, source)

    async def _next_request(self) -> Request | Refusal | None:
        """The next head, within the handshake timeout; ``None`` where the client ends, or never begins."""
        http = self._http
        with trio.move_on_after(self._timeouts.handshake) as scope, self._gateway.owed(scope):
            while True:
                try:
                    request = http.next_request()
                except EOFError:
                    return None
                if request is not None:
                    self._gateway.pump.serve_if_due()
                    return request
                if not http.begun:
                    self._gateway.expect(scope)
                try:
                    data = await receive(self._sock)
                finally:
                    self._gateway.idle.discard(scope)
                self._gateway.pump.serve_if_due()
                await self._gateway.handshake_limiter.take()
                if data.startswith(TLS_HANDSHAKE) and not http.begun and self._entrance.context is None:
                    await refuse_tls(self._entrance, self._sock, str(self._client.address))
                    return None
                if data.startswith(PROXY_HEADERS) and not http.begun:
                    return UNEXPECTED_PROXY_HEADER
                http.receive(data)
        ended_early = trio.current_time() < scope.deadline  # by a drain, or because others needed its place
        return TOO_SLOW if http.begun and not ended_early else None

    def _redirection(self, source: Origin, request: Request, *, upgrade: bool) -> Refusal | None:
        listeners = self._gateway.settings.listeners
        return redirection(self._entrance.listener, listeners, source, request, upgrade=upgrade)

    async def _open(self, route: Route, request: Request, upgrade: Upgrade, source: Origin) -> _Agreed | None:
        """Open the backend, then say 101."""
        self._gateway.pump.serve_if_due()
        action = route.action
        token = None
        opened: Backend | Declined | Refusal

        def note(backend: Target | WebSocketUrl, error: str | None) -> None:
            self._gateway.troubles.note(route.name, str(backend), error)

        if isinstance(action, Relay):
            with lane(route.name):
                opened = await open_relay(
                    route,
                    action,
                    request,
                    upgrade,
                    backend_fields(source),
                    self._gateway.tls_client(route.name, action),
                    max_head=self._gateway.settings.limits.head,
                    note=note,
                )
        else:
            assert isinstance(action, Tunnel)
            chosen = tunnel_subprotocol(action, upgrade)
            if isinstance(chosen, Refusal):
                await self.refuse(chosen, request, route)
                return None
            tls = self._gateway.tls_client(route.name, action)  # before a reload can come between
            way = await find_way(self._gateway, route, action, request)
            if isinstance(way, Refusal):
                await self.refuse(way, request, route)
                return None
            token = way.token
            greeting = proxy_header(action.proxy_protocol, self._client, source, local_address(self._sock))
            noting = {"note": note} if action.to else {}  # targets of tokens and clients are not the file's
            with lane(route.name):
                opened = await open_tunnel(route, action, way.targets, tls, greeting=greeting, **noting)
            opened = way.hide_from_log(opened)
        if isinstance(opened, Refusal):
            await self.refuse(opened, request, route)
            return None
        if isinstance(opened, Declined):
            await self._pass_on(opened, request, route)
            return None
        entered, session = False, None
        try:
            await self._gateway.handshake_limiter.take()
            entered = self._gateway.row.enter(self._gateway.settings.limits.sessions)
            if entered:
                session = await self._accept(route, request, upgrade, opened, token)
            else:
                opened.sock.close()
                await self.refuse(FULL, request, route)
            return session
        finally:
            if session is None:
                opened.sock.close()
                if entered:
                    self._gateway.row.leave(never_opened=True)

    async def _accept(
        self, route: Route, request: Request, upgrade: Upgrade, backend: Backend, token: tuple[Lookups, str] | None
    ) -> _Agreed | None:
        self._gateway.pump.serve_if_due()
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
            chosen = tunnel_subprotocol(action, upgrade)
            assert not isinstance(chosen, Refusal)  # it was asked before the dial
            subprotocol = chosen
        about = About(
            self._gateway.sessions.next_id(),
            route.name,
            self._who,
            backend.name,
            path_for_log(route, request),
            None if subprotocol is None else subprotocol.decode("latin-1"),
            trio.current_time(),
        )
        recorder = recorder_for(route, about)
        if recorder is not None and recorder.required:
            problem = await recorder.begin(route.timeouts.handshake)
            if problem is not None:
                backend.sock.close()
                detail = f"{recorder.path} cannot be written: {problem}"
                await self.refuse(replace(UNRECORDED, detail=detail), request, route)
                return None
        head = self._http.switch([*accept_headers(upgrade, subprotocol, extensions), *more])
        if not await self._send(head):
            backend.sock.close()
            if recorder is not None:
                recorder.discard()
            refused(self._who, path_for_log(route, request), route.name, CLIENT_GONE)
            return None
        tap = None if recorder is None else recorder.tap
        session = make_session(
            self._gateway.pump,
            about,
            route,
            self._sock,
            backend.sock,
            compression=bool(extensions),
            tap=tap,
            token=token,
        )
        early = (self._http.trailing(), b"" if answer is None else answer.early)
        return _Agreed(session, early, recorder)

    async def _send_file(self, route: Route, files: Files, request: Request) -> bool:
        """Send a file; whether the connection may ask for another."""
        opened = await open_file(route, files, request)
        if isinstance(opened, Refusal):
            # a missing file is no reason to lose the connection: a page asks for its icon
            refused(self._who, request.path, route.name, opened)
            return await self._respond(opened, close=self._is_last()) and self._next_cycle()
        head_only = request.method == b"HEAD"
        sent = await send_answer(self._gateway, route, files, self._sock, self._http, opened, head_only=head_only)
        return sent and self._next_cycle()

    def _next_cycle(self) -> bool:
        return not self._is_last() and self._http.next_cycle()

    def _is_last(self) -> bool:
        """Whether this connection is not kept for another request."""
        return self._gateway.draining or self._entrance.closed

    async def _pass_on(self, declined: Declined, request: Request, route: Route) -> None:
        """The backend's own refusal, as it said it."""
        refusal = Refusal(declined.status, "refused by the backend", detail=declined.detail)
        if by_close(route, self._upgrade, request, declined):
            await self.refuse(refusal, request, route)
            return
        refused(self._who, path_for_log(route, request), route.name, refusal)
        with trio.move_on_after(self._timeouts.handshake):
            await send_all(self._sock, self._http.respond(declined.status, declined.headers, declined.body))
            await end_politely(self._sock)

    async def refuse(self, refusal: Refusal, request: Request | None = None, route: Route | None = None) -> None:
        """Say no and end the connection."""
        path = None
        if request is not None:
            path = request.path if route is None else path_for_log(route, request)
        refused(self._who, path, None if route is None else route.name, refusal)
        if by_close(route, self._upgrade, request, refusal):
            assert self._upgrade is not None
            sent = await self._send(opened_and_closed(self._http, self._upgrade, refusal))
            if sent:
                with trio.move_on_after(self._timeouts.close):
                    await hear_close(self._sock, self._http.trailing())
        else:
            sent = await self._respond(refusal, close=True)
        if sent:
            with trio.move_on_after(self._timeouts.close):
                await end_politely(self._sock)

    async def _respond(self, refusal: Refusal, *, close: bool) -> bool:
        headers = [*refusal.headers, (b"Content-Type", b"text/plain; charset=utf-8")]
        body = f"{refusal.status} {refusal.reason}\n".encode()
        return await self._send(self._http.respond(refusal.status, headers, body, close=close))

    async def _send(self, data: bytes) -> bool:
        """Send an answer, within the handshake timeout; False where the client is gone or does not take it."""
        try:
            sent = self._sock.send(data)
        except BLOCKED:
            sent = 0
        except OSError:
            return False
        if sent == len(data):  # nearly always: what does not wait needs no deadline
            return True
        done = False
        with trio.move_on_after(self._timeouts.handshake):
            done = await send_all(self._sock, data[sent:])
        return done
