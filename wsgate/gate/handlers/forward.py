"""The handler of plain HTTP on a relay route with ``http: forward``: an HTTP/1.1 proxy that streams.

A request goes to the first backend that answers it. It is sent to a second one, or a second time, only if nothing of it
was sent, or if it is idempotent (RFC 9110 §9.2.2) and has no body that is already read from the client.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import trio

from wsgate.gate.access_log import answered
from wsgate.gate.exchange import Answer, Exchange, Handler, Opened, Response
from wsgate.gate.fields import fields_for_backend
from wsgate.gate.handlers.affinity import find_cookie, find_hash_key, make_cookie
from wsgate.gate.handlers.answer_stream import AnswerStream
from wsgate.gate.handlers.location import with_location
from wsgate.gate.handlers.other_upgrade import join_bytes
from wsgate.gate.handlers.relay import LOOP, NO_BACKEND, host_for
from wsgate.gate.handlers.upload import Upload
from wsgate.gate.incoming import Incoming
from wsgate.gate.refusals import CLIENT_GONE, is_our_own, unreachable
from wsgate.gate.sending import PATIENCE
from wsgate.net.dial import DialError, TlsClient, dial
from wsgate.net.io import READ_SIZE, receive_or_raise
from wsgate.net.resolver import set_requester
from wsgate.net.tcp_info import limit_unacknowledged, watch_for_silence
from wsgate.net.tls.handshake import explain
from wsgate.net.transport import BLOCKED, Transport
from wsgate.settings.model import Relay, RetryOn, WebSocketUrl
from wsgate.site.backend import LiveBackend
from wsgate.site.idle_connections import MAX_AGE
from wsgate.wire.backend_http import BackendHttp
from wsgate.wire.client import BadAnswer, BadAnswerCause
from wsgate.wire.forwarding import (
    forwards_left,
    is_idempotent,
    is_loop,
    other_protocol,
    request_fields,
    response_fields,
    switching_fields,
)
from wsgate.wire.headers import Headers
from wsgate.wire.http import Refusal
from wsgate.wire.plain_head import AnswerHead

NO_BACKEND_FOR_IT = replace(NO_BACKEND, reason="no backend takes a request now: try again")

# Seconds that a connection may have been idle for a request that cannot be sent again: uvicorn and node.js end theirs
# after 5 s, and a request that meets this end is lost
_MAX_AGE_ONCE = 4.0

NO_TRACE = Refusal(405, "requests are not sent back here", ((b"Allow", b"OPTIONS"),), closes=False)

# Answers of a backend that cannot serve now; the next one may
_FAILURES = frozenset({502, 503, 504})


async def handle(exchange: Exchange) -> Answer:
    """Returns the answer of the first backend that gives one.

    If a backend cannot serve now, another one is asked, if the request may be sent again and there is one.
    """
    action = exchange.route.settings.action
    assert isinstance(action, Relay)
    if is_loop(exchange.request):
        return LOOP
    if forwards_left(exchange.request) == 0:  # so it is meant for the gateway itself
        return Response(204, ()) if exchange.request.method == b"OPTIONS" else NO_TRACE
    exchange.gateway.pump.serve_round_if_due()
    forwarding = _Forwarding(exchange, action)
    backends = _Backends(exchange)
    backend = backends.next()
    answer: _Asked = NO_BACKEND_FOR_IT
    attempts = 0
    while backend is not None:
        answer = await forwarding.ask(backend)
        attempts += 1
        may_go_on = attempts != action.retry.attempts and forwarding.may_go_on(answer)
        following = backends.next() if may_go_on else None
        if following is None:
            break
        if isinstance(answer, Response):
            forwarding.discard(answer, backend)
        backend = following
    if backend is None:
        return replace(NO_BACKEND_FOR_IT, detail=backends.why_none())
    if isinstance(answer, _Failed):
        return answer.refusal
    if isinstance(answer, Response | Opened) and (cookie := backends.cookie_for(backend)):
        return replace(answer, headers=[*answer.headers, *cookie])
    return answer


HANDLER = Handler(handle, upgrades=False, takes_bodies=True)


class _Backends:
    """The backends to be tried, the best first."""

    def __init__(self, exchange: Exchange) -> None:
        upstream = exchange.route.upstream
        assert upstream is not None
        self._exchange = exchange
        self._upstream = upstream
        self._cookie = None if upstream.cookie is None else find_cookie(upstream.cookie, exchange)
        key = b"" if upstream.hash_key is None else find_hash_key(upstream.hash_key, exchange)
        self._is_plain = other_protocol(exchange.request) is None
        self._candidates = upstream.candidates(key, self._cookie, plain=self._is_plain)

    def next(self) -> LiveBackend[WebSocketUrl] | None:
        """Returns the next one; for an upgrade, which will be a session, one that has a place and is entered for it."""
        return next((each for each in self._candidates if self._is_plain or each.enter()), None)

    def why_none(self) -> str:
        """Returns why there is none, for the log."""
        return self._upstream.why_none(plain=True)

    def cookie_for(self, backend: LiveBackend[WebSocketUrl]) -> Headers:
        """Returns the field that brings the client back to the backend that has answered."""
        if self._upstream.cookie is None:
            return ()
        value = self._upstream.cookie_of(backend)
        if value == self._cookie:
            return ()
        return [(b"Set-Cookie", make_cookie(self._upstream.cookie, value, self._exchange))]


@dataclass(frozen=True, slots=True)
class _Failed:
    """A backend gave no answer.

    may_go_on: the request may be sent to another one
    was_stale: nothing came, as if the backend had ended a kept connection at this moment
    """

    refusal: Refusal
    may_go_on: bool
    was_stale: bool = False


_Asked = Response | Opened | Refusal | _Failed


class _Forwarding:
    """One request, and what every backend of its route is sent."""

    def __init__(self, exchange: Exchange, action: Relay) -> None:
        assert exchange.incoming is not None
        self._exchange = exchange
        self._incoming: Incoming = exchange.incoming
        self._action = action
        self._fields = fields_for_backend(exchange)
        self._tls: TlsClient | None = exchange.backend_tls(action.tls)
        self._has_body = exchange.request.length != 0
        self._is_idempotent = is_idempotent(exchange.request)
        self._can_repeat = self._is_idempotent and not self._has_body
        self._protocol = other_protocol(exchange.request)

    def may_go_on(self, answer: _Asked) -> bool:
        """Whether another backend may be asked for a better answer."""
        retry = self._action.retry.on
        if isinstance(answer, Response):
            return answer.status in _FAILURES and self._can_repeat and RetryOn(str(answer.status)) in retry
        return isinstance(answer, _Failed) and answer.may_go_on and RetryOn.CONNECT in retry

    def discard(self, answer: Response, backend: LiveBackend[WebSocketUrl]) -> None:
        """Ends the exchange with a backend that cannot serve now."""
        assert isinstance(answer.stream, AnswerStream)
        answer.stream.discard()
        backend.failed(f"{backend.name} answered {answer.status}")

    async def ask(self, backend: LiveBackend[WebSocketUrl]) -> _Asked:
        """Asks a backend. One that is asked for an upgrade is entered already, and left if no session comes of it."""
        answer: _Asked | None = None
        try:
            answer = await self._ask(backend)
            return answer
        finally:
            if self._protocol is not None and not isinstance(answer, Opened):
                backend.leave()

    async def _ask(self, backend: LiveBackend[WebSocketUrl]) -> _Asked:
        """Asks a backend, on a kept connection if there is one."""
        target = self._exchange.route.rewriter.target(self._exchange.target, backend.address.path)
        if isinstance(target, Refusal):
            return target
        kept = backend.idle.take(MAX_AGE if self._can_repeat else _MAX_AGE_ONCE) if self._protocol is None else None
        if kept is not None:
            answer = await self._exchange_on(kept, backend, target)
            if not isinstance(answer, _Failed) or not (answer.was_stale and answer.may_go_on):
                return self._judged(answer, backend)
        url, route = backend.address, self._exchange.route.settings
        if backend.where is None:
            set_requester(route.name)
        try:
            transport = await dial(url, route.timeouts.connect, self._tls, at=backend.where)
        except DialError as error:
            plain = f"ws://{url.address}"
            return self._judged(_Failed(unreachable(error, plain), may_go_on=True), backend)
        if route.heartbeat is not None:
            watch_for_silence(transport, route.heartbeat.interval, route.heartbeat.timeout)
        limit_unacknowledged(transport, 2 * self._patience)
        return self._judged(await self._exchange_on(transport, backend, target), backend)

    @property
    def _patience(self) -> float:
        return self._exchange.route.settings.timeouts.write or PATIENCE

    def _judged(self, answer: _Asked, backend: LiveBackend[WebSocketUrl]) -> _Asked:
        """Notes whether the backend could be used."""
        if isinstance(answer, Response | Opened):
            backend.worked()
        elif isinstance(answer, _Failed) and not is_our_own(answer.refusal):
            backend.failed(answer.refusal.detail)
        return answer

    async def _exchange_on(self, transport: Transport, backend: LiveBackend[WebSocketUrl], target: bytes) -> _Asked:
        """Sends the request and reads the answer's head."""
        exchange, request = self._exchange, self._exchange.request
        http = BackendHttp(
            request.method,
            target,
            request_fields(
                request,
                host_for(backend.address, self._action, request.host),
                self._fields.written,
                self._fields.dropped,
                self._protocol,
            ),
            exchange.site.settings.limits.head,
            self._protocol,
        )
        upload = Upload(self._incoming, transport, http, self._patience, self._fields.dropped, has_body=self._has_body)
        answer: _Asked | None = None
        try:
            found = await self._head(transport, http, upload)
            answer = self._answer(found, transport, http, upload, backend)
            return answer
        finally:
            if not isinstance(answer, Response | Opened):
                transport.close()

    async def _head(
        self, transport: Transport, http: BackendHttp, upload: Upload
    ) -> AnswerHead | BadAnswer | Refusal | None:
        """Returns the final head, or why there is none; ``None`` if it does not come in time.

        The time begins when the backend has the whole request.
        """
        since = trio.current_time()
        first = None if self._has_body else await self._soon(transport, http, upload)
        if isinstance(first, BadAnswer) or (first is not None and first.status >= 200):
            return first
        found: AnswerHead | BadAnswer | Refusal | None = None
        within = self._exchange.route.settings.timeouts.response

        async def send() -> None:
            nonlocal found
            refusal = await upload.send()
            if refusal is None:
                scope.deadline = within + (trio.current_time() if self._has_body else since)
                refusal = await upload.attend()
            found = found or refusal
            scope.cancel()

        async def receive() -> None:
            nonlocal found
            found = await self._receive_head(transport, http, first)
            scope.cancel()

        async with trio.open_nursery() as nursery:
            scope = nursery.cancel_scope
            nursery.start_soon(send)
            nursery.start_soon(receive)
        return found

    async def _soon(self, transport: Transport, http: BackendHttp, upload: Upload) -> AnswerHead | BadAnswer | None:
        """Sends a request without a body. Returns a head that comes soon, interim or final; else ``None``."""
        if not upload.send_at_once() or not await self._exchange.gateway.short_waits.wait_readable(transport):
            return None
        try:
            http.receive(transport.recv(READ_SIZE))
        except BLOCKED:  # the beginning of a TLS record
            return None
        except OSError as error:
            return _lost(http, error)
        self._exchange.gateway.pump.serve_round_if_due()
        return http.next_head()

    async def _receive_head(
        self, transport: Transport, http: BackendHttp, head: AnswerHead | BadAnswer | None
    ) -> AnswerHead | BadAnswer:
        """Returns the final head. ``head``: the first one, if it has come."""
        while True:
            head = head or http.next_head()
            if isinstance(head, AnswerHead) and head.status < 200 and head.status != 101:
                await self._incoming.inform(head.status, response_fields(head.status, head.headers, head.raw_headers))
                head = None
            else:
                head = head or await self._receive(transport, http)
                if head is not None:
                    return head

    async def _receive(self, transport: Transport, http: BackendHttp) -> BadAnswer | None:
        """Receives some of the answer. Returns why there is no more of it."""
        try:
            data = await receive_or_raise(transport)
        except OSError as error:
            return _lost(http, error)
        http.receive(data)
        self._exchange.gateway.pump.serve_round_if_due()
        return None

    def _answer(
        self,
        found: AnswerHead | BadAnswer | Refusal | None,
        transport: Transport,
        http: BackendHttp,
        upload: Upload,
        backend: LiveBackend[WebSocketUrl],
    ) -> _Asked:
        may_repeat = self._is_idempotent and not upload.taken
        if isinstance(found, Refusal):
            is_clients = found is CLIENT_GONE or found.status < 500
            return found if is_clients else _Failed(self._with_name(found, backend.name), may_go_on=may_repeat)
        if found is None:
            within = self._exchange.route.settings.timeouts.response
            detail = f"{backend.name} did not answer within {within:g} s"
            return _Failed(Refusal(504, "the backend did not answer in time", detail=detail), may_go_on=may_repeat)
        if isinstance(found, BadAnswer):
            refusal = Refusal(502, "the backend did not answer rightly", detail=f"{backend.name}: {found.reason}")
            return _Failed(refusal, may_repeat, was_stale=found.cause is BadAnswerCause.NOTHING_CAME)
        if found.status == 101:
            return self._switched(found, transport, http, upload, backend)
        return self._response(found, transport, http, upload, backend)

    def _switched(
        self,
        head: AnswerHead,
        transport: Transport,
        http: BackendHttp,
        upload: Upload,
        backend: LiveBackend[WebSocketUrl],
    ) -> Opened | _Failed:
        """The backend has switched to the other protocol, as it was asked to."""
        assert self._protocol is not None
        fields = switching_fields(self._protocol, head)
        if fields is None or not self._is_sent(upload):
            what = "101 to another protocol than it was asked for" if fields is None else "101 before the whole request"
            detail = f"{backend.name}: {what}"
            return _Failed(Refusal(502, "the backend did not answer rightly", detail=detail), may_go_on=False)
        join, early = join_bytes(transport), http.rest()
        return Opened(
            transport, backend.name, join, headers=fields, early=early, backend=backend, protocol=self._protocol
        )

    def _is_sent(self, upload: Upload) -> bool:
        """Whether the whole request was read and sent."""
        return upload.is_over and (self._incoming.is_whole or not self._has_body)

    @staticmethod
    def _with_name(refusal: Refusal, name: str) -> Refusal:
        return Refusal(refusal.status, refusal.reason, refusal.headers, f"{name}: {refusal.reason}")

    def _response(
        self,
        head: AnswerHead,
        transport: Transport,
        http: BackendHttp,
        upload: Upload,
        backend: LiveBackend[WebSocketUrl],
    ) -> Response:
        exchange, request, route = self._exchange, self._exchange.request, self._exchange.route.settings

        def done(bytes_up: int, bytes_down: int, fault: str) -> None:
            answered(
                exchange, head.status, backend=backend.name, bytes_up=bytes_up, bytes_down=bytes_down, detail=fault
            )

        dropped = () if exchange.route.to_client is None else exchange.route.to_client.dropped
        patience = math.inf if route.timeouts.idle is None else route.timeouts.idle
        stream = AnswerStream(exchange.gateway.pump, transport, http, upload, backend.idle, patience, done, dropped)
        fields = response_fields(head.status, head.headers, head.raw_headers, head.version)
        host = host_for(backend.address, self._action, request.host)
        fields = [*with_location(exchange, backend.address, host, fields)]
        if not self._is_sent(upload) or self._protocol is not None:
            # The rest of its request may never be read; or what follows is meant for the other protocol
            fields.append((b"Connection", b"close"))
        return Response(head.status, fields, stream.read_ready(), stream=stream)


def _lost(http: BackendHttp, error: OSError) -> BadAnswer:
    return BadAnswer(explain(error), BadAnswerCause.OTHER if http.has_begun else BadAnswerCause.NOTHING_CAME)
