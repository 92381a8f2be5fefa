"""Connections that owe their request: how many an address may have, and which go first."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import ip_network

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from tests.gate.conftest import Gate, StartGate, at, closed, relay_to, route
from tests.log import Log
from tests.peers.heads import plain_request, request
from tests.peers.stream import Backend, Peer, open_session
from wsgate.events.metrics import SILENT
from wsgate.gate.silent_connections import GRACE, SilentConnections
from wsgate.settings.model import Limits, Network, Respond


@dataclass
class Crowd:
    """Silent connections, by their names, which begin with their address."""

    connections: SilentConnections = field(default_factory=SilentConnections)
    scopes: dict[str, trio.CancelScope] = field(default_factory=dict)
    stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def add(self, *names: str) -> None:
        for name in names:
            scope = self.scopes[name] = trio.CancelScope()
            address = None if name.startswith("-") else name[0]
            self.stack.enter_context(self.connections.waiting(scope, address))

    @property
    def ended(self) -> str:
        return " ".join(name for name, scope in self.scopes.items() if scope.cancel_called)


@pytest.fixture
def crowd(autojump_clock: MockClock) -> Iterator[Crowd]:
    crowd = Crowd()
    yield crowd
    with crowd.stack:
        pass
    assert len(crowd.connections) == 0
    assert not crowd.connections._by_address


async def test_the_address_with_the_most_makes_room(crowd: Crowd) -> None:
    crowd.add("a1", "b1", "b2", "b3", "c1", "c2")
    await trio.sleep(GRACE)
    assert crowd.connections.end(1) == 1
    assert crowd.ended == "b1"
    assert crowd.connections.end(2) == 2
    assert crowd.ended == "b1 b2 c1"
    assert crowd.connections.end(9) == 3
    assert crowd.connections.end(9) == 0


async def test_of_those_with_as_many_the_oldest(crowd: Crowd) -> None:
    crowd.add("a1")
    await trio.sleep(1)
    crowd.add("b1", "-1")
    await trio.sleep(1)
    crowd.add("-2", "c1")
    await trio.sleep(1)
    assert crowd.connections.end(2) == 2
    assert crowd.ended == "a1 b1"
    crowd.add("d1", "d2")  # too young, though there are two of them
    assert crowd.connections.end(2) == 2
    assert crowd.ended == "a1 b1 -1 -2"


async def test_who_has_spoken_is_not_ended(crowd: Crowd) -> None:
    scope = trio.CancelScope()
    with crowd.connections.waiting(scope, "a"):
        await trio.sleep(1)
    assert crowd.connections.end(1) == 0
    assert crowd.connections.make_room("a", 1) == (True, 0)


async def test_an_address_makes_room_for_its_own(crowd: Crowd) -> None:
    crowd.add("a1", "a2", "b1")
    assert crowd.connections.make_room("a", 3) == (True, 0)
    assert crowd.connections.make_room("a", 2) == (False, 0)  # both have just come
    await trio.sleep(GRACE)
    crowd.add("a3")
    assert crowd.connections.make_room("a", 2) == (True, 2)  # as few as there may be, with the next
    assert crowd.ended == "a1 a2"
    crowd.add("a4")
    assert crowd.connections.make_room("a", 2) == (False, 0)
    assert crowd.ended == "a1 a2"


# -- on a connection ---------------------------------------------------------------------------------------------------

TWO = Limits(silent_per_address=2)


async def silent(gate: Gate, client: str = "192.0.2.7:1") -> Peer:
    peer = gate.connect(client)
    await trio.testing.wait_all_tasks_blocked()
    return peer


def counted(gate: Gate) -> dict[str, int]:
    found = gate.gateway.metrics.row.read()
    return {labels[0]: values[0] for metric, labels, values in found if metric is SILENT}


async def test_a_third_connection_that_comes_at_once(
    start_gate: StartGate, backend: Backend, log: Log, mock_clock: MockClock
) -> None:
    gate = start_gate(route(relay_to(backend.port)), limits=TWO)
    first, second = await silent(gate), await silent(gate)
    third = await silent(gate)
    await third.read_end()
    line = log.one("too many silent connections")
    assert (line["client"], line["listener"]) == ("192.0.2.7:1", "127.0.0.1:80")
    assert str(line["reason"]).endswith("(limits.silent_per_address): this one is refused")
    await open_session(await silent(gate, "192.0.2.8:1"), backend)
    await open_session(first, backend)
    await open_session(second, backend)
    await open_session(await silent(gate), backend)  # sessions are not silent
    assert counted(gate) == {"address": 1}


async def test_who_says_nothing_keeps_nobody_of_its_address_out(
    start_gate: StartGate, backend: Backend, log: Log, mock_clock: MockClock
) -> None:
    gate = start_gate(route(relay_to(backend.port)), limits=TWO)
    first, second = await silent(gate), await silent(gate)
    mock_clock.jump(GRACE)
    third = await silent(gate)
    await first.read_end()
    await open_session(third, backend)
    await open_session(second, backend)
    assert "the one that has been silent for longest is ended" in str(log.one("too many silent connections")["reason"])
    assert counted(gate) == {"address": 1}


async def test_a_kept_connection_owes_its_next_request(start_gate: StartGate, mock_clock: MockClock) -> None:
    gate = start_gate(route(Respond(status=200), match=at("/")), limits=Limits(silent_per_address=1))
    first = await silent(gate)
    await first.write(plain_request())
    assert (await first.read_head()).status == 200
    await trio.testing.wait_all_tasks_blocked()
    mock_clock.jump(GRACE)
    second = await silent(gate)
    await first.read_end()
    await second.write(plain_request())
    assert (await second.read_head()).status == 200


@pytest.mark.parametrize("client", ["unix:/run/gate.sock", "10.0.0.1:5"])
async def test_proxies_and_unix_sockets_are_not_counted(
    start_gate: StartGate, backend: Backend, client: str, mock_clock: MockClock
) -> None:
    trusted = (Network(ip_network("10.0.0.0/8")),)
    gate = start_gate(route(relay_to(backend.port)), limits=Limits(silent_per_address=1), trusted_proxies=trusted)
    for peer in [await silent(gate, client) for _ in range(3)]:
        await open_session(peer, backend)


async def test_each_worker_has_its_share(start_gate: StartGate, backend: Backend, mock_clock: MockClock) -> None:
    gate = start_gate(route(relay_to(backend.port)), limits=Limits(silent_per_address=3))
    gate.gateway.workers = 2
    assert gate.gateway.most_silent == 2


async def test_any_number(start_gate: StartGate, backend: Backend, mock_clock: MockClock) -> None:
    gate = start_gate(route(relay_to(backend.port)), limits=Limits(silent_per_address=None))
    assert gate.gateway.most_silent is None
    for peer in [await silent(gate) for _ in range(120)]:
        await peer.write(request())
        await backend.accept_request()
    gate.connections.cancel_scope.cancel()
    await closed(gate)
