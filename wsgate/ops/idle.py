"""Ends a process that has had no session for a while, by a TERM signal to itself.

No event tells that a session has begun or ended, in particular not in another worker. So this checks the counts
periodically.
"""

from __future__ import annotations

import logging
import math
import signal
from collections.abc import Callable

import trio

from wsgate.events.emit import emit
from wsgate.gate.gateway import Gateway
from wsgate.gate.shared_counters import Counts

CHECK_INTERVAL = 1.0  # seconds between two checks at most: the end of a session is noticed at most so late


class IdleTimer:
    """Whether there was no session for ``settings.exit_when_idle`` seconds.

    The time begins anew at each check that finds a session, finds that a session has ended since, or finds another
    limit.
    """

    def __init__(self, counts: Callable[[], Counts]) -> None:
        self._counts = counts
        self._limit: float | None = None
        self._ended = 0
        self._since = 0.0

    def wait(self, limit: float | None, now: float) -> float:
        """Returns the seconds until the next check; 0.0 when the time is over.

        limit: ``exit_when_idle`` in seconds; ``None``: never
        now: trio or monotonic seconds
        """
        if limit is None:
            self._limit = None
            return math.inf
        counts = self._counts()
        if counts.sessions or counts.ended != self._ended or limit != self._limit:
            self._since, self._ended, self._limit = now, counts.ended, limit
        return max(0.0, min(self._since + limit - now, CHECK_INTERVAL))


def log_idle(limit: float) -> None:
    """Logs why the process ends."""
    emit(logging.INFO, "idle", reason=f"no session for {limit:g} s, which is what exit_when_idle gives it")


class IdleWatch:
    """Watches a process without workers, from inside."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._changed = trio.Event()

    def settings_changed(self) -> None:
        """After a reload."""
        self._changed.set()

    async def run(self) -> None:
        """Returns after it has raised TERM."""
        idle = IdleTimer(self._gateway.counters.counts)
        while True:
            limit = self._gateway.settings.exit_when_idle
            wait = idle.wait(limit, trio.current_time())
            if limit is not None and not wait:
                log_idle(limit)
                signal.raise_signal(signal.SIGTERM)
                return
            with trio.move_on_after(wait):
                await self._changed.wait()
                self._changed = trio.Event()
