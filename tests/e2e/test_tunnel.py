"""A tunnel between WebSocket and plain TCP: what becomes a byte, what becomes a frame, and how either side ends."""

from __future__ import annotations

import random

import pytest
import trio

from tests.peers.frames import BINARY, CONTINUATION, MASK, PING, PONG, TEXT, Frame, close_frame
from tests.peers.heads import request

from .gateway import OpenBackend, OpenClient, OpenSession, StartGateway, StartSession, tunnel

MIB = 1 << 20


async def test_payloads_become_bytes_and_bytes_become_messages(open_tunnel: OpenSession) -> None:
    _, client, server = await open_tunnel()
    frames = [
        Frame(BINARY, b"one "),
        Frame(PING, b"still there?"),
        Frame(BINARY, b"", fin=True),
        Frame(BINARY, b"tw", fin=False),
        Frame(CONTINUATION, b"o ", fin=True),
        Frame(PONG, b"unasked"),
        Frame(BINARY, random.Random(3).randbytes(200_000)),
    ]
    stream = b"".join(frame.payload for frame in frames if frame.opcode in (BINARY, CONTINUATION))
    await client.send(*frames)
    assert await server.read(len(stream)) == stream
    assert await client.receive() == Frame(PONG, b"still there?")

    await server.write(stream)
    received = b""
    while len(received) < len(stream):
        frame = await client.receive()
        assert (frame.opcode, frame.fin, frame.rsv) == (BINARY, True, 0)
        assert frame.payload
        received += frame.payload
    assert received == stream


async def test_the_service_may_speak_first_and_the_client_without_waiting(start_tunnel: StartSession) -> None:
    _, client, service = await start_tunnel()
    await client.write(request() + Frame(BINARY, b"CONNECT").encode(MASK))
    server = await service.accept()
    await server.write(b"220 ready\r\n")
    assert (await client.read_head()).status == 101
    assert await client.receive() == Frame(BINARY, b"220 ready\r\n")
    assert await server.read(7) == b"CONNECT"


@pytest.mark.parametrize(
    ("offered", "accepted", "chosen"),
    [
        ("binary, base64", None, "binary"),
        (None, None, None),
        ("a, mqttv3.1, mqtt", ["mqtt", "mqttv3.1"], "mqtt"),
    ],
)
async def test_the_subprotocol_is_the_first_accepted_one_that_is_offered(
    start_tunnel: StartSession,
    offered: str | None,
    accepted: list[str] | None,
    chosen: str | None,
) -> None:
    _, client, _ = await start_tunnel(**({"subprotocols": accepted} if accepted else {}))
    head = await client.upgrade("/", {"Sec-WebSocket-Protocol": offered})
    assert head.one("Sec-WebSocket-Protocol") == chosen


async def test_compression_is_not_agreed_on(start_tunnel: StartSession) -> None:
    _, client, _ = await start_tunnel()
    head = await client.upgrade("/", {"Sec-WebSocket-Extensions": "permessage-deflate"})
    assert head.one("Sec-WebSocket-Extensions") is None


async def test_text_is_rejected_unless_the_route_accepts_it(open_tunnel: OpenSession) -> None:
    strict, client, server = await open_tunnel()
    await client.send(Frame(BINARY, b"bytes"), Frame(TEXT, b"text"))
    assert (await client.receive_close())[0] == 1003
    assert await server.read(5) == b"bytes"
    await server.read_end()
    await client.vanish()
    await server.vanish()
    line = await strict.session_line()
    assert (line["client_code"], line["messages_up"]) == (1003, 1)
    assert "text" in str(line)

    _, client, server = await open_tunnel(text="accept")
    await client.send(Frame(TEXT, "tëxt".encode()))
    assert await server.read(5) == "tëxt".encode()


async def test_a_tunnel_takes_messages_of_any_size(open_tunnel: OpenSession) -> None:
    """They are no messages to its service, which gets bytes."""
    _, client, server = await open_tunnel()
    payload = random.Random(1).randbytes(20 << 20)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.send, Frame(BINARY, payload))
        assert await server.read(len(payload)) == payload


async def test_a_frame_over_the_limit(
    start_gateway: StartGateway, open_backend: OpenBackend, open_client: OpenClient
) -> None:
    service = await open_backend()
    gateway = await start_gateway({**tunnel(service.port), "limits": {"frame": "1KiB"}})
    client = await open_client(gateway)
    await client.upgrade()
    server = await service.accept()
    await client.send(Frame(BINARY, bytes(1024)), Frame(BINARY, bytes(1025)))
    assert (await client.receive_close())[0] == 1009
    assert await server.read(1024) == bytes(1024)
    await server.read_end()


async def test_half_close_the_answer_still_arrives(open_tunnel: OpenSession) -> None:
    """A Close is for WebSocket what FIN is for TCP: the client sends nothing more, and reads to the end."""
    gateway, client, server = await open_tunnel()
    await client.send(Frame(BINARY, b"everything, please"), close_frame(1000))
    assert await server.read(18) == b"everything, please"
    await server.read_end()
    answer = random.Random(8).randbytes(8 * MIB)
    received = bytearray()

    async def serve() -> None:
        await server.write(answer)
        await server.stream.send_eof()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        while len(received) < len(answer):
            frame = await client.receive()
            assert frame.opcode == BINARY
            received += frame.payload
    assert received == answer
    assert await client.receive_close() == (1000, "")
    await client.read_end()
    await client.vanish()
    line = await gateway.session_line()
    assert (line["client_code"], line["ended_by"], line["reason"]) == (1000, "client", "closed")


async def test_the_service_finishes_first(open_tunnel: OpenSession) -> None:
    gateway, client, server = await open_tunnel()
    await server.write(b"bye")
    await server.stream.send_eof()
    assert await client.receive() == Frame(BINARY, b"bye")
    assert (await client.receive_close())[0] == 1000
    # the client may finish what it was saying, before its own Close
    await client.send(Frame(BINARY, b"one more thing"), close_frame(1000))
    assert await server.read(14) == b"one more thing"
    await server.read_end()
    await client.read_end()
    await client.vanish()
    line = await gateway.session_line()
    assert (line["client_code"], line["backend_code"], line["ended_by"]) == (1000, None, "backend")


async def test_the_service_resets(open_tunnel: OpenSession) -> None:
    gateway, client, server = await open_tunnel()
    await server.reset()
    assert (await client.receive_close())[0] == 1011
    await client.send(close_frame(1011))
    await client.read_end()
    await client.vanish()
    line = await gateway.session_line()
    assert (line["client_code"], line["ended_by"], line["reason"]) == (1011, "backend", "gone")


@pytest.mark.parametrize("how", ["vanish", "reset"])
async def test_the_client_goes_without_close(open_tunnel: OpenSession, how: str) -> None:
    gateway, client, server = await open_tunnel()
    await client.send(Frame(BINARY, b"last words"))
    assert await server.read(10) == b"last words"
    await getattr(client, how)()
    await server.read_end()
    await server.vanish()
    line = await gateway.session_line()
    assert (line["client_code"], line["ended_by"], line["reason"]) == (None, "client", "gone")
