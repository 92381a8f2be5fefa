"""A request's body as it comes from the client's connection."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from wsgate.gate.incoming import BODY_TOO_SLOW, Incoming
from wsgate.gate.refusals import CLIENT_GONE
from wsgate.net.io import send_all
from wsgate.net.plain import PlainTransport, take_over
from wsgate.relay.pump import Pump
from wsgate.wire.http import BodyEnd, HttpServer, Refusal

POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"


@pytest.fixture
def pair() -> Iterator[tuple[PlainTransport, socket.socket]]:
    ours, theirs = socket.socketpair()
    with take_over(ours) as transport, theirs:
        yield transport, theirs


def incoming(transport: PlainTransport, head: bytes = POST) -> Incoming:
    http = HttpServer()
    http.receive(head)
    http.next_request()

    async def send(data: bytes) -> bool:
        return await send_all(transport, data)

    return Incoming(Pump(), transport, http, send, patience=30)


async def test_a_body_in_pieces(pair: tuple[PlainTransport, socket.socket]) -> None:
    it = incoming(pair[0])
    assert it.read_ready() is None
    for piece in (b"he", b"llo"):
        pair[1].send(piece)
        assert await it.read() == piece
    assert not it.is_whole
    for _ in range(2):
        assert isinstance(await it.read(), BodyEnd)
    assert it.is_whole


async def test_a_body_that_came_with_the_head(pair: tuple[PlainTransport, socket.socket]) -> None:
    it = incoming(pair[0], POST + b"hello")
    assert it.read_ready() == b"hello"
    assert isinstance(it.read_ready(), BodyEnd)


async def test_a_read_that_is_cancelled_loses_nothing(pair: tuple[PlainTransport, socket.socket]) -> None:
    it = incoming(pair[0])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(it.read)
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    pair[1].send(b"hello")
    assert await it.read() == b"hello"


async def test_a_client_that_leaves(pair: tuple[PlainTransport, socket.socket]) -> None:
    it = incoming(pair[0])
    pair[1].send(b"he")
    pair[1].shutdown(socket.SHUT_WR)
    assert await it.read() == b"he"
    assert await it.read() is CLIENT_GONE
    assert not it.is_whole


async def test_a_client_that_is_silent(pair: tuple[PlainTransport, socket.socket], autojump_clock: MockClock) -> None:
    assert await incoming(pair[0]).read() is BODY_TOO_SLOW
    assert trio.current_time() == pytest.approx(30)


async def test_a_body_that_is_none(pair: tuple[PlainTransport, socket.socket]) -> None:
    it = incoming(pair[0], b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n")
    fault = await it.read()
    assert isinstance(fault, Refusal)
    assert fault.status == 400


async def test_waiting_for_the_client_to_leave(pair: tuple[PlainTransport, socket.socket]) -> None:
    it = incoming(pair[0], POST + b"hello")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(it.wait_until_left)
        await wait_all_tasks_blocked()
        pair[1].close()


async def test_a_client_that_has_sent_its_next_request_is_not_watched(
    pair: tuple[PlainTransport, socket.socket],
) -> None:
    """Else whoever sends without end would fill the memory."""
    it = incoming(pair[0], b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(it.wait_until_left)
        pair[1].sendall(b"x" * 70000)
        pair[1].close()
        await wait_all_tasks_blocked()
        assert pair[0].recv(1) == b"x"
        nursery.cancel_scope.cancel()


async def test_an_interim_answer(pair: tuple[PlainTransport, socket.socket]) -> None:
    await incoming(pair[0]).inform(100, [])
    assert pair[1].recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
    await incoming(pair[0], b"GET / HTTP/1.0\r\n\r\n").inform(103, [])
    pair[0].close()
    assert pair[1].recv(100) == b""
