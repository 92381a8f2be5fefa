"""Connections that owe something: a PROXY header, a TLS handshake, a request.

Theory of operation
-------------------
Whoever says nothing costs a descriptor and a task until the handshake timeout. So that nobody is kept out by them, they
are bounded for each client address, and are ended if descriptors run out. Both times those go first that have been
silent for long, of the address that has the most of them. So an address that opens thousands takes the place of its
own connections, and another client that is slow keeps its own.

Who has just come is not ended: its request may be on its way, or waits to be read, because many come back at once. So
if an address has reached its limit within this time, its next connection has just as long to say something.
"""

from __future__ import annotations

import heapq
from collections.abc import Hashable
from typing import Protocol

import trio

GRACE = 0.25  # seconds that a connection may be silent in any case


class Scope(Protocol):
    """Of a wait: a ``trio.CancelScope``, or what stands for one."""

    def cancel(self) -> None: ...

    def __hash__(self) -> int: ...


class SilentConnections:
    """The silent connections of a process, by the address that they are counted by, each with the scope of its wait.

    Cancelling the scope ends the connection, without an answer.
    """

    def __init__(self) -> None:
        # With the time since which each is silent (trio seconds), the oldest first. Connections that are not counted,
        # a proxy's for example, are alone under a key of their own
        self._by_address: dict[Hashable, dict[Scope, float]] = {}
        self._number = 0

    def __len__(self) -> int:
        return self._number

    def waiting(self, scope: Scope, address: str | None) -> _Waiting:
        """Returns a context in which the connection of ``scope`` counts as silent.

        address: as ``Client.counted_as`` has it
        """
        return _Waiting(self, scope, scope if address is None else address)

    def make_room(self, address: str, most: int) -> tuple[bool, int]:
        """Ends as many silent connections of an address as are too many for one more.

        most: that it may have

        Returns whether there is room now, and how many were ended. Without room the next one has only ``GRACE``.
        """
        silent = self._by_address.get(address)
        if silent is None or len(silent) < most:  # nearly always
            return True, 0
        before = trio.current_time() - GRACE
        ended = 0
        while len(silent) >= most:
            scope, since = next(iter(silent.items()))
            if since > before:
                return False, ended
            self._end(address, scope)
            ended += 1
        return True, ended

    def end(self, most: int) -> int:
        """Ends up to ``most`` connections, to free their descriptors. Returns how many."""
        before = trio.current_time() - GRACE
        # The address with the most first; of those that have as many, the one with the oldest
        heap = [
            (-len(silent), next(iter(silent.values())), number, address)
            for number, (address, silent) in enumerate(self._by_address.items())
        ]
        heapq.heapify(heap)
        ended = 0
        while heap and ended < most:
            _, _, number, address = heapq.heappop(heap)
            silent = self._by_address[address]
            scope, since = next(iter(silent.items()))
            if since > before:
                continue  # its others have come later still
            self._end(address, scope)
            ended += 1
            if silent:
                heapq.heappush(heap, (-len(silent), next(iter(silent.values())), number, address))
        return ended

    def _end(self, address: Hashable, scope: Scope) -> None:
        self._remove(address, scope)
        scope.cancel()

    def _add(self, address: Hashable, scope: Scope) -> None:
        silent = self._by_address.get(address)
        if silent is None:
            silent = self._by_address[address] = {}
        silent[scope] = trio.current_time()
        self._number += 1

    def _remove(self, address: Hashable, scope: Scope) -> None:
        silent = self._by_address.get(address)
        if silent is not None and silent.pop(scope, None) is not None:  # else it has been ended
            self._number -= 1
            if not silent:
                del self._by_address[address]


class _Waiting:
    """The context of ``waiting``. A class, because a generator would make each request notably slower."""

    __slots__ = ("_address", "_connections", "_scope")

    def __init__(self, connections: SilentConnections, scope: Scope, address: Hashable) -> None:
        self._connections = connections
        self._scope = scope
        self._address = address

    def __enter__(self) -> None:
        self._connections._add(self._address, self._scope)

    def __exit__(self, *error: object) -> None:
        self._connections._remove(self._address, self._scope)
