"""The open sessions of a process, and who owns them: they have no task."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from wsgate.relay.session import Session


class Registry:
    """The open sessions of a process.

    worker: the number of this process among the workers; 0 without workers
    opened: how many sessions have begun so far
    is_cut: ``cut`` has been called
    """

    def __init__(self, worker: int = 0) -> None:
        self.opened = 0
        self._prefix = f"{worker}-" if worker else ""
        self._numbers = 0
        self.worker = worker
        self._sessions: dict[str, Session] = {}
        self.is_cut = False
        self._none = trio.Event()  # set when the last session ends

    def next_id(self) -> str:
        """Returns the id of a session that is about to begin: ``1f``, in the second worker ``2-1f``."""
        self._numbers += 1
        return f"{self._prefix}{self._numbers:x}"

    def add(self, session: Session) -> None:
        self._sessions[session.id] = session
        self.opened += 1

    def remove(self, session: Session) -> None:
        del self._sessions[session.id]
        if not self._sessions:
            self._none.set()

    @asynccontextmanager
    async def owned(self) -> AsyncIterator[trio.CancelScope]:
        """Sessions may begin inside of the block. Its end waits until the last one has ended.

        Yields the scope of the block and of that wait. When it is cancelled, all sessions are cut.
        """
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._cut_if_cancelled)
            yield nursery.cancel_scope
            while self._sessions:
                self._none = trio.Event()
                await self._none.wait()
            nursery.cancel_scope.cancel()

    async def _cut_if_cancelled(self) -> None:
        try:
            await trio.sleep_forever()
        finally:
            self.cut()

    def cut(self) -> None:
        """Cuts all sessions. Who starts another one after that must cut it."""
        self.is_cut = True
        for session in self:
            session.cut()

    def get(self, id: str) -> Session | None:
        return self._sessions.get(id)

    def __len__(self) -> int:
        return len(self._sessions)

    def __iter__(self) -> Iterator[Session]:
        """Iterates over the sessions that are open now; the caller may end sessions while it iterates."""
        return iter(list(self._sessions.values()))


def worker_of(id: str) -> int:
    """Returns the number of the worker that has given this id; 0 if none has."""
    number, dash, _ = id.partition("-")
    return int(number) if dash and number.isascii() and number.isdecimal() and len(number) < 6 else 0
