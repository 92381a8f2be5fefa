"""Sending responses to clients of any speed."""

from __future__ import annotations

import errno
import io
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from tests.gate.conftest import NOWHERE, route
from tests.log import Log
from tests.relay.joined import socket_pair
from wsgate.gate.gateway import Gateway
from wsgate.gate.handlers.representation import Answer
from wsgate.gate.handlers.sending import CHUNK, send_answer
from wsgate.net.plain import PlainTransport, take_over
from wsgate.relay.pump import Pump
from wsgate.settings.model import Files, Settings, Timeouts
from wsgate.wire.http import HttpServer

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


async def send(sock: PlainTransport, answer: Answer, *, http: HttpServer | None = None, **how: Any) -> bool:
    gateway = Gateway(Settings(listeners=(), routes=()))
    it = route(NOWHERE, timeouts=Timeouts(write=how.pop("write", 10.0), handshake=how.pop("handshake", 10.0)))
    head_only = how.pop("head_only", False)
    return await send_answer(gateway, it, Files(root="/root"), sock, http or asked(), answer, head_only=head_only)


def of(file: io.BufferedIOBase, size: int) -> Answer:
    return Answer(200, [(b"Content-Length", b"%d" % size)], file, size)  # type: ignore[arg-type]


async def closed(file: io.IOBase) -> None:
    """Wait until a thread has closed it."""
    with trio.fail_after(10):
        while not file.closed:  # noqa: ASYNC110 - threads tell nobody
            await trio.sleep(0.001)


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
    sent: list[bool] = []

    async def run() -> None:
        sent.append(await send(ours, of(file, SIZE), http=http))
        ours.shutdown(socket.SHUT_WR)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        head, _, body = (await read(theirs)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert body == content
    assert sent == [True]
    await closed(file)
    assert http.next_cycle()


@pytest.mark.usefixtures("no_threads")
async def test_the_sessions_have_a_turn_between_two_pieces(
    pair: tuple[PlainTransport, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    turns: list[None] = []
    monkeypatch.setattr(Pump, "serve_if_due", lambda _: turns.append(None))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(send, pair[0], of(io.BytesIO(bytes(SIZE)), SIZE))
        await read(pair[1], until=SIZE)
    assert len(turns) >= SIZE // CHUNK


async def test_a_part_begins_where_the_file_stands(pair: tuple[PlainTransport, socket.socket]) -> None:
    ours, theirs = pair
    file = io.BytesIO(b"0123456789")
    file.seek(3)
    assert await send(ours, of(file, 4))
    assert theirs.recv(1000).endswith(b"\r\n\r\n3456")


async def test_a_body_without_a_file(pair: tuple[PlainTransport, socket.socket]) -> None:
    ours, theirs = pair
    assert await send(ours, Answer(200, [(b"Content-Length", b"4")], body=b"page"))
    assert theirs.recv(1000).endswith(b"\r\n\r\npage")


async def test_a_head_alone(pair: tuple[PlainTransport, socket.socket]) -> None:
    ours, theirs = pair
    file = io.BytesIO(b"0123456789")
    assert await send(ours, of(file, 10), http=asked(b"HEAD"), head_only=True)
    assert theirs.recv(1000).endswith(b"\r\n\r\n")
    await closed(file)
    answer = Answer(200, [(b"Content-Length", b"4")], body=b"page")
    assert await send(ours, answer, http=asked(b"HEAD"), head_only=True)
    assert theirs.recv(1000).endswith(b"\r\n\r\n")


async def test_a_file_that_shrinks(pair: tuple[PlainTransport, socket.socket]) -> None:
    file = io.BytesIO(b"0123")
    assert not await send(pair[0], of(file, 10))
    await closed(file)


async def test_a_client_that_is_gone(pair: tuple[PlainTransport, socket.socket]) -> None:
    ours, theirs = pair
    theirs.close()
    file = io.BytesIO(bytes(SIZE))
    assert not await send(ours, of(file, SIZE))
    await closed(file)


@pytest.mark.parametrize(("write", "seconds"), [(10.0, 10.0), (None, 30.0)])
@pytest.mark.usefixtures("no_threads")
async def test_a_client_that_takes_nothing(
    pair: tuple[PlainTransport, socket.socket],
    autojump_clock: trio.testing.MockClock,
    write: float | None,
    seconds: float,
) -> None:
    began = trio.current_time()
    assert not await send(pair[0], of(io.BytesIO(bytes(SIZE)), SIZE), write=write)
    assert trio.current_time() - began == pytest.approx(seconds)


@pytest.mark.usefixtures("no_threads")
async def test_a_client_that_is_slow_has_time(
    pair: tuple[PlainTransport, socket.socket], autojump_clock: trio.testing.MockClock
) -> None:
    """Each piece that it takes gives it more: a file may take hours."""
    ours, theirs = pair
    sent: list[bool] = []

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
    assert sent == [True]
    assert size > SIZE
    assert trio.current_time() - began > 100


@pytest.mark.usefixtures("no_threads")
async def test_a_client_that_takes_little_has_time(
    pair: tuple[PlainTransport, socket.socket], autojump_clock: trio.testing.MockClock
) -> None:
    """Less than the kernel calls room within the timeout, but something."""
    ours, theirs = pair
    ended: list[float] = []

    async def run() -> None:
        assert not await send(ours, of(io.BytesIO(bytes(SIZE)), SIZE))
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
async def test_a_client_that_only_answers_probes_takes_nothing(autojump_clock: trio.testing.MockClock) -> None:
    """Its kernel acknowledges each, for ever."""
    ours, theirs = socket_pair(4096)
    with ours, socket.socket(fileno=theirs.detach()):
        began = trio.current_time()
        with trio.fail_after(100):
            assert not await send(ours, of(io.BytesIO(bytes(SIZE)), SIZE))
        assert 10 <= trio.current_time() - began <= 20


class HungFile(io.BytesIO):
    """A read waits until it is let go."""

    def __init__(self) -> None:
        super().__init__(bytes(SIZE))
        self.free = threading.Event()
        self.reading = False

    def read(self, size: int | None = -1) -> bytes:
        self.reading = True
        self.free.wait(10)
        self.reading = False
        return super().read(size)

    def close(self) -> None:
        assert not self.reading, "its descriptor could be another's by now"
        super().close()


async def test_a_disk_that_hangs_within_a_file(pair: tuple[PlainTransport, socket.socket], log: Log) -> None:
    """The client waits no longer than for anything else; the file is closed when the disk has answered."""
    file = HungFile()
    assert not await send(pair[0], of(file, SIZE), handshake=0.01)
    assert not file.closed
    file.free.set()
    await closed(file)
    line = log.one("file not sent")
    assert line["reason"] == "the disk of /root did not answer within 0.01 s"


async def test_a_client_that_goes_while_the_disk_hangs(pair: tuple[PlainTransport, socket.socket]) -> None:
    file = HungFile()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(send, pair[0], of(file, SIZE))
        while not file.reading:  # noqa: ASYNC110 - threads tell nobody
            await trio.sleep(0.001)
        nursery.cancel_scope.cancel()
    assert not file.closed
    file.free.set()
    await closed(file)


class BrokenFile(io.BytesIO):
    def read(self, size: int | None = -1) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))


async def test_a_disk_that_fails_within_a_file(pair: tuple[PlainTransport, socket.socket], log: Log) -> None:
    file = BrokenFile()
    assert not await send(pair[0], of(file, SIZE))
    assert file.closed
    assert log.one("file not sent")["reason"] == "Input/output error"
