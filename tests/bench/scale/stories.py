"""A run that did not take place: four clients, two replicas and a spare."""

from __future__ import annotations

from collections.abc import Iterable

from bench.scale.phases import CONNECT, DEATH, END, MOVE, RESTART, STEADY, Phase, Story
from bench.scale.plan import Plan
from bench.scale.tally import Tally

PLAN = Plan(sessions=4, replicas=2, backends=2, balancers=1, spread=1.0, over=2.0, reconnect=1.0, steady=1.0)

CONNECTED = ("1 open 0 r1 b1", "1.1 open 1 r2 b2", "1.2 open 2 r1 b2", "1.3 open 3 r2 b1")
RESTARTED = (
    *("10 close 0 1001", "10.2 open 0 r3 b1", "10.3 close 2 1001", "10.5 open 2 r3 b2"),
    *("15 close 1 1001", "15.2 open 1 r1 b2", "15.3 close 3 1001", "15.5 open 3 r1 b1"),
)
DEAD = ("24 lost 1", "24.1 silent 3", "24.5 refused 3 0", "24.8 open 1 r3 b2", "26 open 3 r3 b1")
MOVED = ("31 close 0 1012", "31.5 open 0 r2 b1", "32.5 close 1 1012", "32.9 open 1 r2 b2")


def tally(*lines: Iterable[str]) -> Tally:
    found = Tally()
    for some in lines:
        for line in some:
            found.add(line)
    return found


def story(
    connected: Iterable[str] = CONNECTED,
    restarted: Iterable[str] = RESTARTED,
    dead: Iterable[str] = DEAD,
    moved: Iterable[str] = MOVED,
) -> Story:
    """All is well, but for what is given."""
    begins = {CONNECT: 0.0, STEADY: 5.0, RESTART: 9.0, DEATH: 20.0, MOVE: 30.0, END: 35.0}
    ends = [*list(begins.values())[1:], 36.0]
    found = Story(PLAN)
    found.phases = [Phase(name, begin, end) for (name, begin), end in zip(begins.items(), ends, strict=True)]
    found.events = tally(connected, restarted, dead, moved).events
    found.drains = [("r1", 9.5, 11.0), ("r2", 14.5, 16.0)]
    found.statuses = [0, 0]
    found.dead = "r1", 20.0
    found.added = "r2"
    found.slab = 1_000_000, 1_096_000
    found.waited = dict.fromkeys(begins, 0.25)
    found.cpu = {name: {"r1": 0.25, "r2": 0.5, "lb1": 0.125, "b1": 0.9} for name in begins}
    return found
