"""The far ends of a session, down to the byte: what a WebSocket library would hide, a ``Peer`` shows and does.

Its little codec is written for these tests alone, so that the gateway is not measured with its own ruler.
"""

from __future__ import annotations

import base64
import hashlib
import socket
import struct
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass

import trio

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA

UPGRADE = {
    "Host": "gateway.test",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Version": "13",
}


def request(
    path: str = "/", headers: Mapping[str, str | None] = {}, *, method: str = "GET", version: str = "HTTP/1.1"
) -> bytes:
    """The head of an upgrade request; ``headers`` are added, stand in for the usual ones, or (None) take them away."""
    fields = {name: value for name, value in {**UPGRADE, **headers}.items() if value is not None}
    lines = [f"{method} {path} {version}", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode()


def plain_request(path: str = "/", host: str = "gateway.test") -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()


def accept_value(key: str) -> str:
    return base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()


@dataclass(frozen=True)
class Head:
    """A request's or response's first line and its header fields, in order."""

    line: str
    headers: list[tuple[str, str]]

    @property
    def status(self) -> int:
        return int(self.line.split(" ")[1])

    @property
    def target(self) -> str:
        return self.line.split(" ")[1]

    def all(self, name: str) -> list[str]:
        return [value for field, value in self.headers if field.lower() == name.lower()]

    def one(self, name: str) -> str | None:
        """The field's value, None without it; a field that comes twice is no field that a test can rely on."""
        values = self.all(name)
        assert len(values) < 2, f"{name} {len(values)} times in {self}"
        return values[0] if values else None


@dataclass(frozen=True)
class Frame:
    opcode: int
    payload: bytes = b""
    fin: bool = True
    rsv: int = 0

    def encode(self, mask: bytes | None) -> bytes:
        first = self.fin << 7 | self.rsv << 4 | self.opcode
        bit = 0x80 if mask is not None else 0
        size = len(self.payload)
        if size < 126:
            head = struct.pack("!BB", first, bit | size)
        elif size < 1 << 16:
            head = struct.pack("!BBH", first, bit | 126, size)
        else:
            head = struct.pack("!BBQ", first, bit | 127, size)
        if mask is None:
            return head + self.payload
        return head + mask + xor(self.payload, mask)


def close_frame(code: int | None = None, reason: str = "") -> Frame:
    return Frame(CLOSE, b"" if code is None else struct.pack("!H", code) + reason.encode())


def xor(payload: bytes, mask: bytes) -> bytes:
    size = len(payload)
    keystream = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(keystream, "big")).to_bytes(size, "big")


class Peer:
    """One end of a connection to or from the gateway. ``mask`` is a client's masking key, None for a server."""

    def __init__(self, stream: trio.SocketStream, *, mask: bytes | None) -> None:
        self.stream = stream
        self.head = Head("", [])  # the other side's, once it is read
        self._mask = mask
        self._received = bytearray()

    @property
    def address(self) -> str:
        host, port = self.stream.socket.getsockname()
        return f"{host}:{port}"

    async def write(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def send(self, *frames: Frame) -> None:
        """Send frames in one write."""
        await self.write(b"".join(frame.encode(self._mask) for frame in frames))

    async def read_head(self) -> Head:
        while (end := self._received.find(b"\r\n\r\n")) < 0:
            await self._read_more()
        first, *lines = bytes(self._take(end + 4)[:end]).decode("latin-1").split("\r\n")
        fields = (line.partition(":") for line in lines)
        self.head = Head(first, [(name, value.strip()) for name, _, value in fields])
        return self.head

    async def read_body(self) -> bytes:
        """The body that the head's Content-Length announces."""
        return await self.read(int(self.head.one("Content-Length") or 0))

    async def read(self, size: int) -> bytes:
        while len(self._received) < size:
            await self._read_more()
        return bytes(self._take(size))

    async def receive(self) -> Frame:
        """The next frame. A wrong use of the mask (RFC 6455 §5.1) fails the test."""
        first, second = await self.read(2)
        size = second & 0x7F
        if size > 125:
            size = int.from_bytes(await self.read(2 if size == 126 else 8), "big")
        assert (second >= 0x80) == (self._mask is None), "frames to a server are masked, to a client not"
        mask = await self.read(4) if second >= 0x80 else bytes(4)
        payload = xor(await self.read(size), mask)
        return Frame(first & 0x0F, payload, first >= 0x80, first >> 4 & 7)

    async def receive_close(self) -> tuple[int | None, str]:
        """The next frame, which is a Close, as code and reason."""
        frame = await self.receive()
        assert frame.opcode == CLOSE, frame
        if not frame.payload:
            return None, ""
        return int.from_bytes(frame.payload[:2], "big"), frame.payload[2:].decode()

    async def read_end(self) -> None:
        """Wait for the end of the connection; anything before it fails the test."""
        data = bytes(self._received) or await self.stream.receive_some()
        assert not data, data[:100]

    async def vanish(self) -> None:
        """End the connection without a Close frame."""
        await self.stream.aclose()

    async def reset(self) -> None:
        """Break the connection: the other side sees a RST."""
        self.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await self.stream.aclose()

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
        key = self.head.one("Sec-WebSocket-Key")
        assert key is not None
        fields = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": accept_value(key), **headers}
        lines = ["HTTP/1.1 101 Switching Protocols", *(f"{name}: {value}" for name, value in fields.items())]
        head = "\r\n".join([*lines, "", ""]).encode()
        await self.write(head + b"".join(frame.encode(None) for frame in behind))

    async def respond(self, status: str, headers: Mapping[str, str] = {}, body: bytes = b"") -> None:
        """Answer with something else than 101."""
        fields = {"Content-Length": str(len(body)), **headers}
        lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in fields.items())]
        await self.write("\r\n".join([*lines, "", ""]).encode() + body)

    def _take(self, size: int) -> bytearray:
        taken = self._received[:size]
        del self._received[:size]
        return taken

    async def _read_more(self) -> None:
        data = await self.stream.receive_some()
        if not data:
            raise EOFError(f"the connection ended; unread: {bytes(self._received[:100])!r}")
        self._received += data


class Backend:
    """A listener whose connections a test takes one by one and answers by hand."""

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


OpenBackend = Callable[[], Awaitable[Backend]]  # the fixture ``open_backend``
OpenClient = Callable[..., Awaitable[Peer]]  # the fixture ``open_client``


async def open_session(client: Peer, backend: Backend, path: str = "/") -> Peer:
    """Bring a session about between a client that has just connected and a backend: the backend's end of it."""
    await client.write(request(path))
    server = await backend.accept_request()
    await server.accept_upgrade()
    head = await client.read_head()
    assert head.status == 101, head
    return server
