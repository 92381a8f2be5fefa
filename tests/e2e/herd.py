"""Both ends of thousands of sessions at once, as cheap as possible in Python: one asyncio loop in a thread.

In each session the client sends numbered messages and the backend echoes them, one at a time, until the Close. Both
ends check that messages are whole, in order, and without a gap.
"""

from __future__ import annotations

import asyncio
import math
import resource
import threading
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

import trio

from tests.peers.frames import BINARY, CLOSE, MASK, Frame, close_code, parse
from tests.peers.heads import Head, request, switching

AT_ONCE = 200  # handshakes under way: the backend's queue must take them
DEADLINE = 25.0  # seconds, for any step: less than a test has
_SPARE = 500  # descriptors for everything else in a process


def room() -> int:
    """How many sessions this process has descriptors for, and a gateway that it starts: two for each."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return (most - _SPARE) // 2


def message(number: int) -> bytes:
    """Of different sizes, so that reads end everywhere in them."""
    return (b"%08d" % number) * (1 + number * 37 % 300)


@dataclass
class Results:
    """What some clients have seen: the codes of their Closes."""

    codes: Counter[int | None] = field(default_factory=Counter)
    clients: list[_Client] = field(default_factory=list)


class _End(asyncio.Protocol):
    """What both ends do: read a head, then the messages that are due, then a Close, then nothing."""

    mask: bytes | None = None

    def __init__(self, faults: list[str]) -> None:
        self.transport: asyncio.Transport
        self.over = asyncio.get_running_loop().create_future()
        self._faults = faults
        self._received = bytearray()
        self._upgraded = False
        self._closed = False
        self._number = 0  # of the message that is due

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._upgraded:
            head, end, rest = self._received.partition(b"\r\n\r\n")
            if not end:
                return
            self._received = rest
            self._upgraded = True
            self.upgraded(Head.parse(head))
        while parsed := parse(self._received):
            del self._received[: parsed.size]
            opcode, payload = parsed.frame.opcode, parsed.frame.payload
            if self._closed:
                self.fault(f"{payload[:16]!r} behind the Close")
            elif opcode == CLOSE:
                self._closed = True
                self.closed(payload)
            elif (opcode, payload) != (BINARY, message(self._number)):
                self.fault(f"{payload[:16]!r} of {len(payload)} bytes instead of message {self._number}")
            else:
                self._number += 1
                self.came(payload)

    def send(self, opcode: int, payload: bytes) -> None:
        self.transport.write(Frame(opcode, payload).encode(self.mask))

    def fault(self, words: str) -> None:
        self._faults.append(f"{type(self).__name__}: {words}")

    def connection_lost(self, error: Exception | None) -> None:
        if not self._closed or self._received:
            self.fault(f"the end came with {bytes(self._received[:100])!r} instead of a Close")
        self.over.set_result(None)

    def upgraded(self, head: Head) -> None:
        raise NotImplementedError

    def came(self, payload: bytes) -> None:
        raise NotImplementedError

    def closed(self, payload: bytes) -> None:
        raise NotImplementedError


class _Client(_End):
    mask = MASK

    def __init__(self, faults: list[str], results: Results, path: str, pause: float) -> None:
        super().__init__(faults)
        self.echo = asyncio.get_running_loop().create_future()  # done when the next message comes back
        self._pause = pause
        self._results = results
        self._path = path

    def itself(self) -> _Client:
        return self

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.transport.write(request(self._path))

    def upgraded(self, head: Head) -> None:
        if head.status != 101:
            self.fault(str(head))
        self._send_next()

    def came(self, payload: bytes) -> None:
        loop = asyncio.get_running_loop()
        self.echo.set_result(None)
        self.echo = loop.create_future()
        loop.call_later(self._pause, self._send_next)

    def _send_next(self) -> None:
        if not self._closed:
            self.send(BINARY, message(self._number))

    def closed(self, payload: bytes) -> None:
        self._results.codes[close_code(Frame(CLOSE, payload))] += 1
        self.send(CLOSE, payload[:2])  # and the gateway ends the connection (RFC 6455 §7.1.1)


class _Backend(_End):
    def upgraded(self, head: Head) -> None:
        assert head.one("Upgrade") == "websocket"
        self.transport.write(switching(head.key))

    def came(self, payload: bytes) -> None:
        self.send(BINARY, payload)

    def closed(self, payload: bytes) -> None:
        self.send(CLOSE, payload[:2])
        self.transport.close()


class Herd:
    """Backends at ``port``, and the clients that ``open`` adds.

    pause: seconds between an echo and its client's next message
    faults: descriptions of what either end has seen wrong
    """

    def __init__(self, *, pause: float) -> None:
        self.port = 0
        self.faults: list[str] = []
        self._ends: list[_End] = []
        self._pause = pause
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Herd:
        self._thread.start()
        self._wait(self._listen())
        return self

    def __exit__(self, *error: object) -> None:
        self._wait(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def open(self, port: int, count: int, path: str = "/", *, within: float = math.inf) -> Results:
        """Opens more sessions through the gateway at ``port``; returns when each has had its first echo.

        within: seconds, in which a busy machine may open fewer
        """
        results = Results()
        await self._call(self._open(port, count, path, results, within))
        assert self.faults == []
        return results

    async def go_on(self, *results: Results) -> None:
        """Wait until each of these sessions has carried one message more."""
        for some in results:
            await self._call(self._echo(some.clients))

    async def over(self) -> None:
        """Wait for the end of every connection."""
        await self._call(self._over())

    async def _call(self, work: Coroutine[Any, Any, None]) -> None:
        await trio.to_thread.run_sync(self._wait, work, abandon_on_cancel=True)

    def _wait(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(DEADLINE)

    # -- in the thread -------------------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        self._server = await self._loop.create_server(self._new_backend, "127.0.0.1", 0, backlog=AT_ONCE)
        self.port = self._server.sockets[0].getsockname()[1]

    def _new_backend(self) -> _End:
        self._ends.append(_Backend(self.faults))
        return self._ends[-1]

    async def _open(self, port: int, count: int, path: str, results: Results, within: float) -> None:
        until = self._loop.time() + within
        for begun in range(0, count, AT_ONCE):
            if self._loop.time() > until:
                break
            new = [_Client(self.faults, results, path, self._pause) for _ in range(min(AT_ONCE, count - begun))]
            for client in new:
                await self._loop.create_connection(client.itself, "127.0.0.1", port)
            self._ends += new
            results.clients += new
            await self._echo(new)

    @staticmethod
    async def _echo(clients: list[_Client]) -> None:
        await asyncio.gather(*(client.echo for client in clients))

    async def _over(self) -> None:
        await asyncio.gather(*(end.over for end in self._ends))

    async def _end(self) -> None:
        self._server.close()
        for end in self._ends:
            end.transport.abort()
        await self._over()
