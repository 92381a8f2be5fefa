"""Sends a response of any size to a client of any speed, without delaying sessions."""

from __future__ import annotations

import trio

from wsgate.gate.exchange import Response
from wsgate.net.tcp_info import unacknowledged
from wsgate.net.transport import BLOCKED, Transport
from wsgate.relay.pump import Pump
from wsgate.wire.http import HttpServer

PATIENCE = 30.0  # seconds without progress, if the route has no write timeout


async def send_response(
    pump: Pump, transport: Transport, http: HttpServer, response: Response, patience: float, *, head_only: bool
) -> bool:
    """Sends a response and closes its body.

    Returns False if it was not sent completely: the client is gone, or accepts nothing for ``patience`` seconds, or
    reading the body fails.
    """
    body = response.body
    left = 0 if head_only or body is None else response.size
    data = http.head(response.status, response.headers) + (b"" if head_only else http.data(response.data))
    try:
        while True:
            pump.serve_if_due()
            if data and not await _send(transport, data, patience):
                return False
            if not left or body is None:
                break
            piece = await body.read()
            if not piece:  # the body is shorter than announced: the client notices the missing bytes
                return False
            left -= len(piece)
            data = http.data(piece)
    finally:
        if body is not None:
            body.close()
    http.finish()
    return True


async def _send(transport: Transport, data: bytes, patience: float) -> bool:
    """Sends everything while the peer accepts some bytes in each ``patience`` seconds.

    The kernel reports a socket as writable only when a third of its buffer is free. A slow peer may need long for that
    although it accepts bytes all the time, so this also tries without such a report.
    """
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[transport.send(rest) :]
            continue
        except BLOCKED:
            pass
        except OSError:
            return False
        before = unacknowledged(transport)
        with trio.move_on_after(patience) as scope:
            await trio.lowlevel.wait_writable(transport)
        if scope.cancelled_caught and unacknowledged(transport) >= before:
            return False
    return True
