"""A backend's answer on its way to the client: test_forward.py has it whole, here is what becomes of the connection."""

from __future__ import annotations

import contextlib
import math
import socket
from collections.abc import Iterator

import pytest
import trio
from trio.testing import MockClock

from tests.peers.sockets import reset, tcp_pair
from wsgate.gate.handlers.answer_stream import AnswerStream
from wsgate.gate.handlers.upload import Upload
from wsgate.gate.incoming import MOST_PIECES, Incoming
from wsgate.net.io import BODY_SIZE
from wsgate.net.plain import PlainTransport, take_over
from wsgate.relay.pump import Pump
from wsgate.site.idle_connections import IdleConnections
from wsgate.wire.backend_http import BackendHttp
from wsgate.wire.http import BodyEnd, HttpServer

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n"


class Case:
    """A stream whose head has been read, the backend's end, and what was said at its end."""

    def __init__(self, data: bytes, patience: float, ends: tuple[socket.socket, socket.socket] | None = None) -> None:
        near, self.backend = ends or socket.socketpair()
        self.transport = take_over(near)
        self.idle = IdleConnections()
        self.said: list[tuple[int, int, str]] = []
        http = BackendHttp(b"GET", b"/", [(b"Host", b"b")])
        incoming = Incoming(Pump(), self.transport, HttpServer(), self._send, 30)
        self.upload = Upload(incoming, self.transport, http, 30, has_body=False)
        http.receive(data)
        http.next_head()
        self.stream = AnswerStream(
            Pump(), self.transport, http, self.upload, self.idle, patience, lambda *said: self.said.append(said)
        )

    async def _send(self, data: bytes) -> bool:
        raise AssertionError(data)

    @property
    def is_kept(self) -> bool:
        return len(self.idle) == 1

    def close(self) -> None:
        transports: tuple[PlainTransport | socket.socket, ...] = (self.transport, self.backend)
        for each in transports:
            each.close()


@pytest.fixture
def case(request: pytest.FixtureRequest) -> Iterator[Case]:
    case = Case(getattr(request, "param", HEAD + b"abc"), math.inf)
    yield case
    case.close()


async def test_a_whole_exchange_leaves_its_connection(case: Case) -> None:
    await case.upload.send()
    assert case.stream.read_ready() == b"abc"
    assert case.stream.end is None
    case.backend.send(b"def")
    assert await case.stream.read() == b"def"
    assert isinstance(case.stream.end, BodyEnd)  # with the last piece
    assert await case.stream.read() == b""
    assert not case.stream.needs_attention
    for _ in range(2):
        case.stream.close(is_sent=True)
    assert case.is_kept
    assert case.said == [(0, 6, "")]


LARGE = bytes(range(256)) * 256  # 64 KiB


@pytest.mark.parametrize("case", [b"HTTP/1.1 200 OK\r\nContent-Length: 65536\r\n\r\n" + LARGE[:16000]], indirect=True)
async def test_a_body_that_has_come_already_needs_no_attention(case: Case) -> None:
    """So 64 KiB go to the client with their head, without a second task."""
    await case.upload.send()
    case.backend.sendall(LARGE[16000:])
    assert case.stream.read_ready() == LARGE
    assert not case.stream.needs_attention


@pytest.mark.parametrize("case", [b"HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n"], indirect=True)
async def test_what_is_read_without_waiting_is_bounded(case: Case) -> None:
    case.backend.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            case.backend.send(bytes(1 << 20))
    assert BODY_SIZE <= len(case.stream.read_ready()) < 2 * BODY_SIZE
    assert case.stream.needs_attention


async def test_an_answer_that_is_reset_at_once() -> None:
    case = Case(HEAD + b"abc", math.inf, tcp_pair())
    reset(case.backend)
    assert case.stream.read_ready() == b"abc"
    case.stream.close(is_sent=True)
    assert case.said == [(0, 3, "the backend's answer broke off: the connection was lost: Connection reset by peer")]
    case.close()


async def test_a_request_that_was_not_sent_does_not(case: Case) -> None:
    case.backend.send(b"def")
    assert case.stream.read_ready() == b"abcdef"
    assert case.stream.needs_attention
    case.stream.close(is_sent=True)
    assert not case.is_kept
    assert case.transport.fileno() == -1


async def test_a_client_that_is_gone(case: Case) -> None:
    await case.upload.send()
    assert case.stream.read_ready() == b"abc"
    case.stream.close(is_sent=False)
    assert not case.is_kept
    assert case.said == [(0, 3, "the client went away, or did not read its answer")]


async def test_a_client_that_did_not_take_the_last_piece(case: Case) -> None:
    await case.upload.send()
    assert case.stream.read_ready() == b"abc"
    case.backend.send(b"def")
    assert await case.stream.read() == b"def"
    case.stream.close(is_sent=False)
    assert case.is_kept
    assert case.said == [(0, 6, "the client went away, or did not read its answer")]


async def test_an_answer_that_breaks_off(case: Case) -> None:
    assert case.stream.read_ready() == b"abc"
    case.backend.close()
    for _ in range(2):
        assert await case.stream.read() == b""
    assert case.stream.end is None
    case.stream.close(is_sent=True)
    assert case.said == [(0, 3, "the backend's answer: its body broke off")]


@pytest.mark.parametrize("case", [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nX\r\n"], indirect=True)
async def test_a_malformed_body(case: Case) -> None:
    assert case.stream.read_ready() == b""
    case.stream.close(is_sent=True)
    ((_, _, fault),) = case.said
    assert fault.startswith("the backend's answer: malformed body: illegal chunk header")


async def test_a_silent_backend(autojump_clock: MockClock) -> None:
    case = Case(HEAD, 7)
    assert await case.stream.read() == b""
    case.stream.close(is_sent=True)
    assert case.said == [(0, 0, "the backend sent nothing for 7 s")]
    case.close()


async def test_one_that_nobody_wants_is_closed_without_a_word(case: Case) -> None:
    case.stream.discard()
    case.stream.close(is_sent=True)
    assert case.transport.fileno() == -1
    assert case.said == []


MANY = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 2000 + b"0\r\n\r\n"


@pytest.mark.parametrize("case", [MANY], indirect=True)
async def test_a_body_of_many_small_chunks_keeps_nobody_waiting(case: Case) -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    size = len(case.stream.read_ready())
    assert size == MOST_PIECES
    async with trio.open_nursery() as nursery:
        nursery.start_soon(other)
        while piece := await case.stream.read():
            size += len(piece)
        nursery.cancel_scope.cancel()
    assert size == 2000
    assert turns >= 1000
