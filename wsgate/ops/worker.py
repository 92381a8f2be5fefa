"""One place among the workers, as the parent sees it, and how soon it is filled again."""

from __future__ import annotations

from wsgate.gate.shared_counters import WorkerCounters
from wsgate.ops.worker_channel import ToWorker

STEADY = 30.0  # seconds: a worker that lived so long did not die of what it began with
LONGEST_PAUSE = 30.0  # seconds between two attempts to replace one


class Backoff:
    """How long to wait before a worker is replaced: not at all, then 1 s, doubled up to ``LONGEST_PAUSE``."""

    def __init__(self) -> None:
        self._next = 0.0

    def pause(self, lived: float) -> float:
        """The pause after a worker that lived for so many seconds."""
        if lived >= STEADY:
            self._next = 0.0
        pause = self._next
        self._next = min(max(1.0, 2 * pause), LONGEST_PAUSE)
        return pause


class Worker:
    """One place among the workers, whoever fills it at the time."""

    def __init__(self, number: int, row: WorkerCounters) -> None:
        self.number = number
        self.row = row
        self.backoff = Backoff()
        self.pid = 0  # 0: nobody is there
        self.channel: ToWorker | None = None
        self.began = 0.0
        self.start_at = 0.0  # when the next one begins, where nobody is there
        self.ready = False
        self.served = False  # it was ready once
        self.slow = False  # the log has said that it is not
        self.reason = ""  # why it says it could not begin

    @property
    def is_starting(self) -> bool:
        """Whether it has not begun to serve, and the log has not said so yet."""
        return self.pid != 0 and not self.served and not self.slow
