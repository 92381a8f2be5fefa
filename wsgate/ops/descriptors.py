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
_OF_SESSION = 2  # of one that is not recorded
_OTHERS = 32  # of a process without connections: listeners, the log, pipes
_LEAST, _MOST = 8, 256  # that are kept in reserve for what belongs to no connection


def raise_limit() -> None:
    """Raises the limit of open descriptors to the most that the system allows; the default is usually lower."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(OSError, ValueError):  # macOS reports infinity but rejects it
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    now, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    emit(logging.DEBUG, "descriptors", limit=_shown(now), before=_shown(soft) if soft != now else None)


def sessions_allowed(processes: int, limit: int | None = None) -> int | None:
    """Returns how many sessions so many processes have descriptors for, beside handshakes; ``None``: any number.

    limit: of descriptors of each; ``None``: that of this process
    """
    if limit is None:
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit == resource.RLIM_INFINITY:
        return None
    handshakes = min(limit // 64, 64)
    return processes * max(1, (limit - _reserve(limit) - _OTHERS - NEEDS * handshakes) // _OF_SESSION)


def said_of_sessions(wanted: int | None, allowed: int | None) -> dict[str, object]:
    """Returns the fields of the line at the start that say how many sessions there may be.

    wanted: ``limits.sessions``
    allowed: what all processes have descriptors for
    """
    if allowed is None or (wanted is not None and wanted <= allowed):
        return {} if wanted is None else {"sessions": wanted}
    if wanted is None:
        return {"sessions": allowed}
    return {"sessions": allowed, "cure": f"for {wanted}, which is limits.sessions, raise LimitNOFILE or ulimit -Hn"}


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
        try:
            used = self._used()
        except OSError:  # no /proc
            used = _LEAST + _OF_SESSION * self.connections
        return used + (NEEDS - 1) * beginning + NEEDS <= limit - _reserve(limit)

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


def _reserve(limit: int) -> int:
    """Returns how many descriptors are kept for what belongs to no connection."""
    return min(max(_LEAST, limit // 32), _MOST)


def _shown(limit: int) -> str:
    return "unlimited" if limit == resource.RLIM_INFINITY else str(limit)
