"""Backends that come and go by file and by name, on a virtual clock; what a look at a file finds, ``test_backend_file``
shows."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest
import trio
import trio.testing

from tests.gate.conftest import gateway_of, route
from tests.log import Log
from wsgate.gate import membership
from wsgate.gate.gateway import Gateway
from wsgate.net.happy_eyeballs import SocketAddress
from wsgate.net.resolver import Resolver
from wsgate.settings.model import Relay, RelayBackend, Route, TcpAddress, WebSocketUrl
from wsgate.site.build import build

T = TypeVar("T")

APP = TcpAddress("app.example.com", 9000)


def relay(*hosts: str, **more: object) -> Route:
    to = tuple(RelayBackend(url=WebSocketUrl(TcpAddress(host, 9000), None)) for host in hosts)
    return route(Relay(to=to, **more))  # type: ignore[arg-type]


def backends(gateway: Gateway) -> list[str]:
    upstream = gateway.site.routes[0].upstream
    assert upstream is not None
    return [each.name.removeprefix("ws://") for each in upstream.candidates()]


class Names:
    """Answers in the place of name servers."""

    def __init__(self) -> None:
        self.known: dict[TcpAddress, list[str]] = {}
        self.hang = False
        self.asked = 0

    async def __call__(self, name: TcpAddress) -> list[SocketAddress]:
        self.asked += 1
        await trio.lowlevel.checkpoint()
        if self.hang:
            await trio.sleep_forever()
        if name not in self.known:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET6 if ":" in ip else socket.AF_INET, (ip, name.port)) for ip in self.known[name]]


@pytest.fixture
def autojump_clock() -> trio.testing.MockClock:
    """Nothing here waits for a socket or a thread, so virtual time needs no real time."""
    return trio.testing.MockClock(autojump_threshold=0)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    made = Names()
    monkeypatch.setattr("random.uniform", lambda least, most: 1.0)
    monkeypatch.setattr(membership, "resolve", made)
    return made


class Disk:
    """Runs what threads would run, unless it hangs: the virtual clock does not wait for threads."""

    hangs = False

    async def __call__(self, limiter: object, within: float, work: Callable[[], T]) -> T:
        with trio.fail_after(within):
            await trio.lowlevel.checkpoint()
            if self.hangs:
                await trio.sleep_forever()
        return work()


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    made = Disk()
    monkeypatch.setattr(membership, "in_thread", made)
    return made


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "chat.backends"


_ticks: Iterator[int] = iter(range(1, 1000))


def write(file: Path, text: str) -> None:
    """Each write at a time of its own: two within a tick of the kernel's clock have the same."""
    file.write_text(text)
    os.utime(file, ns=(0, next(_ticks) * 10**9))


async def test_a_name_that_moves(
    nursery: trio.Nursery, names: Names, log: Log, autojump_clock: trio.testing.MockClock
) -> None:
    names.known[APP] = ["10.0.0.7", "2001:db8::7"]
    gateway = gateway_of(relay("app.example.com", "10.0.0.1", resolve=10.0))
    assert backends(gateway) == ["app.example.com:9000", "10.0.0.1:9000"]
    await nursery.start(membership.watch, gateway)
    assert backends(gateway) == [
        "app.example.com:9000 (10.0.0.7)",
        "app.example.com:9000 (2001:db8::7)",
        "10.0.0.1:9000",
    ]
    assert {each.levelname for each in log.records} == {"INFO"}
    upstream = gateway.site.routes[0].upstream
    assert upstream is not None
    stays = upstream.backends[1]
    stays.enter()
    names.known[APP] = ["10.0.0.8", "2001:db8::7"]
    await trio.sleep(9)
    assert len(backends(gateway)) == 3
    log.captured.clear()
    await trio.sleep(2)
    assert backends(gateway)[:2] == ["app.example.com:9000 (2001:db8::7)", "app.example.com:9000 (10.0.0.8)"]
    assert upstream.backends[0] is stays
    assert log.one("backend removed") == {
        "route": "it",
        "backend": "ws://app.example.com:9000 (10.0.0.7)",
        "sessions": 0,
    }
    assert log.one("backend added") == {"route": "it", "backend": "ws://app.example.com:9000 (10.0.0.8)"}


async def test_a_name_server_that_fails_or_hangs_takes_nothing_away(
    nursery: trio.Nursery, names: Names, log: Log, autojump_clock: trio.testing.MockClock
) -> None:
    names.known[APP] = ["10.0.0.7", "10.0.0.8"]
    gateway = gateway_of(relay("app.example.com", resolve=10.0))
    await nursery.start(membership.watch, gateway)
    found = backends(gateway)
    log.captured.clear()
    names.known.clear()
    await trio.sleep(25)
    assert backends(gateway) == found
    assert log.one("name does not resolve") == {
        "route": "it",
        "name": "app.example.com:9000",
        "error": "Name or service not known: the addresses that are known stay",
    }
    names.hang = True
    await trio.sleep(50)
    assert backends(gateway) == found
    assert log.events() == ["name does not resolve"]
    names.hang = False
    names.known[APP] = ["10.0.0.8"]
    await trio.sleep(30)
    assert backends(gateway) == found[1:]
    assert log.events() == ["name does not resolve", "name resolves again", "backend removed"]


async def test_a_name_that_never_resolved(
    nursery: trio.Nursery, names: Names, log: Log, autojump_clock: trio.testing.MockClock
) -> None:
    """The start waits for a short time. The name is dialled as it stands, until it has addresses."""
    names.hang = True
    gateway = gateway_of(relay("app.example.com", resolve=10.0))
    began = trio.current_time()
    await nursery.start(membership.watch, gateway)
    assert trio.current_time() == began + membership.FIRST_TIME
    assert backends(gateway) == ["app.example.com:9000"]
    await trio.sleep(membership.LOOKUP_TIME)
    assert log.one("name does not resolve")["error"].startswith("no answer within 10 s")


async def test_names_are_resolved_at_the_interval(
    nursery: trio.Nursery, names: Names, autojump_clock: trio.testing.MockClock
) -> None:
    names.known[APP] = ["10.0.0.7"]
    await nursery.start(membership.watch, gateway_of(relay("app.example.com", "10.0.0.1", resolve=10.0)))
    await trio.sleep(35)
    assert names.asked == 4


async def test_nothing_is_watched_without_these_keys(
    nursery: trio.Nursery, names: Names, autojump_clock: trio.testing.MockClock
) -> None:
    await nursery.start(membership.watch, gateway_of(relay("app.example.com")))
    await trio.sleep(25)
    assert names.asked == 0


async def test_a_file_that_changes(
    nursery: trio.Nursery, disk: Disk, file: Path, log: Log, autojump_clock: trio.testing.MockClock
) -> None:
    write(file, "ws://10.0.0.7:9000")
    gateway = gateway_of(relay("10.0.0.1", to_file=str(file)))
    assert backends(gateway) == ["10.0.0.1:9000", "10.0.0.7:9000"]
    await nursery.start(membership.watch, gateway)
    write(file, "ws://10.0.0.8:9000\nws://10.0.0.7:9000 weight=2\n")
    await trio.sleep(2)
    assert backends(gateway) == ["10.0.0.1:9000", "10.0.0.8:9000", "10.0.0.7:9000"]
    assert log.events() == ["backend added"]
    write(file, "ws://10.0.0.8:9000\nweight=2\n10.0.0.7\n")
    await trio.sleep(20)
    assert len(backends(gateway)) == 3
    wrong = log.all("backend file wrong")
    assert [each["error"].removeprefix(str(file)).partition(" ")[0] for each in wrong] == [":2:1:", ":3:1:"]
    assert wrong[0]["consequence"] == "its backends stay as they were before"
    assert {each.levelname for each in log.records[-2:]} == {"ERROR"}
    log.captured.clear()
    write(file, "[]")
    await trio.sleep(2)
    assert backends(gateway) == ["10.0.0.1:9000"]
    assert log.events() == ["backend file right again", "backend removed", "backend removed"]


async def test_a_file_that_comes_later(
    nursery: trio.Nursery, disk: Disk, file: Path, log: Log, autojump_clock: trio.testing.MockClock
) -> None:
    gateway = gateway_of(relay(to_file=str(file)))
    await nursery.start(membership.watch, gateway)
    assert backends(gateway) == []
    assert log.one("backend file wrong")["consequence"] == "it is awaited"
    write(file, "ws://10.0.0.7:9000")
    await trio.sleep(2)
    assert backends(gateway) == ["10.0.0.7:9000"]
    os.unlink(file)
    await trio.sleep(20)
    assert backends(gateway) == ["10.0.0.7:9000"]
    assert [each["consequence"] for each in log.all("backend file wrong")][1:] == [
        "its backends stay as they were before"
    ]


async def test_a_disk_that_hangs(
    nursery: trio.Nursery, disk: Disk, file: Path, log: Log, autojump_clock: trio.testing.MockClock
) -> None:
    write(file, "ws://10.0.0.7:9000")
    gateway = gateway_of(relay(to_file=str(file)))
    disk.hangs = True
    await nursery.start(membership.watch, gateway)
    await trio.sleep(25)
    assert backends(gateway) == ["10.0.0.7:9000"]
    disk.hangs = False
    write(file, "ws://10.0.0.8:9000")
    await trio.sleep(10)
    assert backends(gateway) == ["10.0.0.8:9000"]
    assert log.events()[:2] == ["backend file not read", "backend file read again"]


async def test_a_name_in_a_file_is_resolved_at_once(
    nursery: trio.Nursery, names: Names, disk: Disk, file: Path, autojump_clock: trio.testing.MockClock
) -> None:
    names.known[APP] = ["10.0.0.7"]
    write(file, "ws://10.0.0.1:9000")
    gateway = gateway_of(relay(to_file=str(file), resolve=1000.0))
    await nursery.start(membership.watch, gateway)
    write(file, "ws://app.example.com:9000")
    await trio.sleep(3)
    assert backends(gateway) == ["app.example.com:9000 (10.0.0.7)"]


async def test_a_reload(
    nursery: trio.Nursery, names: Names, disk: Disk, file: Path, autojump_clock: trio.testing.MockClock
) -> None:
    """Addresses and backends stay; a route that is gone is watched no more, another one is."""
    names.known[APP] = ["10.0.0.7"]
    write(file, "ws://10.0.0.1:9000")
    gateway = gateway_of(relay("app.example.com", to_file=str(file), resolve=10.0))
    await nursery.start(membership.watch, gateway)
    before = gateway.site.routes[0].upstream
    assert before is not None
    live = list(before.backends)

    def reload(*routes: Route) -> None:
        gateway.use_site(build(replace(gateway.settings, routes=routes), gateway.site))

    reload(relay("app.example.com", to_file=str(file), resolve=20.0))
    now = gateway.site.routes[0].upstream
    assert now is not None
    assert now is not before
    assert list(now.backends) == live
    await trio.sleep(2)
    asked = names.asked
    await trio.sleep(30)
    assert names.asked == asked + 1
    write(file, "ws://10.0.0.2:9000")
    await trio.sleep(2)
    assert [each.name for each in before.backends] == [each.name for each in live]
    assert backends(gateway)[1] == "10.0.0.2:9000"
    reload(relay("app.example.com"))
    assert backends(gateway) == ["app.example.com:9000"]
    await trio.sleep(2)
    asked = names.asked
    await trio.sleep(25)
    assert names.asked == asked


async def test_by_the_system_resolver_and_in_threads(nursery: trio.Nursery, file: Path) -> None:
    trio.socket.set_custom_hostname_resolver(Resolver())
    write(file, "ws://localhost:9000")
    gateway = gateway_of(relay(to_file=str(file), resolve=10.0))
    with trio.fail_after(10):
        await nursery.start(membership.watch, gateway)
    assert "localhost:9000 (127.0.0.1)" in backends(gateway)
