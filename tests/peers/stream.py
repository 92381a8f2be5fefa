"""A client or a backend over a trio stream: what a WebSocket library would hide, a ``Peer`` shows and does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import trio

from .frames import Frame, close_code, parse
from .heads import Head, request, switching, write_head
from .sockets import reset


class Peer:
    """One end of a connection to or from the gateway. ``mask`` is a client's masking key, None for a server."""

    def __init__(self, stream: Any, *, mask: bytes | None) -> None:
        self.stream = stream  # trio's, with TLS or without
        self.mask = mask
        self.head = Head("", [])  # the other side's, once it is read
        self.most: int | None = None  # bytes that are read at once
        self._received = bytearray()

    @property
    def address(self) -> str:
        host, port = self.tcp.socket.getsockname()
        return f"{host}:{port}"

    @property
    def tcp(self) -> Any:
        """What is below TLS, if there is any."""
        return self.stream.transport_stream if isinstance(self.stream, trio.SSLStream) else self.stream

    async def write(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def send(self, *frames: Frame) -> None:
        """Send frames in one write."""
        await self.write(b"".join(frame.encode(self.mask) for frame in frames))

    async def read_head(self) -> Head:
        while (end := self._received.find(b"\r\n\r\n")) < 0:
            await self._read_more()
        self.head = Head.parse(self._take(end + 4))
        return self.head

    async def read_body(self) -> bytes:
        """The body that the head's Content-Length announces."""
        return await self.read(int(self.head.one("Content-Length") or 0))

    async def read(self, size: int) -> bytes:
        while len(self._received) < size:
            await self._read_more()
        return self._take(size)

    async def receive(self) -> Frame:
        """The next frame. A wrong use of the mask (RFC 6455 §5.1) fails the test."""
        while (parsed := parse(self._received)) is None:
            await self._read_more()
        frame, key, size = parsed
        del self._received[:size]
        assert (key is None) == (self.mask is not None), "frames to a server are masked, to a client not"
        return frame

    async def receive_close(self) -> tuple[int | None, str]:
        """The next frame, which is a Close, as code and reason."""
        frame = await self.receive()
        return close_code(frame), frame.payload[2:].decode()

    async def read_end(self) -> None:
        """Wait for the end of the connection; anything before it fails the test."""
        data = bytes(self._received) or await self._receive_some()
        assert not data, data[:100]

    async def read_all(self) -> bytes:
        """Everything up to the end of the connection."""
        while data := await self._receive_some():
            self._received += data
        return self._take(len(self._received))

    async def vanish(self) -> None:
        """End the connection without a Close frame."""
        await self.stream.aclose()

    async def reset(self) -> None:
        """Break the connection: the other side sees a RST."""
        reset(self.tcp.socket)
        await self.tcp.aclose()

    # What a client does

    async def upgrade(self, path: str = "/", headers: Mapping[str, str | None] = {}) -> Head:
        """Ask for a session and expect to get it."""
        await self.write(request(path, headers))
        head = await self.read_head()
        assert head.status == 101, head
        return head

    # What a backend does

    async def accept_upgrade(self, headers: Mapping[str, str] = {}, *, behind: Iterable[Frame] = ()) -> None:
        """Answer the request that ``head`` holds with 101, and with frames behind it in the same write."""
        await self.write(switching(self.head.key, headers) + b"".join(frame.encode(None) for frame in behind))

    async def respond(self, status: str, headers: Mapping[str, str] = {}, body: bytes = b"") -> None:
        """Answer with something else than 101."""
        await self.write(write_head(f"HTTP/1.1 {status}", {"Content-Length": str(len(body)), **headers}) + body)

    def _take(self, size: int) -> bytes:
        taken = bytes(self._received[:size])
        del self._received[:size]
        return taken

    async def _read_more(self) -> None:
        data = await self._receive_some()
        if not data:
            raise EOFError(f"the connection ended; unread: {bytes(self._received[:100])!r}")
        self._received += data

    async def _receive_some(self) -> bytes:
        data: bytes = await self.stream.receive_some(self.most)
        return data


class Backend:
    """A listener whose connections a test accepts one by one and answers by hand."""

    def __init__(self, listener: trio.SocketListener) -> None:
        self.port: int = listener.socket.getsockname()[1]
        self.accepted: list[Peer] = []
        self._listener = listener

    async def accept(self) -> Peer:
        """The next connection, before anything was read from it."""
        peer = Peer(await self._listener.accept(), mask=None)
        self.accepted.append(peer)
        return peer

    async def accept_request(self) -> Peer:
        """The next connection with its request's head read."""
        peer = await self.accept()
        await peer.read_head()
        return peer

    async def aclose(self) -> None:
        await self._listener.aclose()
        for peer in self.accepted:
            await peer.stream.aclose()


async def open_session(client: Peer, backend: Backend, path: str = "/") -> Peer:
    """Bring a session about between a client that has just connected and a backend: the backend's end of it."""
    await client.write(request(path))
    server = await backend.accept_request()
    await server.accept_upgrade()
    head = await client.read_head()
    assert head.status == 101, head
    return server
