"""The idle connections to a backend that speaks HTTP, kept for the next requests."""

from __future__ import annotations

from collections import deque

import trio

from wsgate.net.transport import BLOCKED, Transport

MOST = 64  # per backend and process
MAX_AGE = 60.0  # seconds without a request; nginx keeps them as long


class IdleConnections:
    """Connections between two requests. Each was checked to be in order before it came here."""

    __slots__ = ("_closed", "_connections", "_watching")

    def __init__(self) -> None:
        self._connections: deque[tuple[Transport, float]] = deque()  # with the time since which it is idle
        self._closed = False
        self._watching = False

    def __len__(self) -> int:
        return len(self._connections)

    def take(self, max_age: float = MAX_AGE) -> Transport | None:
        """Returns the connection that was used last, if the backend has not ended it; it is the caller's now.

        max_age: seconds that it may have been idle
        """
        connections = self._connections
        while connections:
            transport, since = connections[-1]
            if since + max_age < trio.current_time():  # the others are older
                return None
            connections.pop()
            if _is_alive(transport):
                return transport
            transport.close()
        return None

    def put(self, transport: Transport) -> None:
        """Keeps a connection, or closes it if there are too many."""
        if self._closed or len(self._connections) >= MOST:
            transport.close()
            return
        self._connections.append((transport, trio.current_time()))
        if not self._watching:
            self._watching = True
            trio.lowlevel.spawn_system_task(self._expire)

    def open(self) -> None:
        """Connections are kept again, after ``close``."""
        self._closed = False

    def close(self) -> None:
        """Closes all, now and from now on: the route, or its backend, is gone."""
        self._closed = True
        while self._connections:
            self._connections.pop()[0].close()

    async def _expire(self) -> None:
        """Closes what nobody wants any more. Ends when nothing is left, or with the process."""
        try:
            while self._connections:
                transport, since = self._connections[0]
                if since + MAX_AGE <= trio.current_time():
                    self._connections.popleft()
                    transport.close()
                else:
                    await trio.sleep_until(since + MAX_AGE)
        except trio.Cancelled:
            self.close()
            raise
        finally:
            self._watching = False


def _is_alive(transport: Transport) -> bool:
    """Whether the backend keeps the connection open and has sent nothing, which nobody asked for."""
    try:
        transport.recv(1)
    except BLOCKED:
        return True
    except OSError:
        return False
    return False
