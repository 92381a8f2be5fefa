"""The tunnel handler: dials a TCP service before the client gets its 101."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import zip_longest

from wsgate.gate.client import proxy_header
from wsgate.gate.exchange import Answer, Exchange, Handler, Join, Opened
from wsgate.gate.handlers.legs import client_leg, make_session, or_no_limit
from wsgate.gate.handlers.subprotocols import tunnel_subprotocol
from wsgate.gate.handlers.targets import find_targets
from wsgate.gate.refusals import is_our_own, unreachable
from wsgate.net.dial import DialError, dial
from wsgate.net.io import local_address
from wsgate.net.resolver import set_requester
from wsgate.net.tcp_info import watch_for_silence
from wsgate.net.transport import Transport
from wsgate.relay.closing import Side
from wsgate.relay.recorded_tunnel import RecordBuffer, recorded_tunnel
from wsgate.relay.session import Session
from wsgate.relay.session_info import SessionInfo
from wsgate.relay.tcp_leg import TcpLeg
from wsgate.relay.tunnel_flows import tunnel
from wsgate.settings.model import Target, TextFrames, Tunnel
from wsgate.wire.http import Refusal
from wsgate.wire.kernel import FrameWalk


async def handle(exchange: Exchange) -> Answer:
    """Opens the first of the request's targets that the rules allow and that accepts a connection."""
    route = exchange.route
    action = route.settings.action
    assert isinstance(action, Tunnel)
    assert exchange.upgrade is not None
    subprotocol = tunnel_subprotocol(action, exchange.upgrade)
    if isinstance(subprotocol, Refusal):
        return subprotocol
    found = await find_targets(route, action, exchange.request)
    if isinstance(found, Refusal):
        return found
    opened = await _connect(exchange, action, found.targets, found.hide)
    if isinstance(opened, Refusal):
        return replace(opened, detail=found.hide(opened.detail))
    transport, target = opened
    return Opened(
        transport,
        found.hide(str(target)),
        _join(transport, found.token),
        subprotocol,
        token=found.token,
        record=action.record,
    )


HANDLER = Handler(handle)


async def _connect(
    exchange: Exchange, action: Tunnel, targets: Sequence[Target], hide: Callable[[str], str]
) -> tuple[Transport, Target] | Refusal:
    route = exchange.route
    greeting = b""
    if action.proxy_protocol is not None:
        here = local_address(exchange.here)
        greeting = proxy_header(action.proxy_protocol, exchange.end, exchange.client, here)
    tls = exchange.backend_tls(action.tls)
    refusal: Refusal | None = None
    within = route.settings.timeouts.connect
    set_requester(route.name)
    # Only failures of the configured targets are logged as trouble: clients could fill the log with those of others
    for target, backend in zip_longest(targets, route.tunnels_to):
        span = None if exchange.span is None else exchange.span.dial(hide(str(target)))
        try:
            transport = await dial(target, within, tls, rules=route.rules, greeting=greeting)
        except DialError as error:
            refusal = unreachable(error, f"tcp://{target.address}")
            if span is not None:
                span.end(replace(refusal, detail=hide(refusal.detail)))
            if backend is not None and not is_our_own(refusal):
                backend.failed(refusal.detail)
            continue
        if span is not None:
            span.end(None)
        if backend is not None:
            backend.worked()
        return transport, target
    assert refusal is not None
    return refusal


def _join(backend: Transport, token: object) -> Join:
    def join(exchange: Exchange, info: SessionInfo, buffer: RecordBuffer | None) -> Session:
        route, pump = exchange.route.settings, exchange.gateway.pump
        action = route.action
        assert isinstance(action, Tunnel)
        client_side = client_leg(exchange, backend)
        if route.heartbeat is not None:
            watch_for_silence(backend, route.heartbeat.interval, route.heartbeat.timeout)
        accept_text = action.text is TextFrames.ACCEPT
        up = FrameWalk(
            masked=True,
            frame_limit=or_no_limit(route.limits.frame),
            unwrap=True,
            accept_text=accept_text,
            counts=exchange.gateway.metrics.sessions(route.name).frames("up"),
        )
        tcp_side = TcpLeg(pump, backend, Side.BACKEND)
        wire = (
            tunnel(client_side, tcp_side, up) if buffer is None else recorded_tunnel(client_side, tcp_side, up, buffer)
        )
        return make_session(exchange, info, client_side, tcp_side, wire, token)

    return join
