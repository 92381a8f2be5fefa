"""A file that is read in threads, with disks that fail or hang."""

from __future__ import annotations

import errno
import io
import os
import threading

import trio

from tests.gate.conftest import NOWHERE, file_closed, route
from tests.log import Log
from wsgate.gate.handlers.file_body import CHUNK, FileBody
from wsgate.settings.model import Files, Timeouts

SIZE = 3 << 20


def body_of(file: io.BytesIO, size: int = SIZE, handshake: float = 10.0) -> FileBody:
    it = route(NOWHERE, timeouts=Timeouts(handshake=handshake))
    return FileBody(file, size, Files(root="/root"), it)  # type: ignore[arg-type]


async def test_it_comes_in_pieces_and_ends() -> None:
    file = io.BytesIO(bytes(CHUNK) + b"end and more")
    body = body_of(file, CHUNK + 3)
    assert [await body.read() for _ in range(3)] == [bytes(CHUNK), b"end", b""]
    assert file.closed
    body.close()


async def test_a_file_that_nobody_wants_to_the_end_is_closed() -> None:
    file = io.BytesIO(b"0123")
    body = body_of(file, 4)
    body.close()
    await file_closed(file)
    assert await body.read() == b""


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


async def test_a_disk_that_hangs_within_a_file(log: Log) -> None:
    """The client waits no longer than for anything else; the file is closed when the disk has answered."""
    file = HungFile()
    assert await body_of(file, handshake=0.01).read() == b""
    assert not file.closed
    file.free.set()
    await file_closed(file)
    line = log.one("file not sent")
    assert line["reason"] == "the disk of /root did not answer within 0.01 s"


async def test_a_client_that_goes_while_the_disk_hangs() -> None:
    file = HungFile()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(body_of(file).read)
        while not file.reading:  # noqa: ASYNC110 - threads tell nobody
            await trio.sleep(0.001)
        nursery.cancel_scope.cancel()
    assert not file.closed
    file.free.set()
    await file_closed(file)


class BrokenFile(io.BytesIO):
    def read(self, size: int | None = -1) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))


async def test_a_disk_that_fails_within_a_file(log: Log) -> None:
    file = BrokenFile()
    assert await body_of(file).read() == b""
    assert file.closed
    assert log.one("file not sent")["reason"] == "Input/output error"
