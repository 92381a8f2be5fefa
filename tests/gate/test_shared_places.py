from __future__ import annotations

import trio
import trio.testing

from tests.gate.conftest import gateway_of, route
from wsgate.gate import shared_places
from wsgate.gate.gateway import Gateway
from wsgate.gate.shared_counters import SharedCounters
from wsgate.settings.model import Queue, Relay, RelayBackend, TcpAddress, WebSocketUrl
from wsgate.site.upstream import Upstream


def gateways(count: int) -> list[Gateway]:
    """One for each worker."""
    to = (RelayBackend(url=WebSocketUrl(TcpAddress("h", 1), None), sessions=1),)
    site = gateway_of(route(Relay(to=to, queue=Queue())), route(Relay(to=to), "other")).site.settings.routes
    return [Gateway(gateway_of(*site).site, workers=count, counters=row) for row in SharedCounters(count).rows]


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


async def test_a_process_without_workers_has_nothing_to_wait_for() -> None:
    (alone,) = gateways(1)
    await shared_places.watch(alone)
