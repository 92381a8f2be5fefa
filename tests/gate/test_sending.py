"""Sending responses to clients of any speed."""

from __future__ import annotations

import io
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from tests.gate.conftest import NOWHERE, file_closed, route
from tests.relay.joined import socket_pair
from wsgate.gate.exchange import Response
from wsgate.gate.handlers.file_body import CHUNK, FileBody
from wsgate.gate.sending import CLIENT_LEFT, PATIENCE, send_response, send_stream
from wsgate.net.plain import PlainTransport, take_over
from wsgate.relay.pump import Pump
from wsgate.settings.model import Files, Route, Timeouts
from wsgate.wire.http import BodyEnd, HttpServer

SIZE = 3 << 20


@pytest.fixture
def pair() -> Iterator[tuple[PlainTransport, socket.socket]]:
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    with take_over(ours) as transport, theirs:
        yield transport, theirs


def asked(method: bytes = b"GET") -> HttpServer:
    http = HttpServer()
    http.receive(method + b" / HTTP/1.1\r\nHost: gate\r\n\r\n")
    http.next_request()
    return http


Made = Callable[[Route], Response]


async def send(sock: PlainTransport, made: Made, *, http: HttpServer | None = None, **how: Any) -> tuple[int, str]:
    write = how.pop("write", 10.0)
    it = route(NOWHERE, timeouts=Timeouts(handshake=how.pop("handshake", 10.0)))
    head_only = how.pop("head_only", False)
    return await send_response(Pump(), sock, http or asked(), made(it), write or PATIENCE, head_only=head_only)


def of(file: io.BufferedIOBase, size: int) -> Made:
    def make(it: Route) -> Response:
        body = FileBody(file, size, Files(root="/root"), it)  # type: ignore[arg-type]
        return Response(200, [(b"Content-Length", b"%d" % size)], body=body, size=size)

    return make


def page(it: Route) -> Response:
    return Response(200, [(b"Content-Length", b"4")], b"page")


async def read(sock: socket.socket, *, until: int | None = None) -> bytes:
    data = bytearray()
    while until is None or len(data) < until:
        await trio.lowlevel.wait_readable(sock)
        piece = sock.recv(1 << 20)
        if not piece:
            break
        data += piece
    return bytes(data)


async def test_a_large_file(pair: tuple[PlainTransport, socket.socket], tmp_path: Path) -> None:
    """In pieces, each read off the event loop; closed at the end, and ready for the next request."""
    content = bytes(range(256)) * (SIZE // 256)
    (tmp_path / "file").write_bytes(content)
    ours, theirs = pair
    http = asked()
    file = open(tmp_path / "file", "rb")  # noqa: ASYNC230, SIM115
    sent: list[tuple[int, str]] = []

    async def run() -> None:
        sent.append(await send(ours, of(file, SIZE), http=http))
        ours.shutdown(socket.SHUT_WR)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        head, _, body = (await read(theirs)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert body == content
    assert sent == [(SIZE, "")]
    await file_closed(file)
    assert http.next_cycle()


@pytest.mark.usefixtures("no_threads")
async def test_the_sessions_have_a_turn_between_two_pieces(
    pair: tuple[PlainTransport, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    turns: list[None] = []
    monkeypatch.setattr(Pump, "serve_round_if_due", lambda _: turns.append(None))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(send, pair[0], of(io.BytesIO(bytes(SIZE)), SIZE))
        await read(pair[1], until=SIZE)
    assert len(turns) >= SIZE // CHUNK


async def test_a_part_begins_where_the_file_stands(pair: tuple[PlainTransport, socket.socket]) -> None:
    ours, theirs = pair
    file = io.BytesIO(b"0123456789")
    file.seek(3)
    assert await send(ours, of(file, 4)) == (4, "")
    assert theirs.recv(1000).endswith(b"\r\n\r\n3456")


async def test_a_body_without_a_file(pair: tuple[PlainTransport, socket.socket]) -> None:
    ours, theirs = pair
    assert await send(ours, page) == (4, "")
    assert theirs.recv(1000).endswith(b"\r\n\r\npage")


async def test_a_head_alone(pair: tuple[PlainTransport, socket.socket]) -> None:
    ours, theirs = pair
    file = io.BytesIO(b"0123456789")
    assert await send(ours, of(file, 10), http=asked(b"HEAD"), head_only=True) == (0, "")
    assert theirs.recv(1000).endswith(b"\r\n\r\n")
    await file_closed(file)
    assert await send(ours, page, http=asked(b"HEAD"), head_only=True) == (0, "")
    assert theirs.recv(1000).endswith(b"\r\n\r\n")


async def test_a_file_that_shrinks(pair: tuple[PlainTransport, socket.socket]) -> None:
    file = io.BytesIO(b"0123")
    assert (await send(pair[0], of(file, 10)))[1] == "the body could not be read to its end"
    await file_closed(file)


async def test_a_client_that_is_gone(pair: tuple[PlainTransport, socket.socket]) -> None:
    ours, theirs = pair
    theirs.close()
    file = io.BytesIO(bytes(SIZE))
    assert (await send(ours, of(file, SIZE)))[1] == CLIENT_LEFT
    await file_closed(file)


@pytest.mark.parametrize(("write", "seconds"), [(10.0, 10.0), (None, 30.0)])
@pytest.mark.usefixtures("no_threads")
async def test_a_client_that_takes_nothing(
    pair: tuple[PlainTransport, socket.socket],
    autojump_clock: MockClock,
    write: float | None,
    seconds: float,
) -> None:
    began = trio.current_time()
    assert (await send(pair[0], of(io.BytesIO(bytes(SIZE)), SIZE), write=write))[1] == CLIENT_LEFT
    assert trio.current_time() - began == pytest.approx(seconds)


@pytest.mark.usefixtures("no_threads")
async def test_a_client_that_is_slow_has_time(
    pair: tuple[PlainTransport, socket.socket], autojump_clock: MockClock
) -> None:
    """Each piece that it takes gives it more: a file may take hours."""
    ours, theirs = pair
    sent: list[tuple[int, str]] = []

    async def run() -> None:
        sent.append(await send(ours, of(io.BytesIO(bytes(SIZE)), SIZE)))
        ours.shutdown(socket.SHUT_WR)

    size = 0
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        began = trio.current_time()
        while True:
            await trio.sleep(9)
            piece = theirs.recv(1 << 20)
            if not piece:
                break
            size += len(piece)
    assert sent == [(SIZE, "")]
    assert size > SIZE
    assert trio.current_time() - began > 100


@pytest.mark.usefixtures("no_threads")
async def test_a_client_that_takes_little_has_time(
    pair: tuple[PlainTransport, socket.socket], autojump_clock: MockClock
) -> None:
    """Less than the kernel calls room within the timeout, but something."""
    ours, theirs = pair
    ended: list[float] = []

    async def run() -> None:
        assert (await send(ours, of(io.BytesIO(bytes(SIZE)), SIZE)))[1] == CLIENT_LEFT
        ended.append(trio.current_time())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        for _ in range(3):
            await trio.sleep(9)
            assert not ended
            assert theirs.recv(40_000)
        last = trio.current_time()
    assert 10 <= ended[0] - last <= 20


@pytest.mark.usefixtures("no_threads")
async def test_a_client_that_only_answers_probes_takes_nothing(autojump_clock: MockClock) -> None:
    """Its kernel acknowledges each, for ever."""
    ours, theirs = socket_pair(4096)
    with ours, socket.socket(fileno=theirs.detach()):
        began = trio.current_time()
        with trio.fail_after(100):
            assert (await send(ours, of(io.BytesIO(bytes(SIZE)), SIZE)))[1] == CLIENT_LEFT
        assert 10 <= trio.current_time() - began <= 20


# -- streams -----------------------------------------------------------------------------------------------------------


class Pieces:
    """A stream of these pieces, which then ends, or breaks off."""

    def __init__(self, *pieces: bytes, whole: bool = True, client_leaves: bool = False) -> None:
        self._pieces = list(pieces)
        self._whole = whole
        self._client_leaves = client_leaves
        self.needs_attention = True
        self.end: BodyEnd | None = None
        self.is_sent: bool | None = None  # what closing it said

    async def read(self) -> bytes:
        await trio.lowlevel.checkpoint()
        if self._client_leaves:
            await trio.sleep_forever()
        if self._pieces:
            return self._pieces.pop(0)
        self.end = BodyEnd([(b"Sum", b"1")]) if self._whole else None
        return b""

    async def attend(self) -> None:
        if not self._client_leaves:
            await trio.sleep_forever()

    def close(self, *, is_sent: bool) -> None:
        self.is_sent = is_sent


async def stream(sock: PlainTransport, stream: Pieces, first: bytes = b"") -> bool:
    return await send_stream(Pump(), sock, asked(), Response(200, [], first, stream=stream), PATIENCE)


async def test_a_stream_is_sent_piece_by_piece(pair: tuple[PlainTransport, socket.socket]) -> None:
    pieces = Pieces(b"b", b"c")
    assert await stream(pair[0], pieces, b"a")
    assert pieces.is_sent
    head, _, body = pair[1].recv(1000).partition(b"\r\n\r\n")
    assert b"chunked" in head
    assert body == b"1\r\na\r\n1\r\nb\r\n1\r\nc\r\n0\r\nSum: 1\r\n\r\n"


async def test_a_stream_that_is_over_already_is_sent_at_once(pair: tuple[PlainTransport, socket.socket]) -> None:
    pieces = Pieces()
    pieces.end, pieces.needs_attention = BodyEnd(), False
    assert await stream(pair[0], pieces, b"a")
    assert pieces.is_sent
    assert pair[1].recv(1000).endswith(b"\r\n\r\n1\r\na\r\n0\r\n\r\n")


async def test_a_stream_that_breaks_off(pair: tuple[PlainTransport, socket.socket]) -> None:
    pieces = Pieces(b"a", whole=False)
    assert not await stream(pair[0], pieces)
    assert pieces.is_sent is False
    assert pair[1].recv(1000).endswith(b"\r\n\r\n1\r\na\r\n")


async def test_a_client_that_leaves_a_silent_stream(pair: tuple[PlainTransport, socket.socket]) -> None:
    pieces = Pieces(client_leaves=True)
    assert not await stream(pair[0], pieces)
    assert pieces.is_sent is False


async def test_a_client_that_is_gone_when_a_piece_comes(pair: tuple[PlainTransport, socket.socket]) -> None:
    pair[1].close()
    pieces = Pieces(b"a")
    assert not await stream(pair[0], pieces)
    assert pieces.is_sent is False
