from __future__ import annotations

import functools
import socket
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest
import trio
import trio.testing

from wsgate.gate import resolver
from wsgate.gate.resolver import Resolver

FAR = 30.0  # seconds; what takes so long has failed


class Dns:
    """The system's resolver, which does not answer for ``slow`` before ``answer`` is set.

    asked: how often it was asked for it; ``next`` is released every time
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answer = threading.Event()
        self.asked = 0
        self.next = trio.Semaphore(0)
        self._release = functools.partial(trio.lowlevel.current_trio_token().run_sync_soon, self.next.release)
        self._getaddrinfo = socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", self.getaddrinfo)

    def getaddrinfo(self, host: Any, *rest: Any) -> Any:
        if host != b"slow" or rest[-1] & socket.AI_NUMERICHOST:
            return self._getaddrinfo(host, *rest)
        self.asked += 1
        self._release()
        assert self.answer.wait(FAR)
        return self._getaddrinfo(b"127.0.0.1", *rest)


@pytest.fixture
async def dns(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Dns]:
    dns = Dns(monkeypatch)
    yield dns
    dns.answer.set()


async def look_up(host: bytes) -> Any:
    with trio.fail_after(FAR):
        return await trio.socket.getaddrinfo(host, 80, type=socket.SOCK_STREAM)


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
    """Not even when they are given up and asked for again: each keeps its thread."""
    trio.socket.set_custom_hostname_resolver(Resolver())
    limiter = trio.to_thread.current_default_thread_limiter()
    limiter.total_tokens = 1
    for _ in range(3):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(look_up, b"slow")
            await dns.next.acquire()
            nursery.cancel_scope.cancel()
    assert limiter.borrowed_tokens == 0
    with trio.fail_after(FAR):
        assert await trio.to_thread.run_sync(lambda: "done") == "done"
    assert await look_up(b"localhost")


async def test_there_is_an_end_to_threads(dns: Dns, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolver, "LOOKUPS", 2)
    trio.socket.set_custom_hostname_resolver(Resolver())
    found: list[Any] = []

    async def ask() -> None:
        found.append(await look_up(b"slow"))

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(ask)
        for _ in range(2):
            await dns.next.acquire()
        await trio.testing.wait_all_tasks_blocked()
        assert dns.asked == 2
        dns.answer.set()
    assert (dns.asked, len(found)) == (3, 3)
