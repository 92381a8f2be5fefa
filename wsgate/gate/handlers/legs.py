"""What the sessions of relays and tunnels have in common."""

from __future__ import annotations

from wsgate.gate.exchange import Exchange
from wsgate.net.tcp_info import limit_unacknowledged
from wsgate.net.transport import Transport
from wsgate.relay.closing import Side
from wsgate.relay.leg import WebSocketLeg
from wsgate.settings.model import Route
from wsgate.wire.walk import NO_LIMIT


def client_leg(exchange: Exchange, backend: Transport) -> WebSocketLeg:
    """The client's leg. The kernel is told, for both sides, when a peer that acknowledges nothing is gone."""
    within = exchange.route.settings.timeouts.write
    if within is not None:
        for transport in (exchange.here, backend):
            limit_unacknowledged(transport, 2 * within)  # behind our own timeout, which can say more
    return WebSocketLeg(exchange.gateway.pump, exchange.here, Side.CLIENT, masks=False)


def frame_limit(route: Route) -> int:
    """Bytes of the largest frame that may pass."""
    return NO_LIMIT if route.limits.frame is None else route.limits.frame
