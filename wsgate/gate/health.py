"""Checks the backends of routes with ``health``, while the site has the route.

Each worker checks by itself, and ends the sessions that it has.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import trio

from wsgate.gate.backend_drain import end_sessions, sessions_of
from wsgate.gate.gateway import Gateway
from wsgate.gate.health_check import check_health
from wsgate.net.dial import TlsClient
from wsgate.settings.model import OnUnhealthy, WebSocketUrl
from wsgate.site.backend import LiveBackend
from wsgate.site.route import LiveRoute

LOOK = 1.0  # seconds until new routes and backends are noticed


async def watch(gateway: Gateway) -> None:
    """Checks until cancelled: a task for each backend."""
    watched: dict[tuple[LiveRoute, LiveBackend[WebSocketUrl]], trio.CancelScope] = {}
    async with trio.open_nursery() as nursery:
        while True:
            now = set(_checked(gateway))
            for key in watched.keys() - now:
                watched.pop(key).cancel()
            for key in now - watched.keys():
                watched[key] = trio.CancelScope()
                nursery.start_soon(_watch_backend, gateway, *key, watched[key], nursery)
            await trio.sleep(LOOK)


def _checked(gateway: Gateway) -> Iterator[tuple[LiveRoute, LiveBackend[WebSocketUrl]]]:
    for route in gateway.site.routes:
        if route.upstream is not None and route.upstream.relay.health is not None:
            for backend in route.upstream.backends:
                yield route, backend


async def _watch_backend(
    gateway: Gateway,
    route: LiveRoute,
    backend: LiveBackend[WebSocketUrl],
    scope: trio.CancelScope,
    nursery: trio.Nursery,
) -> None:
    """Checks a backend until ``scope`` is cancelled. ``nursery``: for ending its sessions."""
    with scope:
        await _check(gateway, route, backend, nursery)


async def _check(gateway: Gateway, route: LiveRoute, backend: LiveBackend[WebSocketUrl], nursery: trio.Nursery) -> None:
    assert route.upstream is not None
    relay = route.upstream.relay
    health = relay.health
    assert health is not None
    # So that not all backends are checked at the same time, by all workers
    await trio.sleep(random.random() * min(health.interval, 1.0))
    while True:
        live = route.tls
        tls = None if live is None else TlsClient(live.context, relay.tls.server_name, gateway.pump.serve_if_due)
        error = await check_health(backend, relay, health, tls)
        if backend.checked(error, health) and health.on_unhealthy is OnUnhealthy.CLOSE:
            nursery.start_soon(_end_sessions, gateway, backend, error)  # until it is well again
        await trio.sleep(health.interval * random.uniform(0.9, 1.1))


async def _end_sessions(gateway: Gateway, backend: LiveBackend[WebSocketUrl], error: str) -> None:
    sessions = sessions_of(gateway, backend)
    await end_sessions(gateway, sessions, lambda session: session.end_unhealthy(error), lambda: not backend.healthy)
