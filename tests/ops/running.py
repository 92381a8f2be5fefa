"""The lifecycle inside a test: real signals, sockets and sessions; the test plays clients and service."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

import trio

from tests.peers.frames import MASK, close_frame
from tests.peers.heads import request
from wsgate.gate.gateway import Gateway
from wsgate.ops.lifecycle import Stage, run
from wsgate.ops.listeners import open_listeners
from wsgate.relay.closing import DRAIN_REASON
from wsgate.settings.model import (
    Address,
    Listener,
    Match,
    PathKind,
    PathPattern,
    Route,
    Settings,
    Target,
    TcpAddress,
    Tunnel,
)
from wsgate.site.build import build

ANYWHERE = TcpAddress("127.0.0.1", 0)


def close_to_client(code: int) -> bytes:
    """The Close of a drain, with its reason."""
    return close_frame(code, DRAIN_REASON).encode(None)


def close_from_client(code: int) -> bytes:
    return close_frame(code).encode(MASK)


def send(number: int) -> None:
    os.kill(os.getpid(), number)


class Gate:
    """Where a thread can be stopped."""

    def __init__(self) -> None:
        self._open = threading.Event()
        self._open.set()
        self._arrived = threading.Event()

    def pass_through(self) -> None:
        self._arrived.set()
        assert self._open.wait(10)

    def shut(self) -> None:
        self._arrived.clear()
        self._open.clear()

    def open(self) -> None:
        self._open.set()

    def open_for_the_next(self) -> Callable[[], None]:
        """Opens the gate for the next callers; those that wait already go on waiting until the result is called."""
        let_go = self._open.set
        self._open = threading.Event()
        self._open.set()
        return let_go

    async def arrival(self) -> None:
        """Wait until a thread has come."""
        assert await trio.to_thread.run_sync(self._arrived.wait, 10)


class Running:
    """A gateway with a route "t", a tunnel to a service whose connections the kernel takes.

    written: what the file says, if there is one; a reload reads it
    """

    def __init__(self, settings: dict[str, Any], route: dict[str, Any], *, has_file: bool) -> None:
        self.service = socket.create_server(("127.0.0.1", 0), backlog=100)
        defaults = {"listeners": (Listener(bind=ANYWHERE),), "routes": (self.route("t", **route),)}
        self.written: Settings | Exception = Settings(**{**defaults, **settings})
        assert isinstance(self.written, Settings)
        self.gateway = Gateway(build(self.written))
        self.sockets = open_listeners(self.written.listeners)
        self.has_file = has_file
        self.opened: list[socket.socket] = []
        self.loads = 0
        self.reading = Gate()
        self.opening = Gate()
        self.bound: list[Address] = []
        self.ready = trio.Event()
        self.stages: list[Stage] = []
        self._stage = trio.Event()
        self.status: int | None = None
        self.stopped = trio.Event()
        self.streams: list[trio.SocketStream] = []

    def route(self, name: str, **more: Any) -> Route:
        """A tunnel to the service, at a path that is its name."""
        port = self.service.getsockname()[1]
        match = Match(path=PathPattern(PathKind.EXACT, f"/{name}"))
        settings = {"match": match, "action": Tunnel(to=(Target(TcpAddress("127.0.0.1", port)),)), **more}
        return Route(name=name, **settings)

    async def main(self) -> None:
        load = self._load if self.has_file else None
        self.status = await run(
            self.gateway,
            self.sockets,
            load=load,
            open_more=self._open_more,
            ready=self._ready,
            reached=self._reached,
        )
        self.stopped.set()

    def _ready(self, bound: list[Address]) -> None:
        self.bound = bound
        self.ready.set()

    def _reached(self, stage: Stage) -> None:
        self.stages.append(stage)
        self._stage.set()
        self._stage = trio.Event()

    def _load(self) -> Settings:
        written = self.written
        self.loads += 1
        self.reading.pass_through()
        if isinstance(written, Exception):
            raise written
        return written

    def _open_more(self, listeners: Sequence[Listener]) -> list[socket.socket]:
        opened = open_listeners(listeners)
        self.opened += opened
        self.opening.pass_through()
        return opened

    def write(self, **settings: Any) -> None:
        """Changes the configuration."""
        assert isinstance(self.written, Settings)
        self.written = replace(self.written, **settings)

    async def reload(self) -> None:
        """As an operator does it; returns when it is over."""
        send(signal.SIGHUP)
        await self.reached(*self.stages, Stage.RELOADING, Stage.READY)

    async def reached(self, *stages: Stage) -> None:
        """Wait until these have been all stages."""
        with trio.fail_after(10):
            while self.stages != list(stages):
                await self._stage.wait()

    def reach(self, address: Address | None = None) -> tuple[str, int]:
        """Returns the address of a listener, the first one by default."""
        address = address or self.bound[0]
        assert isinstance(address, TcpAddress)
        return address.host, address.port

    async def connect(self, address: Address | None = None) -> trio.SocketStream:
        self.streams.append(await trio.open_tcp_stream(*self.reach(address)))
        return self.streams[-1]

    async def open(self, route: str = "t", address: Address | None = None) -> trio.SocketStream:
        """A session by a route."""
        stream = await self.connect(address)
        await stream.send_all(request(f"/{route}"))
        head = await stream.receive_some()
        assert head.startswith(b"HTTP/1.1 101"), head
        return stream

    async def aclose(self) -> None:
        for stream in self.streams:
            await stream.aclose()
        self.service.close()


Start = Callable[..., Awaitable[Running]]  # the fixture ``start``
