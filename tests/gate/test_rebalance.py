"""Sessions that are moved to a backend that is new or has come back, on a virtual clock."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
import trio
import trio.testing

from tests.gate.conftest import gateway_of, route
from tests.relay import joined
from wsgate.gate import membership
from wsgate.gate.gateway import Gateway
from wsgate.relay.session import Session
from wsgate.settings.model import Balance, Health, Policy, Relay, RelayBackend, Route, TcpAddress, WebSocketUrl
from wsgate.site.build import build
from wsgate.site.upstream import Upstream

CLIENTS = 300
HEALTH = Health(tcp=True, rise=1, fall=1)


def entry(port: int, **more: Any) -> RelayBackend:
    return RelayBackend(url=WebSocketUrl(TcpAddress("h", port), None), **more)


def relay(*to: RelayBackend, policy: Policy = Policy.LEAST_SESSIONS, **more: Any) -> Route:
    return route(Relay(to=to, balance=Balance(policy=policy), rebalance=1, health=HEALTH, **more))


class Client(Session):
    """A session without legs, whose client comes back after a second."""

    def __init__(self, crowd: Crowd, id: str) -> None:
        self.crowd = crowd
        self.backend = next(crowd.upstream.candidates())
        self.backend.enter()
        self.info = replace(joined.INFO, id=id, route="it", backend=self.backend.name)
        crowd.gateway.sessions.add(self)

    def move(self, detail: str) -> None:
        self.crowd.gateway.sessions.remove(self)
        self.backend.leave()
        self.crowd.moved[self.backend.name] += 1
        self.crowd.nursery.start_soon(self.crowd.come_back, self.info.id)


class Crowd:
    """Clients of a route.

    moved: how many sessions were ended, by backend
    """

    def __init__(self, gateway: Gateway, nursery: trio.Nursery) -> None:
        self.gateway = gateway
        self.nursery = nursery
        self.moved: Counter[str] = Counter()
        for number in range(CLIENTS):
            Client(self, str(number))

    @property
    def upstream(self) -> Upstream:
        upstream = self.gateway.site.routes[0].upstream
        assert upstream is not None
        return upstream

    @property
    def spread(self) -> list[int]:
        return [backend.sessions for backend in self.upstream.backends]

    async def come_back(self, id: str) -> None:
        await trio.sleep(1)
        Client(self, id)

    def checked(self, port: int, error: str) -> None:
        """A health check of a backend."""
        (backend,) = (each for each in self.upstream.backends if each.name == f"ws://h:{port}")
        backend.checked(error, HEALTH)


@pytest.fixture
def autojump_clock() -> trio.testing.MockClock:
    """Nothing here waits for a socket or a thread, so virtual time needs no real time."""
    return trio.testing.MockClock(autojump_threshold=0)


@pytest.fixture
async def crowd(nursery: trio.Nursery) -> Crowd:
    crowd = Crowd(gateway_of(relay(entry(1), entry(2))), nursery)
    await nursery.start(membership.watch, crowd.gateway)
    return crowd


@pytest.mark.parametrize("policy", [Policy.ROUND_ROBIN, Policy.RANDOM, Policy.LEAST_SESSIONS])
async def test_one_that_is_new_gets_its_share(
    nursery: trio.Nursery, policy: Policy, autojump_clock: trio.testing.MockClock
) -> None:
    """Not faster than that, not more than that, and by nobody's second move."""
    crowd = Crowd(gateway_of(relay(entry(1), entry(2), policy=policy)), nursery)
    before = crowd.spread
    await nursery.start(membership.watch, crowd.gateway)
    await trio.sleep(10.5)
    assert (crowd.spread, crowd.moved) == (before, Counter())
    crowd.upstream.update(listed=[entry(3)])
    await trio.sleep(10)
    assert 27 <= crowd.moved.total() <= 30
    await trio.sleep(30)
    assert crowd.spread == pytest.approx([100, 100, 100], abs=1)
    assert crowd.moved.total() == crowd.spread[2]
    await trio.sleep(30)
    assert crowd.moved.total() == crowd.spread[2]


async def test_one_that_comes_back(crowd: Crowd, autojump_clock: trio.testing.MockClock) -> None:
    crowd.checked(2, "refused")
    for session in list(crowd.gateway.sessions):
        if isinstance(session, Client) and session.info.backend == "ws://h:2":
            session.move("")
    await trio.sleep(10)
    assert crowd.spread == [CLIENTS, 0]
    crowd.checked(2, "")
    await trio.sleep(100)
    assert crowd.spread == [150, 150]
    assert crowd.moved["ws://h:1"] == 150


async def test_one_that_goes_again(crowd: Crowd, autojump_clock: trio.testing.MockClock) -> None:
    """What was promised to it goes to the others."""
    crowd.upstream.update(listed=[entry(3)])
    await trio.sleep(5.5)
    crowd.upstream.update(listed=[])
    await trio.sleep(5)
    moved = crowd.moved.total()
    assert moved < 20
    assert sum(crowd.spread) >= CLIENTS - moved
    await trio.sleep(30)
    assert crowd.moved.total() == moved


async def test_a_cap_and_a_backup(crowd: Crowd, autojump_clock: trio.testing.MockClock) -> None:
    crowd.upstream.update(listed=[entry(3, sessions=10), entry(4, backup=True)])
    await trio.sleep(60)
    assert crowd.spread[2:] == [10, 0]
    assert crowd.moved.total() == 10


async def test_a_reload_adds_one(crowd: Crowd, autojump_clock: trio.testing.MockClock) -> None:
    settings = replace(crowd.gateway.settings, routes=(relay(entry(1), entry(2), entry(3)),))
    crowd.gateway.use_site(build(settings, crowd.gateway.site))
    await trio.sleep(60)
    assert crowd.spread == [100, 100, 100]


async def test_no_sessions(nursery: trio.Nursery, autojump_clock: trio.testing.MockClock) -> None:
    gateway = gateway_of(relay(entry(1)))
    await nursery.start(membership.watch, gateway)
    upstream = gateway.site.routes[0].upstream
    assert upstream is not None
    upstream.update(listed=[entry(2)])
    await trio.sleep(10)
    assert upstream.newcomers == set()
