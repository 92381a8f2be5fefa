"""Finds the CA that checks a name by TLS-ALPN-01 (RFC 8737) among the clients of a TLS listener.

Only its ClientHello tells, which offers the protocol ``acme-tls/1`` and nothing else. Python shows the protocols that a
client offers to nobody, and a certificate has to be chosen before. So while a challenge is pending, which is for some
seconds in two months, the message is read without removing it from the socket. All other clients go on as ever.
"""

from __future__ import annotations

import logging
import socket
import ssl
from collections.abc import Mapping

import trio

from wsgate.events.emit import emit
from wsgate.net.io import end_gracefully
from wsgate.net.tls.acme_challenge import PROTOCOL
from wsgate.net.transport import Transport
from wsgate.site.listener import LiveListener
from wsgate.wire.client_hello import MAX_SIZE, ClientHello, parse

_OFFER = (PROTOCOL.encode(),)  # RFC 8737 §3: a list with this one


async def asked_challenge(sock: socket.socket, pending: Mapping[str, ssl.SSLContext]) -> ssl.SSLContext | None:
    """Returns the context for a client that is a CA and asks for one of the pending challenges, by host.

    Waits until the ClientHello is complete; the caller bounds the time. Returns ``None`` for every other client.
    """
    hello = await _peek(sock)
    if hello is None or hello.protocols != _OFFER:
        return None
    return pending.get(hello.server_name)


async def end_challenge(listener: LiveListener, transport: Transport, client: str, within: float) -> None:
    """Ends the connection of a CA, which has seen the certificate now (RFC 8737 §3).

    within: seconds for the CA to end it, too
    """
    try:
        emit(logging.INFO, "challenge answered", client=client, listener=str(listener.settings.bind))
        with trio.move_on_after(within):
            await end_gracefully(transport)
    finally:
        transport.close()


async def _peek(sock: socket.socket) -> ClientHello | None:
    """Returns the ClientHello, which stays in the socket; ``None`` if it does not become complete."""
    size = 0
    try:
        while True:
            data = sock.recv(MAX_SIZE, socket.MSG_PEEK)  # its first byte is there
            hello = parse(data)
            if hello is not None:
                return hello
            # It has ended, or is no TCP socket: others are readable as soon as they have a byte
            if len(data) <= size:
                return None
            size = len(data)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, size + 1)  # or it would be readable all the time
            await trio.lowlevel.wait_readable(sock)
    except OSError:  # the handshake tells
        return None
    finally:
        if size:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
