"""Which routes drain. ``gate.route_drain`` ends their sessions."""

from __future__ import annotations

from collections.abc import Iterable

import trio

from wsgate.site.shared_table import SharedNumber, WorkerTable


class RouteDrains:
    """The names of the routes that drain, as this process was told.

    Other workers were told the same. They see what this one knows, because one that replaces a dead worker was not.

    table: of this worker; ``None`` without workers
    routes: their names
    changed: set, and replaced by another event, when ``routes`` has changed
    """

    def __init__(self, table: WorkerTable | None = None) -> None:
        self._table = table
        self.routes: set[str] = set()
        self.changed = trio.Event()

    def __contains__(self, route: object) -> bool:
        return route in self.routes

    def begin(self, route: str) -> None:
        """The route drains from now on."""
        self.routes.add(route)
        self._show(route, 1)

    def end(self, route: str) -> None:
        """The route drains no more."""
        self.routes.discard(route)
        self._show(route, 0)

    def take_over(self, routes: Iterable[str]) -> None:
        """Begins the drains that other workers have among ``routes``. For the start of a process."""
        if self._table is not None:
            for route in routes:
                if _number(self._table, route).others():
                    self.begin(route)

    def _show(self, route: str, value: int) -> None:
        if self._table is not None:
            _number(self._table, route).set(value)
        changed, self.changed = self.changed, trio.Event()
        changed.set()


def _number(table: WorkerTable, route: str) -> SharedNumber:
    return table.number(f"{route}\0\0drains")  # behind a single zero byte stands the name of a backend
