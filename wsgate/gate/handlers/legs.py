"""The common part of the sessions of relays and tunnels."""

from __future__ import annotations

from typing import Any

from wsgate.gate.exchange import Exchange
from wsgate.gate.throttles import Throttles
from wsgate.net.tcp_info import limit_unacknowledged
from wsgate.net.transport import Transport
from wsgate.relay.closing import Side
from wsgate.relay.flow import MakeFlows
from wsgate.relay.leg import Leg
from wsgate.relay.limited_session import LimitedSession
from wsgate.relay.session import Session
from wsgate.relay.session_info import SessionInfo
from wsgate.relay.websocket_leg import WebSocketLeg
from wsgate.wire.walk import NO_LIMIT

_CLIENT = Side.CLIENT  # before Python 3.12 looking up a member costs as much as a call


def client_leg(exchange: Exchange, backend: Transport) -> WebSocketLeg:
    """Makes the client's leg. Sets the kernel's timeout for unacknowledged bytes on both sides."""
    limit_both(exchange, backend)
    return WebSocketLeg(exchange.gateway.pump, exchange.here, _CLIENT, masks=False)


def limit_both(exchange: Exchange, backend: Transport) -> None:
    """Sets the kernel's timeout for unacknowledged bytes on both sides."""
    within = exchange.route.settings.timeouts.write
    if within is not None:
        for transport in (exchange.here, backend):
            limit_unacknowledged(transport, 2 * within)  # longer than our own timeout, which can log more


def make_session(
    exchange: Exchange, info: SessionInfo, client: Leg, backend: Leg, flows: MakeFlows, token: Any = None
) -> Session:
    """Makes the session of two legs. ``token``: the client's, for revoking it; ``None`` without one."""
    route, pump = exchange.route, exchange.gateway.pump
    limits = route.settings.limits
    if limits.messages_per_second is None and limits.bytes_per_second is None:
        return Session(info, route, pump, client, backend, flows, token=token)
    throttles = Throttles(info, exchange.gateway.metrics.sessions(route.name))
    return LimitedSession(info, route, pump, client, backend, flows, observer=throttles, token=token)


def or_no_limit(limit: int | None) -> int:
    """Returns a limit of the settings as a walk wants it."""
    return NO_LIMIT if limit is None else limit
