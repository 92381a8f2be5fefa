"""What is claimed of a run, and what breaks it."""

from __future__ import annotations

import dataclasses
import math

import pytest

from bench.scale.claims import at_most, claims, spread_rate
from bench.scale.phases import Story

from .stories import DEAD, MOVED, RESTARTED, story


def broken(found: Story) -> list[tuple[str, str]]:
    return [(each.phase, each.what) for each in claims(found) if not each.holds]


def test_a_run_in_which_all_is_well() -> None:
    assert broken(story()) == []


def changed(lines: tuple[str, ...], before: str, *now: str) -> tuple[str, ...]:
    """Lines with others in the place of one."""
    at = lines.index(before)
    return (*lines[:at], *now, *lines[at + 1 :])


@pytest.mark.parametrize(
    ("found", "phase", "what"),
    [
        (story(dead=[*DEAD, "29 lost 0", "29.5 open 0 r3 b1"]), "death", "sessions of other replicas that ended"),
        (story(restarted=changed(RESTARTED, "10 close 0 1001", "10 lost 0")), "rolling restart", "Closes with 1001"),
        (
            story(restarted=[*RESTARTED, "17 close 0 1001", "17.5 open 0 r3 b1"]),
            "rolling restart",
            "clients that saw exactly one Close",
        ),
        (
            story(restarted=changed(RESTARTED, "15.5 open 3 r1 b1", "15.4 refused 3 503", "15.5 open 3 r1 b1")),
            "rolling restart",
            "times that a client was refused",
        ),
        (story(dead=changed(DEAD, "24.1 silent 3", "28 silent 3")), "death", ""),
        (story(moved=[*MOVED, "33 close 0 1012", "34 open 0 r2 b1"]), "move", "clients that saw more than one end"),
        (story(moved=()), "move", "Closes with 1012"),
        (story(restarted=["8 lost 0", "8.5 open 0 r1 b1", *RESTARTED]), "steady", "sessions that ended"),
    ],
)
def test_what_breaks_a_claim(found: Story, phase: str, what: str) -> None:
    if what:
        assert (phase, what) in broken(found)
    else:
        assert broken(found) == []


def test_a_client_that_comes_back_too_late() -> None:
    late = dataclasses.replace(story().plan, ping=1.0, silence=2.0)
    found = story()
    found.plan = late
    assert broken(found) == [
        ("death", "seconds until the last of them knew"),
        ("death", "seconds until the last of them was back"),
    ]


def test_a_drain_that_cuts() -> None:
    found = story()
    found.statuses = [0, 1]
    assert broken(found) == [("rolling restart", "drains that had to cut a session")]


def test_too_many_that_come_back_at_once() -> None:
    most = math.floor(at_most(10))
    herd = ["10.1 dial 0"] * (most + 1)
    first = "most clients that come back in a second while r1 drains, 10 a second"
    found = story(restarted=[*RESTARTED[:1], *herd[1:], *RESTARTED[1:]])
    assert broken(found) == []
    found = story(restarted=[*RESTARTED[:1], *herd, *RESTARTED[1:]])
    assert broken(found) == [("rolling restart", first)]


def test_the_rate_of_a_spread_and_what_chance_adds() -> None:
    assert spread_rate(2500, 25.0) == 100
    assert spread_rate(20, 25.0) == 10
    assert at_most(100) == pytest.approx(140)
    assert at_most(25, 4) == pytest.approx(140)
    assert math.floor(at_most(0)) == 0
