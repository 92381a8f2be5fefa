"""The page's WebSocket, with viewers that behave, that do not read, and that break the protocol."""

from __future__ import annotations

import itertools
import json
import socket
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from tests.peers.frames import MASK, Frame, close_frame
from tests.peers.stream import Peer
from wsgate.events.metrics import (
    BACKEND_EJECTED,
    BACKEND_HEALTHY,
    BACKEND_SESSIONS,
    CLOSE_CODES,
    DRAINED,
    DRAINING,
    ENDED,
)
from wsgate.net.plain import take_over
from wsgate.ops.admin import live
from wsgate.ops.admin.live import FRESH, INTERVAL, SEND_TIME, LiveText, feed, state_of, token_in
from wsgate.wire.frames import Opcode


class Viewed:
    def __init__(self, nursery: trio.Nursery, size: int = 10) -> None:
        ours, theirs = socket.socketpair()
        self.peer = Peer(trio.SocketStream(trio.socket.from_stdlib_socket(ours)), mask=MASK)
        self.ended = trio.Event()
        self._text = "x" * size
        nursery.start_soon(self._feed, theirs)

    async def _feed(self, sock: socket.socket) -> None:
        with take_over(sock) as transport:
            await feed(transport, LiveText(self._snapshot))
        self.ended.set()

    async def _snapshot(self) -> Mapping[str, Any]:
        return {"at": trio.current_time(), "text": self._text}


@pytest.fixture
async def viewed(nursery: trio.Nursery, autojump_clock: MockClock) -> AsyncIterator[Viewed]:
    viewed = Viewed(nursery)
    yield viewed
    await viewed.peer.stream.aclose()
    nursery.cancel_scope.cancel()


async def test_a_message_every_two_seconds(viewed: Viewed, autojump_clock: MockClock) -> None:
    times = [json.loads((await viewed.peer.receive()).payload)["at"] for _ in range(3)]
    assert [after - before for before, after in itertools.pairwise(times)] == [pytest.approx(INTERVAL, abs=0.5)] * 2


async def test_pings_and_the_close(viewed: Viewed) -> None:
    await viewed.peer.receive()
    await viewed.peer.send(Frame(Opcode.PING, b"a"), Frame(Opcode.TEXT, b"hello"), close_frame(1001))
    pong = await viewed.peer.receive()
    assert (pong.opcode, pong.payload) == (Opcode.PONG, b"a")
    assert await viewed.peer.receive_close() == (1001, "")
    await viewed.ended.wait()


async def test_a_viewer_that_leaves(viewed: Viewed) -> None:
    await viewed.peer.receive()
    await viewed.peer.stream.aclose()
    await viewed.ended.wait()


@pytest.mark.parametrize(
    ("sent", "code"),
    [(b"\x81\x00", 1002), (b"\x88\x81abcd\x00", 1002), (b"\x82\xfe\x10\x00abcd", 1009)],
)
async def test_a_viewer_that_breaks_the_protocol(viewed: Viewed, sent: bytes, code: int) -> None:
    await viewed.peer.receive()
    await viewed.peer.write(sent)
    assert (await viewed.peer.receive_close())[0] == code
    await viewed.ended.wait()


async def test_a_frame_in_two_reads(viewed: Viewed) -> None:
    await viewed.peer.receive()
    await viewed.peer.write(b"\x89\x81ab")
    await trio.testing.wait_all_tasks_blocked()
    await viewed.peer.write(b"cd" + bytes([ord("a") ^ ord("x")]))
    pong = await viewed.peer.receive()
    assert (pong.opcode, pong.payload) == (Opcode.PONG, b"x")


async def test_many_viewers_are_told_the_same(autojump_clock: MockClock) -> None:
    """The state is gathered for all of them together."""
    made: list[float] = []

    async def snapshot() -> Mapping[str, Any]:
        await trio.sleep(0.5)
        made.append(trio.current_time())
        return {"number": len(made)}

    text = LiveText(snapshot)
    told: set[bytes] = set()

    async def view() -> None:
        told.add(await text.get())

    async with trio.open_nursery() as nursery:
        for _ in range(100):
            nursery.start_soon(view)
    assert told == {b'{"number": 1}'}
    await trio.sleep(FRESH - 0.1)
    assert await text.get() == b'{"number": 1}'
    await trio.sleep(0.2)
    assert await text.get() == b'{"number": 2}'


async def test_a_viewer_that_does_not_read_is_cut(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    viewed = Viewed(nursery, size=8 << 20)
    with trio.fail_after(SEND_TIME + 1):
        await viewed.ended.wait()
    await viewed.peer.stream.aclose()
    nursery.cancel_scope.cancel()


def test_the_token_of_a_browser() -> None:
    assert token_in([b"wsgate.live", b"bearer.a.b"]) == b"a.b"
    assert token_in([b"wsgate.live"]) is None


def test_what_the_page_shows_of_the_metrics() -> None:
    found = state_of(
        {
            BACKEND_SESSIONS.name: {("b", "ws://y"): (1,), ("a", "ws://x"): (2,)},
            BACKEND_HEALTHY.name: {("a", "ws://x"): (0,)},
            BACKEND_EJECTED.name: {("b", "ws://y"): (1,)},
            CLOSE_CODES.name: {
                ("a", "client", "1000"): (2,),
                ("b", "client", "1000"): (1,),
                ("a", "backend", "1006"): (5,),
            },
            ENDED.name: {
                ("a", "gateway", "idle"): (1,),
                ("a", "client", "closed"): (2,),
                ("b", "client", "closed"): (3,),
            },
            DRAINING.name: {(): (1,)},
            DRAINED.name: {(): (7,)},
        }
    )
    usual = {"healthy": True, "ejected": False, "draining": False}
    assert found == {
        "backends": [
            {**usual, "route": "a", "backend": "ws://x", "sessions": 2, "healthy": False},
            {**usual, "route": "b", "backend": "ws://y", "sessions": 1, "ejected": True},
        ],
        "endings": [
            {"side": "client", "cause": "closed", "sessions": 5},
            {"side": "gateway", "cause": "idle", "sessions": 1},
        ],
        "codes": {"1000": 3},
        "draining": True,
        "drained_from": 7,
    }
    assert live.state_of({})["backends"] == []
