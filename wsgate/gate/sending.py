"""Sends a response of any size to a client of any speed, without delaying sessions."""

from __future__ import annotations

import trio

from wsgate.gate.exchange import Response
from wsgate.net.tcp_info import unacknowledged
from wsgate.net.transport import BLOCKED, Transport
from wsgate.relay.pump import Pump
from wsgate.wire.http import HttpServer

CLIENT_LEFT = "the client went away, or did not read its answer"
_SHORT = "the body could not be read to its end"

PATIENCE = 30.0  # seconds without progress, if the route has no write timeout


async def send_response(
    pump: Pump, transport: Transport, http: HttpServer, response: Response, patience: float, *, head_only: bool
) -> tuple[int, str]:
    """Sends a response and closes its body.

    Returns the bytes of its body that were sent, and why it was not sent completely: the client is gone, or accepts
    nothing for ``patience`` seconds, or reading the body fails. Empty if it was.
    """
    body = response.body
    sent = 0
    size = 0 if head_only else len(response.data)
    left = 0 if head_only or body is None else response.size
    data = http.head(response.status, response.headers) + (b"" if head_only else http.data(response.data))
    try:
        while True:
            pump.serve_round_if_due()
            if data and not await _send(transport, data, patience):
                return sent, CLIENT_LEFT
            sent += size
            if not left or body is None:
                break
            piece = await body.read()
            size = len(piece)
            if not size:  # the body is shorter than announced: the client notices the missing bytes
                return sent, _SHORT
            left -= size
            data = http.data(piece)
    finally:
        if body is not None:
            body.close()
    http.finish()
    return sent, ""


async def send_stream(pump: Pump, transport: Transport, http: HttpServer, response: Response, patience: float) -> bool:
    """Sends a response with a stream, and closes the stream, whose other work goes on meanwhile.

    Returns False if it was not sent completely: for a reason as that of ``send_response``, or because the client has
    left.
    """
    stream = response.stream
    assert stream is not None
    sent = False

    async def attend() -> None:
        await stream.attend()
        nursery.cancel_scope.cancel()

    try:
        if not stream.needs_attention:
            sent = await _send_stream(pump, transport, http, response, patience)
            return sent
        async with trio.open_nursery() as nursery:
            nursery.start_soon(attend)
            sent = await _send_stream(pump, transport, http, response, patience)
            nursery.cancel_scope.cancel()
    finally:
        stream.close(is_sent=sent)
    return sent


async def _send_stream(pump: Pump, transport: Transport, http: HttpServer, response: Response, patience: float) -> bool:
    stream = response.stream
    assert stream is not None
    data = http.head(response.status, response.headers) + http.data(response.data)
    while True:
        end = stream.end
        if end is not None:
            data += http.finish(end.trailers)
        pump.serve_round_if_due()
        if data and not await _send(transport, data, patience):
            return False
        if end is not None:
            return True
        piece = await stream.read()
        if not piece and stream.end is None:  # broken off
            return False
        data = http.data(piece)


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
