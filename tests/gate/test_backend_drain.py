"""Backends that give their sessions up, on a virtual clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import trio
import trio.testing

from tests.gate.conftest import gateway_of, route
from tests.log import Log
from tests.relay import joined
from wsgate.gate import backend_drain
from wsgate.gate.gateway import Gateway
from wsgate.relay.session import Session
from wsgate.settings.model import Relay, RelayBackend, Route, TcpAddress, WebSocketUrl
from wsgate.site.build import build
from wsgate.site.upstream import Upstream

BACKEND = "ws://h:1"


def entry(port: int, *, drain: bool = False) -> RelayBackend:
    return RelayBackend(url=WebSocketUrl(TcpAddress("h", port), None), drain=drain)


def relay(*to: RelayBackend) -> Route:
    return route(Relay(to=to))


def upstream_of(gateway: Gateway) -> Upstream:
    upstream = gateway.site.routes[0].upstream
    assert upstream is not None
    return upstream


class Moved(Session):
    """A session without legs, which ends when it is moved."""

    def __init__(self, gateway: Gateway, id: str, backend: str) -> None:
        self.info = replace(joined.INFO, id=id, route="it", backend=backend)
        self.why = ""
        self._gateway = gateway
        self._backend = next(each for each in upstream_of(gateway).candidates() if each.name == backend)
        self._backend.enter()
        gateway.sessions.add(self)

    def move(self, detail: str) -> None:
        if not self.why:
            self.why = detail
            self._gateway.sessions.remove(self)
            self._backend.leave()


def moved(sessions: Sequence[Moved]) -> int:
    return sum(bool(session.why) for session in sessions)


@pytest.fixture
def autojump_clock() -> trio.testing.MockClock:
    """Nothing here waits for a socket or a thread, so virtual time needs no real time."""
    return trio.testing.MockClock(autojump_threshold=0)


@pytest.fixture(autouse=True)
def even(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.uniform", lambda least, most: 1.0)


async def test_by_its_entry(nursery: trio.Nursery, log: Log, autojump_clock: trio.testing.MockClock) -> None:
    gateway = gateway_of(relay(entry(1), entry(2)))
    upstream = upstream_of(gateway)
    other = Moved(gateway, "other", "ws://h:2")
    ours = [Moved(gateway, str(number), BACKEND) for number in range(100)]
    nursery.start_soon(backend_drain.watch, gateway)
    await trio.sleep(10.5)
    assert (moved(ours), log.events()) == (0, [])
    upstream.update(listed=[entry(1, drain=True)])
    assert [each.name for each in upstream.candidates()] == ["ws://h:2"]
    assert log.one("backend drains") == {
        "route": "it",
        "backend": BACKEND,
        "reason": "its entry says drain",
        "sessions": 100,
    }
    await trio.sleep(3)
    assert 10 < moved(ours) <= 30  # ten a second
    late = Moved.__new__(Moved)  # its handshake had begun before
    late.why, late._gateway, late._backend = "", gateway, upstream.backends[0]
    late.info = replace(joined.INFO, id="late", route="it", backend=BACKEND)
    late._backend.enter()
    await trio.sleep(12)
    assert moved(ours) == 100
    assert "backend drained" not in log.events()
    gateway.sessions.add(late)
    await trio.sleep(3)
    assert {session.why for session in (*ours, late)} == {"the backend drains"}
    assert not other.why
    assert log.events() == ["backend drains", "backend drained"]


async def test_one_that_stops_to_drain(nursery: trio.Nursery, log: Log, autojump_clock: trio.testing.MockClock) -> None:
    """Its sessions whose turn has not come go on; it may drain again."""
    gateway = gateway_of(relay(entry(1), entry(2)))
    upstream = upstream_of(gateway)
    ours = [Moved(gateway, str(number), BACKEND) for number in range(100)]
    nursery.start_soon(backend_drain.watch, gateway)
    for _ in range(2):
        assert upstream.drain(BACKEND)
        await trio.sleep(2)
        assert upstream.drain(BACKEND, on=False)
        assert len(list(upstream.candidates())) == 2
        before = moved(ours)
        await trio.sleep(20)
        assert moved(ours) == before
    assert 20 < moved(ours) < 60
    assert log.events() == ["backend drains", "backend drains no more"] * 2
    assert not upstream.drain("ws://h:3")


async def test_by_its_entry_and_by_command(log: Log) -> None:
    """Both have to end before it takes sessions again."""
    gateway = gateway_of(relay(entry(1, drain=True), entry(2)))
    upstream = upstream_of(gateway)
    upstream.drain(BACKEND)
    upstream.drain(BACKEND)
    upstream.update(listed=[entry(1)])
    assert log.events() == ["backend drains"]
    assert upstream.backends[0].is_draining
    upstream.drain(BACKEND, on=False)
    assert log.events() == ["backend drains", "backend drains no more"]


async def test_one_that_goes(nursery: trio.Nursery, log: Log, autojump_clock: trio.testing.MockClock) -> None:
    """Its sessions go on, unless it drains already."""
    gateway = gateway_of(relay(entry(3)))
    upstream = upstream_of(gateway)
    upstream.update(listed=[entry(1), entry(2)])
    staying, going = Moved(gateway, "a", "ws://h:2"), Moved(gateway, "b", BACKEND)
    upstream.drain(BACKEND)
    upstream.update(listed=[])
    nursery.start_soon(backend_drain.watch, gateway)
    await trio.sleep(10)
    assert (staying.why, going.why) == ("", "the backend drains")


async def test_a_reload_marks_it(nursery: trio.Nursery, log: Log, autojump_clock: trio.testing.MockClock) -> None:
    """Also if no new session comes."""
    gateway = gateway_of(relay(entry(1), entry(2)))
    ours = [Moved(gateway, str(number), BACKEND) for number in range(10)]
    nursery.start_soon(backend_drain.watch, gateway)
    for drain in (True, False):
        settings = replace(gateway.settings, routes=(relay(entry(1, drain=drain), entry(2)),))
        gateway.use_site(build(settings, gateway.site))
        await trio.sleep(20)
        assert moved(ours) == 10
    assert log.events() == ["backend drains", "backend drained", "backend drains no more"]


async def test_a_reload_changes_nothing(
    nursery: trio.Nursery, log: Log, autojump_clock: trio.testing.MockClock
) -> None:
    gateway = gateway_of(relay(entry(1), entry(2)))
    ours = [Moved(gateway, str(number), BACKEND) for number in range(100)]
    nursery.start_soon(backend_drain.watch, gateway)
    upstream_of(gateway).drain(BACKEND)
    await trio.sleep(2)
    gateway.use_site(build(replace(gateway.settings, routes=(relay(entry(1), entry(2), entry(3)),)), gateway.site))
    await trio.sleep(20)
    assert moved(ours) == 100
    assert {each.name for each in upstream_of(gateway).candidates()} == {"ws://h:2", "ws://h:3"}
    assert log.events() == ["backend drains", "backend drained"]
