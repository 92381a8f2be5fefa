"""Routes with each kind of ``compression``, messages to send through them, and clients that send and compare them."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import random
import subprocess
import zlib
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import aiohttp
import trio
from trio_websocket import open_websocket_url
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, BytesMessage, CloseConnection, Request, TextMessage
from wsproto.extensions import PerMessageDeflate

from tests.programs import MODULES

from .gateway import ENVIRONMENT
from .library import connect

KIB, MIB = 1 << 10, 1 << 20

Message = str | bytes
Extension = str  # as the client was answered; empty for none
Exchange = Callable[[str, list[Message]], Awaitable[Extension]]

DEFLATE = "permessage-deflate"
EXTENSIONS = "Sec-WebSocket-Extensions"
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

# What the log has of a session whose client offers compression, and of one whose client does not
LOGGED: dict[str, tuple[str | None, str | None]] = {
    "pass": ("inspected", None),
    "blind": ("passed", None),
    "off": (None, None),
    "client": ("client", None),
    "backend": ("backend", "backend"),
    "both": ("both", "backend"),
    "windows": ("both", "backend"),
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


def corpus(seed: int) -> Iterator[list[Message]]:
    """JSON, text, bytes and compressed bytes, of 1 B to 1 MiB each, and 64 MiB of all; each as its fragments."""
    chance = random.Random(seed)
    table, words = as_json(2 * MIB), " ".join(chance.choices(["größer", "and", "smaller", "🐢"], k=MIB // 4))
    noise, packed = chance.randbytes(MIB), zlib.compress(table.encode()) * 16
    kinds: list[Message] = [table, words, noise, packed]
    for size in (4**power for power in range(11)):
        for kind in kinds:
            yield _cut(kind[:size], chance)
    some = table.encode()[:MIB] * 3 + words.encode()[:MIB] * 3 + noise + packed[:MIB]
    yield _cut(some * 8, chance)


def _cut(message: Message, chance: random.Random) -> list[Message]:
    places = sorted(chance.randint(0, len(message)) for _ in range(chance.randint(0, 9)))
    return [message[start:stop] for start, stop in itertools.pairwise([0, *places, len(message)])]


def size_of(message: Message) -> int:
    return len(message.encode() if isinstance(message, str) else message)


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
        return client.response.headers.get(EXTENSIONS, "")


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


async def by_trio_websocket(url: str, messages: list[Message]) -> Extension:
    """It never offers compression."""
    async with open_websocket_url(url, max_message_size=4 * MIB) as client:
        for message in messages:
            await client.send_message(message)
            assert await client.get_message() == message
        return dict(client.handshake_headers).get(EXTENSIONS.lower().encode(), b"").decode()


def by_node(kind: str) -> Exchange:
    async def exchange(url: str, messages: list[Message]) -> Extension:
        command = ["node", str(MODULES.parent / "compressed_client.js"), kind, url]
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
