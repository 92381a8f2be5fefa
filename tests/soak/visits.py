"""Kinds of visit. Each uses one connection from its beginning to its end, and returns its faults."""

from __future__ import annotations

import base64
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import Random

import trio
import trio.testing

from tests.peers.frames import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Frame, close_code, close_frame
from tests.peers.heads import plain_request, request
from tests.peers.stream import Peer

from ..hostile.faults import FAULTS
from .backends import PIECE, POURED, SIP, Gone
from .config import PAGE, PASSWORD, TOKEN

_GOING_AWAY = {1001, 1012}


@dataclass
class Counts:
    """What the log must have, ``sessions`` and ``refusals``; ``perhaps`` are those that may be there as either."""

    sessions: int = 0
    refusals: int = 0
    perhaps: int = 0


class Visitor(Peer):
    """A client."""

    def __init__(self, stream: trio.abc.Stream, random: Random) -> None:
        super().__init__(stream, mask=random.randbytes(4))
        self._writing = trio.Lock()  # an answer to a heartbeat comes between

    async def write(self, data: bytes) -> None:
        async with self._writing:
            await super().write(data)

    async def data(self) -> Frame:
        """The next frame that is no heartbeat; those are answered."""
        while True:
            frame = await self.receive()
            if frame.opcode != PING:
                return frame
            await self.send(Frame(PONG, frame.payload))

    async def expect_close(self, *codes: int) -> None:
        frame = await self.data()
        while frame.opcode != CLOSE:
            frame = await self.data()
        code = close_code(frame) or 0
        assert code in codes, (code, frame.payload)
        with contextlib.suppress(*Gone):
            await self.send(Frame(CLOSE, frame.payload[:2]))
        await self.end()

    async def end(self) -> None:
        """Read up to the end; only heartbeats may come before it."""
        with contextlib.suppress(*Gone):
            while True:
                frame = await self.receive()
                assert frame.opcode in (PING, PONG), frame


@dataclass
class VisitedGateway:
    """Where the gateway is, what visits it, and what it must have logged."""

    ports: tuple[int, int]  # without TLS, with it
    context: ssl.SSLContext
    counts: Counts

    @asynccontextmanager
    async def visitor(self, random: Random, *, slow: bool = False) -> AsyncIterator[Visitor]:
        """A connection, with TLS every other time. slow: little fits into its buffers"""
        tls = random.random() < 0.5
        sock = trio.socket.socket()
        if slow:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SIP)
        await sock.connect(("127.0.0.1", self.ports[tls]))
        stream: trio.abc.Stream = trio.SocketStream(sock)
        if tls:
            stream = trio.SSLStream(stream, self.context, server_hostname="127.0.0.1", https_compatible=True)
        visitor = Visitor(stream, random)
        try:
            yield visitor
        finally:
            with trio.CancelScope(shield=True):
                await trio.aclose_forcefully(stream)

    @asynccontextmanager
    async def session(self, random: Random, path: str, *, slow: bool = False, **headers: str) -> AsyncIterator[Visitor]:
        async with self.visitor(random, slow=slow) as visitor:
            await visitor.upgrade(path, {name.replace("_", "-"): value for name, value in headers.items()})
            self.counts.sessions += 1
            if slow:
                visitor.most = SIP
            yield visitor


async def messages(gateway: VisitedGateway, random: Random) -> None:
    """Text and binary in fragments, pings between them; the backend sends each frame back."""
    route = random.choice(("relay", "relay", "encrypted"))
    async with gateway.session(random, f"/{route}/echo") as visitor:
        for _ in range(random.randrange(1, 6)):
            await _round_trip(visitor, random)
        await visitor.send(close_frame(random.choice((1000, 3000, 4999)), "bye"))
        await visitor.expect_close(1000, 3000, 4999)


async def _round_trip(visitor: Visitor, random: Random) -> None:
    frames = []
    opcode, pieces = random.choice((TEXT, BINARY)), random.choice((1, 1, 2, 5))
    for number in range(pieces):
        size = random.choice((0, 1, 20, 125, 126, 1000, 70_000))
        payload = b"x" * size if opcode == TEXT else random.randbytes(size)
        frames.append(Frame(CONTINUATION if number else opcode, payload, number == pieces - 1))
        if random.random() < 0.2:
            frames.append(Frame(PING, random.randbytes(random.randrange(126))))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: visitor.send(*frames))
        for frame in frames:
            expected = Frame(PONG, frame.payload) if frame.opcode == PING else frame
            came = await visitor.data()
            assert came == expected, (came.opcode, len(came.payload), expected.opcode, len(expected.payload))


async def bytes_of_a_tunnel(gateway: VisitedGateway, random: Random) -> None:
    path = random.choice(("/tcp/", f"/token/?token={TOKEN}"))
    async with gateway.session(random, path, Sec_WebSocket_Protocol="binary") as visitor:
        data = b"e" + random.randbytes(random.choice((0, 10, 1000, 200_000)))
        cut = random.randrange(len(data) + 1)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(visitor.send, Frame(BINARY, data[:cut]), Frame(PING, b"?"), Frame(BINARY, data[cut:]))
            came, pongs = b"", 0
            while len(came) < len(data) or not pongs:
                frame = await visitor.data()
                pongs += frame.opcode == PONG
                came += frame.payload if frame.opcode == BINARY else b""
        assert came == data
        await visitor.send(close_frame(1000))
        await visitor.expect_close(1000)


async def slow_readers(gateway: VisitedGateway, random: Random) -> None:
    """The backend, or service, has sent all of it long before."""
    path = random.choice(("/relay/pour", "/encrypted/pour", "/tcp/"))
    async with gateway.session(random, path, slow=True) as visitor:
        if path == "/tcp/":
            await visitor.send(Frame(BINARY, b"p"))
        came = 0
        while came < POURED:
            frame = await visitor.data()
            assert frame.opcode == BINARY, frame
            assert frame.payload.count(0) == len(frame.payload)
            came += len(frame.payload)
        assert came == POURED
        await visitor.expect_close(1000)


async def slow_backends(gateway: VisitedGateway, random: Random) -> None:
    """Much of it waits in the gateway, and in the kernel; what comes back is read only then."""
    async with gateway.session(random, "/relay/echo") as visitor, trio.open_nursery() as nursery:
        frames = [*[Frame(BINARY, bytes(PIECE))] * (POURED // PIECE), close_frame(1000)]
        nursery.start_soon(lambda: visitor.send(*frames))
        await trio.testing.wait_all_tasks_blocked(0.001)
        visitor.most = SIP
        for _ in range(POURED // PIECE):
            assert len((await visitor.data()).payload) == PIECE
        await visitor.expect_close(1000)


async def dozing(gateway: VisitedGateway, random: Random) -> None:
    """Nothing but the gateway's own pings, which are answered."""
    async with gateway.session(random, random.choice(("/relay/echo", "/tcp/"))) as visitor:
        for _ in range(2):
            frame = await visitor.receive()
            assert frame.opcode == PING, frame
            await visitor.send(Frame(PONG, frame.payload))
        await visitor.send(close_frame(1000))
        await visitor.expect_close(1000)


async def through_a_reload(gateway: VisitedGateway, random: Random) -> None:
    """On a route that a reload changes, so the session may be ended at any time, or not be begun; as it should be."""
    async with gateway.visitor(random) as visitor:
        await visitor.write(request("/changing/echo"))
        head = await visitor.read_head()
        if head.status == 503:
            assert head.one("Retry-After"), head
            gateway.counts.refusals += 1
            return
        assert head.status == 101, head
        gateway.counts.sessions += 1
        for _ in range(random.randrange(1, 20)):
            await visitor.send(Frame(BINARY, b"still here"))
            frame = await visitor.data()
            if frame.opcode == CLOSE:
                assert close_code(frame) in _GOING_AWAY, frame
                with contextlib.suppress(*Gone):
                    await visitor.send(Frame(CLOSE, frame.payload[:2]))
                return
            assert frame == Frame(BINARY, b"still here")
        await visitor.send(close_frame(1000))
        await visitor.expect_close(1000, *_GOING_AWAY)


async def faults(gateway: VisitedGateway, random: Random) -> None:
    wrong, code = FAULTS[random.choice(list(FAULTS))]
    async with gateway.session(random, "/limited/echo") as visitor:
        with contextlib.suppress(*Gone):
            await visitor.write(Frame(BINARY, b"before").encode(b"key.") + wrong(b"key."))
        await visitor.expect_close(code)


_REFUSED: list[tuple[str, dict[str, str | None], int]] = [
    ("/nowhere", {}, 404),
    ("/secret/echo", {}, 401),
    ("/secret/echo", {"Authorization": "Basic " + base64.b64encode(b"alice:wrong").decode()}, 401),
    ("/pages/echo", {"Origin": "https://evil.example"}, 403),
    ("/dead/echo", {}, 502),
    ("/token/?token=other", {}, 403),
    ("/token/", {}, 403),
    ("/relay/decline", {}, 403),
    ("/relay/echo", {"Sec-WebSocket-Key": "short"}, 400),
    ("/relay/echo", {"Sec-WebSocket-Version": "8"}, 426),
    ("/relay/echo", {"Host": "a b"}, 400),
    ("/relay/echo", {"Cookie": "x" * 40_000}, 431),
    ("/relay/" + "x" * 20_000, {}, 414),
]


async def refusals(gateway: VisitedGateway, random: Random) -> None:
    path, headers, status = random.choice(_REFUSED)
    async with gateway.visitor(random) as visitor:
        with contextlib.suppress(*Gone):
            await visitor.write(request(path, headers))
        head = await visitor.read_head()
        assert head.status == status, (path, status, head)
        await visitor.read_body()
        gateway.counts.refusals += 1


async def let_in(gateway: VisitedGateway, random: Random) -> None:
    """With the password, or as the right page."""
    if random.random() < 0.5:
        basic = base64.b64encode(f"alice:{PASSWORD}".encode()).decode()
        opened = gateway.session(random, "/secret/echo", Authorization=f"Basic {basic}")
    else:
        opened = gateway.session(random, "/pages/echo", Origin="https://page.example")
    async with opened as visitor:
        await _round_trip(visitor, random)
        await visitor.send(close_frame())
        await visitor.expect_close(0)


async def pages(gateway: VisitedGateway, random: Random) -> None:
    async with gateway.visitor(random) as visitor:
        for _ in range(random.randrange(1, 4)):
            await visitor.write(plain_request("/site/"))
            head = await visitor.read_head()
            assert head.status == 200, head
            assert await visitor.read_body() == PAGE


async def backends_that_leave(gateway: VisitedGateway, random: Random) -> None:
    path = random.choice(("/relay/break", "/relay/vanish", "/encrypted/break", "/encrypted/vanish", "/tcp/"))
    async with gateway.session(random, path) as visitor:
        await visitor.send(Frame(BINARY, b"b"))
        with contextlib.suppress(*Gone):
            while (frame := await visitor.data()).opcode != CLOSE:
                assert frame.opcode == BINARY, frame
            await visitor.send(Frame(CLOSE, frame.payload[:2]))


async def clients_that_leave(gateway: VisitedGateway, random: Random) -> None:
    """Clients that leave with or without a reset, at any point: in a TLS handshake, a head, a frame."""
    head = request(random.choice(("/relay/echo", "/encrypted/pour", "/tcp/", f"/token/?token={TOKEN}", "/nowhere")))
    data = head + Frame(BINARY, b"e" * random.choice((5, 100_000))).encode(b"key.")
    data = data[: random.choice((0, random.randrange(len(head)), len(head), random.randrange(len(data) + 1)))]
    gateway.counts.perhaps += 1
    with contextlib.suppress(*Gone):
        async with gateway.visitor(random) as visitor:
            if visitor.tcp is not visitor.stream and random.random() < 0.3:
                await visitor.tcp.send_all(random.choice((b"\x16\x03\x01\x02", data, b"\x16" * 99)))
            else:
                await visitor.write(data)
                if random.random() < 0.5 and len(data) >= len(head):
                    await visitor.read_head()
            if random.random() < 0.5:
                await visitor.reset()


Visit = Callable[[VisitedGateway, Random], Awaitable[None]]

VISITS: dict[str, Visit] = {
    each.__name__: each
    for each in (
        *(messages, bytes_of_a_tunnel, slow_readers, slow_backends, dozing, through_a_reload, faults),
        *(refusals, let_in, pages, backends_that_leave, clients_that_leave),
    )
}
