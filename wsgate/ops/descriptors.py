"""Descriptors: how many the process may have, and whether there are enough for one more connection.

A session needs two, one for each side, and sometimes a third, for example for a recording. Token sources, files and
logs need more. So a connection is accepted only if there are descriptors for all that it may open. Until then it waits
in the kernel's queue, which costs nothing. The number of open descriptors is taken from the system, so other code need
not report what it opens.
"""

from __future__ import annotations

import contextlib
import logging
import os
import resource
from collections.abc import Callable

import trio

from wsgate.events.emit import emit
from wsgate.gate.gateway import Gateway

NEEDS = 3  # descriptors of a connection: the client's, the backend's, and one for a recording, a file or a second dial
_RESERVE = (8, 32, 256)  # for what belongs to no connection: at least, as a fraction of the limit (1/32), at most


def raise_limit() -> None:
    """Raises the limit of open descriptors to the most that the system allows; the default is usually lower."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(OSError, ValueError):  # macOS reports infinity but rejects it
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    now, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    emit(logging.DEBUG, "descriptors", limit=_shown(now), before=_shown(soft) if soft != now else None)


def open_descriptors() -> int:
    """Returns how many descriptors this process has open."""
    # Linux 6.2 and later give the number as the size
    return os.stat("/proc/self/fd").st_size or len(os.listdir("/proc/self/fd"))


class DescriptorLimit:
    """Whether a process has descriptors for one more connection. Every connection calls ``enter`` and ``leave``.

    connections: how many are open
    ended: how many silent connections were ended to make room
    """

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
        self.ended = 0

    def enter(self) -> None:
        """A connection has been accepted."""
        self.connections += 1

    def leave(self) -> None:
        """A connection has ended."""
        self.connections -= 1
        self._freed.set()

    def has_room(self) -> bool:
        """Whether there are descriptors for one more connection."""
        limit = self._limit()
        if limit == resource.RLIM_INFINITY or NEEDS * self.connections < limit // 2:  # far from it: no need to count
            return True
        # connections without a session have not opened all of their descriptors yet
        beginning = self.connections - len(self._gateway.sessions)
        least, part, most = _RESERVE
        reserve = min(max(least, limit // part), most)
        try:
            used = self._used()
        except OSError:  # no /proc
            used = least + 2 * self.connections
        return used + (NEEDS - 1) * beginning + NEEDS <= limit - reserve

    def describe(self) -> str:
        """Returns the used and the allowed number, for the log."""
        with contextlib.suppress(OSError):
            return f"{self._used()} of {_shown(self._limit())}"
        return _shown(self._limit())

    def make_room(self, most: int) -> None:
        """Ends up to ``most`` connections that owe a request, first those of the address with the most of them."""
        self.ended += self._gateway.end_silent(most)

    async def wait_freed(self, longest: float) -> None:
        """Waits until a connection ends, at most ``longest`` seconds, because other code frees descriptors too."""
        self._freed = trio.Event()
        with trio.move_on_after(longest):
            await self._freed.wait()


def _shown(limit: int) -> str:
    return "unlimited" if limit == resource.RLIM_INFINITY else str(limit)
