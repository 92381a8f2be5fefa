"""The close table of a relay, between two ends that show every frame."""

from __future__ import annotations

import pytest

from tests.peers.frames import BINARY, TEXT, Frame, close_frame
from tests.peers.stream import open_session

from .gateway import OpenBackend, OpenClient, OpenSession, StartGateway, relay


@pytest.mark.parametrize("closer", ["client", "backend"])
@pytest.mark.parametrize(
    ("code", "reason", "logged"),
    [(1000, "", 1000), (4321, "Größe überschritten", 4321), (None, "", 1005)],
    ids=["1000", "code-and-reason", "no-code"],
)
async def test_a_close_goes_through_and_its_answer_comes_back(
    start_gateway: StartGateway,
    open_backend: OpenBackend,
    open_client: OpenClient,
    closer: str,
    code: int | None,
    reason: str,
    logged: int,
) -> None:
    backend = await open_backend()
    gateway = await start_gateway(relay(backend.port))
    client = await open_client(gateway)
    server = await open_session(client, backend)
    one, other = (client, server) if closer == "client" else (server, client)
    await one.send(Frame(TEXT, b"the last words"), close_frame(code, reason))
    assert await other.receive() == Frame(TEXT, b"the last words")
    assert await other.receive_close() == (code, reason)
    await other.send(close_frame(code, reason))
    assert await one.receive_close() == (code, reason)
    # RFC 6455 §7.1.1: the server closes the TCP connection first, which on the backend's leg is the backend
    await client.read_end()
    await client.vanish()
    await server.stream.send_eof()
    await server.read_end()
    line = await gateway.session_line()
    assert (line["client_code"], line["backend_code"]) == (logged, logged)
    assert (line["ended_by"], line["reason"]) == (closer, "closed")


async def test_messages_that_were_under_way_arrive_before_the_close(open_relay: OpenSession) -> None:
    """The side that gets a Close may finish what it is sending (RFC 6455 §5.5.1)."""
    _, client, server = await open_relay()
    await client.send(close_frame(1000))
    assert await server.receive_close() == (1000, "")
    rest = [Frame(BINARY, bytes([number]) * 50_000) for number in range(4)]
    await server.send(*rest, close_frame(1000))
    assert [await client.receive() for _ in rest] == rest
    assert await client.receive_close() == (1000, "")
    await client.read_end()


@pytest.mark.parametrize("how", ["vanish", "reset"])
@pytest.mark.parametrize("goes", ["client", "backend"])
async def test_a_side_gone_without_close(open_relay: OpenSession, goes: str, how: str) -> None:
    gateway, client, server = await open_relay()
    gone, told, code = (client, server, 1001) if goes == "client" else (server, client, 1011)
    await getattr(gone, how)()
    assert (await told.receive_close())[0] == code
    await told.send(close_frame(code))
    if told is server:
        await server.stream.send_eof()
    await told.read_end()
    await told.vanish()
    line = await gateway.session_line()
    assert (line["client_code"], line["backend_code"]) == ((None, 1001) if goes == "client" else (1011, None))
    assert (line["ended_by"], line["reason"]) == (goes, "gone")


async def test_a_backend_gone_inside_a_frame(
    start_gateway: StartGateway, open_backend: OpenBackend, open_client: OpenClient
) -> None:
    """No Close fits into the middle of a frame: the client sees the end of the connection, not a message."""
    backend = await open_backend()
    gateway = await start_gateway(relay(backend.port))
    client = await open_client(gateway)
    server = await open_session(client, backend)
    half = Frame(BINARY, bytes(1000)).encode(None)[:500]
    await server.write(half)
    assert await client.read(500) == half
    await server.vanish()
    await client.read_end()
    await client.vanish()
    line = await gateway.session_line()
    assert (line["client_code"], line["backend_code"]) == (None, None)
    assert (line["ended_by"], line["reason"]) == ("backend", "gone")


@pytest.mark.parametrize("silent", ["client", "backend"])
async def test_a_side_that_does_not_answer_close_is_cut(open_relay: OpenSession, silent: str) -> None:
    gateway, client, server = await open_relay(timeouts={"close": "200ms"})
    one, other = (server, client) if silent == "client" else (client, server)
    await one.send(close_frame(4000, "bye"))
    assert await other.receive_close() == (4000, "bye")
    # RFC 6455 §5.5.1: an answer echoes the code, whichever side sends it
    assert (await one.receive_close())[0] == 4000
    await other.read_end()
    await one.stream.send_eof()
    await one.read_end()
    line = await gateway.session_line()
    assert line["duration"] < 2
    assert line["ended_by"] != silent
