"""A request on its way to a backend: test_forward.py has it whole, here are the steps."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from wsgate.gate.handlers.upload import Upload
from wsgate.gate.incoming import MOST_PIECES, Incoming
from wsgate.gate.refusals import CLIENT_GONE
from wsgate.net.plain import PlainTransport, take_over
from wsgate.relay.pump import Pump
from wsgate.wire.backend_http import BackendHttp
from wsgate.wire.headers import Headers
from wsgate.wire.http import HttpServer

POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\n"
FIELDS = [(b"Host", b"b"), (b"Content-Length", b"6")]
SENT = b"POST / HTTP/1.1\r\nHost: b\r\nContent-Length: 6\r\n\r\n"


class Ends:
    """The client's end, the backend's, and what is between them."""

    def __init__(self) -> None:
        near, self.client = socket.socketpair()
        far, self.backend = socket.socketpair()
        self.near, self.far = take_over(near), take_over(far)
        self.backend.setblocking(False)

    def upload(self, head: bytes = POST, fields: Headers = FIELDS) -> Upload:
        http = HttpServer()
        http.receive(head)
        http.next_request()

        async def send(data: bytes) -> bool:
            raise AssertionError(data)

        incoming = Incoming(Pump(), self.near, http, send, 30)
        return Upload(incoming, self.far, BackendHttp(b"POST", b"/", fields), 30, has_body=True)

    def close(self) -> None:
        transports: tuple[PlainTransport | socket.socket, ...] = (self.near, self.far, self.client, self.backend)
        for each in transports:
            each.close()


@pytest.fixture
def ends() -> Iterator[Ends]:
    ends = Ends()
    yield ends
    ends.close()


async def test_what_has_come_is_sent_at_once(ends: Ends) -> None:
    upload = ends.upload(POST + b"abcdef")
    assert await upload.send() is None
    assert upload.is_over
    assert upload.taken == 6
    assert ends.backend.recv(1000) == SENT + b"abcdef"


async def test_a_body_of_many_small_chunks_keeps_nobody_waiting(ends: Ends) -> None:
    head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    fields = [(b"Host", b"b"), (b"Transfer-Encoding", b"chunked")]
    upload = ends.upload(head + b"1\r\nx\r\n" * 2000 + b"0\r\n\r\n", fields)
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(other)
        assert await upload.send() is None
        nursery.cancel_scope.cancel()
    assert turns > 2000 // MOST_PIECES // 2  # trio chooses whose turn is first
    assert upload.taken == 2000
    assert ends.backend.recv(100000).count(b"1\r\nx\r\n") == 2000


async def test_it_goes_on_after_it_was_cancelled(ends: Ends) -> None:
    upload = ends.upload()
    for piece in (b"abc", b"def"):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(upload.send)
            await wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        ends.client.send(piece)
        await wait_all_tasks_blocked()
    assert await upload.send() is None
    assert ends.backend.recv(1000) == SENT + b"abcdef"


async def test_a_backend_that_is_gone_may_have_answered(ends: Ends) -> None:
    """That is for whoever reads its answer: the upload only ends."""
    ends.backend.close()
    upload = ends.upload(POST + b"abcdef")
    assert await upload.send() is None
    assert upload.is_over
    async with trio.open_nursery() as nursery:
        nursery.start_soon(upload.attend)
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()


async def test_a_client_that_leaves_behind_its_request(ends: Ends) -> None:
    upload = ends.upload(POST + b"abcdef")
    ends.client.close()
    assert await upload.attend() is CLIENT_GONE
    assert ends.backend.recv(1000) == SENT + b"abcdef"


async def test_a_client_that_leaves_in_its_request(ends: Ends) -> None:
    upload = ends.upload(POST + b"abc")
    ends.client.close()
    assert await upload.attend() is CLIENT_GONE
    assert not upload.is_over
