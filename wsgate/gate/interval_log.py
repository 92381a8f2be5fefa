"""Logs the sessions that are open, each once in ``log.interval``.

One task walks the registry. The lines of a walk are spread over the interval, so that thousands of sessions have no
moment in common.
"""

from __future__ import annotations

import math

import trio

from wsgate.gate.access_log import still_open
from wsgate.gate.gateway import Gateway

LOOK = 1.0  # seconds until a reload's new interval is noticed
SLOT = 0.1  # seconds, at least, between two slices of a walk


async def watch(gateway: Gateway) -> None:
    """Logs until cancelled."""
    while True:
        interval = gateway.settings.log.interval
        if interval is None:
            await trio.sleep(LOOK)
        else:
            await _walk(gateway, interval)


async def _walk(gateway: Gateway, interval: float) -> None:
    """Logs each session that has been open for an interval, and takes an interval for that.

    Ends early when a reload has changed the interval.
    """
    ids = [session.id for session in gateway.sessions]
    slices = max(math.ceil(interval / LOOK), min(math.ceil(interval / SLOT), len(ids)))
    began = trio.current_time()
    for number in range(slices):
        await trio.sleep_until(began + interval * (number + 1) / slices)
        if gateway.settings.log.interval != interval:
            return
        for id in ids[len(ids) * number // slices : len(ids) * (number + 1) // slices]:
            session = gateway.sessions.get(id)
            if session is not None and trio.current_time() >= session.info.since + interval:
                still_open(session.info, session.outcome())
                gateway.pump.serve_if_due()
