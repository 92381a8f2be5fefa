"""Lines that the admin listener sends for as long as there are some, to clients that read, leave, or do neither."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from tests.log import Log
from tests.ops.admin.test_server import Start, asking, start
from tests.peers.stream import Peer
from wsgate.ops.admin.live import SEND_TIME
from wsgate.ops.admin.tapping import NotTapped, Send, line
from wsgate.settings.model import AdminTap, AdminToken

__all__ = ["start"]

Connect = Callable[..., Peer]

TARGET = "/api/v1/sessions/2-1f/tap"


class FakeTap:
    """Sends these pieces; ``stays``: and then nothing. ``how``: it has ended"""

    def __init__(self, *pieces: bytes, stays: bool = False) -> None:
        self.asked: list[tuple[str, bool]] = []
        self.ended = trio.Event()
        self.how = ""
        self._pieces = pieces
        self._stays = stays

    async def __call__(self, id: str, payload: bool, send: Send) -> NotTapped | None:
        self.asked.append((id, payload))
        self.how = "cancelled"
        try:
            self.how = await self._send(send)
        finally:
            self.ended.set()
        return None

    async def _send(self, send: Send) -> str:
        for piece in self._pieces:
            if not await send(piece):
                return "not taken"
        if self._stays:
            await trio.sleep_forever()
        return "sent"


@pytest.fixture
async def connect(start: Start) -> AsyncIterator[Callable[..., Peer]]:
    """``connect(tap, **settings)``: a client of an admin listener with this tap"""
    peers = []

    def connect(shows: FakeTap, **settings: Any) -> Peer:
        peers.append(start({"tap": shows}, **settings).connect())
        return peers[-1]

    yield connect
    for peer in peers:
        await peer.vanish()


async def read_chunks(peer: Peer) -> bytes:
    """The body of an answer in chunks, whole."""
    raw, body = await peer.read_all(), b""
    while True:
        size, _, raw = raw.partition(b"\r\n")
        if not int(size, 16):
            assert raw == b"\r\n"
            return body
        body += raw[: int(size, 16)]
        raw = raw[int(size, 16) + 2 :]


async def test_lines_to_their_end(connect: Connect, log: Log) -> None:
    tap = FakeTap(line("begin", id="2-1f"), line("frame", size=1) * 100_000, line("end"))
    peer = connect(tap)
    await peer.write(asking(TARGET))
    head = await peer.read_head()
    assert (head.status, head.one("Content-Type"), head.one("Connection")) == (200, "application/jsonl", "close")
    assert head.one("Cache-Control") == "no-store"
    lines = [json.loads(each)["event"] for each in (await read_chunks(peer)).splitlines()]
    assert lines == ["begin", *["frame"] * 100_000, "end"]
    assert tap.asked == [("2-1f", False)]
    assert log.one("tapped") == {"id": "2-1f", "client": "192.0.2.7:50000", "payload": False}


async def test_a_client_of_http_1_0(connect: Connect) -> None:
    peer = connect(FakeTap(line("begin")))
    await peer.write(f"GET {TARGET} HTTP/1.0\r\n\r\n".encode())
    await peer.read_head()
    assert await peer.read_all() == line("begin")


async def test_what_is_refused(start: Start, tmp_path: Path, log: Log) -> None:
    (tmp_path / "token").write_text("secret\n")
    running = start()
    answer = await running.ask(TARGET)
    assert (answer.status, json.loads(answer.body)) == (
        404,
        {"error": "no session has the id '2-1f': it may have ended"},
    )
    assert (await running.ask(f"{TARGET}?x=1")).status == 400
    assert (await running.ask(TARGET, "POST")).status == 403
    assert (await running.ask(TARGET, "HEAD")).status == 405
    assert (await running.ask(TARGET, host="evil.example")).status == 421
    assert (await running.ask(TARGET, "GET", "Sec-Fetch-Site: cross-site")).status == 403  # it would begin a tap
    assert (await running.ask("/", "GET", "Sec-Fetch-Site: cross-site")).status == 200  # a link to the page
    assert (await start(tap=AdminTap.OFF).ask(TARGET)).status == 403
    protected = start({"tap": FakeTap()}, token=AdminToken(file=str(tmp_path / "token")), tap=AdminTap.PAYLOAD)
    assert (await protected.ask(TARGET)).status == 401
    assert log.all("tapped") == []


async def test_payloads_by_the_configuration(connect: Connect) -> None:
    tap = FakeTap(line("begin"))
    peer = connect(tap, tap=AdminTap.PAYLOAD)
    await peer.write(asking(TARGET))
    await peer.read_head()
    assert tap.asked == [("2-1f", True)]


async def test_a_viewer_that_leaves(connect: Connect) -> None:
    """Also one that has said more than its request."""
    tap = FakeTap(line("begin"), stays=True)
    peer = connect(tap)
    await peer.write(asking(TARGET) + b"more")
    await peer.read_head()
    await peer.vanish()
    await tap.ended.wait()
    assert tap.how == "cancelled"


async def test_a_viewer_that_does_not_read_is_cut(connect: Connect, autojump_clock: MockClock) -> None:
    """It is not told that the answer is whole."""
    tap = FakeTap(line("begin"), b"x" * (8 << 20))
    peer = connect(tap)
    began = trio.current_time()
    await peer.write(asking(TARGET))
    await tap.ended.wait()
    assert tap.how == "not taken"
    assert trio.current_time() - began == pytest.approx(SEND_TIME, abs=2)
    await peer.read_head()
    with pytest.raises(ValueError, match="invalid literal"):
        await read_chunks(peer)
