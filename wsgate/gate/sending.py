"""Sending a response of any size to a client of any speed, without harm to the sessions."""

from __future__ import annotations

import trio

from wsgate.gate.files import Answer, in_thread
from wsgate.gate.gateway import Gateway
from wsgate.net.tcp_info import unacknowledged
from wsgate.net.transport import BLOCKED, Transport
from wsgate.settings.model import Route
from wsgate.wire.http import HttpServer

CHUNK = 64 << 10  # bytes read and sent at a time
PATIENCE = 30.0  # seconds without progress, where the route has no write timeout


async def send_answer(
    gateway: Gateway, route: Route, sock: Transport, http: HttpServer, answer: Answer, *, head_only: bool
) -> bool:
    """Send it, and close its file; False where the client is gone, or takes nothing for ``timeouts.write``."""
    patience = route.timeouts.write or PATIENCE
    left = 0 if head_only else answer.size
    data = http.head(answer.status, answer.headers) + (b"" if head_only else http.data(answer.body))
    try:
        while True:
            gateway.pump.give_turn()
            if data and not await _send(sock, data, patience):
                return False
            if not left or answer.file is None:
                break
            chunk = await in_thread(answer.file.read, min(CHUNK, left))
            if not chunk:  # the file shrank: the client learns it from the missing bytes
                return False
            left -= len(chunk)
            data = http.data(chunk)
    finally:
        if answer.file is not None:
            answer.file.close()
    http.finish()
    return True


async def _send(sock: Transport, data: bytes, patience: float) -> bool:
    """Send everything, as long as the peer takes something.

    The kernel calls a socket writable when a third of its buffer is free. A slow peer needs long for that, and takes
    all the while.
    """
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[sock.send(rest) :]
            continue
        except BLOCKED:
            pass
        except OSError:
            return False
        before = unacknowledged(sock)
        with trio.move_on_after(patience) as scope:
            await trio.lowlevel.wait_writable(sock)
        if scope.cancelled_caught and unacknowledged(sock) >= before:
            return False
    return True
