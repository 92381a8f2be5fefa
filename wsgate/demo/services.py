"""The demo's two backends: a WebSocket echo and a TCP line echo.

They run behind the gateway on loopback and do only what the demo page shows: an echo, and by a command each way in
which a session can end. The WebSocket echo repeats frames as they come, also fragments. It checks nothing, because the
gateway has checked every frame.
"""

from __future__ import annotations

import contextlib
import re
import socket
import struct
from collections.abc import Awaitable, Callable
from functools import partial

import trio

from wsgate.wire.close import Close
from wsgate.wire.frames import FIN, Opcode, encode_frame, encode_header
from wsgate.wire.handshake import Upgrade, accept_headers, check_upgrade
from wsgate.wire.http import HttpServer, Request
from wsgate.wire.kernel import apply_mask

_Handler = Callable[[trio.SocketStream], Awaitable[None]]

SUBPROTOCOL = b"echo.v1"

_CHUNK = 64 << 10
_MAX_LINE = 4 << 20  # bytes; the gateway's largest message is 16 MiB by default, a line is for people
_CLOSE_COMMAND = re.compile(rb"close (\d{4})(?: (.{0,123}))?")


async def serve_echo(listener: socket.socket) -> None:
    """Accepts echo sessions on a listening socket until cancelled."""
    await _serve(listener, _echo)


async def serve_lines(listener: socket.socket) -> None:
    """Accepts line sessions on a listening socket until cancelled."""
    await _serve(listener, _lines)


async def _serve(listener: socket.socket, handler: _Handler) -> None:
    accepting = trio.SocketListener(trio.socket.from_stdlib_socket(listener))
    await trio.serve_listeners(partial(_session, handler), [accepting])


async def _session(handler: _Handler, stream: trio.SocketStream) -> None:
    try:
        async with stream:
            await handler(stream)
    except trio.BrokenResourceError:
        pass  # the gateway ended the connection, and has logged why


class _Input:
    """Reads exact numbers of bytes from a stream."""

    def __init__(self, stream: trio.SocketStream, first: bytes = b"") -> None:
        self._stream = stream
        self._data = bytearray(first)

    async def take(self, size: int) -> bytes:
        """Returns ``size`` bytes. Raises ``EOFError`` when the stream ends before."""
        while len(self._data) < size:
            data = await self._stream.receive_some(_CHUNK)
            if not data:
                raise EOFError
            self._data += data
        taken = bytes(self._data[:size])
        del self._data[:size]
        return taken


async def _echo(stream: trio.SocketStream) -> None:
    http = HttpServer()
    request = None
    while request is None:
        http.receive(await stream.receive_some(_CHUNK))
        try:
            request = http.next_request()
        except EOFError:
            return
    upgrade = check_upgrade(request) if isinstance(request, Request) else None
    if not isinstance(upgrade, Upgrade):
        await stream.send_all(http.respond(426, [(b"Upgrade", b"websocket")], b"WebSocket only\n"))
        return
    subprotocol = SUBPROTOCOL if SUBPROTOCOL in upgrade.subprotocols else None
    await stream.send_all(http.switch(accept_headers(upgrade, subprotocol)))
    with contextlib.suppress(EOFError):
        await _repeat(stream, _Input(stream, http.trailing()))


async def _repeat(stream: trio.SocketStream, source: _Input) -> None:
    """Sends every frame back, until the Close."""
    closing = False
    while True:
        first, payload = await _read_frame(source)
        opcode = first & 0x0F
        if opcode == Opcode.CLOSE:
            if not closing:
                await stream.send_all(encode_frame(Opcode.CLOSE, payload, None))
            return
        if closing or opcode == Opcode.PONG:
            continue
        if first == FIN | Opcode.TEXT:
            if payload == b"drop":
                return
            if command := _CLOSE_COMMAND.fullmatch(payload):
                close = Close(int(command[1]), command[2] or b"")
                await stream.send_all(encode_frame(Opcode.CLOSE, close.payload(), None))
                closing = True
                continue
        if opcode == Opcode.PING:
            first = FIN | Opcode.PONG
        await stream.send_all(encode_header(first, len(payload)) + payload)


async def _read_frame(source: _Input) -> tuple[int, bytes]:
    """Returns the next frame's first byte and its unmasked payload."""
    first, second = await source.take(2)
    size = second & 0x7F
    if size > 125:
        size = int.from_bytes(await source.take(2 if size == 126 else 8), "big")
    key = await source.take(4)
    return first, bytes(apply_mask(await source.take(size), key))


async def _lines(stream: trio.SocketStream) -> None:
    pending = bytearray()
    while len(pending) <= _MAX_LINE:
        data = await stream.receive_some(_CHUNK)
        if not data:
            return
        pending += data
        *lines, rest = pending.split(b"\n") if b"\n" in data else (pending,)
        pending = rest
        for number, line in enumerate(lines):
            command = bytes(line.strip())
            if command in (b"quit", b"reset"):
                await _send_lines(stream, lines[:number])
                if command == b"reset":
                    # a linger time of 0 makes close() send RST (socket(7))
                    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return
        await _send_lines(stream, lines)


async def _send_lines(stream: trio.SocketStream, lines: list[bytearray]) -> None:
    if lines:
        await stream.send_all(b"\n".join(lines) + b"\n")
