"""16 MiB each way over TLS, both ways at once, through small socket buffers: byte for byte."""

from __future__ import annotations

import hashlib
import random
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio

from tests.peers.frames import BINARY, Frame, close_frame
from tests.peers.heads import request
from tests.peers.stream import Backend, Peer
from tests.pki import Authority, client_context, server_context

from .gateway import StartGateway
from .tls import connect_tls, listener

SIZE = 16 << 20  # bytes each way; the largest message by default
BUFFER = 16 << 10  # bytes: less than a record with its header, so most writes of TLS are cut somewhere


def payload(seed: int) -> bytes:
    return random.Random(seed).randbytes(SIZE)


def sizes(seed: int) -> list[int]:
    """Messages of every size that matters: around a record (16 KiB), a read (64 KiB), and much more."""
    chosen, left = [], SIZE
    numbers = random.Random(seed)
    while left:
        size = min(left, numbers.choice([1, 125, 126, 4096, 16383, 16384, 16385, 65535, 65536, 65537, 3 << 20]))
        chosen.append(size)
        left -= size
    return chosen


async def send_messages(peer: Peer, data: bytes, seed: int) -> None:
    at = 0
    for size in sizes(seed):
        await peer.send(Frame(BINARY, data[at : at + size]))
        at += size


async def receive_messages(peer: Peer) -> bytes:
    received = bytearray()
    while len(received) < SIZE:
        frame = await peer.receive()
        assert frame.opcode == BINARY
        received += frame.payload
    return bytes(received)


async def both_ways(
    up: Callable[[bytes], Awaitable[object]],
    down: Callable[[bytes], Awaitable[object]],
    at_backend: Callable[[], Awaitable[bytes]],
    at_client: Callable[[], Awaitable[bytes]],
) -> None:
    sent = {"up": payload(1), "down": payload(2)}
    received: dict[str, bytes] = {}

    async def receive(direction: str, read: Callable[[], Awaitable[bytes]]) -> None:
        received[direction] = await read()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(up, sent["up"])
        nursery.start_soon(down, sent["down"])
        nursery.start_soon(receive, "up", at_backend)
        nursery.start_soon(receive, "down", at_client)
    for direction, data in sent.items():
        assert hashlib.sha256(received[direction]).digest() == hashlib.sha256(data).digest(), direction


async def listen(authority: Authority) -> Any:
    """A TLS listener with small buffers, in this test."""
    pair = authority.issue("127.0.0.1", to="backend")
    (opened,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    for option in (trio.socket.SO_RCVBUF, trio.socket.SO_SNDBUF):
        opened.socket.setsockopt(trio.socket.SOL_SOCKET, option, BUFFER)  # accepted sockets inherit it
    tls: Any = trio.SSLListener(opened, server_context(pair))
    tls.socket = opened.socket
    return Backend(tls)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_relay(start_gateway: StartGateway, authority: Authority, version: ssl.TLSVersion) -> None:
    backend = await listen(authority)
    pair = authority.issue("gateway.test")
    route = {
        "name": "relay",
        "relay": {"to": f"wss://127.0.0.1:{backend.port}", "tls": {"ca": authority.file}},
    }
    gateway = await start_gateway(route, listeners=[listener(pair)])
    client = await connect_tls(gateway, client_context(authority, maximum_version=version), receive_buffer=BUFFER)
    await client.write(request())
    server = await backend.accept_request()
    await server.accept_upgrade()
    assert (await client.read_head()).status == 101
    await both_ways(
        lambda data: send_messages(client, data, 1),
        lambda data: send_messages(server, data, 2),
        lambda: receive_messages(server),
        lambda: receive_messages(client),
    )
    await client.send(close_frame(1000))
    assert await server.receive_close() == (1000, "")
    await server.send(close_frame(1000))
    await server.vanish()
    assert await client.receive_close() == (1000, "")
    await client.stream.aclose()
    line = await gateway.session_line()
    assert (line["messages_up"], line["messages_down"]) == (len(sizes(1)), len(sizes(2)))
    await backend.aclose()


async def test_a_tunnel(start_gateway: StartGateway, authority: Authority) -> None:
    service = await listen(authority)
    pair = authority.issue("gateway.test")
    route = {
        "name": "tunnel",
        "tunnel": {"to": f"tls://127.0.0.1:{service.port}", "tls": {"ca": authority.file}},
    }
    gateway = await start_gateway(route, listeners=[listener(pair)])
    client = await connect_tls(gateway, client_context(authority), receive_buffer=BUFFER)
    await client.write(request("/", {"Sec-WebSocket-Protocol": "binary"}))
    server = await service.accept()
    await server.stream.do_handshake()  # else only when it is read or written
    assert (await client.read_head()).status == 101
    await both_ways(
        lambda data: send_messages(client, data, 1),
        server.write,
        lambda: server.read(SIZE),
        lambda: receive_messages(client),
    )
    await server.vanish()  # close_notify and FIN
    assert await client.receive_close() == (1000, "Target closed")
    await client.send(close_frame(1000))
    await client.stream.aclose()
    line = await gateway.session_line()
    assert (line["bytes_down"], line["reason"]) == (SIZE, "finished")
    await service.aclose()
