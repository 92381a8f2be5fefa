"""Limits that several gateways share: each test has two of them in its process, on a real Redis server."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis
import trio

from tests.gate.conftest import CLIENT, Gate, StartGate, closed, relay_to, route
from tests.gate.handlers.test_other_upgrade import ask, passing, switching
from tests.log import Log
from tests.peers.frames import close_frame
from tests.peers.heads import Head, request
from tests.peers.stream import Backend, Peer, open_session
from tests.redis_server import RedisServer, redis_server
from wsgate.gate import shared_limits
from wsgate.gate.upgrade_rates import UpgradeRates
from wsgate.settings.model import Auth, Basic, Limits, Route, RouteLimits
from wsgate.site.build import build
from wsgate.site.shared_buckets import SharedBuckets
from wsgate.site.shared_redis import Bucket, SharedRedis

pytestmark = pytest.mark.needs("redis-server")


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RedisServer]:
    # a slow machine is no failure; tests of failures have a shorter one
    monkeypatch.setattr(shared_limits, "DEADLINE", 20.0)
    with redis_server(tmp_path) as server:
        yield server


@pytest.fixture
async def nursery() -> AsyncIterator[trio.Nursery]:
    async with trio.open_nursery() as nursery:
        yield nursery
        nursery.cancel_scope.cancel()


ADDRESS = "address 192.0.2.7"


class Fleet:
    """Gateways that share limits, and one more that only asks the server and tells it what a test wants."""

    def __init__(self, start_gate: StartGate, nursery: trio.Nursery, backend: Backend, server: RedisServer) -> None:
        self._start = start_gate
        self._nursery = nursery
        self.backend = backend
        self.server = server
        self.other = SharedRedis(server.url, 20.0, lease=1000.0)
        self.database: Any = redis.Redis(port=server.port)

    def start(self, own: Route | None = None, **limits: Any) -> Gate:
        written = Limits(**{"sessions_per_address": None, **limits}, shared=self.server.url)
        gate = self._start(own or route(relay_to(self.backend.port)), limits=written)
        self._nursery.start_soon(gate.gateway.shared_limits.run)
        return gate

    async def open(self, gate: Gate, client: str = CLIENT) -> tuple[Peer, Peer]:
        peer = gate.connect(client)
        return peer, await open_session(peer, self.backend)

    def told(self, number: int, name: str = ADDRESS) -> int:
        """Tells how many sessions the other gateway has. Returns how many there are besides."""
        _, (others,) = self.other.tell([], [(name, number)])
        return others

    async def until(self, others: int, name: str = ADDRESS, number: int = 0) -> None:
        while self.told(number, name) != others:
            await trio.lowlevel.checkpoint()


@pytest.fixture
def fleet(start_gate: StartGate, nursery: trio.Nursery, backend: Backend, server: RedisServer) -> Iterator[Fleet]:
    fleet = Fleet(start_gate, nursery, backend, server)
    yield fleet
    fleet.other.close()
    fleet.database.close()


async def refused(gate: Gate, data: bytes | None = None) -> Head:
    client = gate.connect()
    await client.write(request() if data is None else data)
    return await client.read_head()


async def end(*peers: Peer) -> None:
    for peer in peers:
        await peer.send(close_frame(1000))
    for peer in peers:
        await peer.receive_close()
        await peer.stream.aclose()


async def until_logged(log: Log, event: str) -> None:
    while not log.all(event):
        await trio.lowlevel.checkpoint()


async def test_sessions_of_an_address(fleet: Fleet, log: Log) -> None:
    here, there = fleet.start(sessions_per_address=2), fleet.start(sessions_per_address=2)
    first = await fleet.open(here)
    await fleet.open(there)
    head = await refused(here)
    assert (head.status, head.one("Retry-After")) == (429, "5")
    assert log.one("refused")["detail"].endswith("counted together with the gateways on limits.shared")
    await fleet.until(2)  # who was refused is not counted
    assert (await refused(there)).status == 429
    await fleet.open(there, "192.0.2.8:1")
    await end(*first)
    await fleet.until(1)
    await fleet.open(there)
    assert (await refused(here)).status == 429


async def test_sessions_of_a_user(fleet: Fleet) -> None:
    basic = Auth(basic=Basic(users=("alice:{PLAIN}a",)))
    own = RouteLimits(sessions_per_user=1, sessions=1)
    gate = fleet.start(route(relay_to(fleet.backend.port), auth=basic, limits=own))
    data = request("/", {"Authorization": "Basic " + base64.b64encode(b"alice:a").decode()})
    fleet.told(1, "user it alice")
    fleet.told(1, "route it")  # each gateway has its own number of these
    assert (await refused(gate, data)).status == 429
    fleet.told(0, "user it alice")
    client = gate.connect()
    await client.write(data)
    await (await fleet.backend.accept_request()).accept_upgrade()
    assert (await client.read_head()).status == 101


@pytest.mark.parametrize(
    ("limits", "bucket", "status"),
    [
        ({"upgrades_per_second_per_address": 1}, ADDRESS, 429),
        ({"upgrades_per_second": 1}, "gateway", 503),
    ],
)
async def test_upgrades_in_a_second(fleet: Fleet, log: Log, limits: Any, bucket: str, status: int) -> None:
    gate = fleet.start(**limits)
    fleet.other.tell([[Bucket(bucket, 1)]], [])
    # as if the others had taken so much that no delay of this test fills it
    (key,) = fleet.database.keys("wsgate:rate:*")
    fleet.database.set(key, str(1 << 52))
    head = await refused(gate)
    assert head.status == status
    assert int(head.one("Retry-After") or 0) > 0
    assert log.one("refused")["detail"].startswith(f"limits.{next(iter(limits))}; counted together")
    fleet.database.delete(key)
    gate.gateway.upgrade_rates = UpgradeRates(SharedBuckets())
    await fleet.open(gate)


async def test_an_upgrade_to_another_protocol(fleet: Fleet) -> None:
    gate = fleet.start(passing(fleet.backend.port), sessions_per_address=1)
    fleet.told(1)
    client = gate.connect()
    await client.write(ask())
    server = await fleet.backend.accept_request()
    await server.write(switching())
    assert (await client.read_head()).status == 429
    await server.read_end()
    await fleet.until(0, number=1)


async def test_a_server_that_hangs(fleet: Fleet, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_limits, "PAUSE", 0.01)
    gate = fleet.start(sessions_per_address=2)
    await fleet.open(gate)
    fleet.told(1)
    assert (await refused(gate)).status == 429
    await fleet.until(1, number=1)
    monkeypatch.setattr(shared_limits, "DEADLINE", 0.01)
    fleet.server.hang()
    await fleet.open(gate)  # the limit of this gateway alone is not reached
    assert (await refused(gate)).status == 429
    await until_logged(log, "limits not shared")
    assert gate.gateway.shared_limits.is_local
    assert gate.gateway.shared_limits.take_failures() > 0
    line = log.one("limits not shared")
    assert (line["redis"], line["consequence"]) == (fleet.server.url.shown, "this gateway counts for itself")
    monkeypatch.setattr(shared_limits, "DEADLINE", 20.0)
    fleet.server.go_on()
    await until_logged(log, "limits shared again")
    assert not gate.gateway.shared_limits.is_local
    await fleet.until(2, number=1)
    assert (await refused(gate)).status == 429
    assert len(log.all("limits not shared")) == 1


async def test_a_server_that_is_gone_and_back(fleet: Fleet, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_limits, "PAUSE", 0.01)
    gate = fleet.start(sessions_per_address=2)
    first = await fleet.open(gate)
    fleet.server.kill()
    await fleet.open(gate, "192.0.2.8:1")
    await end(*first)
    await fleet.open(gate, "192.0.2.8:2")
    assert len(log.all("limits not shared")) == 1
    fleet.server.start()
    await until_logged(log, "limits shared again")
    await fleet.until(2, "address 192.0.2.8")  # it was empty, and is told all
    await fleet.until(0)


async def test_numbers_are_told_again(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_limits, "RENEWAL", 0.01)
    monkeypatch.setattr(shared_limits, "_MOST_NAMES", 2)
    gate = fleet.start(sessions_per_address=2)
    for number in range(5):
        await fleet.open(gate, f"192.0.2.{number}:1")
    fleet.database.flushdb()
    for number in range(5):
        await fleet.until(1, f"address 192.0.2.{number}")


async def test_a_client_that_leaves_while_the_server_is_asked(fleet: Fleet) -> None:
    gate = fleet.start(sessions_per_address=2)
    await fleet.open(gate)
    fleet.server.hang()
    client = gate.connect()
    await client.write(request())
    while gate.gateway.session_limits.number(ADDRESS) < 2:
        await trio.lowlevel.checkpoint()
    gate.connections.cancel_scope.cancel()
    await closed(gate)
    fleet.server.go_on()
    await fleet.until(0)


async def test_another_server_by_reload(fleet: Fleet, log: Log, tmp_path: Path) -> None:
    gate = fleet.start(sessions_per_address=2)
    await fleet.open(gate)
    await fleet.until(1)
    with redis_server(tmp_path) as second:
        site = gate.gateway.site
        limits = replace(site.settings.limits, shared=second.url)
        gate.gateway.use_site(build(replace(site.settings, limits=limits)))
        other = SharedRedis(second.url, 20.0)
        while other.tell([], [(ADDRESS, 0)])[1] != [1]:
            await trio.lowlevel.checkpoint()
        other.close()
        gate.gateway.use_site(build(replace(site.settings, limits=replace(limits, shared=None))))
    await fleet.open(gate)
    assert "limits not shared" not in log.events()
