"""How many upgrades there may be in a second."""

from __future__ import annotations

import base64

import pytest

from tests.gate.conftest import Gate, StartGate, exchange_for, relay_to, route
from tests.log import Log
from tests.peers.heads import Head, plain_request, request
from tests.peers.stream import Backend, open_session
from wsgate.gate.upgrade_rates import UpgradeRates
from wsgate.settings.model import Auth, Basic, Limits
from wsgate.site.shared_buckets import SECOND, SharedBuckets


class Clock:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> int:
        return round(self.seconds * SECOND)


@pytest.mark.parametrize(("rate", "later", "seconds"), [(1, 0.0, b"1"), (1, 0.9, b"1"), (2, 0.0, b"1")])
def test_when_to_come_again(rate: int, later: float, seconds: bytes) -> None:
    """In whole seconds, and never at once."""
    clock = Clock()
    rates = UpgradeRates(SharedBuckets(), clock)
    exchange = exchange_for(route(relay_to(1)), limits=Limits(upgrades_per_second=rate))
    settings = exchange.site.settings
    assert [rates.check_gateway(settings) for _ in range(rate)] == [None] * rate
    clock.seconds += later
    refusal = rates.check_gateway(settings)
    assert refusal is not None
    assert (refusal.status, refusal.cause, refusal.headers) == (503, "rate", ((b"Retry-After", seconds),))
    clock.seconds += 1
    assert rates.check_gateway(settings) is None


def clocked(start_gate: StartGate, backend: Backend, limits: Limits, auth: Auth | None = None) -> tuple[Gate, Clock]:
    gate, clock = start_gate(route(relay_to(backend.port), auth=auth), limits=limits), Clock()
    gate.gateway.upgrade_rates = UpgradeRates(SharedBuckets(), clock)
    return gate, clock


async def answer(gate: Gate, client: str = "192.0.2.7:1", data: bytes | None = None) -> Head:
    peer = gate.connect(client)
    await peer.write(request() if data is None else data)
    return await peer.read_head()


async def test_an_address(start_gate: StartGate, backend: Backend, log: Log) -> None:
    gate, clock = clocked(start_gate, backend, Limits(upgrades_per_second_per_address=1))
    await open_session(gate.connect("192.0.2.7:1"), backend)
    head = await answer(gate)
    assert (head.status, head.one("Retry-After")) == (429, "1")
    assert log.one("refused")["detail"] == "limits.upgrades_per_second_per_address"
    await open_session(gate.connect("192.0.2.8:1"), backend)
    await open_session(gate.connect("unix:/run/gate.sock"), backend)
    await open_session(gate.connect("unix:/run/gate.sock"), backend)
    clock.seconds += 1
    await open_session(gate.connect("192.0.2.7:1"), backend)


async def test_plain_requests_are_no_upgrades(start_gate: StartGate, backend: Backend) -> None:
    gate, _ = clocked(start_gate, backend, Limits(upgrades_per_second_per_address=1, upgrades_per_second=1))
    assert [(await answer(gate, data=plain_request())).status for _ in range(3)] == [426] * 3
    await open_session(gate.connect(), backend)


async def test_all_together(start_gate: StartGate, backend: Backend, log: Log) -> None:
    gate, clock = clocked(start_gate, backend, Limits(upgrades_per_second=2))
    await open_session(gate.connect("192.0.2.7:1"), backend)
    await open_session(gate.connect("192.0.2.8:1"), backend)
    head = await answer(gate, "192.0.2.9:1")
    assert (head.status, head.one("Retry-After")) == (503, "1")
    assert log.one("refused")["reason"] == "too many clients connect at once: try again later"
    assert len(gate.gateway.session_limits) == 2
    clock.seconds += 0.5
    await open_session(gate.connect("192.0.2.9:1"), backend)


async def test_strangers_use_up_what_is_theirs_only(start_gate: StartGate, backend: Backend) -> None:
    """Wrong credentials count for their address, and not for the gateway."""
    auth = Auth(basic=Basic(users=("alice:{PLAIN}a",)))
    gate, _ = clocked(start_gate, backend, Limits(upgrades_per_second_per_address=2, upgrades_per_second=1), auth)
    statuses = [(await answer(gate)).status for _ in range(3)]
    assert statuses == [401, 401, 429]
    client = gate.connect("192.0.2.8:1")
    fields = {"Authorization": "Basic " + base64.b64encode(b"alice:a").decode()}
    await client.write(request("/", fields))
    await (await backend.accept_request()).accept_upgrade()
    assert (await client.read_head()).status == 101
