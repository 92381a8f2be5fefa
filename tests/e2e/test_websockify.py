"""``wsgate tunnel`` as users of websockify start it: a process, its flags, one of their clients."""

from __future__ import annotations

import base64
import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

import pytest
import trio
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.peers.frames import MASK
from tests.peers.heads import plain_request
from tests.peers.sockets import echo, serve_tcp
from tests.peers.stream import Peer
from tests.pki import Authority, client_context

from .command_line import Running, Start, starting
from .library import connect

DEADLINE = 20.0  # seconds for a test


AUTHORIZED = {"Authorization": "Basic " + base64.b64encode(b"ann:secret").decode()}


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """``await start(*flags)``, in the test's directory; it must end well."""
    async with starting(tmp_path, "tunnel") as start:
        yield start


async def greet(stream: trio.SocketStream) -> None:
    await stream.send_all(b"another")


async def serve(nursery: trio.Nursery, handler: Callable[[trio.SocketStream], Awaitable[None]] = echo) -> str:
    """A TCP service, as websockify's command line names it."""
    return f"127.0.0.1:{await serve_tcp(nursery, handler)}"


async def assert_echo(url: str, **options: object) -> None:
    async with connect(url, **options) as websocket:
        for size in (1, 100_000):
            payload = os.urandom(size)
            await websocket.send(payload)
            answer = b""
            while len(answer) < size:
                part = await websocket.recv()
                assert isinstance(part, bytes)
                answer += part
            assert answer == payload


async def closed(url: str, *, send: Sequence[str] = (), **options: object) -> tuple[int | None, str]:
    """How a session that is opened ends."""
    async with connect(url, **options) as websocket:
        with pytest.raises(ConnectionClosed):  # noqa: PT012 - it may be closed before all is sent
            for message in send:
                await websocket.send(message)
            await websocket.recv()
        return websocket.close_code, websocket.close_reason or ""


async def get(running: Running, path: str, **headers: str) -> tuple[int, bytes]:
    peer = Peer(await trio.open_tcp_stream("127.0.0.1", running.port), mask=MASK)
    fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    await peer.write(plain_request(path).removesuffix(b"\r\n") + fields.encode() + b"\r\n")
    head = await peer.read_head()
    body = await peer.read_body()
    await peer.stream.aclose()
    return head.status, body


async def test_the_usual_line(start: Start, nursery: trio.Nursery) -> None:
    target = await serve(nursery)
    running = await start("0", target)
    assert running.said == f"wsgate tunnel: {running.url()} leads to tcp://{target}\n"
    await assert_echo(running.url())
    await assert_echo(running.url("/websockify?any=path"))
    for offered, chosen in ((["binary"], "binary"), (["base64", "binary"], "binary"), (["mqtt"], "mqtt"), (None, None)):
        async with connect(running.url(), subprotocols=offered) as websocket:
            assert websocket.subprotocol == chosen
    assert (await closed(running.url(), subprotocols=["base64"]))[0] == 4400
    assert (await closed(running.url(), send=["text"]))[0] == 1003
    assert (await get(running, "/"))[0] == 426


async def test_a_target_that_is_not_there(start: Start) -> None:
    """Like websockify: after the 101, so that noVNC can show it."""
    with trio.socket.socket() as taken:
        await taken.bind(("127.0.0.1", 0))  # bound, but not listening
        running = await start("127.0.0.1:0", f"127.0.0.1:{taken.getsockname()[1]}")
        assert await closed(running.url()) == (1011, "Failed to connect to downstream server")


async def test_a_target_that_ends(start: Start, nursery: trio.Nursery) -> None:
    running = await start("0", await serve(nursery, greet))
    async with connect(running.url()) as websocket:
        assert await websocket.recv() == b"another"
        with pytest.raises(ConnectionClosed):
            await websocket.recv()
        assert (websocket.close_code, websocket.close_reason) == (1000, "Target closed")


async def test_unix_sockets(start: Start, nursery: trio.Nursery, tmp_path: Path) -> None:
    with trio.socket.socket(trio.socket.AF_UNIX) as sock:
        await sock.bind(str(tmp_path / "target"))
        sock.listen(5)
        nursery.start_soon(trio.serve_listeners, echo, [trio.SocketListener(sock)])
        running = await start("0", "--unix-target", "target")
        await assert_echo(running.url())
        listening = await start("--unix-listen=gate", "--unix-target=target")
        assert listening.said == f"wsgate tunnel: unix:{tmp_path}/gate leads to unix:{tmp_path}/target\n"
        assert (tmp_path / "gate").stat().st_mode & 0o777 == 0o600
        stream = await trio.open_unix_socket(tmp_path / "gate")
        await assert_echo("ws://localhost/", stream=stream)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Its certificate for localhost is self.pem, as websockify's README makes it."""
    authority = Authority(tmp_path)
    pair = authority.issue("localhost")
    (tmp_path / "self.pem").write_bytes(Path(pair.certificate).read_bytes() + Path(pair.key).read_bytes())
    return authority


async def test_with_and_without_tls_on_one_port(
    start: Start, nursery: trio.Nursery, authority: Authority, tmp_path: Path
) -> None:
    target = await serve(nursery)
    running = await start("0", target)
    context = client_context(authority)
    await assert_echo(running.url())
    await assert_echo(running.url(scheme="wss"), ssl=context)
    assert running.said.startswith("wsgate tunnel: wss://")
    only = await start("--ssl-only", "--cert", "self.pem", "--ssl-version=tlsv1_3", "127.0.0.1:0", target)
    await assert_echo(only.url(scheme="wss"), ssl=context)
    assert (await get(only, "/"))[0] == 400
    old = client_context(authority)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises((ssl.SSLError, OSError, trio.BrokenResourceError)):
        await assert_echo(only.url(scheme="wss"), ssl=old)


async def test_tokens(start: Start, nursery: trio.Nursery, tmp_path: Path) -> None:
    """In a file that may change at any time."""
    file = tmp_path / "tokens"
    file.write_text(f"one: {await serve(nursery)}\n")
    running = await start("--token-plugin", "TokenFile", "--token-source", "tokens", "0")
    await assert_echo(running.url("/websockify?token=one"))
    for path in ("/?token=two", "/"):
        assert (await closed(running.url(path)))[0] == 4403
    file.write_text(f"two: {await serve(nursery, greet)}\n")
    async with connect(running.url("/?token=two")) as websocket:
        assert await websocket.recv() == b"another"
    assert (await closed(running.url("/?token=one")))[0] == 4403
    assert "token=" not in (tmp_path / "stderr").read_text()


PLUGIN = """
class Tokens:
    def __init__(self, source):
        self.source = source

    def lookup(self, token):
        return self.source.split(":") if token == "known" else None
"""


async def test_a_plugin_that_somebody_wrote_for_websockify(start: Start, nursery: trio.Nursery, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(PLUGIN)
    running = await start("--token-plugin=own.Tokens", f"--token-source={await serve(nursery)}", "--host-token", "0")
    stream = await trio.open_tcp_stream("127.0.0.1", running.port)
    await assert_echo("ws://known/", stream=stream)
    assert (await closed(running.url()))[0] == 4403


async def test_files_beside_the_tunnel(start: Start, nursery: trio.Nursery, tmp_path: Path) -> None:
    """An upgrade request gets the tunnel at every path, a plain request gets a file."""
    (tmp_path / "web" / "sub").mkdir(parents=True)
    (tmp_path / "web" / "vnc.html").write_text("<p>page")
    running = await start("--web", "web", "0", await serve(nursery))
    assert running.said.endswith(f"; open {running.url('/vnc.html', 'http')}\n")
    assert await get(running, "/vnc.html") == (200, b"<p>page")
    assert (await get(running, "/sub/"))[0] == 404  # no listing
    await assert_echo(running.url("/websockify"))
    await assert_echo(running.url("/vnc.html"))


async def test_user_and_password(start: Start, nursery: trio.Nursery, tmp_path: Path) -> None:
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "a").write_text("a")
    flags = ("--auth-plugin", "BasicHTTPAuth", "--auth-source", "ann:secret", "--web", "web", "--web-auth")
    running = await start(*flags, "0", await serve(nursery))
    await assert_echo(running.url(), additional_headers=AUTHORIZED)
    with pytest.raises(InvalidStatus) as refused:  # a browser sends the URL's user and password only then
        await closed(running.url())
    assert refused.value.response.status_code == 401
    assert refused.value.response.headers["WWW-Authenticate"].startswith("Basic realm=")
    wrong = {"Authorization": "Basic " + base64.b64encode(b"ann:wrong").decode()}
    assert (await closed(running.url(), additional_headers=wrong))[0] == 4401
    assert (await get(running, "/a"))[0] == 401
    assert await get(running, "/a", **AUTHORIZED) == (200, b"a")
    assert "secret" not in (tmp_path / "stderr").read_text()


async def test_origins(start: Start, nursery: trio.Nursery) -> None:
    flags = ("--auth-plugin=ExpectOrigin", "--auth-source=http://page.test https://other.test")
    running = await start(*flags, "0", await serve(nursery))
    await assert_echo(running.url(), origin="https://other.test")
    assert (await closed(running.url(), origin="https://evil.test"))[0] == 4403


async def test_recording_and_the_end_of_who_is_not_used(start: Start, nursery: trio.Nursery, tmp_path: Path) -> None:
    flags = ("--record", "records/vnc", "--idle-timeout", "1", "--log-file", "log")
    (tmp_path / "records").mkdir()
    running = await start(*flags, "0", await serve(nursery))
    await assert_echo(running.url())
    assert await running.process.wait() == 0
    assert (tmp_path / "stderr").read_text() == ""
    assert "no session for 1 s" in (tmp_path / "log").read_text()
    (recording,) = (tmp_path / "records").iterdir()
    assert recording.stat().st_size > 2 * 100_000
