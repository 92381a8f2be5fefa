"""What is between an opened backend and a session. What follows, the connection's tests tell."""

from __future__ import annotations

import gc
import logging
import os
import socket
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from tests.gate.conftest import StartGate, closed, exchange_for, relay_to, route, tunnel_to
from tests.peers.heads import request
from tests.peers.stream import Backend, Peer
from wsgate.gate.decide import FULL
from wsgate.gate.exchange import Exchange, Opened
from wsgate.gate.refusals import CLIENT_GONE, DRAINING
from wsgate.gate.switch import UNRECORDED, Begun, begin
from wsgate.net.plain import take_over
from wsgate.settings.model import Compression, CompressionContext, Limits, OnError, Record
from wsgate.wire.deflate import deflating_memory, inflating_memory
from wsgate.wire.http import HttpServer, Refusal

# Bytes that an idle session may take, by tracemalloc: what it takes today and a fifth. Whoever adds an object to each
# session should know that ten thousand idle ones keep it (docs/performance.md)
MOST_IDLE = 3_700

OFFER = {"Sec-WebSocket-Extensions": "permessage-deflate"}

MADE: Any = object()  # a session that is never run


class Case:
    def __init__(self, **settings: Any) -> None:
        self.exchange = exchange_for(route(tunnel_to(1)), **settings)
        self.transport = take_over(socket.socket())
        self.sent: list[bytes] = []
        self.takes_it = True

    async def begin(self, record: Record | None = None) -> Begun | Refusal:
        http = HttpServer()
        http.receive(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        http.next_request()
        opened = Opened(self.transport, "tcp://x:1", self._join, early=b"early", record=record)
        return await begin(self.exchange, opened, http, self._send)

    def _join(self, exchange: Exchange, about: Any, buffer: Any) -> Any:
        assert exchange is self.exchange
        return MADE

    async def _send(self, data: bytes) -> bool:
        self.sent.append(data)
        return self.takes_it

    @property
    def sessions(self) -> int:
        return self.exchange.gateway.counters.sessions


async def test_it_is_counted_and_told() -> None:
    case = Case()
    begun = await case.begin()
    assert isinstance(begun, Begun)
    assert (begun.session, begun.early, begun.recorder) == (MADE, (b"", b"early"), None)
    assert case.sent[0].startswith(b"HTTP/1.1 101 ")
    assert case.sessions == 1
    case.transport.close()


@pytest.mark.parametrize(("draining", "refusal"), [(True, DRAINING), (False, FULL)])
async def test_there_may_be_no_room_any_more(draining: bool, refusal: Refusal) -> None:
    """Since the backend was dialled."""
    case = Case(limits=Limits(sessions=1))
    case.exchange.gateway.draining = draining
    if not draining:
        case.exchange.gateway.counters.enter(None)
    before = case.sessions
    assert await case.begin() is refusal
    assert (case.sent, case.sessions, case.transport.fileno()) == ([], before, -1)


async def test_a_client_that_is_gone() -> None:
    case = Case()
    case.takes_it = False
    assert await case.begin() is CLIENT_GONE
    assert (case.sessions, case.transport.fileno()) == (0, -1)


async def test_a_session_that_must_be_recorded_and_cannot_be(tmp_path: Path) -> None:
    case = Case()
    refusal = await case.begin(Record(directory=str(tmp_path / "missing"), on_error=OnError.END))
    assert isinstance(refusal, Refusal)
    assert (refusal.status, refusal.reason) == (UNRECORDED.status, UNRECORDED.reason)
    assert "No such file or directory" in refusal.detail
    assert (case.sent, case.sessions, case.transport.fileno()) == ([], 0, -1)


async def test_windows_for_compression_are_counted_and_capped(start_gate: StartGate, backend: Backend) -> None:
    """When the memory is used up, a new session has no windows; when one ends, the next has some again."""
    own = Compression(client=True, context=CompressionContext.SESSION)
    gate = start_gate(route(relay_to(backend.port), compression=own), limits=Limits(compression_memory=1))
    gateway = gate.gateway

    async def open_session() -> tuple[Peer, Peer, str | None]:
        client = gate.connect()
        await client.write(request("/", OFFER))
        server = await backend.accept_request()
        await server.accept_upgrade()
        head = await client.read_head()
        return client, server, head.one("Sec-WebSocket-Extensions")

    client, server, answer = await open_session()
    assert answer == "permessage-deflate"
    assert gateway.codec_memory == inflating_memory(15) + deflating_memory(15)
    *other, answer = await open_session()
    assert answer == "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
    assert gateway.codec_memory == inflating_memory(15) + deflating_memory(15)
    await client.vanish()
    await server.vanish()
    while len(gateway.sessions) > 1:
        await trio.testing.wait_all_tasks_blocked()
    assert gateway.codec_memory == 0
    *third, answer = await open_session()
    assert answer == "permessage-deflate"
    for peer in (*other, *third):
        await peer.vanish()
    await closed(gate)
    assert gateway.codec_memory == 0


@pytest.mark.parametrize("compression", [None, Compression(client=True), Compression(client=True, backend=True)])
async def test_an_idle_session_is_small_and_has_no_task(
    start_gate: StartGate, backend: Backend, compression: Compression | None
) -> None:
    gate = start_gate(route(relay_to(backend.port), compression=compression))
    ends: list[int] = []  # the peers' descriptors, and nothing else of the test's

    async def open_session() -> None:
        peer = gate.connect()
        await peer.write(request("/", OFFER))
        server = await backend.accept_request()
        await server.accept_upgrade()
        answer = await peer.read_head()
        assert answer.status == 101
        assert (answer.one("Sec-WebSocket-Extensions") is None) is (compression is None)
        ends.extend(end.stream.socket.detach() for end in (peer, server))
        gate.peers.clear()
        backend.accepted.clear()

    logging.disable()  # pytest keeps every line
    tracemalloc.start()
    try:
        for _ in range(20):
            await open_session()
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(100):
            await open_session()
        assert not gate.connections.child_tasks
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        logging.disable(logging.NOTSET)
        for end in ends:
            os.close(end)
    await closed(gate)
    assert (after - before) / 100 < MOST_IDLE
