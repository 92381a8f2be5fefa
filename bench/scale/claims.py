"""What is claimed of a run, and whether its figures hold it, without I/O."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.scale import figures
from bench.scale.phases import CONNECT, DEATH, END, MOVE, RESTART, STEADY, Phase, Story
from bench.scale.tally import DIAL, ENDS, OPEN, Event

EVEN = 0.1  # of the mean, that a replica or a backend may differ from it
MOVED = 1012  # service restart: the code of a session that is moved
AWAY = 1001  # going away: that of a drain
STEP = 1.0  # seconds between two looks at how even the sessions are


@dataclass(frozen=True, slots=True)
class Claim:
    """A sentence about a phase, what was measured, and what it had to be."""

    phase: str
    what: str
    measured: str
    must: str
    holds: bool


def claims(story: Story) -> list[Claim]:
    """Returns all that is claimed of a run."""
    found: list[Claim] = []
    for phase in story.phases:
        events = figures.between(story.events, phase.begin, phase.end)
        found += _OF_PHASE[phase.name](story, phase, events)
        if phase.name != DEATH:  # who notices before the balancer does may be led to the dead replica again
            found.append(_nobody_refused(phase, events))
        if phase.name != CONNECT:
            found.append(_backends_even(story, phase))
    return found


def at_most(rate: float, seconds: float = 1.0) -> float:
    """Returns how many of random times, ``rate`` in a second, may be in any span of so many seconds.

    Chance alone brings more than the mean into some spans: four standard deviations of a Poisson distribution are
    exceeded in one of 10,000, where the mean is 80 or more.
    """
    mean = rate * seconds
    return mean + 4 * math.sqrt(mean)


def spread_rate(sessions: float, spread: float) -> float:
    """Returns how many sessions are told to end in a second: ten, or as many as the spread asks for."""
    return max(10.0, sessions / spread)


def _connect(story: Story, phase: Phase, events: Sequence[Event]) -> Iterator[Claim]:
    opened = sum(each.kind == OPEN for each in events)
    yield _claim(phase, "clients that have got a session", opened, "=", story.plan.sessions)


def _rest(story: Story, phase: Phase, events: Sequence[Event]) -> Iterator[Claim]:
    yield _claim(phase, "sessions that ended", sum(each.kind in ENDS for each in events), "=", 0)
    yield _replicas_even(story, phase)


def _restart(story: Story, phase: Phase, events: Sequence[Event]) -> Iterator[Claim]:
    plan, counts = story.plan, figures.counts(events)
    yield _claim(phase, "clients that saw exactly one Close", counts.ends[1], "=", plan.sessions)
    yield _claim(phase, f"Closes with {AWAY}", counts.codes[AWAY], "=", plan.sessions)
    yield _claim(phase, "times that a client came back", counts.opened, "=", plan.sessions)
    yield _claim(phase, "drains that had to cut a session", sum(map(bool, story.statuses)), "=", 0)
    for replica, begin, end in story.drains:
        ended = [each for each in figures.between(events, begin, end) if each.kind in ENDS and each.replica == replica]
        rate = spread_rate(len(ended), plan.spread)
        back = [each.at for each in events if each.kind == DIAL and begin <= each.at < end + plan.reconnect]
        yield _claim(
            phase,
            f"most clients that come back in a second while {replica} drains, {rate:.0f} a second",
            figures.most_within(back),
            "≤",
            math.floor(at_most(rate)),
        )
    most = max(max(sample.replicas.values(), default=0) for sample in _samples(story, phase))
    yield _claim(phase, "most sessions on a replica", most, "≤", math.ceil(plan.share * (1 + EVEN)))


def _death(story: Story, phase: Phase, events: Sequence[Event]) -> Iterator[Claim]:
    plan = story.plan
    assert story.dead is not None
    replica, at = story.dead
    before = _samples(story, phase)[0].replicas[replica]
    noticed, back = figures.seconds_until_back(events, replica, at)
    yield _claim(phase, "clients of the dead replica that are back", len(back), "=", before)
    yield _claim(phase, "seconds until the last of them knew", max(noticed, default=0.0), "≤", plan.heartbeat)
    yield _claim(
        phase, "seconds until the last of them was back", max(back, default=0.0), "≤", plan.heartbeat + plan.reconnect
    )
    others = sum(each.kind in ENDS and each.replica != replica for each in events)
    yield _claim(phase, "sessions of other replicas that ended", others, "=", 0)


def _move(story: Story, phase: Phase, events: Sequence[Event]) -> Iterator[Claim]:
    plan, counts = story.plan, figures.counts(events)
    asked = plan.sessions * plan.moved / 100
    told = counts.codes[MOVED]
    yield _claim(phase, f"Closes with {MOVED}", told, "≈", round(asked), abs(told - asked) < plan.replicas)
    yield _claim(phase, "clients that saw more than one end", sum(counts.ends.values()) - counts.ends[1], "=", 0)
    arrived = figures.samples(figures.between(story.events, 0.0, phase.end), STEP)[-1].replicas[story.added]
    least = math.floor((1 - EVEN) * plan.share) - plan.balancers
    yield _claim(phase, f"sessions on {story.added}, which is new, at the end", arrived, "≥", least)
    rate = asked / plan.over
    closes = [each.at for each in events if each.kind in ENDS]
    yield _claim(
        phase,
        f"most Closes in a second, {rate:.0f} asked for",
        figures.most_within(closes),
        "≤",
        math.floor(at_most(rate)),
    )
    yield _claim(phase, "most clients that come back in a second", counts.busiest, "≤", math.floor(at_most(rate)))


def _nobody_refused(phase: Phase, events: Sequence[Event]) -> Claim:
    return _claim(phase, "times that a client was refused", figures.counts(events).refused.total(), "=", 0)


def _replicas_even(story: Story, phase: Phase) -> Claim:
    """All of the time: the replicas that have any."""
    worst = max(
        figures.unevenness([number for number in sample.replicas.values() if number], slack=story.plan.balancers)
        for sample in _samples(story, phase)
    )
    return _claim(phase, "how far a replica's sessions are from the mean", worst, "≤", EVEN)


def _backends_even(story: Story, phase: Phase) -> Claim:
    """All of the time. Each replica balances its own sessions, so one for each is no unevenness."""
    plan = story.plan
    worst = max(
        figures.unevenness(
            [*sample.backends.values(), *[0] * (plan.backends - len(sample.backends))], plan.replicas + 1
        )
        for sample in _samples(story, phase)
    )
    return _claim(phase, "how far a backend's sessions are from the mean", worst, "≤", EVEN)


def _samples(story: Story, phase: Phase) -> list[figures.Sample]:
    return [each for each in figures.samples(story.events, STEP) if phase.begin <= each.at < phase.end] or [
        figures.samples(story.events, STEP)[-1]
    ]


def _claim(phase: Phase, what: str, measured: float, relation: str, bound: float, holds: bool | None = None) -> Claim:
    held = {"=": measured == bound, "≤": measured <= bound, "≥": measured >= bound}
    return Claim(
        phase.name,
        what,
        _number(measured, bound),
        f"{relation} {_number(bound, bound)}",
        held[relation] if holds is None else holds,
    )


def _number(value: float, bound: float) -> str:
    if 0 < bound < 1:
        return f"{value:.1%}"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"


_OF_PHASE = {CONNECT: _connect, STEADY: _rest, RESTART: _restart, DEATH: _death, MOVE: _move, END: _rest}
