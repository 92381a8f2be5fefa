"""Lookups under a deadline, for sources that fail or hang."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from tests.log import Log
from wsgate.events.trouble import REPEAT
from wsgate.net import resolver
from wsgate.settings.model import Place, PlaceKind, Target, TcpAddress, Token, UnixAddress
from wsgate.site.tokens.lookups import _CHUNK, MAX_LOOKUPS, MAX_TOKEN, Lookups
from wsgate.site.tokens.source import Local, NoTarget, SourceError
from wsgate.site.tokens.values import Targets
from wsgate.wire.http import Refusal

TIMEOUT = 5.0
DESK = (Target(TcpAddress("10.0.0.1", 5900)),)
PLACE = (Place(PlaceKind.QUERY, "token"),)


class Fake:
    """A source with answers from the test."""

    def __init__(self, answer: Callable[[str], Awaitable[Targets | None]]) -> None:
        self.answer = answer
        self.asked: list[str] = []
        self.closed = False

    async def look_up(self, token: str) -> Targets | None:
        self.asked.append(token)
        return await self.answer(token)

    def close(self) -> None:
        self.closed = True


async def find(token: str) -> Targets | None:
    if token == "expired":
        raise NoTarget("the token has expired")
    if token == "broken":
        raise SourceError("the database is down: start it")
    if token == "silent":
        await trio.sleep_forever()
    return DESK if token.startswith("desk") else None


def lookups(source: Any = None, **more: Any) -> Lookups:
    return Lookups("vnc", Token(from_=PLACE, timeout=TIMEOUT, **more), source or Fake(find))


async def test_where_a_token_leads() -> None:
    assert await lookups().targets("desk") == DESK


async def test_names_are_looked_up_for_the_routes_tokens() -> None:
    """In places of their own: those of the backends may all be waiting for a dead name."""
    for_whom: list[str] = []

    async def look_up(token: str) -> Targets | None:
        for_whom.append(resolver.requester_name())
        return DESK

    resolver.set_requester("vnc")
    await lookups(Fake(look_up)).targets("desk")
    assert for_whom == ["vnc (its tokens)"]


@pytest.mark.parametrize(
    ("token", "detail"),
    [
        (None, "no token"),
        ("", "no token"),
        ("unknown", "the token leads nowhere"),
        ("expired", "the token has expired"),
        ("x" * (MAX_TOKEN + 1), f"a token of {MAX_TOKEN + 1} characters"),
    ],
)
async def test_tokens_that_lead_nowhere_are_all_the_same_to_a_stranger(token: str | None, detail: str) -> None:
    refusal = await lookups().targets(token)
    assert isinstance(refusal, Refusal)
    assert (refusal.status, refusal.reason, refusal.headers) == (403, "no valid token", ())
    assert refusal.detail == detail


async def test_a_source_without_targets_for_a_token() -> None:
    async def nothing(token: str) -> Targets:
        return ()

    refusal = await lookups(Fake(nothing)).targets("a")
    assert isinstance(refusal, Refusal)
    assert refusal.status == 403


async def test_a_broken_source(log: Log) -> None:
    refusal = await lookups().targets("broken")
    assert isinstance(refusal, Refusal)
    assert refusal.status == 503
    assert (b"Retry-After", b"5") in refusal.headers
    assert "database" not in refusal.reason
    assert refusal.detail == "the database is down: start it"
    assert log.one("token source broken") == {"route": "vnc", "error": "the database is down: start it"}


async def test_a_silent_source(log: Log, autojump_clock: MockClock) -> None:
    began = trio.current_time()
    refusal = await lookups().targets("silent")
    assert trio.current_time() - began == TIMEOUT
    assert isinstance(refusal, Refusal)
    assert refusal.status == 504
    assert refusal.detail == "the source did not answer within 5 s"
    assert log.one("token source broken")["error"] == refusal.detail


async def test_hanging_source_times_out_its_own_clients_only(
    autojump_clock: MockClock,
) -> None:
    slow, other = lookups(), lookups()
    ended: list[float] = []

    async def ask() -> None:
        refusal = await slow.targets("silent")
        assert isinstance(refusal, Refusal)
        assert refusal.status == 504
        ended.append(trio.current_time())

    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        for _ in range(3 * MAX_LOOKUPS):
            nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        source = slow._source
        assert isinstance(source, Fake)
        assert len(source.asked) == MAX_LOOKUPS  # the others wait, within their own deadline
        assert await other.targets("desk") == DESK
        assert trio.current_time() == began
    assert set(ended) == {began + TIMEOUT}
    assert await slow.targets("desk") == DESK  # and nothing is left of them


async def test_a_thread_that_hangs_is_left_behind() -> None:
    release = threading.Event()

    class Hanging(Local):
        def find(self, token: str) -> Targets | None:
            release.wait() if token == "hang" else None
            return DESK

    source = Hanging(threads=2)
    found = Lookups("vnc", Token(from_=PLACE, timeout=0.02), source)
    try:
        refusal = await found.targets("hang")
        assert isinstance(refusal, Refusal)
        assert refusal.status == 504
        assert source._limiter.borrowed_tokens == 1
        with trio.fail_after(20):
            while await found.targets("desk") != DESK:  # the other thread is free, if slow on a busy machine
                pass
    finally:
        release.set()


async def test_it_is_logged_when_it_breaks_and_when_it_is_well(log: Log, autojump_clock: MockClock) -> None:
    found = lookups()
    for token in ("desk", "broken", "silent", "broken", "broken"):
        await found.targets(token)
    assert len(log.all("token source broken")) == 1
    assert log.all("token source well again") == []
    for token in ("unknown", "desk", "expired"):
        await found.targets(token)
    assert log.one("token source well again") == {"route": "vnc"}
    # one that comes and goes does not fill the log
    for token in ("broken", "desk", "broken", "desk"):
        await found.targets(token)
    assert len(log.all("token source broken")) == 1
    assert len(log.all("token source well again")) == 1
    await trio.sleep(REPEAT)
    await found.targets("broken")
    assert len(log.all("token source broken")) == 2


async def test_where_the_operators_code_went_wrong_is_logged(log: Log) -> None:
    async def fail(token: str) -> Targets:
        raise SourceError("plugin raised KeyError", "Traceback: …")

    await lookups(Fake(fail)).targets("secret")
    assert log.one("token source broken")["traceback"] == "Traceback: …"
    assert "secret" not in str([record.__dict__ for record in log.records])


# -- tokens that are looked up again -----------------------------------------------------------------------------------


async def test_what_is_gone() -> None:
    tokens = ["desk1", "unknown", "expired", *(f"desk{n}" for n in range(20)), "lost"]
    found = lookups()
    assert await found.gone(tokens) == {"unknown", "expired", "lost"}
    assert isinstance(found._source, Fake)
    assert sorted(found._source.asked) == sorted(tokens)
    assert await found.gone([]) == set()


@pytest.mark.parametrize("fault", ["broken", "silent"])
async def test_a_source_that_does_not_answer_is_asked_no_further(
    fault: str, log: Log, autojump_clock: MockClock
) -> None:
    found = lookups()
    assert await found.gone(["lost", fault, *(["unknown"] * 100)]) <= {"lost", "unknown"}
    assert len(log.all("token source broken")) == 1
    assert isinstance(found._source, Fake)
    if fault == "silent":
        assert await found.gone(["silent"]) == set()
    found._source.asked.clear()
    assert await found.gone(["broken"] * 100) == set()
    assert len(found._source.asked) <= 4


class Counting(Local):
    def __init__(self) -> None:
        super().__init__()
        self.chunks: list[int] = []

    def find(self, token: str) -> Targets | None:
        return None if token == "lost" else DESK

    async def missing(self, tokens: Sequence[str]) -> set[str]:
        self.chunks.append(len(tokens))
        return await super().missing(tokens)


async def test_a_local_source_is_asked_for_many_at_once() -> None:
    source = Counting()
    assert await lookups(source).gone([*(["desk"] * (2 * _CHUNK)), "lost"]) == {"lost"}
    assert source.chunks == [_CHUNK, _CHUNK, 1]


def test_the_log_learns_no_token_from_the_name_of_a_socket() -> None:
    found = lookups()
    socket, desk = Target(UnixAddress("/run/vnc/secret.sock")), DESK[0]
    assert found.hide(f"cannot connect to {socket}", socket, "secret.sock") == "cannot connect to unix:/run/vnc/…"
    assert found.hide(f"{desk}", desk, "10") == "tcp://10.0.0.1:5900"


def test_closing() -> None:
    source = Fake(find)
    lookups(source).close()
    assert source.closed
    assert lookups(revoke=True).revoke
    assert not lookups().revoke
