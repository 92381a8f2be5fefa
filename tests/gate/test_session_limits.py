"""How many sessions a route, a client address and a user may have."""

from __future__ import annotations

import base64
from ipaddress import ip_network
from typing import Any

import pytest
import trio

from tests.gate.conftest import Gate, StartGate, address_of, closed, exchange_for, relay_to, route
from tests.gate.handlers.test_other_upgrade import ask, opened, passing, switching
from tests.log import Log
from tests.peers.frames import close_frame
from tests.peers.heads import Head, plain_request, request
from tests.peers.stream import Backend, open_session
from wsgate.gate.client import RemoteEnd, client_of
from wsgate.gate.session_limits import Count, SessionLimits, leave
from wsgate.settings.model import Auth, Basic, Limits, Network, RouteLimits
from wsgate.site.shared_table import SharedTable
from wsgate.wire.http import Refusal

OFF = Limits(sessions_per_address=None)


class Sessions:
    """Counts sessions of one route, as several workers do."""

    def __init__(self, limits: Limits = OFF, workers: int = 1, **own: int | None) -> None:
        written: Any = own
        self.exchange = exchange_for(route(relay_to(1), limits=RouteLimits(**written)), limits=limits)
        self.table = SharedTable(workers)
        self.workers = [SessionLimits(row if workers > 1 else None) for row in self.table.rows]

    def enter(self, client: str = "192.0.2.7", user: str | None = None, worker: int = 0) -> tuple[Count, ...]:
        address = address_of(f"[{client}]:1" if ":" in client else f"{client}:1")
        found = client_of(RemoteEnd(address, address), self.exchange.request, ())
        settings = self.exchange.site.settings
        counted = self.workers[worker].enter(settings, self.exchange.route, found, user)
        if isinstance(counted, Refusal):
            raise Refused(counted)
        return counted


class Refused(Exception):
    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.cause)
        assert refusal.status == 429
        assert dict(refusal.headers) == {b"Retry-After": b"5"}


@pytest.mark.parametrize(
    ("limits", "own", "refused", "others"),
    [
        (Limits(sessions_per_address=2), {}, {}, {"client": "192.0.2.8"}),
        (OFF, {"sessions_per_address": 2}, {}, {"client": "192.0.2.8"}),
        (OFF, {"sessions_per_user": 2}, {"user": "alice"}, {"user": "bob"}),
        (OFF, {"sessions_per_user": 2}, {"user": "alice"}, {"user": None}),
        (Limits(sessions_per_address=2), {}, {"client": "2001:db8::1"}, {"client": "2001:db8:0:1::1"}),
    ],
)
def test_no_more_than_so_many(limits: Limits, own: Any, refused: Any, others: Any) -> None:
    sessions = Sessions(limits, **own)
    first = sessions.enter(**refused)
    sessions.enter(**refused)
    for _ in range(2):  # who is refused is not counted
        with pytest.raises(Refused):
            sessions.enter(**refused)
    sessions.enter(**others)
    leave(first)
    sessions.enter(**refused)
    with pytest.raises(Refused):
        sessions.enter(**refused)


def test_an_ipv6_network_is_one_client() -> None:
    sessions = Sessions(Limits(sessions_per_address=1))
    sessions.enter("2001:db8::1")
    with pytest.raises(Refused, match="address_full"):
        sessions.enter("2001:db8::ffff:2")


def test_a_route_has_so_many_in_all() -> None:
    sessions = Sessions(sessions=2)
    sessions.enter("192.0.2.1")
    sessions.enter("192.0.2.2", "alice")
    with pytest.raises(Refused, match="route_full"):
        sessions.enter("192.0.2.3")


def test_who_is_refused_by_one_limit_is_counted_by_none() -> None:
    """And nothing is remembered of those who have no session."""
    sessions = Sessions(Limits(sessions_per_address=5), sessions=1, sessions_per_address=5, sessions_per_user=5)
    first = sessions.enter("192.0.2.1", "alice")
    with pytest.raises(Refused, match="route_full"):
        sessions.enter("192.0.2.2", "bob")
    assert len(sessions.workers[0]) == len(first) == 4
    leave(first)
    assert len(sessions.workers[0]) == 0


def test_limits_add_up_over_workers() -> None:
    sessions = Sessions(Limits(sessions_per_address=3), workers=3)
    first = sessions.enter(worker=0)
    sessions.enter(worker=1)
    sessions.enter(worker=1)
    for worker in range(3):
        with pytest.raises(Refused):
            sessions.enter(worker=worker)
    leave(first)
    sessions.enter(worker=2)
    with pytest.raises(Refused):
        sessions.enter(worker=0)
    sessions.table.rows[1].clear()  # it is dead
    sessions.enter(worker=0)
    sessions.enter(worker=0)
    with pytest.raises(Refused):
        sessions.enter(worker=0)


@pytest.mark.parametrize(
    ("end", "forwarded", "counted_as"),
    [
        ("198.51.100.9:1", "192.0.2.7", "198.51.100.9"),  # it is not trusted
        ("10.0.0.1:1", "192.0.2.7", "192.0.2.7"),
        ("10.0.0.1:1", "10.0.0.2", "10.0.0.2"),  # a client among the proxies
        ("10.0.0.1:1", None, None),  # the proxy itself, with all of its clients
        ("unix:/run/gate.sock", None, None),
        ("unix:/run/gate.sock", "2001:db8::7", "2001:db8::/64"),
    ],
)
def test_the_address_that_is_counted(end: str, forwarded: str | None, counted_as: str | None) -> None:
    trusted = (Network(ip_network("10.0.0.0/8")), Network(None))
    exchange = exchange_for(route(relay_to(1)), request("/", {"X-Forwarded-For": forwarded}))
    address = address_of(end)
    assert client_of(RemoteEnd(address, address), exchange.request, trusted).counted_as == counted_as


# -- on a connection ---------------------------------------------------------------------------------------------------


def gate_of(start_gate: StartGate, port: int, **limits: Any) -> Gate:
    return start_gate(route(relay_to(port)), limits=Limits(**limits))


async def answer(gate: Gate, path: str = "/", client: str = "192.0.2.7:1") -> Head:
    peer = gate.connect(client)
    await peer.write(request(path))
    return await peer.read_head()


async def test_a_session_is_counted_until_its_end(start_gate: StartGate, backend: Backend, log: Log) -> None:
    gate = gate_of(start_gate, backend.port, sessions_per_address=1)
    first = gate.connect()
    server = await open_session(first, backend)
    head = await answer(gate)
    assert (head.status, head.one("Retry-After")) == (429, "5")
    line = log.one("refused")
    assert line["reason"] == "too many sessions from your address: try again later"
    assert "limits.sessions_per_address" in str(line["detail"])
    await open_session(gate.connect("192.0.2.8:1"), backend)  # the backend was not asked for the second

    for peer in (first, server):
        await peer.send(close_frame(1000))
    await server.vanish()
    await first.vanish()
    await gone(gate, 1)
    await open_session(gate.connect(), backend)


async def gone(gate: Gate, left: int) -> None:
    while len(gate.gateway.sessions) > left:
        await trio.lowlevel.checkpoint()


async def test_a_handshake_is_counted_too(start_gate: StartGate, backend: Backend) -> None:
    gate = gate_of(start_gate, backend.port, sessions_per_address=1)
    first = gate.connect()
    await first.write(request())
    server = await backend.accept_request()
    assert (await answer(gate)).status == 429
    await server.respond("403 Forbidden")
    assert (await first.read_head()).status == 403
    assert len(gate.gateway.session_limits) == 0
    await open_session(gate.connect(), backend)


async def test_a_cancelled_session(start_gate: StartGate, backend: Backend) -> None:
    gate = gate_of(start_gate, backend.port, sessions_per_address=1)
    await open_session(gate.connect(), backend)
    assert len(gate.gateway.session_limits) == 1
    gate.connections.cancel_scope.cancel()
    await closed(gate)
    assert len(gate.gateway.session_limits) == 0


async def test_an_upgrade_to_another_protocol(start_gate: StartGate, backend: Backend) -> None:
    gate = start_gate(passing(backend.port), limits=Limits(sessions_per_address=1))
    await opened(gate, backend)
    second = gate.connect()
    await second.write(ask())
    server = await backend.accept_request()
    await server.write(switching())
    assert (await second.read_head()).status == 429
    await server.read_end()
    assert len(gate.gateway.session_limits) == 1


async def test_plain_requests_are_not_counted(start_gate: StartGate, backend: Backend) -> None:
    gate = gate_of(start_gate, backend.port, sessions_per_address=1)
    await open_session(gate.connect(), backend)
    client = gate.connect()
    await client.write(plain_request())
    assert (await client.read_head()).status == 426


async def test_a_user_of_the_route(start_gate: StartGate, backend: Backend) -> None:
    auth = Auth(basic=Basic(users=("alice:{PLAIN}a", "bob:{PLAIN}b")))
    it = route(relay_to(backend.port), auth=auth, origins=(), limits=RouteLimits(sessions_per_user=1))
    gate = start_gate(it)
    statuses = []
    for number, who in enumerate(("alice:a", "alice:a", "bob:b", "bob:x")):
        client = gate.connect(f"192.0.2.{number}:1")
        fields = {"Authorization": "Basic " + base64.b64encode(who.encode()).decode()}
        await client.write(request("/", fields))
        if number in (0, 2):
            await (await backend.accept_request()).accept_upgrade()
        statuses.append((await client.read_head()).status)
    assert statuses == [101, 429, 101, 401]
