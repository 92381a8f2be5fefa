"""Whether a connection may wait for its client's first word."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
import trio.testing
from trio.testing import MockClock

from tests.gate.conftest import Gate, StartGate, at, closed, relay_to, route
from tests.log import Log
from tests.peers.heads import plain_request, request
from tests.peers.stream import Backend, Peer, open_session
from wsgate.events.metrics import SILENT
from wsgate.gate.silent_connections import GRACE
from wsgate.settings.model import Limits, Network, Respond

TWO = Limits(silent_per_address=2)


async def silent(gate: Gate, client: str = "192.0.2.7:1") -> Peer:
    peer = gate.connect(client)
    await trio.testing.wait_all_tasks_blocked()
    return peer


def counted(gate: Gate) -> dict[str, int]:
    found = gate.gateway.metrics.row.read()
    return {labels[0]: values[0] for metric, labels, values in found if metric is SILENT}


async def test_a_third_connection_that_comes_at_once_must_speak_at_once(
    start_gate: StartGate, backend: Backend, log: Log, mock_clock: MockClock
) -> None:
    gate = start_gate(route(relay_to(backend.port)), limits=TWO)
    first, second = await silent(gate), await silent(gate)
    third = await silent(gate)
    await open_session(third, backend)
    fourth, fifth = await silent(gate), await silent(gate)
    mock_clock.jump(GRACE)
    await fourth.read_end()
    await fifth.read_end()
    line, _ = log.all("too many silent connections")
    assert (line["client"], line["listener"]) == ("192.0.2.7:1", "127.0.0.1:80")
    assert "2 of its address owe their request (limits.silent_per_address)" in str(line["reason"])
    assert "said nothing for 0.25 s" in str(line["reason"])
    await open_session(await silent(gate, "192.0.2.8:1"), backend)
    await open_session(first, backend)
    await open_session(second, backend)
    await open_session(await silent(gate), backend)  # sessions are not silent
    assert counted(gate) == {"address": 2}


async def test_who_leaves_or_is_ended_meanwhile(start_gate: StartGate, log: Log, mock_clock: MockClock) -> None:
    gate = start_gate(limits=Limits(silent_per_address=1))
    first, second, third = await silent(gate), await silent(gate), await silent(gate)
    await second.vanish()
    gate.gateway.stop_accepting()
    await first.read_end()
    await third.read_end()
    assert log.events() == []
    assert counted(gate) == {}


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
