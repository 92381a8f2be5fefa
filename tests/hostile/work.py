"""Counts the work that clients cause in pieces, and how many pieces other clients have to wait for.

Times would depend on the machine. So a piece is one step of the code for a client: an accepted connection, a read, a
request, a 101. The pump's clock is counted in pieces too, one millisecond each.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio

from tests.peers.frames import BINARY, MASK, Frame
from tests.peers.threads import PATIENCE
from wsgate.net import ask, io
from wsgate.relay import pump
from wsgate.settings.model import Address
from wsgate.wire.http import HttpServer, Request

from ..relay.joined import Peer, Session

MESSAGE = Frame(BINARY, b"0123456789").encode(MASK)


class Work(trio.abc.Instrument):
    """Counts pieces of work while it is installed as an instrument of trio.

    pieces: so far
    after: called after each piece, and while ``done`` waits
    between_looks: the most pieces between two polls of trio for descriptors, timers and signals
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.pieces = 0
        self.between_looks = 0
        self.after: list[Callable[[], None]] = []
        self._at_last_look = 0
        self._monkeypatch = monkeypatch
        monkeypatch.setattr(pump, "monotonic", lambda: self.pieces / 1000)
        trio.lowlevel.add_instrument(self)

    def piece(self) -> None:
        self.pieces += 1
        self._follow()

    async def done(self, pieces: int) -> None:
        """Wait until so many are done."""
        with trio.fail_after(PATIENCE):
            while self.pieces < pieces:
                self._follow()
                await trio.lowlevel.checkpoint()

    def _follow(self) -> None:
        for call in self.after:
            call()

    def before_io_wait(self, timeout: float) -> None:
        self.between_looks = max(self.between_looks, self.pieces - self._at_last_look)
        self._at_last_look = self.pieces

    def count_handshakes(self, *, reads: bool = True) -> None:
        """A piece for each request and each 101, and for each read before a session."""
        for module in (io, ask) if reads else ():
            self._monkeypatch.setattr(module, "receive_or_raise", self._counted(module.receive_or_raise))
        next_request, switch = HttpServer.next_request, HttpServer.switch

        def counted_request(http: HttpServer) -> Any:
            request = next_request(http)
            if isinstance(request, Request):
                self.piece()
            return request

        def counted_switch(http: HttpServer, headers: Any) -> bytes:
            self.piece()
            return switch(http, headers)

        self._monkeypatch.setattr(HttpServer, "next_request", counted_request)
        self._monkeypatch.setattr(HttpServer, "switch", counted_switch)

    def count_accepts(
        self, serve: Callable[[socket.socket], Awaitable[None]]
    ) -> Callable[[socket.socket, Address], Awaitable[None]]:
        """What ``ops.listeners`` starts for a connection."""

        async def accepted(sock: socket.socket, peer: Address) -> None:
            self.piece()
            await serve(sock)

        return accepted

    def count_reads(self, running: Session, direction: int) -> None:
        """A piece for each read of a session's flow: 0 is up, 1 is down."""
        after_reads(running.session._flows[direction], self.piece)

    def _counted(self, receive: Callable[..., Awaitable[bytes]]) -> Callable[..., Awaitable[bytes]]:
        async def counted(sock: Any, *size: int) -> bytes:
            data = await receive(sock, *size)
            self.piece()
            return data

        return counted


def after_reads(flow: Any, call: Callable[[], None]) -> None:
    """Call something behind each read of a flow that found something. It leaves the compiled fast path for that."""

    def followed(read: Callable[..., Any]) -> Callable[..., Any]:
        def reading(*arguments: Any) -> Any:
            came = read(*arguments)
            call()
            return came

        return reading

    flow.recv_into = followed(flow.recv_into)
    flow.source.choose_reader()


class Bystander:
    """A session in which a message always waits; the next one is sent at the first piece after the last one was read.

    waited: the most pieces that a message had to wait for
    served: how many messages were read
    """

    def __init__(self, work: Work, running: Session) -> None:
        self.waited = 0
        self.served = 0
        self._work = work
        self._since: int | None = None
        self._sock = raw(running.client)
        self._sink = raw(running.backend)
        after_reads(running.session._flows[0], self._was_read)
        work.after.append(self._send)

    def close(self) -> None:
        self._work.after.remove(self._send)
        if self._since is not None:
            self.waited = max(self.waited, self._work.pieces - self._since)
        self._sock.close()
        self._sink.close()

    def _send(self) -> None:
        if self._since is None:
            self._since = self._work.pieces
            self._sock.send(MESSAGE)

    def _was_read(self) -> None:
        assert self._since is not None
        self.waited = max(self.waited, self._work.pieces - self._since)
        self.served += 1
        self._since = None
        drain(self._sink)


def raw(peer: Peer) -> socket.socket:
    """A peer's connection, to be used at once or not at all."""
    return non_blocking(os.dup(peer.sock.fileno()))


def non_blocking(descriptor: int) -> socket.socket:
    sock = socket.socket(fileno=descriptor)
    sock.setblocking(False)
    return sock


class Flood:
    """Sends the same bytes again and again, as much as is accepted, and discards what comes back.

    It ends when ``pieces`` are done.
    """

    def __init__(self, work: Work, sock: socket.socket, data: bytes, pieces: int) -> None:
        self._work = work
        self._sock = sock
        self._data = memoryview(data)
        self._at = 0
        self._pieces = pieces
        # A sink that is drained behind each piece has room for so much
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 15)
        work.after.append(self._pour)

    def _pour(self) -> None:
        drain(self._sock)
        if self._work.pieces >= self._pieces:
            return
        with contextlib.suppress(BlockingIOError):
            while True:
                self._at = (self._at + self._sock.send(self._data[self._at :])) % len(self._data)


def drain(sock: socket.socket) -> None:
    """Read and forget what is there."""
    with contextlib.suppress(BlockingIOError):
        while sock.recv(1 << 20):
            pass
