"""Waits with one time limit for all of them.

A cancel scope for each would cost as much as the wait itself (docs/performance.md). Here one task per process ends the
waits that last too long, the oldest first.
"""

from __future__ import annotations

import trio

from wsgate.net.transport import Transport


class TimedWaits:
    """``seconds``: the time limit. If it becomes shorter, waits under way may last as long as before."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._since: dict[Transport, float] = {}  # in the order of their beginnings
        self._watching = False

    async def wait_readable(self, transport: Transport) -> bool:
        """Waits until a transport can be read. Returns False if the time has passed before, or at ``end``."""
        self._since[transport] = trio.current_time()
        if not self._watching:
            self._watching = True
            trio.lowlevel.spawn_system_task(self._watch)
        try:
            await trio.lowlevel.wait_readable(transport)
        except trio.ClosedResourceError:  # by ``end``: the transport is still open
            return False
        finally:
            self._since.pop(transport, None)
        return True

    def end(self, transport: Transport) -> None:
        """Ends the wait for a transport, if there is one."""
        if self._since.pop(transport, None) is not None:
            trio.lowlevel.notify_closing(transport)  # wakes up its waiting task, and nothing else

    async def _watch(self) -> None:
        """Ends waits that last too long. Ends when nobody waits."""
        try:
            while self._since:
                transport, since = next(iter(self._since.items()))
                if since + self.seconds <= trio.current_time():
                    self.end(transport)
                else:
                    await trio.sleep_until(since + self.seconds)
        finally:
            self._watching = False


class WaitEnd:
    """Ends the present wait for a transport by the method that a cancel scope has for it."""

    __slots__ = ("_transport", "_waits")

    def __init__(self, waits: TimedWaits, transport: Transport) -> None:
        self._waits = waits
        self._transport = transport

    def cancel(self) -> None:
        self._waits.end(self._transport)
