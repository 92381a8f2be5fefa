"""One check of a backend, against a backend that the test plays."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from tests.limits import refusing
from tests.peers.frames import Frame
from tests.peers.stream import Backend, Peer
from wsgate.gate.health_check import check_health
from wsgate.settings.model import Health, Relay, RelayBackend, TcpAddress, WebSocketUrl
from wsgate.site.backend import LiveBackend

WEBSOCKET, HTTP, TCP = Health(websocket="/healthz"), Health(http="/healthz"), Health(tcp=True)


class Check:
    """A check that is under way, and what it found."""

    def __init__(self, nursery: trio.Nursery, port: int, health: Health) -> None:
        url = WebSocketUrl(TcpAddress("127.0.0.1", port), "/base")
        self.found: str | None = None
        self.over = trio.Event()

        async def run() -> None:
            relay = Relay(to=(RelayBackend(url=url),))
            self.found = await check_health(LiveBackend("it", url), relay, health, None)
            self.over.set()

        nursery.start_soon(run)

    async def result(self) -> str:
        await self.over.wait()
        assert self.found is not None
        return self.found


async def opened(check: Check, backend: Backend) -> Peer:
    server = await backend.accept_request()
    assert (server.head.target, server.head.one("Host")) == ("/healthz", f"127.0.0.1:{backend.port}")
    await server.accept_upgrade()
    ping = await server.receive()
    assert ping.opcode == 9
    return server


async def test_a_websocket_that_answers(nursery: trio.Nursery, backend: Backend) -> None:
    check = Check(nursery, backend.port, WEBSOCKET)
    server = await opened(check, backend)
    await server.send(Frame(1, b"welcome"), Frame(9, b"its own"), Frame(10, b"wsgate health"))
    assert (await server.receive_close())[0] == 1000
    await server.send(Frame(8, b"\x03\xe8"))
    assert await check.result() == ""


@pytest.mark.parametrize(
    ("frames", "problem"),
    [
        ([Frame(8, b"\x03\xe8")], "it closed the WebSocket before its Pong"),
        ([], "it ended the connection before its Pong"),
        ([Frame(3, b"")], "it broke the protocol: "),
    ],
)
async def test_a_websocket_that_does_not(
    nursery: trio.Nursery, backend: Backend, frames: list[Frame], problem: str
) -> None:
    check = Check(nursery, backend.port, WEBSOCKET)
    server = await opened(check, backend)
    await server.send(*frames)
    await server.vanish()
    assert (await check.result()).startswith(problem[:24])


async def test_an_upgrade_that_is_refused(nursery: trio.Nursery, backend: Backend) -> None:
    check = Check(nursery, backend.port, WEBSOCKET)
    server = await backend.accept_request()
    await server.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
    assert await check.result() == "answered 404"


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", ""),
        (b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", ""),
        (b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", "answered 503"),
        (b"SSH-2.0-x\r\n\r\n", "malformed answer"),
    ],
)
async def test_http(nursery: trio.Nursery, backend: Backend, answer: bytes, problem: str) -> None:
    check = Check(nursery, backend.port, HTTP)
    server = await backend.accept_request()
    assert server.head.line == "GET /healthz HTTP/1.1"
    await server.write(answer)
    await server.stream.send_eof()
    found = await check.result()
    assert found.startswith(problem)
    assert bool(found) is bool(problem)


async def test_tcp(nursery: trio.Nursery, backend: Backend) -> None:
    assert await Check(nursery, backend.port, TCP).result() == ""
    with refusing() as closed:
        assert "Connection refused" in await Check(nursery, closed, TCP).result()


@pytest.mark.parametrize("health", [WEBSOCKET, HTTP])
async def test_one_that_is_silent(
    nursery: trio.Nursery, backend: Backend, health: Health, autojump_clock: trio.testing.MockClock
) -> None:
    check = Check(nursery, backend.port, health)
    await backend.accept_request()
    assert await check.result() == "the check took longer than 2 s"
    assert trio.current_time() == pytest.approx(2.0)
