"""A relay carries messages between WebSocket clients and a WebSocket backend, frame by frame, as they are."""

from __future__ import annotations

import random
from pathlib import Path

import trio
from websockets.trio.server import ServerConnection

from tests.peers.frames import BINARY, CONTINUATION, MASK, PING, PONG, TEXT, Frame
from tests.peers.stream import Peer, open_session

from .gateway import OpenBackend, OpenClient, OpenSession, StartGateway, relay
from .library import Serve, connect, echo

MIB = 1 << 20

# 125, 65535: the largest payloads of a frame header's three length forms (RFC 6455 §5.2) and their neighbours;
# 64 KiB and more do not fit in one read; a notebook's cell may have 20 MB of output.
SIZES = (0, 1, 125, 126, 65535, 65536, MIB, 20 * MIB)


async def test_binary_messages_of_every_size(start_gateway: StartGateway, serve: Serve) -> None:
    gateway = await start_gateway(relay(await serve(echo), limits={"message": "off"}))
    async with connect(gateway.url()) as client:
        for size in SIZES:
            message = random.Random(size).randbytes(size)
            await client.send(message)
            answer = await client.recv()
            assert isinstance(answer, bytes)
            assert answer == message, size
    line = await gateway.session_line()
    assert (line["messages_up"], line["messages_down"]) == (len(SIZES), len(SIZES))
    # a client's header is 4 bytes longer than a server's: the masking key (and both have 2 of Close with 2 of code)
    assert line["bytes_up"] - line["bytes_down"] == 4 * (len(SIZES) + 1)
    assert line["bytes_down"] >= sum(SIZES)


async def test_text_messages_of_every_size(start_gateway: StartGateway, serve: Serve) -> None:
    gateway = await start_gateway(relay(await serve(echo), limits={"message": "off"}))
    async with connect(gateway.url()) as client:
        for size in SIZES:
            # three bytes of UTF-8 each, so that reads end inside characters; filled up with ASCII to the exact size
            message = "鷗" * (size // 3) + "z" * (size % 3)
            await client.send(message)
            answer = await client.recv()
            assert isinstance(answer, str)
            assert answer == message, size


async def test_text_goes_unchecked_where_the_route_says_so(
    start_gateway: StartGateway, open_backend: OpenBackend, open_client: OpenClient
) -> None:
    backend = await open_backend()
    route = {"name": "r", "relay": {"to": [f"ws://127.0.0.1:{backend.port}"], "validate_text": False}}
    gateway = await start_gateway(route)
    client = await open_client(gateway)
    server = await open_session(client, backend)
    latin1 = Frame(TEXT, "garçon".encode("latin-1"))
    await client.send(latin1)
    assert await server.receive() == latin1


async def test_fragments_stay_fragments_with_control_frames_between_them(open_relay: OpenSession) -> None:
    _, client, server = await open_relay()
    frames = [
        Frame(TEXT, "one ∈ ".encode()[:-3], fin=False),  # it ends inside a character
        Frame(PING, b"are you there?"),
        Frame(CONTINUATION, "one ∈ ".encode()[-3:], fin=False),
        Frame(CONTINUATION, b"", fin=False),
        Frame(PONG, b"nobody asked"),
        Frame(CONTINUATION, b" two", fin=True),
        Frame(BINARY, bytes(70_000), fin=False),
        Frame(PING, b""),
        Frame(CONTINUATION, b"\xff" * 200),
    ]
    for source, sink in ((client, server), (server, client)):
        await source.send(*frames)
        assert [await sink.receive() for _ in frames] == frames
        await sink.send(Frame(PONG, b"are you there?"))
        assert await source.receive() == Frame(PONG, b"are you there?")


async def test_bytes_may_come_one_by_one(open_relay: OpenSession) -> None:
    _, client, server = await open_relay()
    for peer in (client, server):
        peer.stream.setsockopt(trio.socket.IPPROTO_TCP, trio.socket.TCP_NODELAY, 1)
    frames = [Frame(TEXT, "κόσμε".encode()), Frame(PING, b"!"), Frame(BINARY, bytes(range(130)))]

    async def write_slowly(source: Peer, mask: bytes | None) -> None:
        for byte in b"".join(frame.encode(mask) for frame in frames):
            await source.write(bytes([byte]))

    for source, sink, mask in ((client, server, MASK), (server, client, None)):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(write_slowly, source, mask)
            assert [await sink.receive() for _ in frames] == frames


async def test_pings_of_a_library_are_answered_by_the_other_end(start_gateway: StartGateway, serve: Serve) -> None:
    async def ping_back(websocket: ServerConnection) -> None:
        await (await websocket.ping(b"from the backend", ack_on_close=False)).wait()
        await websocket.send("pong received")
        await websocket.wait_closed()

    gateway = await start_gateway(relay(await serve(ping_back)))
    async with connect(gateway.url()) as client:
        assert await client.recv() == "pong received"
        await (await client.ping(b"from the client")).wait()


async def test_two_hundred_sessions_at_once_each_with_its_own_data(start_gateway: StartGateway, serve: Serve) -> None:
    sessions = 200
    gateway = await start_gateway(
        relay(await serve(echo)), limits={"sessions_per_address": "off", "silent_per_address": "off"}
    )
    connected = 0
    all_connected = trio.Event()
    echoed: set[int] = set()

    async def talk(number: int) -> None:
        nonlocal connected
        data = random.Random(number)
        async with connect(gateway.url(f"/{number}"), open_timeout=None) as client:
            connected += 1
            if connected == sessions:
                all_connected.set()
            await all_connected.wait()
            for _ in range(5):
                message = number.to_bytes(2, "big") + data.randbytes(data.randrange(20_000))
                await client.send(message)
                assert await client.recv() == message
            echoed.add(number)

    async with trio.open_nursery() as nursery:
        for number in range(sessions):
            nursery.start_soon(talk, number)
    assert echoed == set(range(sessions))
    lines = [await gateway.session_line() for _ in range(sessions)]
    assert {line["path"] for line in lines} == {f"/{number}" for number in range(sessions)}
    assert {line["messages_up"] for line in lines} == {5}


async def test_a_client_that_does_not_read_stalls_itself_and_costs_no_memory(
    start_gateway: StartGateway, serve: Serve, open_client: OpenClient
) -> None:
    flood = 64 * MIB
    sent = 0

    async def backend(websocket: ServerConnection) -> None:
        nonlocal sent
        assert websocket.request is not None
        if websocket.request.path == "/echo":
            await echo(websocket)
            return
        while sent < flood:
            await websocket.send(bytes(MIB))
            sent += MIB

    gateway = await start_gateway(relay(await serve(backend)))
    async with connect(gateway.url("/echo")) as other:
        await other.send("warm up")
        await other.recv()
        before = gateway.memory()
        stalled = await open_client(gateway, receive_buffer=4096)
        await stalled.upgrade("/flood")
        for number in range(200):
            await other.send(str(number))
            assert await other.recv() == str(number)
        assert sent < flood, "the backend could not have sent everything: somebody has a buffer without an end"
        assert gateway.memory() - before < 2 * MIB
        received = 0
        while received < flood:
            frame = await stalled.receive()
            assert not any(frame.payload)
            received += len(frame.payload)
        assert received == flood


async def test_two_listeners_one_of_them_a_unix_socket(
    start_gateway: StartGateway, serve: Serve, tmp_path: Path
) -> None:
    path = tmp_path / "gateway.sock"
    binds = [{"bind": "127.0.0.1:0"}, {"bind": f"unix:{path}"}]
    gateway = await start_gateway(relay(await serve(echo)), listeners=binds)
    assert gateway.addresses[1:] == [f"unix:{path}"]
    stream = await trio.open_unix_socket(str(path))
    async with connect("ws://gateway.test/", stream=stream) as here, connect(gateway.url()) as there:
        for client in (here, there):
            await client.send("hello")
            assert await client.recv() == "hello"
    await gateway.stop()
    assert not path.exists(), "a socket file that nobody listens on is in the way of the next start"


async def test_a_session_line_tells_what_happened(start_gateway: StartGateway, serve: Serve) -> None:
    port = await serve(echo, subprotocols=["chat.v1"])
    gateway = await start_gateway(relay(port))
    async with connect(gateway.url("/chat?secret=1"), subprotocols=["chat.v1"]) as client:
        host, client_port = client.local_address[:2]
        await client.send("hello")
        await client.recv()
        await client.aclose(3001, "enough")
    line = await gateway.session_line()
    assert line["duration"] >= 0
    expected = {
        "level": "info",
        "route": "relay",
        "client": f"{host}:{client_port}",
        "backend": f"ws://127.0.0.1:{port}",
        "path": "/chat",
        "subprotocol": "chat.v1",
        "messages_up": 1,
        "messages_down": 1,
        "bytes_up": 6 + 5 + 6 + 8,  # two masked headers, "hello", a code with its reason
        "bytes_down": 2 + 5 + 2 + 8,
        "client_code": 3001,
        "backend_code": 3001,
        "ended_by": "client",
        "reason": "closed",
    }
    assert {name: line[name] for name in expected} == expected
