"""A tunnel that tells its target the client's address, with a real HAProxy that asks for it."""

from __future__ import annotations

import pytest
import trio

from tests.peers.frames import BINARY, CLOSE, MASK, Frame
from tests.peers.stream import Peer

from .gateway import Gateway, StartGateway, tunnel
from .test_behind_a_proxy import Front, front, port

__all__ = ["front", "port"]  # fixtures

pytestmark = pytest.mark.needs("haproxy")

CLIENT = "127.0.0.7"
SAYS_WHO = """
frontend who
  mode http
  bind 127.0.0.1:{port} accept-proxy
  http-request return content-type text/plain lf-string "%[src]:%[src_port] %[dst]:%[dst_port]"
"""


async def connect(gateway: Gateway) -> Peer:
    sock = trio.socket.socket()
    await sock.bind((CLIENT, 0))
    await sock.connect(("127.0.0.1", gateway.port))
    return Peer(trio.SocketStream(sock), mask=MASK)


async def ask(peer: Peer) -> str:
    """Returns the addresses that HAProxy reports: its client's, and the one that it connected to."""
    await peer.send(Frame(BINARY, b"GET / HTTP/1.0\r\n\r\n"))
    answer = b""
    while (frame := await peer.receive()).opcode == BINARY:
        answer += frame.payload
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 "), head
    return body.decode()


@pytest.mark.parametrize("version", ["v1", "v2"])
async def test_haproxy_sees_the_client(front: Front, start_gateway: StartGateway, version: str) -> None:
    await front.haproxy(SAYS_WHO.format(port=front.port))
    gateway = await start_gateway(tunnel(front.port, proxy_protocol=version), trusted_proxies=[CLIENT])
    for forwarded, expected in [
        (None, "{peer.address} 127.0.0.1:{port}"),
        # through a proxy of ours, which names no port: HAProxy shows nothing for 0
        ("203.0.113.9", "203.0.113.9: 127.0.0.1:{port}"),
        ("2001:db8::9", "2001:db8::9: ::ffff:127.0.0.1:{port}"),
    ]:
        peer = await connect(gateway)
        async with peer.stream:
            await peer.upgrade(headers={"X-Forwarded-For": forwarded})
            assert await ask(peer) == expected.format(peer=peer, port=gateway.port)


async def test_haproxy_takes_nobody_without_a_header(front: Front, start_gateway: StartGateway) -> None:
    """So the addresses above came from the header."""
    await front.haproxy(SAYS_WHO.format(port=front.port))
    gateway = await start_gateway(tunnel(front.port))
    peer = await connect(gateway)
    async with peer.stream:
        await peer.upgrade()
        await peer.send(Frame(BINARY, b"GET / HTTP/1.0\r\n\r\n"))
        assert (await peer.receive()).opcode == CLOSE
