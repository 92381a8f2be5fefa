"""A backend of a route, with its state: how many sessions it has, and whether it can take more."""

from __future__ import annotations

import enum
import logging
from collections.abc import Callable
from typing import Generic, TypeVar

import trio

from wsgate.events.emit import emit
from wsgate.events.trouble import Trouble
from wsgate.net.dial import socket_address
from wsgate.net.happy_eyeballs import SocketAddress
from wsgate.settings.model import Eject, Health, RelayBackend, Target, WebSocketUrl
from wsgate.site.idle_connections import IdleConnections
from wsgate.site.members import backend_name
from wsgate.site.shared_ejection import SharedEjection
from wsgate.site.shared_table import SharedNumber
from wsgate.site.slow_start import part_of

LONGEST = 300.0  # seconds for which a backend is ejected, at most

T = TypeVar("T", Target, WebSocketUrl)


class Drain(enum.Enum):
    """Why a backend drains."""

    ENTRY = "its entry says drain"
    COMMAND = "it was asked to"


class LiveBackend(Generic[T]):
    """A backend of a route, in this process.

    address: as in the route
    at: one of the addresses of its name; ``None``: its name, if it has one, is resolved at each dial
    where: what is dialled; ``None``: its name must be resolved first
    name: for the log
    weight: its share of the sessions
    cap: the most sessions at the same time; ``None``: any number
    sessions: how many it has now in this process, with running handshakes
    shared: the same, where other workers see it, and theirs; ``None`` without workers
    shared_drain: whether it was asked to drain, here and in other workers; ``None`` without workers
    shared_ejection: its ejections by all workers; ``None`` without workers
    failures: in a row, to connect or to upgrade
    healthy: the result of its health checks
    removed: it does not belong to its route any more, and gets no new session
    slow_start: seconds until it gets its whole share when it has come back; ``None``: at once
    idle: connections that are kept for requests over plain HTTP
    """

    __slots__ = (
        "_drains",
        "_early_failures",
        "_ejected",
        "_ejected_elsewhere",
        "_ejections",
        "_new_ejections",
        "_new_failures",
        "_returned_at",
        "_streak",
        "_until",
        "address",
        "at",
        "cap",
        "changed",
        "failures",
        "healthy",
        "idle",
        "may_eject",
        "name",
        "place_changed",
        "removed",
        "route",
        "sessions",
        "shared",
        "shared_drain",
        "shared_ejection",
        "slow_start",
        "trouble",
        "weight",
        "where",
    )

    def __init__(
        self, route: str, address: T, weight: int = 1, cap: int | None = None, *, at: SocketAddress | None = None
    ) -> None:
        self.route = route
        self.address: T = address
        self.at = at
        self.where = socket_address(address.address) if at is None else at
        self.name = backend_name(address, at)
        self.weight = weight
        self.cap = cap
        self.sessions = 0
        self.shared: SharedNumber | None = None
        self.shared_drain: SharedNumber | None = None
        self.shared_ejection: SharedEjection | None = None
        self.failures = 0
        self.healthy = True  # until its checks fail
        self.removed = False
        self._drains: set[Drain] = set()
        self.slow_start: float | None = None
        self.idle = IdleConnections()
        self._streak = 0  # checks in a row that contradict ``healthy``
        # Set by its upstream
        self.changed: Callable[[], object] = lambda: None
        self.place_changed: Callable[[], object] = lambda: None
        self.may_eject: Callable[[], Eject | None] = lambda: None
        self.trouble = Trouble("backend failed", "backend well again", route=route, backend=self.name)
        self._ejected = False
        self._ejected_elsewhere = False  # by another worker, and here because of that
        self._until = 0.0  # trio seconds
        self._ejections = 0  # in a row
        self._early_failures = 0  # in a row
        self._new_failures = self._new_ejections = 0  # since ``take_counts``
        self._returned_at: float | None = None  # trio seconds; ``None`` if it was never away, or long ago

    @property
    def usable(self) -> bool:
        """Whether it may get one more session now."""
        return self.works and self.has_place

    @property
    def works(self) -> bool:
        """Whether it may get requests over plain HTTP now, for which there is no cap."""
        return self.is_open and not (self._ejected and self.is_ejected)

    @property
    def is_open(self) -> bool:
        """Whether it is well, and neither drained nor removed."""
        return self.healthy and not (self._drains or self.removed)

    @property
    def has_place(self) -> bool:
        """Whether it is below its cap of sessions."""
        return self.cap is None or self.all_sessions < self.cap

    @property
    def all_sessions(self) -> int:
        """The sessions that all workers have with it."""
        return self.sessions if self.shared is None else self.sessions + self.shared.others()

    @property
    def is_ejected(self) -> bool:
        """Whether it gets no sessions for some time because it failed; after that time a session tries it again."""
        if self._ejected and trio.current_time() >= self._until:
            self._ejected = False
            self._returned_at = self._until
            if self.shared_ejection is not None:
                self.shared_ejection.forget()
        return self._ejected

    @property
    def ejected_until(self) -> float:
        """When its ejection is over, in trio seconds."""
        return self._until

    def part(self, now: float) -> float:
        """Returns the part of its share that it gets now: less than 1 if it has just come back.

        now: trio seconds
        """
        if self._returned_at is None or self.slow_start is None:
            return 1.0
        part = part_of(now - self._returned_at, self.slow_start)
        if part >= 1.0:
            self._returned_at = None
        return part

    def belong(self, entry: RelayBackend, slow_start: float | None, may_eject: Callable[[], Eject | None]) -> None:
        """It belongs to an upstream from now on, perhaps again.

        entry: its settings
        slow_start: seconds
        may_eject: returns the settings for ejecting it, if that is allowed now
        """
        self.removed = False
        self.weight, self.cap, self.slow_start, self.may_eject = entry.weight, entry.sessions, slow_start, may_eject
        self.drain(Drain.ENTRY, on=entry.drain)
        self.idle.open()

    def drain(self, why: Drain, *, on: bool) -> None:
        """Begins or ends a drain, and logs it: it gets no new session, and those that it has are ended. It drains while
        there is a reason to."""
        was_draining = self.is_draining
        if why is Drain.COMMAND and self.shared_drain is not None:
            self.shared_drain.set(int(on))  # for a worker that takes the place of a dead one
        (self._drains.add if on else self._drains.discard)(why)
        if self.is_draining and not was_draining:
            fields = {"reason": why.value, "sessions": self.sessions}
            emit(logging.WARNING, "backend drains", route=self.route, backend=self.name, **fields)
        elif was_draining and not self.is_draining:
            self.start_slowly()
            emit(logging.WARNING, "backend drains no more", route=self.route, backend=self.name)
            self.place_changed()

    @property
    def is_draining(self) -> bool:
        """Whether it gets no new session, and those that it has are ended."""
        return bool(self._drains)

    def start_slowly(self) -> None:
        """It is new, or comes back."""
        self._returned_at = trio.current_time()

    def remove(self, *, is_resolved: bool = False) -> None:
        """It belongs to its upstream no more: its sessions go on, and no other begins.

        is_resolved: the addresses of its name take its place
        """
        self.removed = True
        self.changed = lambda: None
        if self.shared_ejection is not None:
            self.shared_ejection.forget()
        self.idle.close()
        level = logging.INFO if is_resolved else logging.WARNING
        emit(level, "backend removed", route=self.route, backend=self.name, sessions=self.sessions)

    def enter(self) -> bool:
        """Counts a session that is about to begin. Returns False, and does not count it, if there is no place for it.

        It counts first and compares then. So if two workers want the last place, both may get none, but never both.
        """
        self._count(1)
        if self.cap is not None and self.all_sessions > self.cap:
            self._count(-1)
            self.place_changed()  # another worker may have found none because of this one
            return False
        return True

    def leave(self) -> None:
        """Counts a session that has ended, or has not begun."""
        self._count(-1)
        self.place_changed()

    def _count(self, more: int) -> None:
        self.sessions += more
        if self.shared is not None:
            self.shared.set(self.sessions)
        self.changed()

    def failed(self, error: str) -> None:
        """An attempt to use it has failed. ``error``: for the log."""
        self.trouble.begin(error)
        self.failures += 1
        self._new_failures += 1
        self._judge(self.failures, error)

    def worked(self) -> None:
        """An attempt to use it has succeeded."""
        self.failures = 0
        if not self._early_failures:
            self._forgive()
        self.trouble.end()

    def ended(self, failure: str = "") -> None:
        """A session has ended. Early failures have a counter of their own, because a successful upgrade does not clear
        them.

        failure: for the log; set if the end was abnormal and soon after the start
        """
        if not failure:
            self._early_failures = 0
            return
        self._early_failures += 1
        self._new_failures += 1
        self._judge(self._early_failures, failure)

    def take_counts(self) -> tuple[int, int]:
        """Returns how often it has failed, and how often it was ejected, since the last call."""
        counts = self._new_failures, self._new_ejections
        self._new_failures = self._new_ejections = 0
        return counts

    def checked(self, error: str, health: Health) -> bool:
        """Counts a health check; returns whether the backend has become unhealthy by it.

        error: why it failed, for the log; empty if it succeeded
        """
        if self.healthy is not bool(error):
            self._streak = 0
            return False
        self._streak += 1
        if self._streak < (health.fall if error else health.rise):
            return False
        self._streak = 0
        self.healthy = not error
        if error:
            emit(logging.WARNING, "backend unhealthy", route=self.route, backend=self.name, error=error)
        else:
            self.failures = self._early_failures = 0  # earlier failures do not count any more
            self._forgive()
            self._returned_at = trio.current_time()
            emit(logging.WARNING, "backend healthy", route=self.route, backend=self.name)
            self.place_changed()
        return not self.healthy

    def _judge(self, failures: int, error: str) -> None:
        eject = self.may_eject()
        if eject is None or failures < eject.failures or self.is_ejected:
            return
        seconds = min(eject.for_ * 2**self._ejections, LONGEST)
        self._ejected, self._until = True, trio.current_time() + seconds
        self._ejections += 1
        self._new_ejections += 1
        self.trouble.begin(error)
        emit(logging.WARNING, "backend ejected", route=self.route, backend=self.name, seconds=seconds, error=error)
        self._ejected_elsewhere = False
        if self.shared_ejection is not None:
            self.shared_ejection.show(seconds)
        self.place_changed()  # it is known now when it will have a place

    def heed_ejections(self) -> None:
        """Other workers may have ejected it, or have ended that. The log has said so there."""
        if self.shared_ejection is None:
            return
        seconds = self.shared_ejection.left()
        if self.is_ejected:
            if self._ejected_elsewhere and not seconds:
                self._return()
        elif seconds and self.may_eject() is not None:
            self._ejected = self._ejected_elsewhere = True
            self._until = trio.current_time() + seconds
            self.place_changed()

    def _forgive(self) -> None:
        self._ejections = 0
        if self._ejected:
            self._return()
            if self.shared_ejection is not None:
                self.shared_ejection.show(0)

    def _return(self) -> None:
        self._ejected = False
        self._returned_at = trio.current_time()
        self.place_changed()
