"""HandshakeLimiter: how much work on handshakes the process does before everything else has its turn.

Theory of operation
-------------------
trio runs every task that can run before it looks at the sockets, the clock and the signals again. When thousands
reconnect at once, that is thousands of TLS handshakes and request heads in one go; the sessions that are there, their
timers and the drain would wait for all of them. So a handshake takes a turn before each piece of work that costs
something: its TLS, its request, its 101. In one go there are only so many turns (``limits.handshakes``); who comes
later stands in line, first come, first served. While anybody stands there, nobody new is accepted (``ops.accept``):
they wait in the kernel's queue, which costs nothing.

A turn is for work, not for waiting. Who waits for its client or its backend has given its turn back by then. So a
thousand connections that say nothing, or a byte a second, keep nobody out, and neither does a backend that takes five
seconds to answer: not even the other clients of its own route. What bounds those is the handshake and connect timeouts,
and the number of descriptors.
"""

from __future__ import annotations

import trio


class HandshakeLimiter:
    """``limit`` turns, again and again; it may change."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._left = limit
        self._line = trio.lowlevel.ParkingLot()
        self._nobody: trio.Event | None = None  # set when the line is empty again

    async def take(self) -> None:
        """Go on with a piece of work: at once, or when those who came before have had their turns.

        A checkpoint only where there is a line to stand in.
        """
        if self._left:
            self._left -= 1
            return
        if self._nobody is None:
            self._nobody = trio.Event()
            trio.lowlevel.current_trio_token().run_sync_soon(self._deal)
        await self._line.park()

    async def wait_no_line(self) -> None:
        """Until nobody stands in line."""
        if self._nobody is not None:
            await self._nobody.wait()

    def _deal(self) -> None:
        """The others have had theirs: the next ones. trio calls this when it has run every task that could run."""
        served = len(self._line.unpark(count=self.limit))
        self._left = self.limit - served
        if self._line:
            trio.lowlevel.current_trio_token().run_sync_soon(self._deal)
        elif self._nobody is not None:
            self._nobody.set()
            self._nobody = None
