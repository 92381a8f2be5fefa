"""The end of a process that nobody uses: TERM, as if somebody had sent it.

Sessions begin and end without telling anybody, least of all across workers; so this looks at the counts, often enough.
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

LOOK = 1.0  # seconds, at most, between two looks: so late an end of a session may be noticed


class Idle:
    """Whether there was no session for as long as ``settings.exit_when_idle`` says.

    It counts from the first look, from the last look at which there was a session or one had ended since, and from the
    one that first sees another limit.
    """

    def __init__(self, counts: Callable[[], Counts]) -> None:
        self._counts = counts
        self._limit: float | None = None
        self._ended = 0
        self._since = 0.0

    def wait(self, limit: float | None, now: float) -> float:
        """Seconds until the next look; 0.0 when the time has come."""
        if limit is None:
            self._limit = None
            return math.inf
        counts = self._counts()
        if counts.sessions or counts.ended != self._ended or limit != self._limit:
            self._since, self._ended, self._limit = now, counts.ended, limit
        return max(0.0, min(self._since + limit - now, LOOK))


def log_idle(limit: float) -> None:
    """Say why the process ends."""
    emit(logging.INFO, "idle", reason=f"no session for {limit:g} s, which is what exit_when_idle gives it")


class IdleWatch:
    """A process without workers, watched over by itself."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._changed = trio.Event()

    def settings_changed(self) -> None:
        """After a reload."""
        self._changed.set()

    async def run(self) -> None:
        """Return when TERM is on its way; or never."""
        idle = Idle(self._gateway.counters.counts)
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
