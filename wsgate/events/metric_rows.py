"""The values of all metrics, in memory that all processes share: a row for each process, which only it writes.

Theory of operation
-------------------
A row is a list of entries: a metric's name and labels, then its values, which are whole numbers of 8 bytes. A process
appends an entry when it first counts something, and changes the numbers from then on. So a count is one addition, and
needs no lock. A reader needs no process: it reads the entries that are there. They describe themselves, so a reload may
add routes.

A row belongs to the number of a worker. The replacement of a dead worker goes on with its entries, so counters never go
back. Its gauges are cleared.
"""

from __future__ import annotations

import logging
import mmap
import struct
from bisect import bisect_left
from collections.abc import Iterator

from wsgate.events.emit import emit
from wsgate.events.metrics import METRICS, Across, Kind, Metric

SIZE = 4 << 20  # bytes of a row; the system provides them only as they are used
_WORD = 8  # bytes of a value; aligned, so reads and writes are atomic
_HEAD = struct.Struct("=II")  # of an entry: bytes of its key, and its values
_ABSENT = 2**64 - 1  # a gauge without a value

_BY_NAME = {metric.name: metric for metric in METRICS}

Labels = tuple[str, ...]


class Cell:
    """One value."""

    __slots__ = ("_at", "_words")

    def __init__(self, words: memoryview, at: int) -> None:
        self._words = words
        self._at = at

    def add(self, number: int = 1) -> None:
        self._words[self._at] += number

    def set(self, number: int) -> None:
        self._words[self._at] = number

    def remove(self) -> None:
        """Shows this value no more, until the next ``set``."""
        self._words[self._at] = _ABSENT


class Histogram:
    """The values of a histogram: a count for each bucket, the one without a bound, and the sum."""

    __slots__ = ("_at", "_buckets", "_per_unit", "_sum", "_words")

    def __init__(self, metric: Metric, words: memoryview, at: int) -> None:
        self._words = words
        self._at = at
        self._buckets = metric.buckets
        self._sum = at + len(metric.buckets) + 1
        self._per_unit = 1 / metric.scale

    def observe(self, value: float) -> None:
        words = self._words
        words[self._at + bisect_left(self._buckets, value)] += 1
        if value > 0:
            words[self._sum] += int(value * self._per_unit + 0.5)


class MetricRow:
    """The row of one process. ``memory``: as it was left by an earlier process of the same number, or empty."""

    def __init__(self, memory: memoryview) -> None:
        self._memory = memory
        self._words = memory.cast("Q")
        self._places = {(metric.name, labels): at for metric, labels, at in _entries(memory)}
        self._spare: memoryview | None = None

    def cell(self, metric: Metric, *labels: str) -> Cell:
        """Returns the value of a counter or a gauge. Keep it, where it is needed often."""
        words, at = self._find(metric, labels)
        return Cell(words, at)

    def histogram(self, metric: Metric, *labels: str) -> Histogram:
        """Returns a histogram."""
        words, at = self._find(metric, labels)
        return Histogram(metric, words, at)

    def words(self, metric: Metric, *labels: str) -> memoryview:
        """Returns the numbers that stand side by side: a histogram's, or those of the ``known`` values of the label
        that ``labels`` leaves out."""
        words, at = self._find(metric, labels)
        return words[at : at + metric.cells]

    def clear_gauges(self) -> None:
        """Clears what belonged to a process that has died."""
        for metric, _, at in _entries(self._memory):
            if metric.kind is Kind.GAUGE:
                self._words[at] = 0 if metric.across is Across.SUM else _ABSENT

    def read(self) -> Iterator[tuple[Metric, Labels, tuple[int, ...]]]:
        """Yields the present values."""
        return _read(self._memory)

    def _find(self, metric: Metric, labels: Labels) -> tuple[memoryview, int]:
        at = self._places.get((metric.name, labels))
        if at is None:
            at = self._append(metric, labels)
            if at is None:  # the row is full: count where nobody sees it
                if self._spare is None:
                    self._spare = memoryview(bytearray(_WORD * 64)).cast("Q")
                    cure = "the counters there are go on; a restart forgets those of what a reload has removed"
                    emit(logging.WARNING, "metrics full", cure=cure)
                return self._spare, 0
            self._places[metric.name, labels] = at
        return self._words, at

    def _append(self, metric: Metric, labels: Labels) -> int | None:
        """Adds an entry. It counts only when the number of used bytes says so: a process may die at any time."""
        key = "\0".join([metric.name, *labels]).encode(errors="surrogateescape")
        used = self._words[0] or _WORD
        values = _align(used + _HEAD.size + len(key))
        end = values + metric.cells * _WORD
        if end > len(self._memory):
            return None
        _HEAD.pack_into(self._memory, used, len(key), metric.cells)
        self._memory[used + _HEAD.size : used + _HEAD.size + len(key)] = key
        self._memory[values:end] = bytes(end - values)  # where a dead process has written an entry in part
        self._words[0] = end
        return values // _WORD


class MetricRows:
    """The shared memory; forked children share it.

    processes: how many have a row: one, or the workers and, with number 0, their parent
    size: bytes of each row
    """

    def __init__(self, processes: int = 1, size: int = SIZE) -> None:
        memory = memoryview(mmap.mmap(-1, processes * size))
        self._rows = [memory[at : at + size] for at in range(0, processes * size, size)]

    def row(self, number: int = 0) -> MetricRow:
        """Returns a row, for its process or to read it."""
        return MetricRow(self._rows[number])

    def read(self, number: int) -> Iterator[tuple[Metric, Labels, tuple[int, ...]]]:
        """Yields the present values of a row, in any process."""
        return _read(self._rows[number])

    def __len__(self) -> int:
        return len(self._rows)


def _align(size: int) -> int:
    return -(-size // _WORD) * _WORD


def _read(memory: memoryview) -> Iterator[tuple[Metric, Labels, tuple[int, ...]]]:
    words = memory.cast("Q")
    for metric, labels, at in _entries(memory):
        values = tuple(words[at : at + metric.cells])
        if values[0] != _ABSENT:
            yield metric, labels, values


def _entries(memory: memoryview) -> Iterator[tuple[Metric, Labels, int]]:
    at, used = _WORD, memory.cast("Q")[0]
    while at < used:
        size, cells = _HEAD.unpack_from(memory, at)
        key = bytes(memory[at + _HEAD.size : at + _HEAD.size + size])
        values = _align(at + _HEAD.size + size)
        name, *labels = key.decode(errors="surrogateescape").split("\0")
        yield _BY_NAME[name], tuple(labels), values // _WORD
        at = values + cells * _WORD
