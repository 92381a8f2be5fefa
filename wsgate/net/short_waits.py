"""Waits that nearly always end soon, with one time limit for all of them.

A cancel scope for each would cost more than the wait itself (docs/performance.md). Here one task per process ends the
waits that last too long, the oldest first.
"""

from __future__ import annotations

import trio

from wsgate.net.transport import Transport


class ShortWaits:
    """``seconds``: the time limit."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._since: dict[Transport, float] = {}  # in the order of their beginnings
        self._watching = False

    async def wait_readable(self, transport: Transport) -> bool:
        """Waits until a transport can be read. Returns False if the time has passed before."""
        self._since[transport] = trio.current_time()
        if not self._watching:
            self._watching = True
            trio.lowlevel.spawn_system_task(self._watch)
        try:
            await trio.lowlevel.wait_readable(transport)
        except trio.ClosedResourceError:  # by ``_watch``: the transport is still open
            return False
        finally:
            self._since.pop(transport, None)
        return True

    async def _watch(self) -> None:
        """Ends waits that last too long. Ends when nobody waits."""
        try:
            while self._since:
                transport, since = next(iter(self._since.items()))
                if since + self.seconds <= trio.current_time():
                    del self._since[transport]
                    trio.lowlevel.notify_closing(transport)  # wakes up its waiting task, and nothing else
                else:
                    await trio.sleep_until(since + self.seconds)
        finally:
            self._watching = False
