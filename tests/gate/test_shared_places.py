from __future__ import annotations

import trio
import trio.testing

from tests.gate.conftest import NOWHERE, gateway_of, route
from wsgate.gate import shared_places
from wsgate.gate.gateway import Gateway
from wsgate.gate.shared_counters import SharedCounters
from wsgate.settings.model import Eject, Queue, Relay, RelayBackend, TcpAddress, WebSocketUrl
from wsgate.site.upstream import Upstream

TO = (RelayBackend(url=WebSocketUrl(TcpAddress("h", 1), None), sessions=1),)
WAITING = Relay(to=TO, queue=Queue())


def gateways(count: int, relay: Relay = WAITING) -> list[Gateway]:
    """One for each worker."""
    routes = route(relay), route(Relay(to=TO), "other"), route(NOWHERE, "third")
    return [Gateway(gateway_of(*routes).site, workers=count, counters=row) for row in SharedCounters(count).rows]


def upstream_of(gateway: Gateway) -> Upstream:
    found = gateway.site.routes[0].upstream
    assert found is not None
    found.activate()
    return found


async def test_a_place_that_another_worker_has_freed(nursery: trio.Nursery) -> None:
    one, other = gateways(2)
    for gateway in (one, other):
        nursery.start_soon(shared_places.watch, gateway)
    (ours,), (theirs,) = upstream_of(one).backends, upstream_of(other).backends
    assert ours.enter()
    async with trio.open_nursery() as waiting:

        async def wait() -> None:
            assert await upstream_of(other).queue.wait(lambda: upstream_of(other).backends, (), 5.0) is theirs

        waiting.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()
        assert waiting.child_tasks
        ours.leave()
    assert (ours.sessions, theirs.sessions) == (0, 1)


async def test_a_backend_that_another_worker_has_ejected(nursery: trio.Nursery) -> None:
    to = tuple(RelayBackend(url=WebSocketUrl(TcpAddress("h", port), None)) for port in (1, 2))
    one, other = gateways(2, Relay(to=to, eject=Eject(failures=1)))
    nursery.start_soon(shared_places.watch, other)
    ours, theirs = upstream_of(one).backends[0], upstream_of(other).backends[0]
    ours.failed("refused")
    assert not theirs.is_ejected
    await trio.testing.wait_all_tasks_blocked()
    assert theirs.is_ejected
    ours.worked()
    await trio.testing.wait_all_tasks_blocked()
    assert not theirs.is_ejected


async def test_a_process_without_workers_has_nothing_to_wait_for() -> None:
    (alone,) = gateways(1)
    await shared_places.watch(alone)
