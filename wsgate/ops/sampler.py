"""Puts into the metrics, once a second, what is not counted when it happens: what open sessions have moved, and states.

It goes over the sessions in slices, so that it does not delay their bytes, and so that a scrape costs a worker nothing.
"""

from __future__ import annotations

import contextlib
import logging
import os
import resource
import time

import trio

from wsgate.events.metric_rows import Cell
from wsgate.events.metrics import (
    ALIVE,
    BACKEND_DRAINING,
    BACKEND_EJECTED,
    BACKEND_EJECTIONS,
    BACKEND_FAILURES,
    BACKEND_HEALTHY,
    BACKEND_SESSIONS,
    CERTIFICATE,
    CERTIFICATE_MISSING,
    COMPRESSION_MEMORY,
    COMPRESSION_MEMORY_LIMIT,
    FDS,
    FULL_ROUNDS,
    HANDSHAKES,
    LAG,
    MAX_FDS,
    MEMORY,
    NOT_SHARED,
    ROUND,
    ROUTE_DRAINING,
    SESSIONS_LIMIT,
    SHARED_FAILURES,
    WAITING,
    Metric,
)
from wsgate.gate.gateway import Gateway
from wsgate.ops.certificates import CertificateWatch
from wsgate.ops.log_dropped import DroppedLines
from wsgate.settings.model import Relay, Tunnel

_log = logging.getLogger("wsgate")

INTERVAL = 1.0  # seconds
SLICE = 250  # sessions between two checkpoints: less than a millisecond
BACKENDS = 50  # backends between two checkpoints


class Sampler:
    """Samples a gateway, in its own row of the metrics."""

    def __init__(self, gateway: Gateway, certificates: CertificateWatch) -> None:
        self._gateway = gateway
        self._certificates = certificates
        row = gateway.metrics.row
        self._row = row
        self._lag = row.histogram(LAG)
        self._round = row.histogram(ROUND)
        self._full_rounds = row.cell(FULL_ROUNDS)
        self._handshakes = row.cell(HANDSHAKES)
        number = str(gateway.counters.number if gateway.workers > 1 else 0)
        self._fds, self._max_fds, self._memory = (row.cell(metric, number) for metric in (FDS, MAX_FDS, MEMORY))
        self._alive = row.cell(ALIVE, number)
        self._codec_memory, self._max_codec_memory = (
            row.cell(metric, number) for metric in (COMPRESSION_MEMORY, COMPRESSION_MEMORY_LIMIT)
        )
        self._dropped = DroppedLines(row, gateway.metrics.log_dropped)
        self._rounds_before = 0
        self._shown: dict[tuple[str, ...], Cell] = {}  # gauges of what the site may lose
        self._lock = trio.Lock()  # a scrape samples, too

    async def run(self) -> None:
        """Samples until cancelled."""
        while True:
            try:
                await self.sample()
            except Exception:  # a bug of ours must not end the sessions
                _log.exception("internal error: please report it", extra={"event": "bug", "fields": {}})
            due = trio.current_time() + INTERVAL
            await trio.sleep_until(due)
            self._lag.observe(trio.current_time() - due)

    async def sample(self) -> None:
        """Brings every value up to date."""
        async with self._lock:
            self._sample_process()
            await self._sample_site()
            metrics = self._gateway.metrics
            for number, session in enumerate(self._gateway.sessions, 1):
                metrics.sessions(session.info.route).take_traffic(session)
                if not number % SLICE:
                    await trio.lowlevel.checkpoint()

    def _sample_process(self) -> None:
        pump = self._gateway.pump
        self._alive.set(int(time.time()))
        self._round.observe(pump.last_served_for)
        self._full_rounds.add(pump.full_rounds - self._rounds_before)
        self._rounds_before = pump.full_rounds
        self._dropped.update()
        gateway = self._gateway
        self._codec_memory.set(gateway.codec_memory)
        self._max_codec_memory.set(gateway.settings.limits.compression_memory)
        # one that is being ended may be idle, but not silent any more
        self._handshakes.set(max(0, len(gateway.silent) - len(gateway.idle)) + gateway.upgrading)
        if gateway.most_sessions is not None:
            self._row.cell(SESSIONS_LIMIT).set(gateway.most_sessions)
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        if limit != resource.RLIM_INFINITY:
            self._max_fds.set(limit)
        with contextlib.suppress(OSError):  # there is no /proc
            # Linux 6.2 and later tell the number; to list them would take long
            if used := os.stat("/proc/self/fd").st_size:
                self._fds.set(used)
            with open("/proc/self/statm", "rb") as file:
                self._memory.set(int(file.read().split()[1]) * resource.getpagesize())

    async def _sample_site(self) -> None:
        before, self._shown = self._shown, {}
        count = 0
        for route in self._gateway.site.routes:
            if isinstance(route.settings.action, Relay | Tunnel):
                self._gateway.metrics.sessions(route.name)  # so that it is shown before its first session
                self._show(before, int(route.name in self._gateway.route_drains), ROUTE_DRAINING, route.name)
            if route.upstream is not None and route.upstream.relay.queue is not None:
                self._show(before, len(route.upstream.queue), WAITING, route.name)
            for backend in () if route.upstream is None else route.upstream.backends:
                self._show(before, backend.sessions, BACKEND_SESSIONS, route.name, backend.name)
                self._show(before, int(backend.healthy), BACKEND_HEALTHY, route.name, backend.name)
                self._show(before, int(backend.is_ejected), BACKEND_EJECTED, route.name, backend.name)
                self._show(before, int(backend.is_draining), BACKEND_DRAINING, route.name, backend.name)
                failures, ejections = backend.take_counts()
                self._row.cell(BACKEND_FAILURES, route.name, backend.name).add(failures)
                self._row.cell(BACKEND_EJECTIONS, route.name, backend.name).add(ejections)
                count += 1
                if not count % BACKENDS:
                    await trio.lowlevel.checkpoint()
        if self._gateway.settings.limits.shared is not None:
            self._show(before, int(self._gateway.shared_limits.is_local), NOT_SHARED)
            self._row.cell(SHARED_FAILURES).add(self._gateway.shared_limits.take_failures())
        now = time.time()
        for file, left in self._certificates.expires_in(now).items():
            self._show(before, max(0, round(now + left)), CERTIFICATE, file)
        for file, missing in self._certificates.missing().items():
            self._show(before, int(missing), CERTIFICATE_MISSING, file)
        for key in before.keys() - self._shown.keys():  # a reload has removed it
            before[key].remove()

    def _show(self, before: dict[tuple[str, ...], Cell], value: int, metric: Metric, *labels: str) -> None:
        key = (metric.name, *labels)
        cell = self._shown[key] = before.get(key) or self._row.cell(metric, *labels)
        cell.set(value)
