"""Finishes the sessions that are over: one task for all of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

import trio

_TURN = 0.005  # seconds of work between two checkpoints


class Session(Protocol):
    """The part of ``relay.session.Session`` that is needed here."""

    def finish(self) -> None:
        """Closes what is still open and calls the session's ending. Raises nothing."""
        ...


class Finisher:
    """The sessions that are over and not finished yet. ``run`` finishes them.

    between: called between two sessions, because thousands may end at the same time
    """

    def __init__(self, between: Callable[[], None]) -> None:
        self._between = between
        self._over: deque[Session] = deque()
        self._task: trio.lowlevel.Task | None = None  # it waits for the next one

    def add(self, session: Session) -> None:
        """Finishes a session soon. Never before this returns."""
        self._over.append(session)
        if self._task is not None:
            task, self._task = self._task, None
            trio.lowlevel.reschedule(task)

    async def run(self) -> None:
        """Finishes sessions until cancelled."""
        while True:
            if not self._over:
                self._task = trio.lowlevel.current_task()
                await trio.lowlevel.wait_task_rescheduled(self._abort_wait)
            began = trio.current_time()
            while self._over:
                self._over.popleft().finish()
                self._between()
                if trio.current_time() > began + _TURN:
                    await trio.lowlevel.checkpoint()
                    began = trio.current_time()

    def _abort_wait(self, _: object) -> trio.lowlevel.Abort:
        self._task = None
        return trio.lowlevel.Abort.SUCCEEDED
