"""Sessions behind an upgrade to another protocol than WebSocket, with ``upgrade: any``: their bytes are passed on."""

from __future__ import annotations

from wsgate.gate.exchange import Exchange, Join
from wsgate.gate.handlers.legs import limit_both, make_session
from wsgate.net.transport import Transport
from wsgate.relay.byte_flow import ByteLeg, pass_bytes
from wsgate.relay.closing import Side
from wsgate.relay.recorded_tunnel import RecordBuffer
from wsgate.relay.session import Session
from wsgate.relay.session_info import SessionInfo


def join_bytes(backend: Transport) -> Join:
    """Returns what makes the session."""

    def join(exchange: Exchange, info: SessionInfo, buffer: RecordBuffer | None) -> Session:
        pump = exchange.gateway.pump
        limit_both(exchange, backend)
        client_side = ByteLeg(pump, exchange.here, Side.CLIENT)
        backend_side = ByteLeg(pump, backend, Side.BACKEND)
        return make_session(exchange, info, client_side, backend_side, pass_bytes(client_side, backend_side))

    return join
