"""``wsgate relay`` as it is started by hand: a process, its flags, clients and backends of the websockets library."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus
from websockets.trio.server import ServerConnection

from tests.pki import Authority, client_context

from .command_line import Start, starting
from .library import Serve, connect, echo
from .tls import run


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """``await start(*flags)``, in the test's directory; it must end well."""
    async with starting(tmp_path, "relay") as start:
        yield start


async def asked_for(websocket: ServerConnection) -> None:
    """Says which host and path were asked for."""
    assert websocket.request is not None
    await websocket.send(f"{websocket.request.headers['Host']} {websocket.request.path}")


async def test_messages_go_through_to_the_first_backend_that_takes_them(start: Start, serve: Serve) -> None:
    running = await start("127.0.0.1:0", "ws://127.0.0.1:1", f"ws://127.0.0.1:{await serve(echo)}")
    async with connect(running.url("/any/path")) as websocket:
        for message in ("text", b"bytes", "x" * 100_000):
            await websocket.send(message)
            assert await websocket.recv() == message


async def test_the_flags_hold(start: Start, serve: Serve, tmp_path: Path) -> None:
    """TLS, a path, pages, Host, and a page beside it."""
    authority = Authority(tmp_path)
    pair = authority.issue("localhost")
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "index.html").write_text("<title>page</title>")
    running = await start(
        *("0", f"ws://127.0.0.1:{await serve(asked_for)}", "--path", "/chat/*", "--host", "app.test", "--web", "web"),
        *("--cert", pair.certificate, "--key", pair.key, "--origins", "https://a.test,https://b.test"),
    )
    port = running.port
    assert f"; open https://localhost:{port}/" in running.said
    context = client_context(authority)
    url = f"wss://localhost:{port}/chat/room"
    async with connect(url, ssl=context, origin="https://b.test") as websocket:
        assert await websocket.recv() == "app.test /chat/room"
    for wrong, origin, status in ((url, "https://c.test", 403), (f"wss://localhost:{port}/other", None, 404)):
        with pytest.raises(InvalidStatus) as refused:
            async with connect(wrong, ssl=context, origin=origin):
                pass
        assert refused.value.response.status_code == status


@pytest.mark.needs("curl")
async def test_the_page_is_there(start: Start, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<title>page</title>")
    running = await start("127.0.0.1:0", "ws://127.0.0.1:1", "--web", ".")
    url = f"http://127.0.0.1:{running.port}/"
    assert await run("curl", "-sS", "--max-time", "5", "--noproxy", "*", url) == "<title>page</title>"
