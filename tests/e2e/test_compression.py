"""Compressed sessions of real clients and servers through each kind of ``compression``."""

from __future__ import annotations

import asyncio
import base64
import json
import random
import subprocess
import sys
import zlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trio
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.trio.server import ServerConnection
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, BytesMessage, CloseConnection, Request, TextMessage
from wsproto.extensions import PerMessageDeflate

from tests.peers.frames import Frame
from tests.peers.heads import request
from tests.peers.stream import Backend, Peer
from tests.programs import MODULES

from .browser import chromium
from .gateway import ENVIRONMENT, OpenBackend, OpenClient, StartGateway
from .library import Serve, connect, echo
from .program import StartProgram

KIB, MIB = 1 << 10, 1 << 20

Message = str | bytes
Extension = str  # as the client was answered; empty for none
Exchange = Callable[[str, list[Message]], Awaitable[Extension]]

DEFLATE = "permessage-deflate"
NO_WINDOWS = f"{DEFLATE}; server_no_context_takeover; client_no_context_takeover"

PASSED: Any = "pass"
KINDS: dict[str, Any] = {
    "pass": PASSED,
    "blind": {"mode": "pass", "inspect": False},
    "off": False,
    "client": {"client": "on"},
    "backend": {"backend": "on"},
    "both": {"client": "on", "backend": "on", "threshold": "1B"},
    "windows": {"client": "on", "backend": "on", "context": "session", "window": "1KiB", "level": 6},
}


def as_json(size: int) -> str:
    rows = ({"id": number, "name": f"user {number % 97}", "größe": number * 0.37} for number in range(size // 40))
    return json.dumps(list(rows), ensure_ascii=False)


SMALL: list[Message] = [
    "",
    b"",
    "ü",
    b"\x00",
    as_json(300),
    as_json(70 * KIB),
    zlib.compress(as_json(9000).encode(), 9),
]
LARGE: list[Message] = [random.Random(17).randbytes(MIB), bytes(3 * MIB), as_json(MIB)]


def route(kind: str, server: str, url: str, **more: Any) -> dict[str, Any]:
    name = f"{kind}-{server}"
    relay = {"to": [url], "rewrite": {"strip": f"/{name}"}}
    match = {"path": f"/{name}/*"}
    return {"name": name, "match": match, "origins": "any", "compression": KINDS[kind], "relay": relay, **more}


# -- clients -----------------------------------------------------------------------------------------------------------


async def by_websockets(url: str, messages: list[Message]) -> Extension:
    factory = ClientPerMessageDeflateFactory(client_max_window_bits=True)
    async with connect(url, extensions=[factory], subprotocols=["echo"]) as client:
        assert client.response is not None
        for message in messages:
            await client.send(message)
            assert await client.recv() == message
        whole = as_json(9000)
        await client.send([whole[:7], "", whole[7:5000], whole[5000:]])  # in fragments
        assert await client.recv() == whole
        return client.response.headers.get("Sec-WebSocket-Extensions", "")


async def by_aiohttp(url: str, messages: list[Message]) -> Extension:
    async def main() -> int:
        async with aiohttp.ClientSession() as session, session.ws_connect(url, compress=15, max_msg_size=0) as client:
            for message in messages:
                if isinstance(message, str):
                    await client.send_str(message)
                    assert await client.receive_str() == message
                else:
                    await client.send_bytes(message)
                    assert await client.receive_bytes() == message
            return client.compress

    return DEFLATE if await trio.to_thread.run_sync(asyncio.run, main()) else ""


async def by_wsproto(url: str, messages: list[Message]) -> Extension:
    _, _, rest = url.partition("//")
    address, _, path = rest.partition("/")
    client = WSConnection(ConnectionType.CLIENT)
    deflate = PerMessageDeflate()
    stream = await trio.open_tcp_stream("127.0.0.1", int(address.rpartition(":")[2]))
    async with stream:
        await stream.send_all(client.send(Request(host=address, target=f"/{path}", extensions=[deflate])))
        waiting = list(messages)
        echoed: Message | None = None
        extensions = ""
        while (data := await stream.receive_some()) or True:
            client.receive_data(data or None)
            for event in client.events():
                if isinstance(event, AcceptConnection):
                    extensions = DEFLATE if event.extensions else ""
                elif isinstance(event, TextMessage | BytesMessage):
                    part = event.data if isinstance(event, TextMessage) else bytes(event.data)
                    echoed = part if echoed is None else echoed + part  # type: ignore[operator]
                    if not event.message_finished:
                        continue
                    assert echoed == waiting.pop(0)
                    echoed = None
                elif isinstance(event, CloseConnection):
                    assert event.code == 1000
                    return extensions
                if waiting:
                    kind = TextMessage if isinstance(waiting[0], str) else BytesMessage
                    await stream.send_all(client.send(kind(data=waiting[0])))  # type: ignore[arg-type]
                else:
                    await stream.send_all(client.send(CloseConnection(code=1000)))
        raise AssertionError


def by_node(kind: str) -> Exchange:
    async def exchange(url: str, messages: list[Message]) -> Extension:
        flags = ["--experimental-websocket"] if kind == "undici" else []
        command = ["node", *flags, str(MODULES.parent / "compressed_client.js"), kind, url]
        process = await trio.lowlevel.open_process(
            command, env=ENVIRONMENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert process.stdin is not None
        assert process.stdout is not None
        output = b""
        try:
            async with trio.open_nursery() as nursery:
                lines = b"".join(to_json(message).encode() + b"\n" for message in messages)
                nursery.start_soon(process.stdin.send_all, lines)
                while output.count(b"\n") < len(messages) + 1:
                    some = await process.stdout.receive_some()
                    assert some, output[:1000]
                    output += some
            process.terminate()
            assert await process.wait() == 0
        finally:
            process.kill()
            with trio.CancelScope(shield=True):
                await process.wait()
                await process.stdin.aclose()
                await process.stdout.aclose()
        extensions, *echoed = output.decode().split("\n")
        assert [from_json(line) for line in echoed if line] == messages
        return extensions

    return exchange


def to_json(message: Message) -> str:
    if isinstance(message, str):
        return json.dumps({"text": message})
    return json.dumps({"data": base64.b64encode(message).decode()})


def from_json(line: str) -> Message:
    told = json.loads(line)
    return str(told["text"]) if "text" in told else base64.b64decode(told["data"])


_IN_THE_BROWSER = """
const [url, messages, done] = arguments;
const socket = new WebSocket(url), echoed = [];
socket.binaryType = "arraybuffer";
const send = () => {
  const { text, data } = messages[echoed.length];
  socket.send(text ?? Uint8Array.from(atob(data), (each) => each.charCodeAt(0)));
};
socket.onopen = send;
socket.onmessage = ({ data }) => {
  const bytes = typeof data === "string" ? null : Array.from(new Uint8Array(data), (each) => String.fromCharCode(each));
  echoed.push(bytes ? { data: btoa(bytes.join("")) } : { text: data });
  if (echoed.length < messages.length) send();
  else socket.close(1000);
};
socket.onclose = ({ code }) => done([code, socket.extensions, echoed]);
"""


def in_chromium(profile: Path) -> Exchange:
    def drive(url: str, messages: list[Message]) -> Extension:
        with chromium(profile) as driver:
            driver.get(f"http{url.removeprefix('ws').rpartition('/')[0]}/page")
            driver.set_script_timeout(20)
            told = [json.loads(to_json(message)) for message in messages]
            code, extensions, echoed = driver.execute_async_script(_IN_THE_BROWSER, url, told)
        assert code == 1000
        assert [from_json(json.dumps(each)) for each in echoed] == messages
        return str(extensions)

    async def exchange(url: str, messages: list[Message]) -> Extension:
        return await trio.to_thread.run_sync(drive, url, messages)

    return exchange


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
            shown = {"pass": "inspected", "blind": "passed", "windows": "both", "off": None}.get(kind, kind)
            assert line.get("compression") == shown
            sizes = sum(len(each.encode() if isinstance(each, str) else each) for each in [*SMALL, *large])
            if shown not in (None, "passed"):
                assert sizes <= line["plain_up"] + 64 * len(SMALL) + MIB * bool(large)
                assert 0 < line["compressed_up"] < line["plain_up"]
                assert line["largest_down"] == max(
                    len(each.encode() if isinstance(each, str) else each) for each in [*SMALL, *large]
                )


@pytest.mark.parametrize("kind", ["pass", "client", "windows"])
@pytest.mark.needs("node", "ws")
async def test_every_client(start_gateway: StartGateway, serve: Serve, kind: str) -> None:
    url = f"ws://127.0.0.1:{await serve(echo, compression='deflate')}"
    gateway = await start_gateway(route(kind, "websockets", url))
    clients = {"aiohttp": by_aiohttp, "wsproto": by_wsproto, "ws": by_node("ws")}
    if _node_has_a_client():
        clients["undici"] = by_node("undici")
    for name, exchange in clients.items():
        extension = await exchange(gateway.url(f"/{kind}-websockets/"), [*SMALL, *LARGE])
        assert extension.startswith(DEFLATE), name
        line = await gateway.session_line()
        assert (line["reason"], line["messages_up"]) == ("closed", len(SMALL) + len(LARGE)), name


def _node_has_a_client() -> bool:
    """Node has one from 20.10 on."""
    asked = ["node", "--experimental-websocket", "-e", "new WebSocket('ws://127.0.0.1:1').onerror = () => {}"]
    return subprocess.run(asked, capture_output=True, timeout=20, check=False).returncode == 0


@pytest.mark.needs("chromium", "chromedriver")
async def test_a_browser(start_gateway: StartGateway, serve: Serve, tmp_path: Path) -> None:
    """It takes every parameter."""
    url = f"ws://127.0.0.1:{await serve(echo)}"
    page = {"name": "page", "match": {"path": "/windows-plain/page"}, "respond": {"status": 200, "body": "a page"}}
    gateway = await start_gateway(page, route("windows", "plain", url))
    extension = await in_chromium(tmp_path / "profile")(gateway.url("/windows-plain/"), [*SMALL, bytes(MIB)])
    assert extension == f"{DEFLATE}; server_max_window_bits=10; client_max_window_bits=10"
    line = await gateway.session_line()
    assert (line["compression"], line["reason"]) == ("client", "closed")


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
