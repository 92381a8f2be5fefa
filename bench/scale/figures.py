"""Numbers from what the clients have met, without I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench.scale.tally import CLOSE, DIAL, ENDS, OPEN, REFUSED, Event


@dataclass(frozen=True, slots=True)
class Counts:
    """What the clients have met in a span of time.

    ends: how many clients have met so many ends of their session
    codes: the Closes, by code
    opened: how often
    refused: how often, by status; 0 is a connection without an answer
    busiest: the most clients that came in one second
    """

    ends: Counter[int]
    codes: Counter[int]
    opened: int
    refused: Counter[int]
    busiest: int


def counts(events: Iterable[Event]) -> Counts:
    inside = list(events)
    per_client = Counter(each.client for each in inside if each.kind in ENDS)
    return Counts(
        ends=Counter(per_client.values()),
        codes=Counter(each.code for each in inside if each.kind == CLOSE),
        opened=sum(each.kind == OPEN for each in inside),
        refused=Counter(each.code for each in inside if each.kind == REFUSED),
        busiest=most_within([each.at for each in inside if each.kind == DIAL]),
    )


def between(events: Iterable[Event], begin: float, end: float) -> list[Event]:
    return [each for each in events if begin <= each.at < end]


def most_within(times: Sequence[float], seconds: float = 1.0) -> int:
    """Returns how many of these times, in their order, are at most within so many seconds, wherever those begin."""
    most = first = 0
    for last, at in enumerate(times):
        while at - times[first] >= seconds:
            first += 1
        most = max(most, last - first + 1)
    return most


@dataclass(frozen=True, slots=True)
class Sample:
    """The open sessions at a time."""

    at: float
    replicas: Counter[str]
    backends: Counter[str]


def samples(events: Iterable[Event], step: float) -> list[Sample]:
    """Returns the open sessions at the beginning and then each ``step`` seconds, as the clients know them."""
    found: list[Sample] = []
    replicas: Counter[str] = Counter()
    backends: Counter[str] = Counter()
    at: float | None = None
    for event in events:
        at = event.at if at is None else at
        while event.at >= at:
            found.append(Sample(at, Counter(replicas), Counter(backends)))
            at += step
        if event.kind == OPEN or event.kind in ENDS:
            change = 1 if event.kind == OPEN else -1
            replicas[event.replica] += change
            backends[event.backend] += change
    if at is not None:
        found.append(Sample(at, replicas, backends))
    return found


def unevenness(numbers: Sequence[int], slack: int = 0) -> float:
    """Returns how far the worst of these is from the mean, as a part of the mean. ``slack``: so far counts as none"""
    mean = sum(numbers) / len(numbers)
    return max(0.0, max(abs(each - mean) for each in numbers) - slack) / mean if mean else 0.0


def seconds_until_back(events: Iterable[Event], replica: str, since: float) -> tuple[list[float], list[float]]:
    """Returns how many seconds after ``since`` each client of a replica met the end of its session, and was back."""
    ended: dict[int, float] = {}
    back: dict[int, float] = {}
    for event in events:
        if event.at < since:
            continue
        if event.kind in ENDS and event.replica == replica:
            ended.setdefault(event.client, event.at - since)
        elif event.kind == OPEN and event.client in ended:
            back.setdefault(event.client, event.at - since)
    return list(ended.values()), list(back.values())
