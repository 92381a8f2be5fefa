"""Applications on the frameworks that people have behind a gateway: pages, an API, events and sockets on one port.

They know nothing of the prefix that each has here: it is stripped.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.programs import MODULES

from .gateway import Gateway, StartGateway
from .library import connect
from .program import StartProgram
from .tls import DEADLINE, run

SIZE = 1 << 20  # bytes of the file

pytestmark = pytest.mark.needs("curl")


async def curl(*arguments: str) -> str:
    return await run("curl", "-sS", "--http1.1", "--max-time", "10", "--noproxy", "*", *arguments)


def route(name: str, url: str) -> dict[str, Any]:
    return {
        "name": name,
        "match": {"path": f"/{name}/*"},
        "origins": "any",
        "http": "forward",
        "headers": {"to_backend": {"set": {"X-Forwarded-Prefix": f"/{name}"}}},
        "relay": {"to": [url], "rewrite": {"strip": f"/{name}"}},
    }


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "file"
    file.write_bytes(bytes(range(256)) * (SIZE // 256))
    return file


def python(module: str) -> tuple[str, ...]:
    return sys.executable, "-m", f"tests.e2e.applications.{module}"


async def works(gateway: Gateway, name: str, host: str, file: Path, *, ranges: bool = True) -> None:
    url = f"http://127.0.0.1:{gateway.port}/{name}"
    assert await curl(f"{url}/", f"{url}/") == f"a page of {name}" * 2
    for upload in ([], ["-H", "Transfer-Encoding: chunked"]):
        told = json.loads(await curl("--data-binary", f"@{file}", *upload, f"{url}/items"))
        assert told == {
            "path": "/items",
            "size": SIZE,
            "Host": host,
            "X-Forwarded-Prefix": f"/{name}",
            "X-Forwarded-For": "127.0.0.1",
        }
    if ranges:
        part = await curl("-i", "-r", "300-309", f"{url}/file")
        assert part.startswith("HTTP/1.1 206 ")
        assert f"content-range: bytes 300-309/{SIZE}" in part.lower()
        assert part.encode("latin-1").endswith(b"\r\n\r\n" + bytes(range(44, 54)))
    await events(url)
    async with connect(f"ws://127.0.0.1:{gateway.port}/{name}/socket", subprotocols=["echo"]) as websocket:
        assert websocket.subprotocol == "echo"
        for message in ("text ü", b"\x00\xff" * 50000):
            await websocket.send(message)
            assert await websocket.recv() == message


async def events(url: str) -> None:
    """The application sends the last event when it is told to, which happens once the first has come."""
    command = ["curl", "-sSN", "--http1.1", "--noproxy", "*", f"{url}/events"]
    process = await trio.lowlevel.open_process(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    with trio.fail_after(DEADLINE):
        first = await process.stdout.receive_some()
        assert first == b"data: first\n\n"
        assert await curl("-X", "POST", f"{url}/go") == ""
        async with process.stdout:
            assert b"".join([piece async for piece in process.stdout]) == b"data: last\n\n"
        await process.wait()


async def test_aiohttp(start_gateway: StartGateway, start_program: StartProgram, file: Path) -> None:
    port = await start_program(*python("on_aiohttp"), str(file))
    gateway = await start_gateway(route("aiohttp", f"ws://127.0.0.1:{port}"))
    await works(gateway, "aiohttp", f"127.0.0.1:{gateway.port}", file)


async def test_tornado(start_gateway: StartGateway, start_program: StartProgram, file: Path) -> None:
    port = await start_program(*python("on_tornado"), str(file))
    gateway = await start_gateway(route("tornado", f"ws://127.0.0.1:{port}"))
    await works(gateway, "tornado", f"127.0.0.1:{gateway.port}", file)


async def test_uvicorn_on_a_unix_socket(start_gateway: StartGateway, start_program: StartProgram, file: Path) -> None:
    socket = file.with_name("app.sock")
    assert await start_program(*python("on_uvicorn"), str(file), str(socket)) == "ready"
    gateway = await start_gateway(route("uvicorn", f"unix:{socket}"))
    await works(gateway, "uvicorn", f"127.0.0.1:{gateway.port}", file, ranges=False)


@pytest.mark.needs("node", "ws")
async def test_ws_of_node(start_gateway: StartGateway, start_program: StartProgram, file: Path) -> None:
    port = await start_program("node", str(MODULES.parent / "ws_server.js"), str(file))
    gateway = await start_gateway(route("node", f"ws://127.0.0.1:{port}"))
    await works(gateway, "node", f"127.0.0.1:{gateway.port}", file)
