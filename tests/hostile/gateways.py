"""A gateway in the test's own process, for what takes virtual time: connections are given to ``gate.session.serve``."""

from __future__ import annotations

from wsgate.gate.gateway import Gateway
from wsgate.settings.model import Defaults, Listener, Relay, Route, Settings, TcpAddress, Timeouts, WebSocketUrl

HANDSHAKE = 10.0  # seconds


def relay_to(port: int) -> Gateway:
    """Every request goes to the backend at ``port``."""
    timeouts = Timeouts(handshake=HANDSHAKE)
    relay = Relay(to=(WebSocketUrl(TcpAddress("127.0.0.1", port), None),))
    route = Route(name="relay", timeouts=timeouts, action=relay)
    listener = Listener(bind=TcpAddress("127.0.0.1", 0))
    return Gateway(Settings(listeners=(listener,), routes=(route,), defaults=Defaults(timeouts=timeouts)))
