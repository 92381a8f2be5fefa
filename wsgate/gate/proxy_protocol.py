"""Receives the PROXY header, which precedes everything else on a listener with ``proxy_protocol``."""

from __future__ import annotations

import logging
import socket

import trio

from wsgate.events.emit import emit
from wsgate.gate.client import is_among
from wsgate.gate.gateway import Gateway
from wsgate.net.transport import BLOCKED
from wsgate.settings.model import Address
from wsgate.site.listener import LiveListener
from wsgate.wire.proxy_protocol import MAX_V2, Malformed, ProxyHeader, parse

_CURE = "let it send one (HAProxy: send-proxy-v2), or take proxy_protocol from the listener"


async def real_address(gateway: Gateway, listener: LiveListener, sock: socket.socket, peer: Address) -> Address | None:
    """Returns the client's address: the one in the PROXY header, if a header is expected and has one, else the peer's.

    Returns ``None`` if the connection must be closed: no header came within the handshake timeout, or it is malformed.
    This is logged, unless the peer never sent anything. The bytes behind the header stay in the socket.
    """
    if listener.settings.proxy_protocol is None:
        return peer
    if not is_among(peer, listener.settings.proxy_protocol.from_):
        _log_failure(listener, peer, "the peer is not in proxy_protocol.from: add it if it is your balancer")
        return None
    within = gateway.settings.defaults.timeouts.handshake
    received = bytearray()
    header: ProxyHeader | Malformed | None = None
    with trio.move_on_after(within) as scope, gateway.silent.waiting(scope, None):
        header = await _receive(gateway, sock, received, scope)
    if isinstance(header, ProxyHeader):
        return header.source or peer
    if isinstance(header, Malformed):
        _log_failure(listener, peer, f"{header.reason}: {_CURE}")
    elif received:
        late = f" within {within:g} s" if scope.cancelled_caught and trio.current_time() >= scope.deadline else ""
        _log_failure(listener, peer, f"the PROXY header did not end{late}: {_CURE}")
    return None


async def _receive(
    gateway: Gateway, sock: socket.socket, received: bytearray, scope: trio.CancelScope
) -> ProxyHeader | Malformed | None:
    """Reads the header, and no byte more, from the socket. Returns ``None`` if the peer ends before."""
    await trio.lowlevel.checkpoint()
    gateway.add_idle(scope)
    try:
        while True:
            try:
                data = sock.recv(MAX_V2, socket.MSG_PEEK)
            except BLOCKED:
                await trio.lowlevel.wait_readable(sock)
                continue
            gateway.idle.discard(scope)
            await gateway.handshake_limiter.take()
            header = parse(bytes(received) + data)
            if isinstance(header, Malformed) or not data:
                return header
            received += sock.recv(len(data) if header is None else header.size - len(received))
            if header is not None:
                return header
    except OSError:
        return None
    finally:
        gateway.idle.discard(scope)


def _log_failure(listener: LiveListener, peer: Address, reason: str) -> None:
    emit(
        logging.INFO,
        "proxy protocol failed",
        client=str(peer),
        listener=str(listener.settings.bind),
        reason=reason,
    )
