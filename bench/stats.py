"""From repetitions to a number that may be printed, or to saying that it may not."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.rows import Goal

SURE = 7 / 8  # the chance that a ratio's interval holds the true median
SPREAD = 0.2  # of that interval, (high - low) / median: above it a row counts as disturbed
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
    up_s: float | None = None  # storms: seconds until all new sessions were up
    kb_session: float | None = None  # PSS per open session, 10^3 bytes
    busy: float | None = None  # share of a core that the proxy used
    load_busy: float | None = None  # share of a core that generator and backend used together
    # shares of the two cores that others used; a single one may be wrong by two ticks of 10 ms, up or down
    foreign: float | None = None  # of the proxy's
    load_foreign: float | None = None  # of the load's
    refused: int = 0


@dataclass(frozen=True, slots=True)
class Ratio:
    """The median over the rounds, and the interval that contains the true median with a probability of ``SURE``.

    The interval goes from the k-th lowest round to the k-th highest. For any distribution of errors each round is
    equally likely above and below the true median, so k follows from the binomial distribution. Of three rounds none is
    left out, of seven one at either end, of 35 twelve.
    """

    value: float
    low: float
    high: float
    against: str  # the label of the better case; empty when the goal is a plain number

    @property
    def disturbed(self) -> bool:
        return (self.high - self.low) > SPREAD * self.value


def median(samples: Sequence[Sample], quantity: str) -> float | None:
    return middle([getattr(sample, quantity) for sample in samples])


def least(samples: Sequence[Sample], quantity: str) -> Sample:
    """Returns the sample with the lowest value: of what others take of the machine, it has the least."""
    return min(samples, key=lambda sample: math.inf if (value := getattr(sample, quantity)) is None else value)


def foreign(samples: Mapping[str, Sequence[Sample]]) -> float:
    """Returns the share of a core that other programs used during a row: of that core of which they used more.

    It is the mean over everything that the row has measured, because the kernel counts idle time in ticks of 10 ms: the
    error of one short slice can be a tenth. The larger of two numbers is only taken of the means. Of the two in each
    slice it would be the one with the error upwards, and a quiet machine would seem busy.
    """
    every = [sample for each in samples.values() for sample in each]
    cores = (
        [sample.foreign for sample in every if sample.foreign is not None],
        [sample.load_foreign for sample in every if sample.load_foreign is not None],
    )
    return max([0.0, *[statistics.fmean(known) for known in cores if known]])


def compared(goal: Goal, label: str, samples: Mapping[str, Sequence[Sample]]) -> list[float | None]:
    """Returns what the goal compares of a case, by round: its quantity, divided by that of its case in ``over``.

    label: the first case's, or one of ``goal.against``
    """
    values = [getattr(sample, goal.quantity) for sample in samples.get(label, ())]
    if not goal.over:
        return values
    at = goal.against.index(label) + 1 if label in goal.against else 0
    bases = [getattr(sample, goal.quantity) for sample in samples.get(goal.over[at], ())]
    return [value / base if value is not None and base else None for value, base in zip(values, bases, strict=False)]


def middle(values: Sequence[float | None]) -> float | None:
    """Returns the median of those that there are."""
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def ratio(goal: Goal, first: str, samples: Mapping[str, Sequence[Sample]]) -> Ratio | None:
    """Returns what the goal compares of the case ``first``, divided by that of the best of ``goal.against``, by round.

    Rounds are paired, so that a disturbance of the machine affects both sides of a ratio. Returns ``None`` if one side
    has no numbers.
    """
    ours = compared(goal, first, samples)
    if not goal.against:
        return _of([value for value in ours if value is not None], "")
    theirs = {label: compared(goal, label, samples) for label in goal.against}
    medians = {label: value for label in theirs if (value := middle(theirs[label])) is not None}
    if not medians:
        return None
    best = (max if goal.higher_is_better else min)(medians, key=lambda label: medians[label])
    pairs = zip(ours, theirs[best], strict=False)
    return _of([one / other for one, other in pairs if one is not None and other], best)


def _of(values: Sequence[float], against: str) -> Ratio | None:
    if not values:
        return None
    left_out = _left_out(len(values))
    inner = sorted(values)[left_out : len(values) - left_out]
    return Ratio(statistics.median(values), inner[0], inner[-1], against)


def _left_out(count: int) -> int:
    """How many values may go at either end, if what remains is to hold the true median with ``SURE``."""
    beyond = [2 * sum(math.comb(count, i) for i in range(k + 1)) / 2**count for k in range(count)]
    return max((k for k, chance in enumerate(beyond) if chance <= 1 - SURE), default=0)
