"""The TLS handshake of a connection to a TLS listener; a plain client is detected by its first byte."""

from __future__ import annotations

import logging
import socket

import trio

from wsgate.events.emit import emit
from wsgate.gate.acme_challenge import asked_challenge, end_challenge
from wsgate.gate.gateway import Gateway
from wsgate.net.io import end_gracefully, send_all
from wsgate.net.plain import PlainTransport
from wsgate.net.tls.handshake import (
    ClientCertificate,
    TlsError,
    client_certificate,
    shake_hands,
    shake_hands_soon,
    wrap,
)
from wsgate.net.transport import BLOCKED, Transport
from wsgate.settings.model import Listener
from wsgate.site.listener import LiveListener
from wsgate.wire.http import Refusal

PLAIN_HTTP = Refusal(400, "this port speaks TLS: use https:// or wss://")

# The first byte of a ClientHello (RFC 8446 §5.1, §4); no HTTP request begins with it
TLS_HANDSHAKE = b"\x16"
# A fatal handshake_failure (RFC 8446 §6), in the record version that every client accepts
_ALERT = bytes([21, 3, 1, 0, 2, 2, 40])

Secured = tuple[Transport, ClientCertificate | None]


async def secure(
    gateway: Gateway, listener: LiveListener, sock: PlainTransport, client: str, counted_as: str | None = None
) -> Secured | Refusal | None:
    """Does the handshake, within the handshake timeout. Takes ``sock`` over.

    client: for the log
    counted_as: as ``RemoteEnd`` has it

    Returns the transport and the client's certificate. If the listener also accepts clients without TLS, the transport
    of a client that does not begin with a ClientHello is ``sock`` itself. Otherwise plain HTTP gets a ``Refusal``
    without TLS. Returns ``None`` if the handshake failed, which is logged, unless the client never sent anything;
    also if the client was a CA with a challenge.
    """
    assert listener.context is not None
    timeouts = gateway.settings.defaults.timeouts
    deadline = trio.current_time() + timeouts.handshake
    first = _peek(sock)
    if not first:  # nearly always it has come already, so no wait and no deadline is needed
        with trio.CancelScope(deadline=deadline) as scope, gateway.silent.waiting(scope, counted_as):
            first = await first_byte(gateway, sock, scope)
    if not first:
        return None
    await gateway.handshake_limiter.take()
    if first != TLS_HANDSHAKE and _takes_plaintext(listener.settings):
        return sock, None
    if first.isalpha():  # the beginning of a method: no TLS record begins with a letter
        return PLAIN_HTTP
    challenge = None
    if gateway.acme_challenges and first == TLS_HANDSHAKE:
        with trio.CancelScope(deadline=deadline) as scope, gateway.silent.waiting(scope, counted_as):
            challenge = await asked_challenge(sock, gateway.acme_challenges)
        if scope.cancelled_caught:
            _log_end(listener, client, scope, timeouts.handshake)
            return None
    try:
        tls = wrap(sock, challenge or listener.context)
    except TlsError as error:
        _log_failure(listener, client, str(error))
        return None
    secured = None
    scope = trio.CancelScope(deadline=deadline)  # entered, which costs more, only for who does not answer soon
    soon, serve_if_due = gateway.short_waits, gateway.pump.serve_if_due
    try:
        with gateway.silent.waiting(scope, counted_as):
            if timeouts.handshake <= soon.seconds or not await shake_hands_soon(tls, soon, serve_if_due):
                with scope:
                    await shake_hands(tls, serve_if_due)
        if scope.cancelled_caught:
            _log_end(listener, client, scope, timeouts.handshake)
        else:
            secured = tls, client_certificate(tls)
    except TlsError as error:
        awaited = listener.tls is not None and bool(listener.tls.missing) and not listener.tls.own
        _log_failure(listener, client, "the listener's certificate does not exist yet" if awaited else str(error))
        with trio.move_on_after(timeouts.close):
            await end_gracefully(sock)
    finally:
        if secured is None:
            tls.close()
    if secured is None or challenge is None:
        return secured
    await end_challenge(listener, tls, client, timeouts.close)
    return None


def _takes_plaintext(listener: Listener) -> bool:
    return listener.tls is not None and listener.tls.plaintext


async def refuse_tls(listener: LiveListener, sock: Transport, client: str) -> None:
    """Answers a ClientHello on a plain listener with a TLS alert, which the client understands. The caller bounds the
    time."""
    _log_failure(
        listener, client, "TLS spoken to a plain listener: use http:// or ws://, or give the listener a certificate"
    )
    if await send_all(sock, _ALERT):
        await end_gracefully(sock)


def _peek(sock: socket.socket) -> bytes:
    """Returns the first byte, which stays in the socket; ``b""`` if it has not come yet, or never will."""
    try:
        return sock.recv(1, socket.MSG_PEEK)
    except OSError:  # BLOCKED, too
        return b""


async def first_byte(gateway: Gateway, sock: socket.socket, scope: trio.CancelScope) -> bytes:
    """Returns the first byte without removing it from the socket; ``b""`` if the client has ended the connection."""
    await trio.lowlevel.checkpoint()
    gateway.add_idle(scope)
    try:
        while True:
            try:
                return sock.recv(1, socket.MSG_PEEK)
            except BLOCKED:
                await trio.lowlevel.wait_readable(sock)
            except OSError:
                return b""
    finally:
        gateway.idle.discard(scope)


def _log_end(listener: LiveListener, client: str, scope: trio.CancelScope, within: float) -> None:
    """Logs why the scope of a handshake was cancelled."""
    ended_early = trio.current_time() < scope.deadline
    _log_failure(
        listener, client, "others needed its place" if ended_early else f"no TLS handshake within {within:g} s"
    )


def _log_failure(listener: LiveListener, client: str, reason: str) -> None:
    emit(logging.INFO, "handshake failed", client=client, listener=str(listener.settings.bind), reason=reason)
