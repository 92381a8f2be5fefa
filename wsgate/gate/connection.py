"""One connection from its acceptance to its end.

The client is identified, and its request head is read, under a deadline. ``decide`` finds the route or the reason why
there is none. ``admit`` checks whether this client may use the route. The route's handler returns the answer, which is
sent here: a refusal, a response, or the 101 of a session. After a response the connection may send another request. For
a session, both connections become legs, and the pump moves their bytes until its end, which is logged in one line: the
connection's task ends when its session begins. The bytes behind a refused upgrade are never read as a request.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

import trio

from wsgate.gate.access_log import answered, refused, refused_early
from wsgate.gate.admission import admit
from wsgate.gate.auth.places import offer_without
from wsgate.gate.client import RemoteEnd, client_of, counted_address
from wsgate.gate.close_answer import await_close, by_close, opened_and_closed
from wsgate.gate.cors import answer_preflight
from wsgate.gate.decide import Refused, decide
from wsgate.gate.error_page import error_body
from wsgate.gate.exchange import Exchange, Opened, Response
from wsgate.gate.fields import fields_for_client
from wsgate.gate.gateway import Gateway
from wsgate.gate.handlers.table import forwards_http, handler_for
from wsgate.gate.incoming import Incoming
from wsgate.gate.proxy_protocol import real_address
from wsgate.gate.redaction import path_without_route
from wsgate.gate.refusals import CLIENT_GONE
from wsgate.gate.request_id import id_of_request
from wsgate.gate.sending import PATIENCE, send_response, send_stream
from wsgate.gate.silence import may_be_silent
from wsgate.gate.switch import Begun, begin, start_session
from wsgate.gate.tls_handshake import TLS_HANDSHAKE, refuse_tls, secure
from wsgate.gate.tracing import UpgradeSpan
from wsgate.net.io import end_gracefully, is_reset, receive, receive_at_once, reset_at_close, send_all, set_nodelay
from wsgate.net.plain import PlainTransport
from wsgate.net.tcp_info import watch_for_silence
from wsgate.net.timed_waits import WaitEnd
from wsgate.net.transport import BLOCKED, Transport
from wsgate.relay.session_info import ClientInfo
from wsgate.settings.model import Address
from wsgate.site.listener import LiveListener
from wsgate.site.route import LiveRoute
from wsgate.wire.handshake import Upgrade, check_upgrade
from wsgate.wire.http import HttpServer, Refusal, Request
from wsgate.wire.proxy_protocol import BEGINNINGS as PROXY_HEADERS

_log = logging.getLogger("wsgate")

TOO_SLOW = Refusal(408, "the request took too long")
TLS_SPOKEN = Refusal(400, "TLS on a plain listener")  # answered by a TLS alert
UNEXPECTED_PROXY_HEADER = Refusal(
    400, "malformed request", detail="a PROXY header: set proxy_protocol on the listener, or let the balancer send none"
)


async def serve(
    gateway: Gateway,
    listener: LiveListener,
    sock: PlainTransport,
    peer: Address,
    left: Callable[[], object] = lambda: None,
) -> None:
    """Serves one connection until its end, or until its session has begun. Owns ``sock``.

    peer: the address of the connection's other end
    left: called at the end of the connection
    """
    begun = None
    try:
        begun = await _begin(gateway, listener, sock, peer)
    except Exception:
        # A bug of ours ends this connection, is logged, and ends no other
        _log.exception("internal error: please report it", extra={"event": "bug", "fields": {"client": str(peer)}})
    finally:
        if begun is None:
            sock.close()
            left()
    if begun is not None:
        recording = start_session(gateway, begun, left)
        del begun
        if recording is not None:
            await recording


async def _begin(gateway: Gateway, listener: LiveListener, sock: PlainTransport, peer: Address) -> Begun | None:
    """Serves a connection until its session begins. Returns the session, which owns the transport; ``None`` if the
    connection has ended."""
    gateway.pump.serve_if_due()
    set_nodelay(sock)
    # The client's address, as a load balancer in front tells it
    address = await real_address(gateway, listener, sock, peer)
    if address is None:
        return None
    counted_as = counted_address(address, gateway.settings.trusted_proxies)
    if not await may_be_silent(gateway, listener, sock, address, counted_as):
        return None
    # The client's certificate, if TLS asked for one
    plain = listener.tls is None
    secured = (sock, None) if plain else await secure(gateway, listener, sock, str(address), counted_as)
    if secured is None:
        return None
    if isinstance(secured, Refusal):
        await _Connection(gateway, listener, sock, RemoteEnd(peer, address)).refuse(secured)
        return None
    transport, certificate = secured
    end = RemoteEnd(peer, address, transport.secure, certificate, counted_as)
    begun = None
    try:
        begun = await _Connection(gateway, listener, transport, end).run()
    finally:
        if begun is None:
            transport.close()
    return begun


class _Connection:
    """The requests of a connection, one after the other, until one becomes a session."""

    def __init__(self, gateway: Gateway, listener: LiveListener, transport: Transport, end: RemoteEnd) -> None:
        self._gateway = gateway
        self._listener = listener
        self._transport = transport
        self._end = end
        settings = gateway.site.settings
        self._timeouts = settings.defaults.timeouts
        self._forwards = False  # plain HTTP has come for a route that forwards it
        self._http = HttpServer(settings.limits.head, settings.limits.target, date=gateway.date)

    async def run(self) -> Begun | None:
        """Answers requests. Returns the session that begins; ``None`` if the connection must end."""
        request = await self._first_request() or await self._next_request()
        while True:
            if request is None:
                return None
            if request is TLS_SPOKEN:
                with trio.move_on_after(self._timeouts.handshake):
                    await refuse_tls(self._listener, self._transport, str(self._end.address))
                return None
            if isinstance(request, Refusal):
                await self.refuse(request)
                return None
            since = trio.current_time()
            site = self._gateway.site
            client = client_of(self._end, request, site.settings.trusted_proxies)
            upgrade = check_upgrade(request)
            decided = decide(
                site,
                self._listener,
                client,
                request,
                upgrade,
                draining=self._gateway.draining,
                full=upgrade is not None and self._gateway.is_full,
                drained=self._gateway.route_drains,
            )
            id = id_of_request(site.settings.request_id, request, client)
            route = decided.route if isinstance(decided, Refused) else decided
            if route is None:
                assert isinstance(decided, Refused)
                await self.refuse(decided.refusal, request, client.info, request_id=id, since=since)
                return None
            here = self._transport
            asked = upgrade if isinstance(upgrade, Upgrade) else None
            if asked is not None and route.auth is not None:  # no handler sees credentials, or echoes them
                asked = offer_without(route.auth.places, asked)
            exchange = Exchange(
                self._gateway, site, route, request, asked, client, self._end, here, request_id=id, since=since
            )
            if isinstance(decided, Refused):
                await self.refuse(decided.refusal, exchange=exchange)
                return None
            if upgrade is None and forwards_http(route):
                exchange.incoming = self._incoming(route)
            if asked is not None and self._gateway.tracer is not None:
                exchange.span = self._gateway.tracer.begin(request, route, client)
            self._gateway.upgrading += 1
            try:
                answer = await self._answer(exchange)
            finally:
                self._gateway.upgrading -= 1
            if exchange.span is not None:
                _end_span(exchange.span, answer)
            if isinstance(answer, Begun):
                self._gateway.metrics.sessions(route.name).upgraded(trio.current_time() - since)
                return answer
            if not await self._give(exchange, answer):
                return None
            request = await self._later_request()

    async def _answer(self, exchange: Exchange) -> Refusal | Response | Begun:
        settings, rates = exchange.site.settings, self._gateway.upgrade_rates
        if exchange.upgrade is not None:
            if is_reset(self._transport):
                return CLIENT_GONE  # do not dial for a client that has gone already
            if (refusal := rates.check_address(settings, exchange.client)) is not None:
                return refusal
        answered = answer_preflight(exchange) or await admit(exchange)
        if answered is not None:
            return answered
        begun = None
        try:
            if exchange.upgrade is not None:
                # Before a backend is dialled: who may have few sessions may also dial only few
                refusal = exchange.count_session() or rates.check_gateway(settings)
                refusal = refusal or await exchange.count_everywhere()
                if refusal is not None:
                    return refusal
            answer = await handler_for(exchange.route, upgrade=exchange.upgrade is not None).handle(exchange)
            begun = await begin(exchange, answer, self._http, self._send) if isinstance(answer, Opened) else answer
            return begun
        finally:
            if not isinstance(begun, Begun):
                exchange.uncount_session()

    def _incoming(self, route: LiveRoute) -> Incoming:
        heartbeat = route.settings.heartbeat
        if heartbeat is not None and not self._forwards:  # a silent stream to a client that is lost would never end
            watch_for_silence(self._transport, heartbeat.interval, heartbeat.timeout)
        self._forwards = True
        patience = route.settings.timeouts.write or PATIENCE
        return Incoming(self._gateway.pump, self._transport, self._http, self._send, patience)

    async def _give(self, exchange: Exchange, answer: Refusal | Response) -> bool:
        """Sends an answer. Returns whether the connection may send another request."""
        if isinstance(answer, Response) or not answer.closes:
            self._gateway.metrics.requests(exchange.route.name).answered(answer.status)
        if isinstance(answer, Response):
            headers = fields_for_client(exchange, answer.headers)
            if headers is not answer.headers:
                answer = replace(answer, headers=headers)
        if isinstance(answer, Response) and answer.stream is not None:
            return await self._give_stream(exchange, answer)
        has_body = exchange.request.length != 0  # which nobody has read, and it is not the next request
        if isinstance(answer, Response):
            if has_body:
                answer = replace(answer, headers=[*answer.headers, (b"Connection", b"close")])
            patience = exchange.route.settings.timeouts.write or PATIENCE
            head_only = exchange.request.method == b"HEAD"
            pump, http = self._gateway.pump, self._http
            size, fault = await send_response(pump, self._transport, http, answer, patience, head_only=head_only)
            answered(exchange, answer.status, bytes_down=size, detail=fault)
            sent = not fault
            if sent and has_body:
                await self._linger()
        elif answer.closes or has_body:
            await self.refuse(answer, exchange=exchange)
            return False
        else:
            refused(exchange, answer)
            sent = await self._respond(answer, exchange.request, exchange, close=self._is_last)
        return sent and not self._is_last and self._http.next_cycle()

    async def _give_stream(self, exchange: Exchange, answer: Response) -> bool:
        """Sends a backend's answer. Returns whether the connection may send another request."""
        assert exchange.incoming is not None
        patience = exchange.route.settings.timeouts.write or PATIENCE
        if self._is_last:
            answer = replace(answer, headers=[*answer.headers, (b"Connection", b"close")])
        sent = await send_stream(self._gateway.pump, self._transport, self._http, answer, patience)
        if not sent:
            if exchange.request.version < b"1.1":  # perhaps only the end of the connection would end the answer
                reset_at_close(self._transport)
            return False
        if self._http.next_cycle():
            return not self._is_last
        await self._linger()  # the client may still be sending its request
        return False

    async def _linger(self) -> None:
        """Ends the connection so that the client can read all that it was sent."""
        with trio.move_on_after(self._timeouts.close):
            await end_gracefully(self._transport)

    @property
    def _is_last(self) -> bool:
        """Whether the connection must end after this answer."""
        return self._gateway.draining or self._listener.closed

    async def _first_request(self) -> Request | Refusal | None:
        """Returns the first request if its head has come already, as nearly all have, so that no wait and no deadline
        is needed; else ``None``."""
        data = receive_at_once(self._transport)
        return await self._take(data) if data else None

    async def _next_request(self) -> Request | Refusal | None:
        """Reads the next head within the handshake timeout. Returns ``None`` if the client ends or sends nothing."""
        http, silent = self._http, self._gateway.silent
        with trio.move_on_after(self._timeouts.handshake) as scope, silent.waiting(scope, self._end.counted_as):
            try:
                request = http.next_request()
                while request is None:
                    if not http.begun:
                        self._gateway.add_idle(scope)
                    try:
                        data = await receive(self._transport)
                    finally:
                        self._gateway.idle.discard(scope)
                    request = await self._take(data)
            except EOFError:
                return None
            return request
        ended_early = trio.current_time() < scope.deadline  # by a drain, or to free its descriptor
        return TOO_SLOW if http.begun and not ended_early else None

    async def _later_request(self) -> Request | Refusal | None:
        """Returns the request behind an answer, as ``_next_request``. No cancel scope is needed if its whole head comes
        at once, as it nearly always does."""
        gateway, transport = self._gateway, self._transport
        if self._http.begun or transport.more:
            await trio.lowlevel.checkpoint()  # one read may contain hundreds of requests
            return await self._next_request()
        scope = WaitEnd(gateway.request_waits, transport)
        gateway.idle.add(scope)
        try:
            with gateway.silent.waiting(scope, self._end.counted_as):
                came = await gateway.request_waits.wait_readable(transport)
        finally:
            gateway.idle.discard(scope)
        if not came:
            return None
        data = receive_at_once(transport)
        return (await self._take(data) if data else None) or await self._next_request()

    async def _take(self, data: bytes) -> Request | Refusal | None:
        """Takes what the client has sent. Returns the request if its head is complete.

        Raises ``EOFError`` when the connection ended between two requests.
        """
        self._gateway.pump.serve_if_due()
        await self._gateway.handshake_limiter.take()
        if not self._http.begun:
            if data.startswith(TLS_HANDSHAKE) and self._listener.tls is None:
                return TLS_SPOKEN
            if data.startswith(PROXY_HEADERS):
                return UNEXPECTED_PROXY_HEADER
        self._http.receive(data)
        request = self._http.next_request()
        self._gateway.pump.serve_if_due()
        return request

    async def refuse(
        self,
        refusal: Refusal,
        request: Request | None = None,
        client: ClientInfo | None = None,
        exchange: Exchange | None = None,
        request_id: str = "",
        since: float | None = None,
    ) -> None:
        """Refuses a request and ends the connection. The only place that does so.

        request: ``None`` if it could not be read; that of the exchange if there is one
        exchange: ``None`` if no route takes the request
        request_id: of the request without an exchange
        since: when that request was there (trio seconds)
        """
        if exchange is None:
            access = self._gateway.settings.log.access
            path = None if request is None else path_without_route(request, self._gateway.site)
            client = client or self._end.client_info()
            refused_early(access, refusal, client, request, path, since=since, request_id=request_id)
        else:
            request = exchange.request
            refused(exchange, refusal)
        counts = self._gateway.metrics.requests("" if exchange is None else exchange.route.name)
        if request is not None and check_upgrade(request) is not None:
            counts.refused(refusal)
        else:
            counts.answered(refusal.status)
        if refusal is CLIENT_GONE:
            return
        if exchange is not None and by_close(exchange, refusal):
            assert exchange.upgrade is not None
            fields = fields_for_client(exchange, ())
            sent = await self._send(opened_and_closed(self._http, exchange.upgrade, refusal, fields))
            if sent:
                with trio.move_on_after(self._timeouts.close):
                    await await_close(self._transport, self._http.trailing())
        else:
            sent = await self._respond(refusal, request, exchange, close=True)
        if sent:
            await self._linger()

    async def _respond(
        self, refusal: Refusal, request: Request | None, exchange: Exchange | None, *, close: bool
    ) -> bool:
        headers, body = refusal.headers, refusal.body
        if body is None:
            kind, body = error_body(refusal, request)
            headers = [*headers, (b"Content-Type", kind)]
        if exchange is not None:
            headers = fields_for_client(exchange, headers)
        return await self._send(self._http.respond(refusal.status, headers, body, close=close))

    async def _send(self, data: bytes) -> bool:
        """Sends an answer within the handshake timeout. Returns False if the client is gone or does not read it."""
        try:
            sent = self._transport.send(data)
        except BLOCKED:
            sent = 0
        except OSError:
            return False
        if sent == len(data):  # nearly always; no wait, so no deadline is needed
            return True
        done = False
        with trio.move_on_after(self._timeouts.handshake):
            done = await send_all(self._transport, data[sent:])
        return done


def _end_span(span: UpgradeSpan, answer: Refusal | Response | Begun) -> None:
    if isinstance(answer, Begun):
        span.end(101, answer.session.info.id)
    else:
        detail = answer.detail or answer.reason if isinstance(answer, Refusal) else ""
        span.end(answer.status, None, detail)
