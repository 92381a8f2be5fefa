"""A token bucket: how much may pass at a rate, and how long who has sent more has to wait. Time is an argument."""

from __future__ import annotations

_STEP = 1 / 16  # of the capacity


class TokenBucket:
    """Holds one token for each unit that may pass now; it begins full.

    It may be in debt: what is counted has passed already. To count seldom, it says how much may pass until then. What
    passes in between counts as if it had passed at the end. So a bucket that would be full has up to a sixteenth less.

    rate: units per second
    capacity: the most that may pass at once after a time without any
    now: trio seconds
    due: the total at which ``take`` is to be called
    """

    __slots__ = ("_capacity", "_step", "_taken", "_tokens", "_when", "due", "rate")

    def __init__(self, rate: float, capacity: float, now: float) -> None:
        self.rate = rate
        self._capacity = capacity
        self._step = capacity * _STEP
        self._tokens = capacity
        self._taken = 0
        self._when = now
        self.due = max(1, int(self._step))

    def take(self, total: int, now: float) -> float:
        """Takes tokens for what has passed since the last call.

        total: what has passed since the beginning

        Returns the seconds until the debt is paid; 0 without debt.
        """
        tokens = self._tokens + (now - self._when) * self.rate
        if tokens > self._capacity:
            tokens = max(self._capacity, self._tokens)
        self._when = now
        self._tokens = tokens = tokens - (total - self._taken)
        self._taken = total
        self.due = total + max(1, int(min(tokens, self._step)))
        return -tokens / self.rate if tokens < 0 else 0.0

    def fill(self, now: float) -> None:
        """Adds the tokens since the last call of ``take``, beyond the capacity too: nothing could pass in this time."""
        self._tokens += (now - self._when) * self.rate
        self._when = now
