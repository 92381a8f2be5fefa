"""The far ends. What a WebSocket backend does is the last part of its path, what a TCP service does its first byte."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Awaitable, Callable

import trio

from tests.peers import sockets
from tests.peers.frames import BINARY, CLOSE, PING, PONG, Frame, close_frame
from tests.peers.stream import Peer

POURED = 1 << 20  # bytes that are sent to, or by, slow readers
PIECE = 1 << 14  # bytes of one frame of it
SIP = 1 << 12  # bytes that a slow reader reads at once

Gone = (OSError, EOFError, trio.BrokenResourceError, trio.ClosedResourceError)


async def listen(
    nursery: trio.Nursery, serve: Callable[[trio.abc.Stream], Awaitable[None]], tls: ssl.SSLContext | None = None
) -> int:
    """Serve a port of the kernel's choice; a connection that breaks is no fault."""

    async def handle(stream: trio.SocketStream) -> None:
        with contextlib.suppress(*Gone):
            wrapped: trio.abc.Stream = stream
            if tls is not None:
                wrapped = trio.SSLStream(stream, tls, server_side=True, https_compatible=True)
            async with wrapped:
                await serve(wrapped)

    return await sockets.serve_tcp(nursery, handle)


async def serve_websocket(stream: trio.abc.Stream) -> None:
    peer = Peer(stream, mask=None)
    head = await peer.read_head()
    behaviour = head.target.partition("?")[0].rpartition("/")[2]
    if behaviour == "decline":
        await peer.respond("403 Forbidden", {}, b"not today")
        return
    await peer.accept_upgrade()
    if behaviour == "pour":
        for _ in range(POURED // PIECE):
            await peer.send(Frame(BINARY, bytes(PIECE)))
        await peer.send(close_frame(1000, "poured"))
    while True:
        frame = await peer.receive()
        if behaviour == "break":
            await peer.write(Frame(BINARY, b"half of it").encode(None)[:6])
            await peer.reset()
            return
        if behaviour == "vanish":
            return
        if frame.opcode == PING:
            await peer.send(Frame(PONG, frame.payload))
        elif frame.opcode == CLOSE:
            if behaviour != "pour":
                await peer.send(Frame(CLOSE, frame.payload))
            return
        elif frame.opcode != PONG and behaviour != "pour":
            await peer.send(frame)


async def serve_tcp(stream: trio.abc.Stream) -> None:
    """An echo; ``p`` pours instead, ``b`` breaks off."""
    data = await stream.receive_some(1)
    if data == b"b":
        await Peer(stream, mask=None).reset()
    elif data == b"p":
        await stream.send_all(bytes(POURED))
    else:
        while data:
            await stream.send_all(data)
            data = await stream.receive_some(SIP)
