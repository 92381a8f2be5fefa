"""Two sockets behind their handshakes -> a session, as the route says."""

from __future__ import annotations

from typing import Any

from wsgate.net.tcp_info import limit_unacknowledged, watch_for_silence
from wsgate.net.transport import Transport
from wsgate.relay.about import About
from wsgate.relay.closing import Side
from wsgate.relay.leg import TcpLeg, WebSocketLeg
from wsgate.relay.pump import Pump
from wsgate.relay.record import Tap, recorded_tunnel
from wsgate.relay.session import Session, relay, tunnel
from wsgate.settings.model import Pings, Relay, Route, TextFrames, Tunnel
from wsgate.wire.kernel import FrameWalk
from wsgate.wire.walk import NO_LIMIT


def make_session(
    pump: Pump,
    about: About,
    route: Route,
    client: Transport,
    backend: Transport,
    *,
    compression: bool,
    tap: Tap | None = None,
    token: Any = None,
) -> Session:
    """The session that a route makes of a client and a backend behind their handshakes. ``tap`` gets a copy of what
    passes a tunnel."""
    action = route.action
    limit = NO_LIMIT if route.limits.message is None else route.limits.message
    frame_limit = NO_LIMIT if route.limits.frame is None else route.limits.frame
    if route.timeouts.write is not None:
        for sock in (client, backend):
            limit_unacknowledged(sock, 2 * route.timeouts.write)  # behind our own timeout, which can say more
    client_leg = WebSocketLeg(pump, client, Side.CLIENT, masks=False)
    if isinstance(action, Relay):
        backend_leg = WebSocketLeg(pump, backend, Side.BACKEND, masks=True)
        text = action.validate_text
        up = FrameWalk(masked=True, limit=limit, frame_limit=frame_limit, validate_text=text, compression=compression)
        down = FrameWalk(
            masked=False, limit=limit, frame_limit=frame_limit, validate_text=text, compression=compression
        )
        wire = relay(client_leg, backend_leg, up, down, answers_pings=action.pings is Pings.ANSWER)
        return Session(about, route, pump, client_leg, backend_leg, wire, token=token)
    assert isinstance(action, Tunnel)
    tcp_leg = TcpLeg(pump, backend, Side.BACKEND)
    if route.heartbeat is not None:
        watch_for_silence(backend, route.heartbeat.interval, route.heartbeat.timeout)
    up = FrameWalk(masked=True, frame_limit=frame_limit, unwrap=True, accept_text=action.text is TextFrames.ACCEPT)
    wire = tunnel(client_leg, tcp_leg, up) if tap is None else recorded_tunnel(client_leg, tcp_leg, up, tap)
    return Session(about, route, pump, client_leg, tcp_leg, wire, token=token)
