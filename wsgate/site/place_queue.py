"""The sessions of a route that wait for a place, because each of its backends has as many sessions as it may have.

A place that becomes free is given to the session that has waited longest, of those that may have it, and no other one
is woken. The session is counted at the backend before it runs again, so nobody can take the place meanwhile. Backends
report each change (``place_changed``), so nothing is polled. Only the end of an ejection is a time: the first in the
queue sleeps until then.

With several workers each has a queue; ``worker_turns.py`` makes one of them.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Container, Sequence
from typing import TypeAlias

import trio

from wsgate.settings.model import WebSocketUrl
from wsgate.site.backend import LiveBackend
from wsgate.site.worker_turns import WorkerTurns

_Backend: TypeAlias = LiveBackend[WebSocketUrl]


class _Waiting:
    """A session that waits.

    backends: returns those of its upstream
    tried: those that it has tried in vain
    since: when its wait began, by the clock of ``WorkerTurns``
    backend: the one at which it has got a place
    """

    __slots__ = ("backend", "backends", "since", "tried", "woken")

    def __init__(self, backends: Callable[[], Sequence[_Backend]], tried: Container[_Backend], since: float) -> None:
        self.since = since
        self.backends = backends
        self.tried = tried
        self.backend: _Backend | None = None
        self.woken = trio.Event()

    def may_have(self, backend: _Backend) -> bool:
        return backend not in self.tried and backend in self.backends()


class PlaceQueue:
    """A reload keeps it, so that sessions that wait keep their place in it."""

    def __init__(self) -> None:
        self._line: OrderedDict[_Waiting, None] = OrderedDict()
        self._turns: WorkerTurns | None = None

    def __len__(self) -> int:
        """Returns how many sessions of this worker wait."""
        return len(self._line)

    @property
    def is_awaited(self) -> bool:
        """Whether a session waits, of any worker, so that a new one would overtake it."""
        return bool(self._line) or (self._turns is not None and self._turns.is_awaited)

    def share(self, turns: WorkerTurns) -> None:
        """Serves the sessions of all workers in turn."""
        self._turns = turns
        self._show_first()

    async def wait(
        self, backends: Callable[[], Sequence[_Backend]], tried: Container[_Backend], seconds: float
    ) -> _Backend | None:
        """Waits for a place. The caller bounds how many wait.

        backends: returns the present ones of the upstream
        tried: those that the session has tried in vain

        Returns the backend, at which the session is counted already; ``None`` if none had a place within ``seconds``.
        """
        waiting = _Waiting(backends, tried, 0.0 if self._turns is None else self._turns.now())
        self._line[waiting] = None
        self._show_first()
        deadline = trio.current_time() + seconds
        try:
            self.settle(backends())
            while waiting.backend is None and trio.current_time() < deadline:
                is_first = next(iter(self._line)) is waiting
                until = min(deadline, _next_return(backends())) if is_first else deadline
                with trio.move_on_at(until):
                    await waiting.woken.wait()
                if waiting.backend is None:
                    waiting.woken = trio.Event()
                    if is_first:
                        self.settle(backends())
            given, waiting.backend = waiting.backend, None
            return given
        finally:
            if waiting in self._line:
                self._remove(waiting)
            if waiting.backend is not None:  # it was cancelled just when it got its place
                waiting.backend.leave()

    def place_changed(self, backend: _Backend) -> None:
        """A backend may have a place for one more session now, or one that was ejected may have it later."""
        if self._line or self._turns is not None:
            self._give(backend)
            self._wake_first()  # an ejection may have begun

    def settle(self, backends: Sequence[_Backend], *, is_left: bool = False) -> bool:
        """Gives all places that are free at ``backends``. Returns whether one is left that none here may have.

        is_left: also to sessions of which others have waited longer, in other workers
        """
        left = [self._give(backend, is_left=is_left) for backend in backends] if self._line else [True]
        return any(left)

    def woken(self, backends: Sequence[_Backend], *, is_left: bool) -> None:
        """Another worker says that there is a place.

        is_left: those who have waited longer may not have it
        """
        if self._turns is not None and self.is_awaited and self.settle(backends, is_left=is_left):
            first = next(iter(self._line), None)
            if any(each.usable for each in backends):
                self._turns.pass_on(None if first is None else first.since)

    def _give(self, backend: _Backend, *, is_left: bool = False) -> bool:
        """Gives the places of a backend. Returns whether one is left that none here may have."""
        while backend.usable:
            if self._turns is not None and not is_left:
                first = next(iter(self._line), None)
                if self._turns.wake_elder(None if first is None else first.since):
                    return False
            waiting = next((each for each in self._line if each.may_have(backend)), None)
            if waiting is None:
                return True
            if not backend.enter():
                break
            waiting.backend = backend
            waiting.woken.set()
            self._remove(waiting)
        return False

    def _remove(self, waiting: _Waiting) -> None:
        del self._line[waiting]
        self._show_first()
        self._wake_first()

    def _show_first(self) -> None:
        if self._turns is not None:
            first = next(iter(self._line), None)
            self._turns.show(None if first is None else first.since)

    def _wake_first(self) -> None:
        """Has the first one look again for how long it may sleep."""
        first = next(iter(self._line), None)
        if first is not None:
            first.woken.set()


def _next_return(backends: Sequence[_Backend]) -> float:
    """Returns when the next ejection is over, in trio seconds."""
    return min((each.ejected_until for each in backends if each.is_ejected), default=math.inf)
