"""Two sockets behind their handshakes -> a session, as the route says."""

from __future__ import annotations

from wsgate.gate.gateway import Gateway
from wsgate.net.tcp_info import limit_unacknowledged, watch_for_silence
from wsgate.net.transport import Transport
from wsgate.relay.closing import Side
from wsgate.relay.join import Join, relay, tunnel
from wsgate.relay.leg import TcpLeg, WebSocketLeg
from wsgate.relay.record import Tap, recorded_tunnel
from wsgate.settings.model import Pings, Relay, Route, TextFrames, Tunnel
from wsgate.wire.kernel import FrameWalk
from wsgate.wire.walk import NO_LIMIT


def make_join(
    gateway: Gateway,
    route: Route,
    client: Transport,
    backend: Transport,
    *,
    compression: bool,
    tap: Tap | None = None,
) -> Join:
    """Join two sockets behind their handshakes, as the route says. ``tap`` gets a copy of what passes a tunnel."""
    action = route.action
    limit = NO_LIMIT if route.limits.message is None else route.limits.message
    frame_limit = NO_LIMIT if route.limits.frame is None else route.limits.frame
    if route.timeouts.write is not None:
        for sock in (client, backend):
            limit_unacknowledged(sock, 2 * route.timeouts.write)  # behind our own timeout, which can say more
    client_leg = WebSocketLeg(gateway.pump, client, Side.CLIENT, masks=False)
    if isinstance(action, Relay):
        backend_leg = WebSocketLeg(gateway.pump, backend, Side.BACKEND, masks=True)
        text = action.validate_text
        up = FrameWalk(masked=True, limit=limit, frame_limit=frame_limit, validate_text=text, compression=compression)
        down = FrameWalk(
            masked=False, limit=limit, frame_limit=frame_limit, validate_text=text, compression=compression
        )
        wire = relay(client_leg, backend_leg, up, down, answers_pings=action.pings is Pings.ANSWER)
        return Join(gateway.pump, client_leg, backend_leg, wire, route.timeouts, route.heartbeat)
    assert isinstance(action, Tunnel)
    tcp_leg = TcpLeg(gateway.pump, backend, Side.BACKEND)
    if route.heartbeat is not None:
        watch_for_silence(backend, route.heartbeat.interval, route.heartbeat.timeout)
    up = FrameWalk(masked=True, frame_limit=frame_limit, unwrap=True, accept_text=action.text is TextFrames.ACCEPT)
    wire = tunnel(client_leg, tcp_leg, up) if tap is None else recorded_tunnel(client_leg, tcp_leg, up, tap)
    return Join(gateway.pump, client_leg, tcp_leg, wire, route.timeouts, route.heartbeat)
