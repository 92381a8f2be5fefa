"""A gateway in the test's own process, as ``tests.gate`` has it, for virtual time and for counting: a test gives the
connections to ``serve``, and may itself be in the way of each call."""

from __future__ import annotations

import socket
from dataclasses import replace

from wsgate.gate import connection
from wsgate.gate.gateway import Gateway
from wsgate.net.plain import take_over
from wsgate.settings.model import Defaults, Limits, Listener, Route, TcpAddress, Timeouts
from wsgate.site.listener import LiveListener

from ..gate import conftest as gate

HANDSHAKE = 10.0  # seconds
TIMEOUTS = Timeouts(handshake=HANDSHAKE)
LISTENER = Listener(bind=TcpAddress("127.0.0.1", 0))


def gateway(*routes: Route, limits: Limits = Limits()) -> Gateway:  # noqa: B008 - frozen
    limits = replace(limits, silent_per_address=None, sessions_per_address=None)  # all clients have one address
    return gate.gateway_of(*routes, listeners=(LISTENER,), defaults=Defaults(timeouts=TIMEOUTS), limits=limits)


def relay_to(port: int) -> Gateway:
    """Every request goes to the backend at ``port``."""
    return gateway(Route(name="relay", timeouts=TIMEOUTS, action=gate.relay_to(port)))


async def serve(gateway: Gateway, sock: socket.socket) -> None:
    """One connection, as if it had just been accepted."""
    await connection.serve(gateway, LiveListener(LISTENER), take_over(sock), TcpAddress("127.0.0.1", 1))
