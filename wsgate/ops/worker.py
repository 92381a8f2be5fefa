"""A worker from the parent's side, and how soon it is replaced after its death."""

from __future__ import annotations

from wsgate.gate.shared_counters import WorkerCounters
from wsgate.ops.worker_channel import ToWorker

STEADY = 30.0  # seconds: if a worker lived so long, its start was not the problem
LONGEST_PAUSE = 30.0  # seconds between two attempts to replace one


class Backoff:
    """The pause before a worker is replaced: at first none, then 1 s, doubled up to ``LONGEST_PAUSE``."""

    def __init__(self) -> None:
        self._next = 0.0

    def pause(self, lived: float) -> float:
        """Returns the pause, in seconds, after a worker that lived for ``lived`` seconds."""
        if lived >= STEADY:
            self._next = 0.0
        pause = self._next
        self._next = min(max(1.0, 2 * pause), LONGEST_PAUSE)
        return pause


class Worker:
    """The worker with a given number; a replacement has the same number."""

    def __init__(self, number: int, row: WorkerCounters) -> None:
        self.number = number
        self.row = row
        self.backoff = Backoff()
        self.pid = 0  # 0: it does not run
        self.channel: ToWorker | None = None
        self.began = 0.0
        self.start_at = 0.0  # when to start it, if it does not run
        self.ready = False
        self.served = False  # it was ready once
        self.slow = False  # the log has a line that it is not ready
        self.reason = ""  # why it could not start, in its own words

    @property
    def is_starting(self) -> bool:
        """Whether it runs, does not serve yet, and the log has no line about it yet."""
        return self.pid != 0 and not self.served and not self.slow
