"""Numbers by name that all workers share: how many sessions each has with a backend, or from an address, for example.

Theory of operation
-------------------
The names come and go, and no worker knows which one the others have. So each worker has a hash table
of its own in the inherited memory, of names' hashes and numbers. Only this worker writes it; the others read it. So no
lock is needed, and what a dead worker had is taken back by clearing its table. A name is in it only while its number is
not 0: a name that is not used any more needs no removal.

Strangers choose some of the names. So the hash has a random key, and nobody can choose names that collide.
Collisions go to the next slot, up to ``PROBES``. A slot that is free again is marked, if a name behind it may have
collided with it. A reader may miss a number in the moment in which it is written; sums may be outdated by a moment.
"""

from __future__ import annotations

import hashlib
import logging
import mmap
import os
from collections.abc import Sequence

from wsgate.events.emit import emit
from wsgate.site.wakeup import Reason, Wakeup

SLOTS = 1 << 16  # of a worker, 1 MiB; half of them may be used. The system gives the memory when it is used
PROBES = 64  # slots that a name may be in

_WIDTH = 8  # bytes of a hash or a number; aligned, so reads and writes are atomic
_FREE, _REMOVED = 0, 1  # instead of a hash


class SharedTable:
    """The shared memory; forked children share it. ``rows``: the table of each worker, with so many ``slots``."""

    def __init__(self, workers: int, slots: int = SLOTS) -> None:
        size = 2 * (slots + PROBES)  # of a worker: a hash and a number for each slot
        cells = memoryview(mmap.mmap(-1, workers * size * _WIDTH)).cast("Q")
        wakeups = [Wakeup() for _ in range(workers)]
        secret = os.urandom(16)
        self.rows = [WorkerTable(cells, slots, index, wakeups, secret) for index in range(workers)]


class WorkerTable:
    """The table of one worker, and the way to the others.

    cells: of all workers
    slots: of each worker
    secret: the key of the hash
    wakeup: wakes this worker
    wakeups: wake the others, in the order of ``SharedNumber.of_others``
    """

    def __init__(self, cells: memoryview, slots: int, index: int, wakeups: Sequence[Wakeup], secret: bytes) -> None:
        size = len(cells) // len(wakeups)
        self.cells = cells
        self._slots = slots
        self._secret = secret
        self._base = index * size
        self._end = self._base + size
        self._others = [other * size for other in range(len(wakeups)) if other != index]
        self.wakeup = wakeups[index]
        self.wakeups = [*wakeups[:index], *wakeups[index + 1 :]]
        self._used = 0
        self._was_full = False

    def number(self, name: str) -> SharedNumber:
        """Returns the number of a name, which is 0 at first."""
        digest = hashlib.blake2b(name.encode(), digest_size=8, key=self._secret).digest()
        return SharedNumber(self, int.from_bytes(digest, "big") | 2)  # neither of the two marks

    def clear(self) -> None:
        """Makes all numbers 0, and wakes the others: the worker is dead, so they may have its places."""
        size = self._end - self._base
        self.cells[self._base : self._end] = memoryview(bytes(size * _WIDTH)).cast("Q")
        self._used = 0
        for wakeup in self.wakeups:
            wakeup.wake(Reason.PLACE)
            wakeup.wake(Reason.EJECTION)

    def write(self, key: int, value: int) -> None:
        """Sets the number of a name. If there is no room for it the others see 0, which is logged once."""
        cells = self.cells
        start = self._base + 2 * (key % self._slots)
        free = -1
        for at in range(start, start + 2 * PROBES, 2):
            found = cells[at]
            if found == key:
                if not value:
                    self._remove(at)
                cells[at + 1] = value
                return
            if found <= _REMOVED and free < 0:
                free = at
            if found == _FREE:
                break
        if not value:
            return
        if free < 0 or self._used >= self._slots // 2:
            if not self._was_full:
                self._was_full = True
                reason = (
                    f"it counts {self._used} backends, addresses and users: more of them are counted for itself alone"
                )
                emit(logging.WARNING, "worker counts alone", reason=reason)
            return
        self._used += 1
        cells[free + 1] = value  # first: whoever finds the name must find its number
        cells[free] = key

    def places(self, key: int) -> Sequence[int]:
        """Returns the cell in each other worker's table at which the search for a name begins."""
        return [base + 2 * (key % self._slots) for base in self._others]

    def find(self, key: int, place: int) -> int:
        """Returns the number of another worker; 0 if it has none. ``place``: one of ``places``."""
        cells = self.cells
        for at in range(place, place + 2 * PROBES, 2):
            found = cells[at]
            if found == key:
                return int(cells[at + 1])
            if found == _FREE:
                break
        return 0

    def _remove(self, at: int) -> None:
        cells = self.cells
        self._used -= 1
        if at + 2 < self._end and cells[at + 2] != _FREE:
            cells[at] = _REMOVED
            return
        cells[at] = _FREE
        at -= 2
        while at >= self._base and cells[at] == _REMOVED:  # no name is behind it any more
            cells[at] = _FREE
            at -= 2


class SharedNumber:
    """A number of this worker, which the others see, and theirs of the same name."""

    __slots__ = ("_cells", "_key", "_places", "_table")

    def __init__(self, table: WorkerTable, key: int) -> None:
        self._table = table
        self._key = key
        self._places = table.places(key)
        self._cells = table.cells

    def set(self, value: int) -> None:
        """Sets this worker's number, 0 or more."""
        self._table.write(self._key, value)

    def others(self) -> int:
        """Returns the sum of the other workers' numbers."""
        total, cells, key = 0, self._cells, self._key
        for place in self._places:
            found = cells[place]
            if found == key:  # nearly always, or it is free
                total += cells[place + 1]
            elif found != _FREE:
                total += self._table.find(key, place)
        return total

    def of_others(self) -> Sequence[int]:
        """Returns the other workers' numbers, in the order of the workers, without this one."""
        return [self._table.find(self._key, place) for place in self._places]
