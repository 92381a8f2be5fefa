"""Bounds the sessions of a route, of a client address and of a user, for all workers together.

A session is counted when the client has been admitted, before its backend is dialled, until its end. So who may have
few sessions cannot have many handshakes either. Numbers are by name, and a name is forgotten with its last session. So
the memory is bounded by the number of sessions, and whatever is counted costs the same with one address or a million.

With workers each number is in the shared table, too (``site.shared_table``), where the others add it to theirs. It is
added before the sum is compared. So if two workers count the last session that is allowed, both may refuse it, but
never do both let it in. What a dead worker has counted vanishes with its table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from wsgate.gate.client import Client
from wsgate.gate.refusals import RETRY_AFTER
from wsgate.settings.model import Settings
from wsgate.site.route import LiveRoute
from wsgate.site.shared_table import SharedNumber, WorkerTable
from wsgate.wire.http import Refusal

_PROXY = "behind a proxy, name it in trusted_proxies: then its clients are counted, and not the proxy"
_ADDRESS_FULL = Refusal(
    429,
    "too many sessions from your address: try again later",
    RETRY_AFTER,
    detail=f"limits.sessions_per_address; {_PROXY}",
    cause="address_full",
)
_ADDRESS_FULL_HERE = replace(_ADDRESS_FULL, detail=f"the route's limits.sessions_per_address; {_PROXY}")
_USER_FULL = Refusal(
    429,
    "too many sessions of this user: try again later",
    RETRY_AFTER,
    detail="the route's limits.sessions_per_user",
    cause="user_full",
)
_ROUTE_FULL = Refusal(
    429,
    "too many sessions here: try again later",
    RETRY_AFTER,
    detail="the route's limits.sessions",
    cause="route_full",
)


class Count:
    """The sessions of one name: those of this process, and of the other workers."""

    __slots__ = ("_counts", "_left", "_shared", "name", "number")

    def __init__(
        self, counts: dict[str, Count], name: str, shared: SharedNumber | None, left: Callable[[str], None]
    ) -> None:
        self._counts = counts
        self._shared = shared
        self._left = left
        self.name = name
        self.number = 0

    def enter(self, most: int) -> bool:
        """Adds a session, unless all workers together would have more than ``most``. Returns whether it did."""
        self._set(self.number + 1)
        if self.number + (0 if self._shared is None else self._shared.others()) > most:
            self.leave()
            return False
        return True

    def leave(self) -> None:
        """Removes a session."""
        self._set(self.number - 1)
        if not self.number:
            del self._counts[self.name]
        self._left(self.name)

    def _set(self, number: int) -> None:
        self.number = number
        if self._shared is not None:
            self._shared.set(number)


class SessionLimits:
    """The counts of a process.

    table: that the other workers see; ``None`` for a process without workers
    left: called with a name that has a session less
    """

    def __init__(self, table: WorkerTable | None = None, left: Callable[[str], None] = lambda name: None) -> None:
        self._table = table
        self._left = left
        self._counts: dict[str, Count] = {}

    def enter(
        self, settings: Settings, route: LiveRoute, client: Client, user: str | None
    ) -> tuple[Count, ...] | Refusal:
        """Counts a session in, unless one of the limits is reached. The caller calls ``leave`` at its end.

        user: ``None`` if the route asks for nobody
        """
        entered: list[Count] = []
        for name, most, refusal in limits_of(settings, route, client, user):
            count = self._counts.get(name)
            if count is None:
                shared = None if self._table is None else self._table.number(name)
                count = self._counts[name] = Count(self._counts, name, shared, self._left)
            if not count.enter(most):
                leave(entered)
                return refusal
            entered.append(count)
        return tuple(entered)

    def number(self, name: str) -> int:
        """Returns how many sessions of a name this process has."""
        count = self._counts.get(name)
        return 0 if count is None else count.number

    @property
    def names(self) -> list[str]:
        """Those that have sessions in this process."""
        return list(self._counts)

    def __len__(self) -> int:
        return len(self._counts)


def leave(counts: Iterable[Count]) -> None:
    """Counts a session out that ``enter`` has counted in."""
    for count in counts:
        count.leave()


def limits_of(
    settings: Settings, route: LiveRoute, client: Client, user: str | None
) -> Iterator[tuple[str, int, Refusal]]:
    """Yields the names that a session is counted by, each with the most that it may have, and the answer beyond it."""
    own, everywhere, address = route.settings.limits, settings.limits.sessions_per_address, client.counted_as
    if everywhere is not None and address is not None:
        yield f"address {address}", everywhere, _ADDRESS_FULL
    if own.sessions_per_address is not None and address is not None:
        yield f"address {address} {route.name}", own.sessions_per_address, _ADDRESS_FULL_HERE
    if own.sessions_per_user is not None and user is not None:
        yield f"user {route.name} {user}", own.sessions_per_user, _USER_FULL
    if own.sessions is not None:
        yield f"route {route.name}", own.sessions, _ROUTE_FULL
