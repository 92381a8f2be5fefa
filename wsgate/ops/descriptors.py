"""Descriptors: how many the process may have, and whether one more connection can be led on.

A session needs two, one for each side, and for a while, or where it is recorded, a third; token sources, files and logs
need some of their own. So a connection is accepted only where all of its own can still be had: until then it waits in
the kernel's queue, which costs nothing. Counted is what is really open, so nobody has to tell this what he opens.
"""

from __future__ import annotations

import contextlib
import logging
import os
import resource
from collections.abc import Awaitable, Callable

import trio

from wsgate.events.emit import emit
from wsgate.gate.gateway import Gateway

NEEDS = 3  # of a connection: its own, its backend's, and one for a recording, a file, or a second attempt to connect
SILENCE = 0.25  # seconds that a connection may owe its request where others wait for its place
_RESERVE = (8, 32, 256)  # at least, the part of the limit, and at most; for what belongs to no connection


def raise_limit() -> None:
    """Take as many descriptors as the system lets this process have: by default it offers a small part of them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(OSError, ValueError):  # macOS says infinity, and does not take it
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    now, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    emit(logging.DEBUG, "descriptors", limit=_shown(now), before=_shown(soft) if soft != now else None)


def open_descriptors() -> int:
    """How many this process has."""
    # Linux 6.2 and later count them for us
    return os.stat("/proc/self/fd").st_size or len(os.listdir("/proc/self/fd"))


class Room:
    """For one process: all connections that it accepts are run by ``serve``."""

    def __init__(
        self,
        gateway: Gateway,
        limit: Callable[[], int] = lambda: resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        used: Callable[[], int] = open_descriptors,
    ) -> None:
        self._gateway = gateway
        self._limit = limit
        self._used = used
        self.connections = 0
        self._freed = trio.Event()
        self.ended = 0  # connections that were ended because they said nothing where others waited

    async def serve(self, work: Callable[[], Awaitable[None]]) -> None:
        """Run a connection from its acceptance to its end."""
        try:
            await work()
        finally:
            self.connections -= 1
            self._freed.set()

    def enter(self) -> None:
        """A connection has been accepted; ``serve`` follows."""
        self.connections += 1

    def has_place(self) -> bool:
        """Whether one more connection can be accepted and led on."""
        limit = self._limit()
        if limit == resource.RLIM_INFINITY or NEEDS * self.connections < limit // 2:  # far away: nothing is counted
            return True
        # whoever has no session yet will need what it has not opened
        beginning = self.connections - len(self._gateway.sessions)
        least, part, most = _RESERVE
        reserve = min(max(least, limit // part), most)
        try:
            used = self._used()
        except OSError:  # no /proc
            used = least + 2 * self.connections
        return used + (NEEDS - 1) * beginning + NEEDS <= limit - reserve

    def describe(self) -> str:
        """What there is, for the log."""
        with contextlib.suppress(OSError):
            return f"{self._used()} of {_shown(self._limit())}"
        return _shown(self._limit())

    def make_place(self, most: int) -> None:
        """End up to ``most`` connections that owe their request, the oldest first."""
        self.ended += self._gateway.end_silent(SILENCE, most)

    async def wait_freed(self, longest: float) -> None:
        """Until a connection ends, or so many seconds: other things take and free descriptors too."""
        self._freed = trio.Event()
        with trio.move_on_after(longest):
            await self._freed.wait()


def _shown(limit: int) -> str:
    return "unlimited" if limit == resource.RLIM_INFINITY else str(limit)
