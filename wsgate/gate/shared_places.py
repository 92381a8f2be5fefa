"""Gives places at backends, which other workers have freed, to sessions of this worker that wait."""

from __future__ import annotations

import trio

from wsgate.gate.gateway import Gateway


async def watch(gateway: Gateway) -> None:
    """Waits for other workers' word until cancelled. Returns at once in a process without workers."""
    table = gateway.counters.table
    if table is None:
        return
    while True:
        await trio.lowlevel.wait_readable(table.wakeup.fd)
        is_left = table.wakeup.take()
        for route in gateway.site.routes:
            if route.upstream is not None:
                route.upstream.queue.woken(route.upstream.backends, is_left=is_left)
