"""1 GiB in each direction through one tunnel, while its ends alternately stop reading: byte for byte, in little
memory."""

from __future__ import annotations

import random
import socket
import threading
from collections.abc import Awaitable, Callable
from functools import partial

import trio

from tests.peers.frames import BINARY, MASK, Frame, close_frame, parse
from tests.peers.heads import Head, request
from tests.peers.threads import read_head

from .gateway import Gateway, StartGateway, tunnel

MIB = 1 << 20
PART = 64 * MIB  # bytes, at least: far more than the kernel's buffers on both legs hold
PARTS = 16
READ = 256 << 10  # bytes
PATIENCE = 10.0  # seconds for one read, write or phase; a longer wait fails

# What is sent again and again. Its length is prime, so that what is lost, doubled or in the wrong place never fits.
BLOCK = random.Random(64).randbytes(1_000_003)
AHEAD = BLOCK + BLOCK[:READ]  # what one read may hold, wherever in the block it begins
BLOCKS = -(-PART // len(BLOCK))  # of one part


def frames() -> bytes:
    """The block as messages of a client, with sizes around the limits of the length forms, and larger ones."""
    sizes = random.Random(16)
    wire, at = bytearray(), 0
    while at < len(BLOCK):
        size = sizes.choice([1, 125, 126, 40_000, 65_535, 65_536, 100_000])
        wire += Frame(BINARY, BLOCK[at : at + size]).encode(MASK)
        at += size
    return bytes(wire)


class Content:
    """Checks what comes against the block that comes again and again."""

    def __init__(self) -> None:
        self.size = 0

    def add(self, data: memoryview) -> None:
        at = self.size % len(BLOCK)
        assert AHEAD.startswith(data, at), f"wrong bytes somewhere between {self.size} and {self.size + len(data)}"
        self.size += len(data)


class Messages(Content):
    """The same, of a server's frames."""

    def __init__(self) -> None:
        super().__init__()
        self._received = bytearray()

    def add(self, data: memoryview) -> None:
        self._received += data
        while parsed := parse(self._received):
            del self._received[: parsed.size]
            assert (parsed.frame.opcode, parsed.frame.fin, parsed.key) == (BINARY, True, None)
            super().add(memoryview(parsed.frame.payload))


class Reader:
    """Reads one direction, part by part."""

    def __init__(self, sock: socket.socket, content: Content) -> None:
        self.content = content
        self.done = [threading.Event() for _ in range(PARTS)]
        self._sock = sock
        self._buffer = memoryview(bytearray(READ))

    def read(self, parts: int, waits_for: Callable[[int], threading.Event | None] = lambda part: None) -> None:
        """waits_for: until when nothing is read, before a part"""
        for part in range(parts):
            if (turn := waits_for(part)) is not None:
                assert turn.wait(PATIENCE), f"the other direction is stuck in part {part} while this one is not read"
            while self.content.size < (part + 1) * BLOCKS * len(BLOCK):
                size = self._sock.recv_into(self._buffer)
                assert size, f"ended after {self.content.size} bytes"
                self.content.add(self._buffer[:size])
            self.done[part].set()


def send(sock: socket.socket, data: bytes, parts: int) -> None:
    for _ in range(parts * BLOCKS):
        sock.sendall(data)


def run(work: Callable[[], None]) -> Awaitable[None]:
    return trio.to_thread.run_sync(work, abandon_on_cancel=True)


async def both_ways(client: socket.socket, server: socket.socket, wire: bytes, parts: int) -> None:
    up, down = Reader(server, Content()), Reader(client, Messages())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run, partial(send, client, wire, parts))
        nursery.start_soon(run, partial(send, server, BLOCK, parts))
        # Both read the first of three parts, the client waits with the second, the service with the third
        nursery.start_soon(run, partial(up.read, parts, lambda part: down.done[part] if part % 3 == 2 else None))
        nursery.start_soon(run, partial(down.read, parts, lambda part: up.done[part] if part % 3 == 1 else None))
    assert up.content.size == down.content.size == parts * BLOCKS * len(BLOCK)


async def session(gateway: Gateway, service: socket.socket, work: Callable[..., Awaitable[None]]) -> None:
    """A session with sockets that block, from its request to its line in the log. ``work`` gets its two ends."""

    def connect() -> tuple[socket.socket, socket.socket]:
        client = socket.create_connection(("127.0.0.1", gateway.port), PATIENCE)
        client.sendall(request())
        server, _ = service.accept()
        server.settimeout(PATIENCE)
        assert Head.parse(read_head(client)).status == 101
        return client, server

    def end(client: socket.socket, server: socket.socket) -> None:
        server.close()
        expected = close_frame(1000, "Target closed").encode(None)
        with client.makefile("rb") as received:
            assert received.read(len(expected)) == expected
            client.sendall(close_frame(1000).encode(MASK))
            assert received.read() == b""

    client, server = await trio.to_thread.run_sync(connect)
    with client, server:
        await work(client, server)
        await trio.to_thread.run_sync(end, client, server)


async def test_a_gibibyte_each_way_with_ends_that_are_slow_in_turns(start_gateway: StartGateway) -> None:
    wire = frames()
    memory: list[int] = []

    async def watched(client: socket.socket, server: socket.socket) -> None:
        async def look() -> None:
            while True:
                memory.append(gateway.memory())
                await trio.sleep(0.02)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(look)
            await both_ways(client, server, wire, PARTS)
            nursery.cancel_scope.cancel()

    with socket.create_server(("127.0.0.1", 0)) as service:
        service.settimeout(PATIENCE)
        gateway = await start_gateway(tunnel(service.getsockname()[1]))
        await session(gateway, service, partial(both_ways, wire=wire, parts=3))  # a smaller one, to warm up
        await gateway.session_line()
        before = gateway.memory()
        await session(gateway, service, watched)
        line = await gateway.session_line()
    total = PARTS * BLOCKS * len(BLOCK)
    assert total >= 1 << 30
    assert line["bytes_up"] == PARTS * BLOCKS * len(wire) + len(close_frame(1000).encode(MASK))  # heads are counted
    assert (line["bytes_down"], line["reason"]) == (total, "finished")
    assert max(memory) - before < MIB
