"""Heeds what other workers have changed: places that they have freed, and backends that they have ejected."""

from __future__ import annotations

import trio

from wsgate.gate.gateway import Gateway
from wsgate.site.wakeup import Reason


async def watch(gateway: Gateway) -> None:
    """Waits for other workers' word until cancelled. Returns at once in a process without workers."""
    table = gateway.counters.table
    if table is None:
        return
    while True:
        await trio.lowlevel.wait_readable(table.wakeup.fd)
        reasons = table.wakeup.take()
        for route in gateway.site.routes:
            if route.upstream is None:
                continue
            if Reason.EJECTION in reasons:
                route.upstream.heed_ejections()
            if reasons & (Reason.PLACE | Reason.LEFT):
                route.upstream.queue.woken(route.upstream.backends, is_left=Reason.LEFT in reasons)
