"""One health check of a backend: a request of the gateway's own, without data of any client."""

from __future__ import annotations

import base64
import contextlib
import os

import trio

from wsgate.gate.handlers.relay import host_for
from wsgate.net.ask import ask
from wsgate.net.dial import DialError, TlsClient, dial
from wsgate.net.io import receive_or_raise, send_all
from wsgate.net.resolver import set_requester
from wsgate.net.transport import Transport
from wsgate.settings.model import Health, Relay, WebSocketUrl
from wsgate.site.backend import LiveBackend
from wsgate.wire.client import Answer, BadAnswer, HttpClient
from wsgate.wire.close import Close, CloseCode
from wsgate.wire.frames import Opcode, encode_frame
from wsgate.wire.handshake import BackendHandshake, Declined, Upgrade
from wsgate.wire.http import Request
from wsgate.wire.kernel import FrameWalk
from wsgate.wire.walk import CONTROL, FAULT

_PING = b"wsgate health"
_GOODBYE = Close(CloseCode.NORMAL).payload()


async def check_health(backend: LiveBackend[WebSocketUrl], relay: Relay, health: Health, tls: TlsClient | None) -> str:
    """Returns why the check failed, for the log; empty if it succeeded."""
    set_requester(f"{backend.route} (health)")
    try:
        with trio.fail_after(health.timeout):
            transport = await dial(backend.address, health.timeout, tls, at=backend.where)
            try:
                return await _ask(transport, backend.address, relay, health)
            finally:
                transport.close()
    except (trio.TooSlowError, DialError) as error:
        return str(error) or f"the check took longer than {health.timeout:g} s"


async def _ask(transport: Transport, url: WebSocketUrl, relay: Relay, health: Health) -> str:
    # A request without a client has the backend's own name for its host, unless the route names one
    own = host_for(url, relay, b"")
    if health.http is not None:
        return await _get(transport, health.http.encode(), own)
    if health.websocket is not None:
        return await _open(transport, health.websocket.encode(), own)
    return ""


async def _get(transport: Transport, target: bytes, host: bytes) -> str:
    fields = [(b"Host", host), (b"User-Agent", b"wsgate"), (b"Connection", b"close")]
    answer = await ask(transport, HttpClient(target, fields))
    if isinstance(answer, BadAnswer):
        return answer.reason
    assert isinstance(answer, Answer)  # the request asked for no upgrade, so h11 rejects a 101
    return "" if 200 <= answer.status < 400 else f"answered {answer.status}"


async def _open(transport: Transport, target: bytes, host: bytes) -> str:
    request = Request(b"GET", target, host, b"1.1", [], [])
    key = base64.b64encode(os.urandom(16))
    handshake = BackendHandshake(request, Upgrade(b"", (), []), target=target, key=key, written=[])
    answer = await ask(transport, handshake)
    if isinstance(answer, BadAnswer):
        return answer.reason
    if isinstance(answer, Declined):
        return f"answered {answer.status}"
    return await ping_and_close(transport, answer.early)


async def ping_and_close(transport: Transport, early: bytes) -> str:
    """Sends a Ping, waits for its Pong, and closes as any client does. Messages of the backend are ignored."""
    await send_all(transport, encode_frame(Opcode.PING, _PING, os.urandom(4)))
    walk = FrameWalk(masked=False, validate_text=False)
    data = early
    answered = False
    while True:
        buffer = bytearray(data)
        stop = walk.walk(buffer, 0, len(buffer))
        while walk.halt == CONTROL:
            if walk.opcode == Opcode.PONG and walk.payload == _PING and not answered:
                answered = True
                await send_all(transport, encode_frame(Opcode.CLOSE, _GOODBYE, os.urandom(4)))
            if walk.opcode == Opcode.CLOSE:
                return "" if answered else "it closed the WebSocket before its Pong"
            stop = walk.walk(buffer, walk.resume, len(buffer))
        if walk.halt == FAULT:
            assert walk.fault is not None
            return f"it broke the protocol: {walk.fault.rule}"
        more = b""
        with contextlib.suppress(OSError):
            more = await receive_or_raise(transport)
        if not more:
            return "" if answered else "it ended the connection before its Pong"
        data = bytes(buffer[stop:]) + more
