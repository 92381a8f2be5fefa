"""The backend's leg before the session: dialled, and for a relay upgraded, before the client gets its 101.

So a failure is an HTTP status that says what happened (RFC 9110 §15.6.3, §15.6.5), and a backend's own refusal is
passed on as it is.
"""

from __future__ import annotations

import base64
import os
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, replace

import trio

from wsgate.gate.dial import DialError, TlsClient, dial
from wsgate.gate.reach import rules_of
from wsgate.gate.route import rewrite
from wsgate.gate.sockets import OUT_OF_RESOURCES, receive_or_raise, send_all
from wsgate.gate.tls import explain
from wsgate.relay.tls import PeerSocket
from wsgate.settings.model import Relay, Route, Target, Tunnel
from wsgate.wire.handshake import Accepted, BackendHandshake, Broken, Declined, Upgrade
from wsgate.wire.headers import Headers
from wsgate.wire.http import Refusal, Request


@dataclass(frozen=True, slots=True)
class Backend:
    """A backend that is ready. ``answer`` is its 101, ``None`` behind a tunnel. ``name`` is for the log."""

    sock: PeerSocket
    name: str
    answer: Accepted | None


async def open_tunnel(
    route: Route, tunnel: Tunnel, targets: Sequence[Target], tls: TlsClient | None = None, *, greeting: bytes = b""
) -> Backend | Refusal:
    """Connect to the first of ``targets``, TCP services, that the tunnel's rules allow and that takes it.

    ``tls`` is needed where one of them has TLS. ``greeting`` is sent first, before TLS.
    """
    try:
        sock, place = await dial(targets, route.timeouts.connect, tls, rules=rules_of(tunnel), greeting=greeting)
    except DialError as error:
        return _unreachable(error)
    return Backend(sock, str(targets[place]), None)


async def open_relay(
    route: Route, relay: Relay, request: Request, upgrade: Upgrade, forwarded: Headers, tls: TlsClient | None = None
) -> Backend | Declined | Refusal:
    """Connect to a WebSocket backend and ask it for the session that the client asked for. ``tls`` is needed where one
    of them has TLS."""
    try:
        sock, place = await dial(relay.to, route.timeouts.connect, tls)
    except DialError as error:
        return _unreachable(error)
    url = relay.to[place]
    answer: Accepted | Declined | Broken | None = None
    try:
        handshake = BackendHandshake(
            request,
            upgrade,
            target=rewrite(request.target, route.match.path, url.path),
            key=base64.b64encode(os.urandom(16)),
            forwarded=forwarded,
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
        return Refusal(502, "the backend did not accept the upgrade", detail=f"{url}: {answer.reason}")
    if isinstance(answer, Declined):
        return replace(answer, detail=f"{url}: {answer.detail}") if answer.detail else answer
    return Backend(sock, str(url), answer)


async def _shake_hands(sock: PeerSocket, handshake: BackendHandshake) -> Accepted | Declined | Broken:
    await send_all(sock, handshake.request)  # where it is gone, what it left to be read says why
    while True:
        try:
            data = await receive_or_raise(sock)
        except ssl.SSLError as error:  # with TLS 1.3 a backend that refuses our certificate says so only now
            return Broken(explain(error))
        except OSError:
            data = b""
        answer = handshake.receive(data)
        if answer is not None:
            return answer


def _unreachable(error: DialError) -> Refusal:
    if error.status == 403:
        return Refusal(403, "this target may not be reached", detail=str(error))
    if error.status == 503:
        return replace(OUT_OF_RESOURCES, detail=str(error))
    if error.status == 504:
        return Refusal(504, "the backend did not answer in time", detail=str(error))
    return Refusal(502, "the backend cannot be reached", detail=str(error))
