"""Sessions end when their token leads nowhere any more, on a virtual clock."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from tests.peers.frames import close_frame
from tests.relay import joined
from tests.relay.joined import data
from wsgate.gate.revoke import INTERVAL, watch
from wsgate.relay.closing import Cause
from wsgate.relay.pump import Pump
from wsgate.relay.registry import Registry
from wsgate.relay.session import Session
from wsgate.settings.model import Place, PlaceKind, Target, TcpAddress, Token
from wsgate.site.tokens.file import FileSource
from wsgate.site.tokens.lookups import Lookups
from wsgate.site.tokens.source import NoTarget, SourceError
from wsgate.site.tokens.values import Targets

Clock = MockClock
DESK = (Target(TcpAddress("10.0.0.1", 5900)),)
PLACE = (Place(PlaceKind.QUERY, "token"),)


class Revoked(Session):
    """A session without legs, which notes its revocation."""

    def __init__(self, id: str, token: tuple[Lookups, str]) -> None:
        self.info = dataclasses.replace(joined.INFO, id=id)
        self.token = token
        self.revoked: list[tuple[float, int, bytes]] = []

    def revoke(self, code: int, reason: bytes, detail: str = "") -> None:
        self.revoked.append((trio.current_time(), code, reason))


class Source:
    """Tokens that are there, and what the source does."""

    def __init__(self, *tokens: str) -> None:
        self.tokens = set(tokens)
        self.fault: Exception | None = None
        self.takes = 0.0
        self.asked: list[tuple[float, str]] = []

    async def look_up(self, token: str) -> Targets | None:
        self.asked.append((trio.current_time(), token))
        await trio.sleep(self.takes)
        if self.fault is not None:
            raise self.fault
        return DESK if token in self.tokens else None

    def close(self) -> None: ...


class Gateway:
    def __init__(self) -> None:
        self.sessions = Registry()

    def open(self, lookups: Lookups, token: str) -> Revoked:
        session = Revoked(self.sessions.next_id(), (lookups, token))
        self.sessions.add(session)
        return session


def lookups(source: Any, *, revoke: bool = True, timeout: float = 5.0) -> Lookups:
    return Lookups("vnc", Token(from_=PLACE, revoke=revoke, timeout=timeout), source)


@pytest.fixture
def clock() -> Clock:
    """For tests without sockets: there is nothing to wait for."""
    return Clock(autojump_threshold=0)


@pytest.fixture
async def gateway(clock: Clock) -> AsyncIterator[Gateway]:
    gateway = Gateway()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch, gateway.sessions)
        yield gateway
        nursery.cancel_scope.cancel()


async def test_a_token_that_leaves_its_source(gateway: Gateway, clock: Clock) -> None:
    source = Source("a", "b")
    found = lookups(source)
    first, second, other = gateway.open(found, "a"), gateway.open(found, "a"), gateway.open(found, "b")
    await trio.sleep(60)
    assert first.revoked == []
    source.tokens.remove("a")
    left = trio.current_time()
    source.asked.clear()
    await trio.sleep(3 * INTERVAL)
    for session in (first, second):
        when, code, reason = session.revoked[0]
        assert (code, reason) == (1008, b"token revoked")
        assert INTERVAL <= when - left <= 2 * INTERVAL  # within seconds; not before the second look
    assert other.revoked == []
    assert len(source.asked) == 2 * 3  # each token once a look, however many sessions have it


async def test_a_token_that_is_gone_for_a_moment(gateway: Gateway, clock: Clock) -> None:
    """A file that is being written is empty then."""
    source = Source("a")
    session = gateway.open(lookups(source), "a")
    for _ in range(3):
        await trio.sleep(10.5 * INTERVAL)
        source.tokens.clear()
        await trio.sleep(INTERVAL)
        source.tokens.add("a")
    await trio.sleep(60)
    assert session.revoked == []


@pytest.mark.parametrize("fault", [SourceError("down"), None])
async def test_a_source_that_is_broken_or_silent_revokes_nobody(
    gateway: Gateway, clock: Clock, fault: Exception | None
) -> None:
    source = Source()
    source.fault, source.takes = fault, 0.0 if fault else 1000.0
    session = gateway.open(lookups(source), "a")
    await trio.sleep(300)
    assert session.revoked == []
    assert len(source.asked) > 2
    source.fault, source.takes = None, 0.0
    await trio.sleep(60)
    assert session.revoked


async def test_a_token_that_expires(gateway: Gateway, clock: Clock) -> None:
    source = Source("a")
    session = gateway.open(lookups(source), "a")
    source.fault = NoTarget("the token has expired")
    await trio.sleep(3 * INTERVAL)
    assert session.revoked


async def test_only_where_it_is_asked_for(gateway: Gateway, clock: Clock) -> None:
    source = Source()
    session = gateway.open(lookups(source, revoke=False), "a")
    await trio.sleep(60)
    assert (session.revoked, source.asked) == ([], [])


async def test_a_slow_source_holds_up_no_other(gateway: Gateway, clock: Clock) -> None:
    slow, quick = Source(), Source("b")
    slow.takes = 4.0
    for number in range(100):
        gateway.open(lookups(slow), f"a{number}")
    session = gateway.open(lookups(quick), "b")
    await trio.sleep(2 * INTERVAL)
    quick.tokens.clear()
    await trio.sleep(3 * INTERVAL)
    assert session.revoked


async def test_looking_takes_a_tenth_of_the_time(gateway: Gateway, clock: Clock) -> None:
    source = Source(*(f"a{number}" for number in range(40)))
    source.takes = 1.0
    found = lookups(source)
    for token in source.tokens:
        gateway.open(found, token)
    await trio.sleep(350)
    # 40 tokens, 4 at a time: 10 seconds, then 90 without
    times = [when for when, token in source.asked if token == "a0"]
    assert len(times) == 4
    assert {round(after - before) for before, after in itertools.pairwise(times)} == {100}


async def test_nobody_looks_where_there_are_no_sessions(gateway: Gateway, clock: Clock) -> None:
    source = Source("a")
    found = lookups(source)
    session = gateway.open(found, "a")
    await trio.sleep(10)
    gateway.sessions.remove(session)
    await trio.sleep(2 * INTERVAL)
    source.asked.clear()
    await trio.sleep(100)
    assert source.asked == []
    session = gateway.open(found, "b")
    await trio.sleep(4 * INTERVAL)
    assert session.revoked


async def test_a_session(pump: Pump, autojump_clock: Clock) -> None:
    """Both sides get a Close."""
    source = Source("a")
    async with joined.session(pump, mode="tunnel") as running, trio.open_nursery() as nursery:
        running.session.token = (lookups(source), "a")
        sessions = Registry()
        sessions.add(running.session)
        nursery.start_soon(watch, sessions)
        await running.client.send(data(b"up"))
        assert await running.backend.read(2) == b"up"
        source.tokens.clear()
        assert await running.client.receive() == close_frame(1008, "token revoked")
        assert await running.backend.read_all() == b""
        await running.client.send(close_frame(1008))
        running.backend.finish()
        assert await running.client.read_all() == b""
        await running.client.vanish()
        assert (await running.outcome()).cause is Cause.REVOKED
        nursery.cancel_scope.cancel()


async def test_lines_of_a_file(tmp_path: Path, no_threads: None, gateway: Gateway, clock: Clock) -> None:
    file = tmp_path / "tokens"
    file.write_text("a: h:1\nb: h:2\n")
    found = lookups(FileSource(str(file), False))
    kept, ended = gateway.open(found, "a"), gateway.open(found, "b")
    await trio.sleep(30)
    file.write_text("a: h:1\n")
    await trio.sleep(3 * INTERVAL)
    assert (len(ended.revoked), kept.revoked) == (1, [])
    await trio.to_thread.run_sync(file.unlink)
    await trio.sleep(60)
    assert kept.revoked == []
