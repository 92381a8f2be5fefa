"""From repetitions to a number that may be printed, or to saying that it may not."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.rows import Goal

SPREAD = 0.2  # of the ratio over the repetitions, (most - least) / median: above it a run counts as disturbed
FOREIGN = 0.05  # of a core, used by neither proxy nor load: above it the machine was not quiet


@dataclass(frozen=True, slots=True)
class Sample:
    """One case in one repetition. ``None`` where the work has no such quantity."""

    cpu_us: float | None = None  # the proxy's, per message or session
    messages_s: float | None = None  # or sessions
    mb_s: float | None = None  # payload, in one direction; 10^6 bytes
    p50_us: float | None = None
    p99_us: float | None = None
    p999_us: float | None = None
    kb_session: float | None = None  # PSS per open session, 10^3 bytes
    busy: float | None = None  # share of a core that the proxy used
    load_busy: float | None = None  # share of a core that generator and backend used together
    foreign: float | None = None  # the larger share of either core that somebody else used
    refused: int = 0


@dataclass(frozen=True, slots=True)
class Ratio:
    """Median over the repetitions, and how far they lie apart."""

    value: float
    least: float
    most: float
    against: str  # the label of the better case; empty when the goal is a plain number

    @property
    def disturbed(self) -> bool:
        return (self.most - self.least) > SPREAD * self.value


def median(samples: Sequence[Sample], quantity: str) -> float | None:
    values = [value for sample in samples if (value := getattr(sample, quantity)) is not None]
    return statistics.median(values) if values else None


def foreign(samples: Mapping[str, Sequence[Sample]]) -> float:
    """The largest share of a core that somebody else had during a row."""
    return max((sample.foreign or 0.0 for each in samples.values() for sample in each), default=0.0)


def ratio(goal: Goal, first: Sequence[Sample], others: Mapping[str, Sequence[Sample]]) -> Ratio | None:
    """The goal's quantity of ``first`` over that of the best of ``others``, repetition by repetition.

    Repetitions are paired, so that what slows the machine for a while slows both sides of a ratio. ``None`` when one
    side has no numbers.
    """
    if not goal.against:
        return _of([value for sample in first if (value := getattr(sample, goal.quantity)) is not None], "")
    medians = {
        label: value
        for label in goal.against
        if label in others and (value := median(others[label], goal.quantity)) is not None
    }
    if not medians:
        return None
    best = (max if goal.higher_is_better else min)(medians, key=lambda label: medians[label])
    pairs = [
        (getattr(ours, goal.quantity), getattr(theirs, goal.quantity))
        for ours, theirs in zip(first, others[best], strict=False)
    ]
    return _of([ours / theirs for ours, theirs in pairs if ours is not None and theirs], best)


def _of(values: Sequence[float], against: str) -> Ratio | None:
    if not values:
        return None
    return Ratio(statistics.median(values), min(values), max(values), against)
