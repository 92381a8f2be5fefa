"""``upgrade: any`` through a process: many bytes both ways at once, and a stop while it goes on."""

from __future__ import annotations

import hashlib
import signal

import trio

from tests.peers.heads import write_head
from tests.peers.stream import Peer

from .gateway import OpenBackend, OpenClient, StartGateway, relay

SPDY = {"Connection": "Upgrade", "Upgrade": "SPDY/3.1"}
PIECE = bytes(range(256)) * 256
PIECES = 256  # 16 MiB in each direction


async def send(peer: Peer) -> None:
    for _ in range(PIECES):
        await peer.write(PIECE)


async def receive(peer: Peer) -> None:
    found = hashlib.sha256()
    for _ in range(PIECES):
        found.update(await peer.read(len(PIECE)))
    assert found.digest() == hashlib.sha256(PIECE * PIECES).digest()


async def test_bytes_and_the_end(
    start_gateway: StartGateway, open_backend: OpenBackend, open_client: OpenClient
) -> None:
    backend = await open_backend()
    route = relay(backend.port, http="forward", upgrade="any", headers={"to_client": {"set": {"X-Id": "{request_id}"}}})
    gateway = await start_gateway(route, drain={"spread": "0s", "grace": "60s"})
    client = await open_client(gateway)
    await client.write(write_head("POST /exec HTTP/1.1", {"Host": "a.test", "Content-Length": "0", **SPDY}))
    server = await backend.accept_request()
    await server.write(write_head("HTTP/1.1 101 Switching Protocols", SPDY))
    head = await client.read_head()
    assert head.status == 101
    async with trio.open_nursery() as nursery:
        for peer in (client, server):
            nursery.start_soon(send, peer)
            nursery.start_soon(receive, peer)
    gateway.process.send_signal(signal.SIGTERM)
    await client.read_end()
    await server.read_end()
    await client.stream.aclose()
    await server.stream.aclose()
    assert await gateway.wait_exit() == 0
    line = await gateway.session_line()
    size = len(PIECE) * PIECES
    assert (line["reason"], line["bytes_up"], line["bytes_down"]) == ("drain", size, size)
    assert line["request_id"] == head.one("X-Id") == server.head.one("X-Request-Id")
