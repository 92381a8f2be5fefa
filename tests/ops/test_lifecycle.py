"""From the first signal to the exit status, inside this process."""

from __future__ import annotations

import logging
import os
import signal
import socket
from collections.abc import Callable

import pytest
import trio
import trio.testing

from wsgate.gate.gateway import Gateway
from wsgate.ops.lifecycle import run
from wsgate.ops.listeners import open_listeners
from wsgate.settings.model import Address, Drain, Listener, Route, Settings, TcpAddress, Tunnel
from wsgate.wire.close import Close
from wsgate.wire.frames import Opcode, encode_frame

UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: A1EEou7Nnq6+BBZoAZqWlg==\r\n\r\n"
)


@pytest.fixture
def autojump_clock() -> trio.testing.MockClock:
    return trio.testing.MockClock(autojump_threshold=0.02)


class Running:
    """A gateway with one tunnel route to a service that the test plays."""

    def __init__(self, grace: float = 10.0) -> None:
        self.service = socket.create_server(("127.0.0.1", 0))
        self.service.setblocking(False)
        port = self.service.getsockname()[1]
        route = Route(name="t", action=Tunnel(to=(TcpAddress("127.0.0.1", port),)))
        listener = Listener(bind=TcpAddress("127.0.0.1", 0))
        settings = Settings(listeners=(listener,), routes=(route,), drain=Drain(grace=grace, code=1012))
        self.gateway = Gateway(settings)
        self.sockets = open_listeners(settings.listeners)
        self.bound: list[Address] = []
        self.ready = trio.Event()
        self.status: int | None = None
        self.stopped = trio.Event()

    async def main(self) -> None:
        def ready(bound: list[Address]) -> None:
            self.bound = bound
            self.ready.set()

        self.status = await run(self.gateway, self.sockets, ready=ready)
        self.stopped.set()

    async def open(self) -> trio.SocketStream:
        address = self.bound[0]
        assert isinstance(address, TcpAddress)
        stream = await trio.open_tcp_stream(address.host, address.port)
        await stream.send_all(UPGRADE)
        head = await stream.receive_some()
        assert head.startswith(b"HTTP/1.1 101"), head
        return stream


@pytest.fixture
async def running(nursery: trio.Nursery) -> Running:
    made = Running()
    nursery.start_soon(made.main)
    await made.ready.wait()
    return made


Signal = Callable[[int], None]


def send(number: int) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_without_sessions_a_signal_ends_it_at_once(
    autojump_clock: trio.testing.MockClock, running: Running, number: int
) -> None:
    send(number)
    with trio.fail_after(1):
        await running.stopped.wait()
    assert running.status == 0
    running.service.close()


async def test_sessions_are_told_and_waited_for(
    autojump_clock: trio.testing.MockClock, running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "wsgate")
    stream = await running.open()
    idle = await trio.open_tcp_stream("127.0.0.1", running.bound[0].port)  # type: ignore[union-attr]
    await trio.testing.wait_all_tasks_blocked(0.02)
    send(signal.SIGTERM)
    assert await stream.receive_some() == encode_frame(Opcode.CLOSE, Close(1012).payload(), None)
    assert await idle.receive_some() == b""  # it had asked for nothing
    with pytest.raises(OSError, match="connect"):
        await trio.open_tcp_stream("127.0.0.1", running.bound[0].port)  # type: ignore[union-attr]
    await stream.send_all(encode_frame(Opcode.CLOSE, Close(1012).payload(), b"abcd"))
    running.service.accept()[0].close()
    await stream.aclose()
    await idle.aclose()
    with trio.fail_after(1):
        await running.stopped.wait()
    assert running.status == 0
    assert caplog.records[-1].fields == {"ended": 1, "cut": 0}  # type: ignore[attr-defined]
    running.service.close()


async def test_who_does_not_answer_is_cut_when_the_grace_is_over(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    made = Running(grace=3)
    nursery.start_soon(made.main)
    await made.ready.wait()
    stream = await made.open()
    before = trio.current_time()
    send(signal.SIGTERM)
    await made.stopped.wait()
    assert trio.current_time() - before == pytest.approx(3)
    assert made.status == 1
    await stream.aclose()
    made.service.close()


async def test_a_second_signal_cuts_at_once(autojump_clock: trio.testing.MockClock, running: Running) -> None:
    stream = await running.open()
    send(signal.SIGINT)
    await stream.receive_some()
    before = trio.current_time()
    send(signal.SIGTERM)
    with trio.fail_after(1):
        await running.stopped.wait()
    assert trio.current_time() - before < 1
    assert running.status == 1
    await stream.aclose()
    running.service.close()
