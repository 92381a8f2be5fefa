"""Compressed sessions of real clients and servers through each kind of ``compression``."""

from __future__ import annotations

import hashlib
import sys
import zlib
from pathlib import Path

import pytest
import trio
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.trio.server import ServerConnection

from tests.peers.frames import Frame
from tests.peers.heads import request
from tests.peers.stream import Backend, Peer
from tests.programs import MODULES

from .compressing import (
    DEFLATE,
    KINDS,
    LARGE,
    LOGGED,
    MIB,
    NO_WINDOWS,
    SMALL,
    Message,
    by_aiohttp,
    by_node,
    by_trio_websocket,
    by_websockets,
    by_wsproto,
    corpus,
    route,
    size_of,
)
from .gateway import OpenBackend, OpenClient, StartGateway
from .library import Serve, connect, echo
from .program import StartProgram

# -- each server, each client ------------------------------------------------------------------------------------------


@pytest.fixture
async def servers(serve: Serve, start_program: StartProgram, tmp_path: Path) -> dict[str, str]:
    """The URLs of echo servers of many kinds, all with compression."""
    (tmp_path / "file").touch()
    arguments = sys.executable, "-m"
    urls = {"websockets": f"ws://127.0.0.1:{await serve(echo, compression='deflate')}"}
    for name in ("aiohttp", "tornado"):
        port = await start_program(*arguments, f"tests.e2e.applications.on_{name}", str(tmp_path / "file"))
        urls[name] = f"ws://127.0.0.1:{port}"
    await start_program(*arguments, "tests.e2e.applications.on_uvicorn", "-", str(tmp_path / "uvicorn.sock"))
    urls["uvicorn"] = f"unix:{tmp_path}/uvicorn.sock"
    urls["ws"] = f"ws://127.0.0.1:{await start_program('node', str(MODULES.parent / 'ws_server.js'), '-')}"
    return urls


@pytest.mark.needs("node", "ws")
async def test_every_server_with_every_kind(start_gateway: StartGateway, servers: dict[str, str]) -> None:
    gateway = await start_gateway(*(route(kind, name, url) for kind in KINDS for name, url in servers.items()))
    for kind in KINDS:
        for name in servers:
            # the large ones once with each kind, and once with each server
            large = LARGE if name == "websockets" or kind == "both" else []
            extension = await by_websockets(gateway.url(f"/{kind}-{name}/socket"), [*SMALL, *large])
            if kind in ("off", "backend"):
                assert extension == ""
            elif kind in ("client", "both"):
                assert extension == NO_WINDOWS
            else:
                assert extension.startswith(DEFLATE)
            line = await gateway.session_line(route=f"{kind}-{name}")
            assert line.get("compression") == LOGGED[kind][0]
            sizes = [size_of(message) for message in [*SMALL, *large]]
            if kind not in ("blind", "off"):
                assert sum(sizes) <= line["plain_up"] + 64 * len(SMALL) + MIB * bool(large)
                assert 0 < line["compressed_up"] < line["plain_up"]
                assert line["largest_down"] == max(sizes)


CLIENTS = {
    "aiohttp": by_aiohttp,
    "trio-websocket": by_trio_websocket,
    "undici": by_node("undici"),
    "ws": by_node("ws"),
    "wsproto": by_wsproto,
}


@pytest.mark.parametrize("kind", ["pass", "off", "client", "both", "windows"])
@pytest.mark.needs("node", "undici", "ws")
async def test_every_client(start_gateway: StartGateway, serve: Serve, kind: str) -> None:
    url = f"ws://127.0.0.1:{await serve(echo, compression='deflate')}"
    gateway = await start_gateway(route(kind, "websockets", url))
    large = LARGE if kind in ("pass", "windows") else []
    for name, exchange in CLIENTS.items():
        extension = await exchange(gateway.url(f"/{kind}-websockets/"), [*SMALL, *large])
        compresses = kind != "off" and name != "trio-websocket"
        assert extension.startswith(DEFLATE) if compresses else extension == "", name
        line = await gateway.session_line()
        assert (line["reason"], line["messages_up"]) == ("closed", len(SMALL) + len(large)), name
        assert line.get("compression") == LOGGED[kind][name == "trio-websocket"], name


@pytest.mark.parametrize("kind", ["pass", "both"])
async def test_a_corpus(start_gateway: StartGateway, serve: Serve, kind: str) -> None:
    """What arrives is told by its hash."""

    async def answer_hashes(websocket: ServerConnection) -> None:
        async for message in websocket:
            await websocket.send(hashed(message))

    url = f"ws://127.0.0.1:{await serve(answer_hashes, compression='deflate')}"
    gateway = await start_gateway(route(kind, "corpus", url, limits={"message": "64MiB"}))
    quick = ClientPerMessageDeflateFactory(client_max_window_bits=True, compress_settings={"level": 1})
    async with connect(gateway.url(f"/{kind}-corpus/"), extensions=[quick]) as client:
        for number, fragments in enumerate(corpus(17)):
            await client.send(fragments)
            assert await client.recv() == hashed(*fragments), number
    line = await gateway.session_line()
    assert (line["messages_up"], line["largest_up"], line["reason"]) == (number + 1, 64 * MIB, "closed")


def hashed(*parts: Message) -> str:
    found = hashlib.sha256()
    for part in parts:
        found.update(part.encode() if isinstance(part, str) else part)
    return found.hexdigest()


# -- limits, the end ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["pass", "client"])
async def test_the_limit_counts_plain_bytes(start_gateway: StartGateway, serve: Serve, kind: str) -> None:
    """A message of zeros is a thousandth of it on the wire."""
    url = f"ws://127.0.0.1:{await serve(echo, compression='deflate')}"
    gateway = await start_gateway(route(kind, "echo", url, limits={"message": "1MiB"}))
    async with connect(gateway.url(f"/{kind}-echo/"), compression="deflate") as client:
        await client.send(bytes(MIB))
        assert await client.recv() == bytes(MIB)
        await client.send(bytes(MIB + 1))
        with pytest.raises(ConnectionClosed) as closed:
            await client.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009
    assert (await gateway.session_line())["reason"] == "too_big"


async def test_a_bomb_costs_no_memory(
    start_gateway: StartGateway, open_backend: OpenBackend, open_client: OpenClient
) -> None:
    backend = await open_backend()
    gateway = await start_gateway({**route("client", "raw", f"ws://127.0.0.1:{backend.port}"), "match": {"path": "/*"}})
    client = await open_client(gateway)
    server = await _open(client, backend)
    before = gateway.memory()
    state = zlib.compressobj(9, wbits=-15)
    bomb = b"".join(state.compress(bytes(MIB)) for _ in range(64)) + state.flush(zlib.Z_SYNC_FLUSH)[:-4]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.send, Frame(2, bomb, rsv=4))
        while (frame := await server.receive()).opcode != 8:
            pass
        assert frame.payload[:2] == (1001).to_bytes(2, "big")
        assert (await client.receive()).payload[:2] == (1009).to_bytes(2, "big")
    assert gateway.memory() - before < 8 * MIB


async def _open(client: Peer, backend: Backend) -> Peer:
    await client.write(request("/", {"Sec-WebSocket-Extensions": DEFLATE}))
    server = await backend.accept_request()
    await server.accept_upgrade()
    assert (await client.read_head()).status == 101
    return server


@pytest.mark.parametrize("kind", ["pass", "both"])
async def test_a_drain_loses_nothing(start_gateway: StartGateway, serve: Serve, kind: str) -> None:
    """What the backend has sent comes in front of the Close, compressed or not."""
    sent = trio.Event()
    numbers = [f"message {number} " * 500 for number in range(200)]

    async def send_many(websocket: ServerConnection) -> None:
        for text in numbers:
            await websocket.send(text)
        sent.set()
        await websocket.wait_closed()

    gateway = await start_gateway(
        route(kind, "many", f"ws://127.0.0.1:{await serve(send_many, compression='deflate')}")
    )
    async with connect(gateway.url(f"/{kind}-many/"), compression="deflate") as client:
        await sent.wait()
        received = [await client.recv()]
        gateway.process.terminate()
        received += [message async for message in client]
    assert received == numbers
    assert await gateway.wait_exit() == 0


async def test_heartbeats(start_gateway: StartGateway, serve: Serve) -> None:
    """The gateway pings a silent client, whose Pongs end there."""
    url = f"ws://127.0.0.1:{await serve(echo, compression='deflate')}"
    gateway = await start_gateway(route("pass", "echo", url, heartbeat={"interval": "100ms", "timeout": "10s"}))
    async with connect(gateway.url("/pass-echo/"), compression="deflate") as client:
        await client.send("before" * 100)
        assert await client.recv() == "before" * 100
        with trio.move_on_after(0.5):
            await client.recv()
        await client.send("after" * 100)
        assert await client.recv() == "after" * 100
    line = await gateway.session_line()
    assert line["client_rtt_ms"] is not None
    assert line["messages_up"] == 2
