from __future__ import annotations

import functools
import itertools
import socket
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from tests.log import Log
from wsgate.net import resolver
from wsgate.net.resolver import (
    _CHECK,
    ALL_LOOKUPS,
    ANSWER_TTL,
    FAILURE_TTL,
    HOSTS_LOOKUPS,
    REQUESTER_LOOKUPS,
    Resolver,
    _HostsFile,
    set_requester,
)

FAR = 30.0  # seconds; what takes so long has failed


class Dns:
    """A fake of the system's resolver. Names resolve to 127.0.0.1.

    Names that begin with ``slow`` resolve only after ``answer`` is set; those that begin with ``no`` do not resolve.

    asked: the names that were looked up, in order; ``next`` is released at each lookup
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answer = threading.Event()
        self.asked: list[bytes] = []
        self.next = trio.Semaphore(0)
        self._release = functools.partial(trio.lowlevel.current_trio_token().run_sync_soon, self.next.release)
        self._getaddrinfo = socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", self.getaddrinfo)

    def getaddrinfo(self, host: Any, *rest: Any) -> Any:
        if rest[-1] & socket.AI_NUMERICHOST:
            return self._getaddrinfo(host, *rest)
        self.asked.append(host)
        self._release()
        if host.startswith(b"no"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        if host.startswith(b"slow"):
            assert self.answer.wait(FAR)
        return self._getaddrinfo(b"127.0.0.1", *rest)


@pytest.fixture
async def dns(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[Dns]:
    """A resolver without cached answers; /etc/hosts has one host, ``mapped``."""
    hosts = tmp_path / "hosts"
    hosts.write_bytes(b"# a comment\n127.0.0.1 Mapped slow-mapped # one more\n")
    trio.socket.set_custom_hostname_resolver(Resolver(str(hosts)))
    dns = Dns(monkeypatch)
    yield dns
    dns.answer.set()


async def look_up(host: bytes, port: int = 80) -> Any:
    with trio.fail_after(FAR):
        return await trio.socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


async def test_names() -> None:
    trio.socket.set_custom_hostname_resolver(Resolver())
    expected = socket.getaddrinfo("localhost", 80, type=socket.SOCK_STREAM)
    assert await look_up(b"localhost") == expected
    with pytest.raises(socket.gaierror):
        await look_up(b"nowhere.invalid.")
    assert await trio.socket.getnameinfo(("127.0.0.1", 80), socket.NI_NUMERICHOST | socket.NI_NUMERICSERV) == (
        "127.0.0.1",
        "80",
    )


async def test_slow_names_hold_up_nobody_else(dns: Dns) -> None:
    """Slow lookups delay neither trio's threads nor other names. A name that is cancelled and looked up again uses one
    thread."""
    limiter = trio.to_thread.current_default_thread_limiter()
    limiter.total_tokens = 1
    for _ in range(3):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(look_up, b"slow")
            await trio.testing.wait_all_tasks_blocked(0.01)
            nursery.cancel_scope.cancel()
    assert limiter.borrowed_tokens == 0
    with trio.fail_after(FAR):
        assert await trio.to_thread.run_sync(lambda: "done") == "done"
    assert await look_up(b"quick")
    assert dns.asked == [b"slow", b"quick"]


async def test_the_same_question_is_asked_once(dns: Dns) -> None:
    found: list[Any] = []

    async def ask(port: int) -> None:
        found.append((await look_up(b"slow", port))[0][-1])

    async with trio.open_nursery() as nursery:
        for port in range(1, 101):
            nursery.start_soon(ask, port)
        await dns.next.acquire()
        dns.answer.set()
    assert dns.asked == [b"slow"]
    assert sorted(found) == [("127.0.0.1", port) for port in range(1, 101)]


async def test_a_requester_with_many_dead_names_delays_no_other(dns: Dns, log: Log) -> None:
    """Nor what needs no name server: names of /etc/hosts and addresses, in the same requester."""
    async with trio.open_nursery() as nursery:
        set_requester("dead")
        for number in range(REQUESTER_LOOKUPS + 5):
            nursery.start_soon(look_up, b"slow%d" % number)
        for _ in range(REQUESTER_LOOKUPS):
            await dns.next.acquire()
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert len(dns.asked) == REQUESTER_LOOKUPS
        set_requester("well")
        assert await look_up(b"quick")
        set_requester("dead")
        assert await look_up(b"mapped")
        assert await look_up(b"127.0.0.1")
        with trio.move_on_after(0.01) as patience:
            await look_up(b"quick too")
        assert patience.cancelled_caught
        nursery.cancel_scope.cancel()
    assert log.events() == ["names do not resolve"]
    assert log.one("names do not resolve")["route"] == "dead"


async def test_there_is_an_end_to_threads(dns: Dns) -> None:
    requesters = ALL_LOOKUPS // REQUESTER_LOOKUPS + 1
    async with trio.open_nursery() as nursery:
        for number in range(requesters):
            set_requester(f"requester {number}")
            for name in range(REQUESTER_LOOKUPS):
                nursery.start_soon(look_up, b"slow%d-%d" % (number, name))
        for _ in range(ALL_LOOKUPS):
            await dns.next.acquire()
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert len(dns.asked) == ALL_LOOKUPS
        dns.answer.set()
    assert len(dns.asked) == requesters * REQUESTER_LOOKUPS


async def test_names_of_the_hosts_file_have_an_end_too(dns: Dns) -> None:
    await look_up(b"mapped")  # the file is read
    await dns.next.acquire()
    async with trio.open_nursery() as nursery:
        questions = itertools.product((0, socket.AF_INET, socket.AF_INET6), (0, socket.SOCK_STREAM, socket.SOCK_DGRAM))
        for question in itertools.islice(questions, HOSTS_LOOKUPS + 1):
            nursery.start_soon(trio.socket.getaddrinfo, b"slow-mapped", 80, *question)
        for _ in range(HOSTS_LOOKUPS):
            await dns.next.acquire()
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert len(dns.asked) == 1 + HOSTS_LOOKUPS
        nursery.cancel_scope.cancel()


async def test_answers_are_kept_for_a_while(dns: Dns, autojump_clock: MockClock) -> None:
    autojump_clock.autojump_threshold = float("inf")
    for _ in range(2):
        assert await look_up(b"quick")
        with pytest.raises(socket.gaierror):
            await look_up(b"none")
    assert dns.asked == [b"quick", b"none"]
    autojump_clock.jump(FAILURE_TTL)
    with pytest.raises(socket.gaierror):
        await look_up(b"none")
    autojump_clock.jump(ANSWER_TTL - FAILURE_TTL)
    assert await look_up(b"quick")
    assert dns.asked == [b"quick", b"none", b"none", b"quick"]


async def test_a_text_that_is_no_name(dns: Dns, monkeypatch: pytest.MonkeyPatch) -> None:
    def getaddrinfo(*asked: Any) -> Any:
        if asked[-1] & socket.AI_NUMERICHOST:
            raise socket.gaierror(socket.EAI_NONAME, "no address")
        raise UnicodeError("label too long")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with pytest.raises(socket.gaierror, match="label too long"):
        await look_up(b"quick")


async def test_an_edit_of_the_hosts_file_counts(tmp_path: Path, autojump_clock: MockClock) -> None:
    autojump_clock.autojump_threshold = float("inf")
    path = tmp_path / "hosts"
    hosts = _HostsFile(str(path))
    assert await hosts.has("localhost")  # without a file, too
    path.write_text("10.0.0.1 one\n")
    autojump_clock.jump(_CHECK)
    assert await hosts.has(b"ONE")
    assert not await hosts.has("two")
    path.write_text("10.0.0.1 one\n10.0.0.2 two\n")
    autojump_clock.jump(_CHECK)
    assert await hosts.has("two")
    assert not await hosts.has("zwö")


async def test_who_follows_changes_gets_no_kept_answer(dns: Dns) -> None:
    """Unless the same is asked at this moment."""
    assert await look_up(b"quick")
    set_requester("a", may_be_cached=False)
    assert await look_up(b"quick")
    assert dns.asked == [b"quick", b"quick"]
    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(look_up, b"slow")
        await trio.testing.wait_all_tasks_blocked(0.01)
        dns.answer.set()
    assert dns.asked.count(b"slow") == 1
    set_requester("a")
    assert await look_up(b"quick")
    assert dns.asked.count(b"quick") == 2


@pytest.mark.parametrize("host", ["127.0.0.1", b"::1"])
async def test_an_address_needs_no_thread(dns: Dns, host: str | bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """trio asks the resolver for few of them itself, but it may."""
    monkeypatch.setattr(trio.lowlevel, "start_thread_soon", None)
    monkeypatch.setattr(socket, "getaddrinfo", dns._getaddrinfo)
    expected = socket.getaddrinfo(host, 80, type=socket.SOCK_STREAM)
    assert await Resolver().getaddrinfo(host, 80, type=socket.SOCK_STREAM) == expected


async def test_the_cache_has_a_bound(dns: Dns, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolver, "_MAX_CACHED", 2)
    for name in (b"first", b"second", b"third", b"second", b"first"):
        assert await look_up(name)
    assert dns.asked == [b"first", b"second", b"third", b"first"]
