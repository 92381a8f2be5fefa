"""Backends that become unhealthy and well again, on a virtual clock; what a check is, ``test_health_check`` shows."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

import pytest
import trio
import trio.testing

from tests.gate.conftest import gateway_of, route
from tests.log import Log
from tests.relay import joined
from wsgate.gate import health
from wsgate.gate.gateway import Gateway
from wsgate.relay.session import Session
from wsgate.settings.model import Health, OnUnhealthy, Relay, RelayBackend, Route, TcpAddress, WebSocketUrl
from wsgate.site.build import build

HEALTH = Health(tcp=True, interval=5.0, rise=2, fall=3)


def relay(*ports: int, health: Health | None = HEALTH) -> Route:
    to = tuple(RelayBackend(url=WebSocketUrl(TcpAddress("h", port), None)) for port in ports)
    return route(Relay(to=to, health=health))


class Checks:
    """Answers in the place of the backends."""

    def __init__(self) -> None:
        self.down: set[int] = set()
        self.made: dict[int, int] = defaultdict(int)

    async def __call__(self, backend: object, *rest: object) -> str:
        await trio.lowlevel.checkpoint()
        port = backend.address.address.port  # type: ignore[attr-defined]
        self.made[port] += 1
        return "refused" if port in self.down else ""


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> Checks:
    made = Checks()
    monkeypatch.setattr("random.uniform", lambda least, most: 1.0)
    monkeypatch.setattr("random.random", lambda: 0.0)
    monkeypatch.setattr(health, "check_health", made)
    return made


def usable(gateway: Gateway) -> list[int]:
    upstream = gateway.site.routes[0].upstream
    assert upstream is not None
    return [each.address.address.port for each in upstream.candidates()]  # type: ignore[union-attr]


async def test_one_that_fails_and_comes_back(
    nursery: trio.Nursery, checks: Checks, log: Log, autojump_clock: trio.testing.MockClock
) -> None:
    gateway = gateway_of(relay(1, 2))
    nursery.start_soon(health.watch, gateway)
    await trio.sleep(22)
    assert usable(gateway) == [1, 2]
    checks.down.add(1)
    await trio.sleep(10)
    assert usable(gateway) == [1, 2]  # twice is not three times
    await trio.sleep(5)
    assert usable(gateway) == [2]
    assert log.one("backend unhealthy") == {"route": "it", "backend": "ws://h:1", "error": "refused"}
    checks.down.clear()
    await trio.sleep(12)
    assert usable(gateway) == [1, 2]
    assert log.events() == ["backend unhealthy", "backend healthy"]


class Ended(Session):
    """A session without legs, which notes its end."""

    def __init__(self, id: str, backend: str) -> None:
        self.info = replace(joined.INFO, id=id, route="it", backend=backend)
        self.ended: list[str] = []

    def end_unhealthy(self, detail: str) -> None:
        self.ended.append(detail)


async def test_sessions_of_an_unhealthy_one(
    nursery: trio.Nursery, checks: Checks, autojump_clock: trio.testing.MockClock
) -> None:
    """Those of another backend go on; so do those whose turn has not come when the backend is well again."""
    health_ = replace(HEALTH, on_unhealthy=OnUnhealthy.CLOSE, rise=1, fall=1)
    gateway = gateway_of(relay(1, 2, health=health_))
    other = Ended("other", "ws://h:2")
    ours = [Ended(str(number), "ws://h:1") for number in range(100)]
    for session in (other, *ours):
        gateway.sessions.add(session)
    nursery.start_soon(health.watch, gateway)
    await trio.sleep(7)
    checks.down.add(1)
    await trio.sleep(3.5)
    begun = [session for session in ours if session.ended]
    assert 1 < len(begun) < 50
    checks.down.clear()
    await trio.sleep(30)
    ended = [session.ended for session in ours if session.ended]
    assert len(begun) < len(ended) < 100
    assert set(map(tuple, ended)) == {("refused",)}
    assert other.ended == []
    checks.down.add(1)
    await trio.sleep(40)
    assert all(session.ended for session in ours)
    assert other.ended == []


async def test_none_is_left(nursery: trio.Nursery, checks: Checks, autojump_clock: trio.testing.MockClock) -> None:
    """Each failing check is logged on its own, and no session gets an unhealthy backend."""
    gateway = gateway_of(relay(1, 2))
    checks.down |= {1, 2}
    nursery.start_soon(health.watch, gateway)
    await trio.sleep(20)
    assert usable(gateway) == []


async def test_a_reload(nursery: trio.Nursery, checks: Checks, autojump_clock: trio.testing.MockClock) -> None:
    """Routes that are gone are checked no more, new ones are; what is known of a backend stays."""
    gateway = gateway_of(relay(1, 2))
    checks.down.add(2)
    nursery.start_soon(health.watch, gateway)
    await trio.sleep(20)

    def reload(*routes: Route) -> None:
        gateway.use_site(build(replace(gateway.settings, routes=routes), gateway.site))

    reload(relay(2, 3))
    assert usable(gateway) == [3]
    await trio.sleep(2)
    made = checks.made[1]
    await trio.sleep(20)
    assert checks.made[1] == made
    assert checks.made[3] >= 3
    reload(relay(2, 3, health=None))
    assert usable(gateway) == [2, 3]
    await trio.sleep(2)
    made = checks.made[3]
    await trio.sleep(20)
    assert checks.made[3] == made


async def test_backends_that_come_and_go(
    nursery: trio.Nursery, checks: Checks, autojump_clock: trio.testing.MockClock
) -> None:
    gateway = gateway_of(relay(1))
    upstream = gateway.site.routes[0].upstream
    assert upstream is not None
    nursery.start_soon(health.watch, gateway)
    await trio.sleep(7)
    checks.down.add(2)
    upstream.update(listed=[RelayBackend(url=WebSocketUrl(TcpAddress("h", 2), None))])
    await trio.sleep(20)
    assert usable(gateway) == [1]
    upstream.update(listed=())
    await trio.sleep(2)
    made = checks.made[2]
    await trio.sleep(20)
    assert checks.made[2] == made
