"""A gateway in the test's own process, for virtual time and for counting: connections are given to ``serve``."""

from __future__ import annotations

import socket

from wsgate.gate import connection
from wsgate.gate.gateway import Gateway
from wsgate.net.plain import take_over
from wsgate.settings.model import (
    Defaults,
    Limits,
    Listener,
    Relay,
    RelayBackend,
    Route,
    Settings,
    TcpAddress,
    Timeouts,
    WebSocketUrl,
)
from wsgate.site.build import build
from wsgate.site.listener import LiveListener

HANDSHAKE = 10.0  # seconds
TIMEOUTS = Timeouts(handshake=HANDSHAKE)
LISTENER = Listener(bind=TcpAddress("127.0.0.1", 0))


def gateway(*routes: Route, limits: Limits = Limits()) -> Gateway:  # noqa: B008 - frozen
    defaults = Defaults(timeouts=TIMEOUTS)
    return Gateway(build(Settings(listeners=(LISTENER,), routes=routes, defaults=defaults, limits=limits)))


def relay_to(port: int) -> Gateway:
    """Every request goes to the backend at ``port``."""
    relay = Relay(to=(RelayBackend(url=WebSocketUrl(TcpAddress("127.0.0.1", port), None)),))
    return gateway(Route(name="relay", timeouts=TIMEOUTS, action=relay))


async def serve(gateway: Gateway, sock: socket.socket) -> None:
    """One connection, as if it had just been accepted."""
    await connection.serve(gateway, LiveListener(LISTENER), take_over(sock), TcpAddress("127.0.0.1", 1))
