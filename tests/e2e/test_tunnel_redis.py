"""The Redis protocol in binary messages: bytes in, bytes out, any amount of them in the memory of a few reads."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import trio

from tests.peers.frames import BINARY, Frame, close_frame
from tests.peers.sockets import free_port
from tests.peers.stream import Peer

from . import services
from .gateway import Gateway, OpenClient, StartGateway, tunnel

pytestmark = pytest.mark.needs("redis-server")

MIB = 1 << 20
VALUE = 32 * MIB


@pytest.fixture
async def redis(nursery: trio.Nursery, tmp_path: Path) -> int:
    """A server's TCP port; it listens on ``redis.sock`` in ``tmp_path`` too."""
    port = free_port()
    options: list[str | Path] = [
        "--save",
        "",
        "--dir",
        tmp_path,
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--unixsocket",
        tmp_path / "redis.sock",
    ]
    await services.start(nursery, "redis-server", options, ready=b"Ready to accept connections")
    return port


class RedisClient:
    """Requests and replies of the protocol over binary messages, whose boundaries have no meaning."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.answer = bytearray()

    async def ask(self, *words: bytes) -> None:
        request = b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)
        for at in range(0, len(request), MIB):
            await self.peer.send(Frame(BINARY, request[at : at + MIB]))

    async def receive(self) -> None:
        frame = await self.peer.receive()
        assert (frame.opcode, frame.fin) == (BINARY, True)
        self.answer += frame.payload

    async def line(self) -> bytes:
        while b"\r\n" not in self.answer:
            await self.receive()
        line, _, rest = bytes(self.answer).partition(b"\r\n")
        self.answer[:] = rest
        return line


async def connect(open_client: OpenClient, gateway: Gateway) -> RedisClient:
    # a small window: what the client does not read soon stands in the gateway's way
    peer = await open_client(gateway, receive_buffer=4096)
    await peer.upgrade("/", {"Sec-WebSocket-Protocol": "binary"})
    assert peer.head.one("Sec-WebSocket-Protocol") == "binary"
    return RedisClient(peer)


async def test_a_large_value_up_and_down(redis: int, start_gateway: StartGateway, open_client: OpenClient) -> None:
    gateway = await start_gateway(tunnel(redis))
    client = await connect(open_client, gateway)
    await client.ask(b"PING")
    assert await client.line() == b"+PONG"
    value = random.Random(32).randbytes(VALUE)
    before = gateway.memory()

    await client.ask(b"SET", b"key", value)
    assert await client.line() == b"+OK"
    after_set = gateway.memory()

    await client.ask(b"GET", b"key")
    assert await client.line() == b"$%d" % VALUE
    most = 0
    next_look = 0
    while len(client.answer) < VALUE + 2:
        if len(client.answer) >= next_look:
            most = max(most, gateway.memory())
            next_look += MIB
        await client.receive()
    assert bytes(client.answer) == value + b"\r\n"
    assert after_set - before < 2 * MIB
    assert most - before < 2 * MIB

    await client.peer.send(close_frame(1000))
    assert await client.peer.receive_close() == (1000, "")
    await client.peer.read_end()
    await client.peer.vanish()
    line = await gateway.session_line()
    assert line["backend"] == f"tcp://127.0.0.1:{redis}"
    assert line["bytes_up"] > VALUE
    assert line["bytes_down"] > VALUE
    assert (line["client_code"], line["backend_code"], line["ended_by"]) == (1000, None, "client")


async def test_a_service_on_a_unix_socket(
    redis: int, start_gateway: StartGateway, open_client: OpenClient, tmp_path: Path
) -> None:
    gateway = await start_gateway({"name": "redis", "tunnel": {"to": [f"unix:{tmp_path / 'redis.sock'}"]}})
    client = await connect(open_client, gateway)
    await client.ask(b"PING")
    assert await client.line() == b"+PONG"


async def test_a_service_that_hangs_up(redis: int, start_gateway: StartGateway, open_client: OpenClient) -> None:
    gateway = await start_gateway(tunnel(redis))
    client = await connect(open_client, gateway)
    await client.ask(b"QUIT")
    assert await client.line() == b"+OK"
    assert (await client.peer.receive_close())[0] == 1000
    await client.peer.send(close_frame(1000))
    await client.peer.read_end()
    await client.peer.vanish()
    line = await gateway.session_line()
    assert (line["client_code"], line["backend_code"], line["ended_by"]) == (1000, None, "backend")
