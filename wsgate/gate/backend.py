"""The backend's leg before the session: dialled, and for a relay upgraded, before the client gets its 101.

So a failure is an HTTP status that says what happened (RFC 9110 §15.6.3, §15.6.5), and a backend's own refusal is
passed on as it is.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import trio

from wsgate.gate.refusals import OUT_OF_RESOURCES
from wsgate.net.dial import DialError, TlsClient, dial
from wsgate.net.io import receive_or_raise, send_all
from wsgate.net.target_rules import rules_of
from wsgate.net.tls.handshake import explain
from wsgate.net.transport import Transport
from wsgate.settings.model import Relay, Route, Target, Tunnel, WebSocketUrl
from wsgate.site.router import rewrite
from wsgate.text.host import is_ip
from wsgate.wire.client import Broken, Why
from wsgate.wire.handshake import Accepted, BackendHandshake, Declined, Upgrade
from wsgate.wire.head import MAX_HEAD
from wsgate.wire.headers import Headers
from wsgate.wire.http import Refusal, Request

# What nginx, Apache, Go's servers and wsgate itself say to plain HTTP on a port with TLS
_WANTS_TLS = re.compile(rb"(?i)to (?:an )?HTTPS (?:port|server)|SSL-enabled server port|this port speaks TLS")


@dataclass(frozen=True, slots=True)
class Backend:
    """A backend that is ready. ``answer`` is its 101, ``None`` behind a tunnel. ``name`` is for the log."""

    sock: Transport
    name: str
    answer: Accepted | None


# Told of each backend that was tried: why it could not be used, ``None`` where it could
Note = Callable[[Target | WebSocketUrl, str | None], object]

# Answers of a backend that cannot serve now: the next one may. Others are what the client asked to hear.
_TRY_NEXT = frozenset({502, 503, 504})


def _nobody(backend: Target | WebSocketUrl, error: str | None) -> None:
    """Is told, and does nothing."""


async def open_tunnel(
    route: Route,
    tunnel: Tunnel,
    targets: Sequence[Target],
    tls: TlsClient | None = None,
    *,
    greeting: bytes = b"",
    note: Note = _nobody,
) -> Backend | Refusal:
    """Connect to the first of ``targets``, TCP services, that the tunnel's rules allow and that takes it.

    ``tls`` is needed where one of them has TLS. ``greeting`` is sent first, before TLS.
    """
    refusal: Refusal | None = None
    for target in targets:
        try:
            sock = await dial(target, route.timeouts.connect, tls, rules=rules_of(tunnel), greeting=greeting)
        except DialError as error:
            refusal = _unreachable(error, f"tcp://{target.address}")
            _note_failure(note, target, refusal)
            continue
        note(target, None)
        return Backend(sock, str(target), None)
    assert refusal is not None
    return refusal


async def open_relay(
    route: Route,
    relay: Relay,
    request: Request,
    upgrade: Upgrade,
    forwarded: Headers,
    tls: TlsClient | None = None,
    *,
    max_head: int = MAX_HEAD,
    note: Note = _nobody,
) -> Backend | Declined | Refusal:
    """The first of a relay's backends that gives the session that the client asked for.

    The next one is tried where one cannot be reached, does not answer the upgrade rightly or in time, or says 502, 503
    or 504: nothing but a request has been sent, and the client has heard nothing. What else a backend says is its
    answer. ``tls`` is needed where one of them has TLS. ``max_head``: bytes of an answer's head.
    """
    opened: Backend | Declined | Refusal | None = None
    for url in relay.to:
        opened = await _ask(url, route, relay, request, upgrade, forwarded, tls, max_head)
        if isinstance(opened, Refusal) or (isinstance(opened, Declined) and opened.status in _TRY_NEXT):
            _note_failure(note, url, opened)
            continue
        note(url, None)
        break
    assert opened is not None
    return opened


def _note_failure(note: Note, backend: Target | WebSocketUrl, failure: Refusal | Declined) -> None:
    ours = isinstance(failure, Refusal) and failure.status in (403, 503)  # the route's rules, and our own lack of room
    if not ours:
        note(backend, failure.detail)


async def _ask(
    url: WebSocketUrl,
    route: Route,
    relay: Relay,
    request: Request,
    upgrade: Upgrade,
    forwarded: Headers,
    tls: TlsClient | None,
    max_head: int,
) -> Backend | Declined | Refusal:
    try:
        sock = await dial(url, route.timeouts.connect, tls)
    except DialError as error:
        return _unreachable(error, f"ws://{url.address}")
    answer: Accepted | Declined | Broken | None = None
    try:
        handshake = BackendHandshake(
            request,
            upgrade,
            target=rewrite(request.target, route.match.path, url.path),
            host=_host(url, relay, request),
            key=base64.b64encode(os.urandom(16)),
            forwarded=forwarded,
            max_head=max_head,
        )
        with trio.move_on_after(route.timeouts.handshake):
            answer = await _shake_hands(sock, handshake)
    finally:
        if not isinstance(answer, Accepted):
            sock.close()
    answer = answer or handshake.give_up()
    if answer is None:
        detail = f"{url} did not answer the upgrade within {route.timeouts.handshake:g} s"
        return Refusal(504, "the backend did not answer in time", detail=detail)
    if isinstance(answer, Broken):
        detail = f"{url}: {answer.reason}{_cure(url, answer)}"
        return Refusal(502, "the backend did not accept the upgrade", detail=detail)
    if isinstance(answer, Declined):
        cut = f", {answer.detail}" if answer.detail else ""
        return replace(answer, detail=f"{url} answered {answer.status}{cut}{_cure(url, answer)}")
    return Backend(sock, str(url), answer)


def _host(url: WebSocketUrl, relay: Relay, request: Request) -> bytes:
    """The Host that a backend is asked for.

    A backend behind TLS with a name is asked for that name by SNI, and may serve no other (RFC 9110 §15.5.20): it gets
    its own name here too, unless the route says otherwise. X-Forwarded-Host has the client's.
    """
    own = relay.tls.server_name if url.tls and relay.tls.server_name else url.address.host
    wanted = relay.host or ("backend" if url.tls and not is_ip(own) else "keep")
    if wanted == "keep":
        return request.host
    if wanted != "backend":
        return wanted.encode()
    name = f"[{own}]" if ":" in own else own.removesuffix(".")
    default = url.address.port == (443 if url.tls else 80)
    return (name if default else f"{name}:{url.address.port}").encode()


async def _shake_hands(sock: Transport, handshake: BackendHandshake) -> Accepted | Declined | Broken:
    await send_all(sock, handshake.request)  # where it is gone, what it left to be read says why
    while True:
        try:
            data = await receive_or_raise(sock)
        except OSError as error:  # with TLS 1.3 a backend that refuses our certificate says so only now
            return handshake.lost(explain(error))
        answer = handshake.receive(data)
        if answer is not None:
            return answer


def _cure(url: WebSocketUrl, answer: Broken | Declined) -> str:
    """What may be done about an answer. To plain HTTP on a port with TLS some servers answer in TLS, some with a 400,
    and some just end the connection."""
    wss = f"write wss{str(url).removeprefix('ws')} in to"
    if isinstance(answer, Declined):
        wants_tls = not url.tls and answer.status == 400 and _WANTS_TLS.search(answer.body)
        return f": it speaks TLS, {wss}" if wants_tls else ""
    if answer.why is Why.TOO_LARGE:
        return ": raise limits.head"
    if answer.why is Why.TLS_CAME:
        return f": {wss}"
    return f"; if it speaks TLS, {wss}" if answer.why is Why.NOTHING_CAME and not url.tls else ""


def _unreachable(error: DialError, plain: str) -> Refusal:
    """``plain``: how to write the last target without TLS."""
    if error.status == 403:
        return Refusal(403, "this target may not be reached", detail=str(error))
    if error.status == 503:
        return replace(OUT_OF_RESOURCES, detail=str(error))
    if error.status == 504:
        return Refusal(504, "the backend did not answer in time", detail=str(error))
    cure = f": write {plain} if that is meant" if error.is_plain else ""
    return Refusal(502, "the backend cannot be reached", detail=f"{error}{cure}")
