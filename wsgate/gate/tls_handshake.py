"""What a connection to a TLS listener goes through before HTTP: its first byte, then the handshake."""

from __future__ import annotations

import logging
import socket

import trio

from wsgate.events.emit import emit
from wsgate.gate.gateway import Gateway
from wsgate.net.io import end_gracefully, send_all
from wsgate.net.plain import PlainTransport, take_over
from wsgate.net.tls.handshake import ClientCertificate, TlsError, client_certificate, shake_hands, wrap
from wsgate.net.tls.transport import TlsTransport
from wsgate.net.transport import BLOCKED, Transport
from wsgate.settings.model import Listener
from wsgate.site.listener import LiveListener
from wsgate.wire.http import Refusal

PLAIN_HTTP = Refusal(400, "this port speaks TLS: use https:// or wss://")

# The first byte of a ClientHello (RFC 8446 §5.1, §4), which is no byte of HTTP
TLS_HANDSHAKE = b"\x16"
# A fatal handshake_failure (RFC 8446 §6), in the record version that every client takes
_ALERT = bytes([21, 3, 1, 0, 2, 2, 40])

Secured = tuple[Transport, ClientCertificate | None]


async def secure(
    gateway: Gateway, listener: LiveListener, sock: PlainTransport, client: str
) -> Secured | Refusal | None:
    """Shake hands, within the handshake timeout: the connection as it goes on, and who the client has proved to be.

    Where the listener takes clients without TLS too, one that does not begin with a ClientHello goes on with ``sock``
    as it is. Elsewhere a ``Refusal`` is the answer, in the clear, to plain HTTP. ``None``: there will be no TLS, and
    the log has said why where the client said anything at all. ``sock`` has been taken over then, as after a handshake.
    """
    assert listener.context is not None
    timeouts = gateway.settings.defaults.timeouts
    with trio.move_on_after(timeouts.handshake) as scope, gateway.owed(scope):
        first = await _first_byte(gateway, sock, scope)
    if scope.cancelled_caught or not first:
        return None
    await gateway.handshake_limiter.take()
    if first != TLS_HANDSHAKE and _takes_plaintext(listener.settings):
        return sock, None
    if first.isalpha():  # the beginning of a method: no record of TLS begins with a letter
        return PLAIN_HTTP
    try:
        tls = wrap(sock, listener.context)
    except TlsError as error:
        _log_failure(listener, client, str(error))
        return None
    secured = None
    try:
        with trio.CancelScope(deadline=scope.deadline) as scope, gateway.owed(scope):
            await shake_hands(tls, gateway.pump.serve_if_due)
            secured = TlsTransport(tls), client_certificate(tls)
        if scope.cancelled_caught:
            ended_early = trio.current_time() < scope.deadline
            reason = "others needed its place" if ended_early else f"no TLS handshake within {timeouts.handshake:g} s"
            _log_failure(listener, client, reason)
    except TlsError as error:
        _log_failure(listener, client, str(error))
        with trio.move_on_after(timeouts.close):
            with take_over(tls) as plain:
                await end_gracefully(plain)
    finally:
        if secured is None:
            tls.close()
    return secured


def _takes_plaintext(listener: Listener) -> bool:
    return listener.tls is not None and listener.tls.plaintext


async def refuse_tls(listener: LiveListener, sock: Transport, client: str) -> None:
    """Answer a ClientHello on a plain listener, so that the client's TLS has something to understand. The caller bounds
    the time."""
    _log_failure(
        listener, client, "TLS spoken to a plain listener: use http:// or ws://, or give the listener a certificate"
    )
    if await send_all(sock, _ALERT):
        await end_gracefully(sock)


async def _first_byte(gateway: Gateway, sock: socket.socket, scope: trio.CancelScope) -> bytes:
    """The first byte, left where it is; ``b""`` when the client has ended or reset the connection."""
    await trio.lowlevel.checkpoint()
    gateway.expect(scope)
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


def _log_failure(listener: LiveListener, client: str, reason: str) -> None:
    emit(logging.INFO, "handshake failed", client=client, listener=str(listener.settings.bind), reason=reason)
