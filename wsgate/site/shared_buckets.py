"""Token buckets by name, in memory that all workers share: how many upgrades an address may make in a second.

Theory of operation
-------------------
A bucket holds the tokens of one second, and fills at its rate. It is kept as one number, the time at which it will be
full again (the theoretical arrival time of GCRA, ITU-T I.371). So the rate is no part of what is kept, and may change.
A bucket that is full says nothing. So its slot is free: no bucket needs a removal, and the memory is bounded.

All workers write all slots, without a lock. If two of them take a token of one bucket in the same moment, one of the
two may not be counted. If more buckets collide than ``PROBES``, the fullest one of them is forgotten. Either way
slightly more is let through than the rate, and never less.
"""

from __future__ import annotations

import hashlib
import mmap
import os

SLOTS = 1 << 14  # 256 KiB; each belongs to an address that has come within the last second
PROBES = 16  # slots that a name may be in
SECOND = 1_000_000_000  # nanoseconds
_WIDTH = 8  # bytes of a hash or a time; aligned, so reads and writes are atomic


def take(full_at: int, rate: int, now: int) -> tuple[int, int]:
    """Takes a token of a bucket that holds ``rate`` of them.

    full_at: when the bucket is full; a time that is over: it is full
    rate: tokens per second
    now: all times are nanoseconds of one clock

    Returns the time that is to be kept, and 0; or the same time, and how long it takes until there is a token.
    """
    then = max(full_at, now) + max(1, SECOND // rate)
    lacking = then - now - SECOND
    return (full_at, lacking) if lacking > 0 else (then, 0)


class SharedBuckets:
    """The shared memory; forked children share it."""

    def __init__(self, slots: int = SLOTS) -> None:
        self._slots = slots
        self._cells = memoryview(mmap.mmap(-1, 2 * (slots + PROBES) * _WIDTH)).cast("Q")
        self._secret = os.urandom(16)  # strangers choose names: they must not choose some that collide

    def take(self, name: str, rate: int, now: int) -> int:
        """Takes a token of a name's bucket. Returns 0, or the nanoseconds until there is one.

        rate: tokens per second; the bucket holds as many
        now: nanoseconds of a clock that all workers have, like ``time.monotonic_ns``
        """
        cells = self._cells
        key = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8, key=self._secret).digest(), "big") | 1
        at = self._find(key)
        full_at, lacking = take(cells[at + 1] if cells[at] == key else 0, rate, now)
        if not lacking:
            cells[at + 1] = full_at
            cells[at] = key
        return lacking

    def _find(self, key: int) -> int:
        """Returns the slot of a key, or one that it may have."""
        cells = self._cells
        start = 2 * (key % self._slots)
        fullest = start
        for at in range(start, start + 2 * PROBES, 2):
            if cells[at] == key:
                return at
            if cells[at + 1] < cells[fullest + 1]:
                fullest = at
        return fullest
