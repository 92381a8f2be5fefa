"""The sessions that ended last: who looks for a session that is gone finds there why."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from wsgate.relay.outcome import Outcome
from wsgate.relay.session_info import SessionInfo

KEPT = 200  # sessions of a process


@dataclass(frozen=True, slots=True)
class EndedSession:
    """A session that is over. ``at``: when it ended, in trio seconds"""

    info: SessionInfo
    outcome: Outcome
    at: float


class EndedSessions:
    """Keeps the last sessions of a process that have ended, and forgets older ones."""

    def __init__(self) -> None:
        self._kept: deque[EndedSession] = deque(maxlen=KEPT)

    def add(self, info: SessionInfo, outcome: Outcome, at: float) -> None:
        self._kept.append(EndedSession(info, outcome, at))

    def __iter__(self) -> Iterator[EndedSession]:
        """Iterates over them, from the newest on."""
        return iter(list(reversed(self._kept)))
