"""The relay handler: dials and upgrades a WebSocket backend before the client gets its 101.

So the client gets an HTTP status for a failure (RFC 9110 §15.6.3, §15.6.5), and a backend's own refusal unchanged.
"""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass, replace

from wsgate.gate import tracing
from wsgate.gate.exchange import Answer, Exchange, Handler, Join, Opened
from wsgate.gate.fields import BackendFields, fields_for_backend
from wsgate.gate.handlers.affinity import find_cookie, find_hash_key, make_cookie
from wsgate.gate.handlers.compression import Agreement, agree, describe, make_flows, memory_of, offers
from wsgate.gate.handlers.legs import client_leg, make_session
from wsgate.gate.handlers.location import with_location
from wsgate.gate.handlers.places import Places
from wsgate.gate.refusals import RETRY_AFTER, is_our_own, unreachable
from wsgate.net.ask import ask_within
from wsgate.net.dial import DialError, TlsClient, dial
from wsgate.net.random_bytes import random_bytes
from wsgate.net.resolver import set_requester
from wsgate.net.transport import Transport
from wsgate.relay.closing import Side
from wsgate.relay.recorded_tunnel import RecordBuffer
from wsgate.relay.session import Session
from wsgate.relay.session_info import SessionInfo
from wsgate.relay.websocket_leg import WebSocketLeg
from wsgate.settings.model import Relay, RetryOn, UnixAddress, WebSocketUrl
from wsgate.site.backend import LiveBackend
from wsgate.text.host import is_ip
from wsgate.wire.client import BadAnswer, BadAnswerCause
from wsgate.wire.forwarding import is_loop
from wsgate.wire.handshake import Accepted, BackendHandshake, Declined
from wsgate.wire.http import Refusal

_BACKEND = Side.BACKEND  # before Python 3.12 looking up a member costs as much as a call

# The answers of nginx, Apache, Go's servers and wsgate to plain HTTP on a port with TLS
_WANTS_TLS = re.compile(rb"(?i)to (?:an )?HTTPS (?:port|server)|SSL-enabled server port|this port speaks TLS")

NO_BACKEND = Refusal(
    503,
    "no backend takes another session: try again",
    RETRY_AFTER,
    cause="no_backend",
)

LOOP = Refusal(
    508, "this request goes round in a circle", detail="Via names wsgate too often: a backend leads back here"
)

# Answers of a backend that cannot serve now; other answers are the client's
_FAILURES = frozenset({502, 503, 504})


async def handle(exchange: Exchange) -> Answer:
    """Opens the first of the route's backends that accepts the session.

    The next one is tried if a backend cannot be reached, gives no valid answer in time, or answers 502, 503 or 504.
    This is safe: only a request has been sent to the backend, and nothing to the client. Any other answer is passed on.
    """
    action = exchange.route.settings.action
    assert isinstance(action, Relay)
    if is_loop(exchange.request):
        return LOOP
    asking = _Asking(exchange, action, fields_for_backend(exchange), exchange.backend_tls(action.tls))
    opened: Answer | None = None
    attempts = 0
    upstream = exchange.route.upstream
    assert upstream is not None
    key = b"" if upstream.hash_key is None else find_hash_key(upstream.hash_key, exchange)
    cookie = None if upstream.cookie is None else find_cookie(upstream.cookie, exchange)
    places = Places(exchange, upstream, key, cookie)
    while (backend := await places.next()) is not None:
        if isinstance(backend, Refusal):
            return backend
        opened = None
        try:
            target = exchange.route.rewriter.target(exchange.target, backend.address.path)
            if isinstance(target, Refusal):
                return target
            asking.span = None if exchange.span is None else exchange.span.dial(backend.name)
            opened = await _ask(asking, backend, target)
        finally:
            if not isinstance(opened, Opened):
                backend.leave()
        if asking.span is not None:
            asking.span.end(opened if isinstance(opened, Refusal) else None)
        if isinstance(opened, Refusal) and (opened.body is None or opened.status in _FAILURES):
            if not is_our_own(opened):
                backend.failed(opened.detail)
            attempts += 1
            if attempts != action.retry.attempts and _may_retry(opened, action):
                exchange.gateway.metrics.requests(exchange.route.name).retried()
                continue
            break
        backend.worked()
        if upstream.cookie is not None and isinstance(opened, Opened):
            value = upstream.cookie_of(backend)
            if value != cookie:
                opened.headers = [*opened.headers, (b"Set-Cookie", make_cookie(upstream.cookie, value, exchange))]
        break
    return opened or replace(NO_BACKEND, detail=upstream.why_none())


def _may_retry(refusal: Refusal, action: Relay) -> bool:
    failure = RetryOn.CONNECT if refusal.body is None else RetryOn(str(refusal.status))
    return failure in action.retry.on


HANDLER = Handler(handle)


@dataclass(slots=True)
class _Asking:
    """The part of the request that is the same for all backends of a route."""

    exchange: Exchange
    relay: Relay
    fields: BackendFields
    tls: TlsClient | None
    span: tracing.DialSpan | None = None  # of the backend that is asked now


def _fields(asking: _Asking) -> BackendFields:
    """Returns the fields for the backend that is asked now; its own trace context in place of the client's."""
    fields, span = asking.fields, asking.span
    if span is None:
        return fields
    return BackendFields([*fields.written, *span.headers], fields.dropped | set(tracing.FIELDS))


async def _ask(asking: _Asking, backend: LiveBackend[WebSocketUrl], target: bytes) -> Opened | Refusal:
    url, name = backend.address, backend.name
    exchange, route = asking.exchange, asking.exchange.route.settings
    assert exchange.upgrade is not None
    if backend.where is None:
        set_requester(route.name)
    try:
        sock = await dial(url, route.timeouts.connect, asking.tls, at=backend.where)
    except DialError as error:
        return unreachable(error, f"ws://{url.address}")
    host = host_for(url, asking.relay, exchange.request.host)
    fields = _fields(asking)
    offered = offers(exchange)
    answer: Accepted | Declined | BadAnswer | None = None
    try:
        handshake = BackendHandshake(
            exchange.request,
            exchange.upgrade if offered is exchange.upgrade.deflate else replace(exchange.upgrade, deflate=offered),
            target=target,
            host=host,
            key=binascii.b2a_base64(random_bytes(16), newline=False),
            written=fields.written,
            dropped=fields.dropped,
            max_head=exchange.site.settings.limits.head,
        )
        answer = await ask_within(sock, handshake, route.timeouts.handshake, exchange.gateway.short_waits)
    finally:
        if not isinstance(answer, Accepted):
            sock.close()
    answer = answer or handshake.give_up()
    if answer is None:
        detail = f"{name} did not answer the upgrade within {route.timeouts.handshake:g} s"
        return Refusal(504, "the backend did not answer in time", detail=detail)
    if isinstance(answer, BadAnswer):
        detail = f"{name}: {answer.reason}{_cure(url, answer)}"
        return Refusal(502, "the backend did not accept the upgrade", detail=detail)
    if isinstance(answer, Declined):
        cut = f", {answer.detail}" if answer.detail else ""
        detail = f"{name} answered {answer.status}{cut}{_cure(url, answer)}"
        headers = with_location(exchange, url, host, answer.headers)
        return Refusal(answer.status, "refused by the backend", headers, detail, answer.body)
    agreement = agree(exchange, offered, answer.deflate, answer.subprotocol)
    memory = memory_of(route, agreement)
    return Opened(
        sock,
        name,
        _join(sock, agreement, answer.subprotocol),
        answer.subprotocol,
        agreement.answer,
        answer.headers,
        answer.early,
        backend=backend,
        codec_memory=memory,
        compression=describe(route, agreement),
    )


def _join(backend: Transport, agreement: Agreement, subprotocol: bytes | None) -> Join:
    def join(exchange: Exchange, info: SessionInfo, buffer: RecordBuffer | None) -> Session:
        client_side = client_leg(exchange, backend)
        backend_side = WebSocketLeg(exchange.gateway.pump, backend, _BACKEND, masks=True)
        wire = make_flows(exchange, agreement, subprotocol, client_side, backend_side)
        return make_session(exchange, info, client_side, backend_side, wire)

    return join


def host_for(url: WebSocketUrl, relay: Relay, asked: bytes) -> bytes:
    """Returns the Host for a backend. ``asked``: the client's; empty if there is no client.

    SNI asks a TLS backend for its own name, and it may refuse another one in Host (RFC 9110 §15.5.20). So Host is its
    own name too, unless the route says otherwise. X-Forwarded-Host has the client's.
    """
    if isinstance(url.address, UnixAddress):  # a socket has no name; nginx says localhost, too
        own, port = "localhost", 80
    else:
        own, port = url.address.host, url.address.port
    if url.tls and relay.tls.server_name:
        own = relay.tls.server_name
    wanted = relay.host or ("backend" if url.tls and not is_ip(own) else "keep")
    if wanted == "keep" and asked:
        return asked
    if wanted not in ("backend", "keep"):
        return wanted.encode()
    name = f"[{own}]" if ":" in own else own.removesuffix(".")
    default = port == (443 if url.tls else 80)
    return (name if default else f"{name}:{port}").encode()


def _cure(url: WebSocketUrl, answer: BadAnswer | Declined) -> str:
    """Returns a cure for an answer, for the log. To plain HTTP on a port with TLS some servers answer by TLS, some with
    a 400, and some end the connection."""
    wss = f"write wss{str(url).removeprefix('ws')} in to"
    if isinstance(answer, Declined):
        wants_tls = not url.tls and answer.status == 400 and _WANTS_TLS.search(answer.body)
        return f": it speaks TLS, {wss}" if wants_tls else ""
    if answer.cause is BadAnswerCause.TOO_LARGE:
        return ": raise limits.head"
    if answer.cause is BadAnswerCause.TLS_CAME:
        return f": {wss}"
    return f"; if it speaks TLS, {wss}" if answer.cause is BadAnswerCause.NOTHING_CAME and not url.tls else ""
