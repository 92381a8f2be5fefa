"""HandshakeLimiter: bounds how much work on handshakes is done before other tasks run.

Theory of operation
-------------------
trio runs every task that can run before it checks sockets, clock and signals again. When thousands of clients reconnect
at once, this means thousands of TLS handshakes and request heads in one iteration of its loop. Open sessions, their
timers and the drain would have to wait for all of them.

So a handshake calls ``take`` before each expensive step: its TLS, its request, its 101. In one iteration only
``limits.handshakes`` steps are done. Later ones wait in a queue, in order. While the queue is not empty, no connection
is accepted (``ops.accept``): they wait in the kernel's queue, which costs nothing.

The limit is for work, not for waiting: a connection that waits for its client or its backend does not count. So a
thousand silent or slow connections delay no other connection, and neither does a slow backend. The handshake and
connect timeouts and the number of descriptors bound those.
"""

from __future__ import annotations

import trio


class HandshakeLimiter:
    """``limit``: steps in each iteration of trio's loop; it may be changed."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._left = limit
        self._line = trio.lowlevel.ParkingLot()
        self._nobody: trio.Event | None = None  # set when the queue is empty again

    async def take(self) -> None:
        """Waits until the next step of a handshake may be done. A checkpoint only if it has to wait."""
        if self._left:
            self._left -= 1
            return
        if self._nobody is None:
            self._nobody = trio.Event()
            trio.lowlevel.current_trio_token().run_sync_soon(self._release_next)
        await self._line.park()

    async def wait_idle(self) -> None:
        """Waits until the queue is empty."""
        if self._nobody is not None:
            await self._nobody.wait()

    def _release_next(self) -> None:
        """Lets the next ``limit`` steps run. trio calls this after it has run every task that could run."""
        served = len(self._line.unpark(count=self.limit))
        self._left = self.limit - served
        if self._line:
            trio.lowlevel.current_trio_token().run_sync_soon(self._release_next)
        elif self._nobody is not None:
            self._nobody.set()
            self._nobody = None
