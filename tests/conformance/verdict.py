"""Classifies results: passed, tolerated with a reason, or failed.

The suite gives each case two results, one for its messages (``behavior``) and one for the end of the connection
(``close``). NON-STRICT and INFORMATIONAL are its terms for what the RFC leaves open. Everything else but OK is a
failure, unless ``ALLOWED`` says why it is not the gateway's. An entry there that is not needed any more is a failure
too.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

FAILED = "FAILED"
GRADES = ("OK", "NON-STRICT", "INFORMATIONAL", "UNIMPLEMENTED", FAILED)


@dataclass(frozen=True)
class Result:
    """reason: what the suite says where a case is not OK."""

    case: str
    behavior: str
    close: str
    reason: str = ""

    @property
    def section(self) -> int:
        return int(self.case.partition(".")[0])

    @property
    def grade(self) -> str:
        """One of ``GRADES``: the worse of the two verdicts."""
        verdicts = {self.behavior, self.close}
        if not verdicts <= set(GRADES):
            return FAILED  # WRONG CODE, UNCLEAN, FAILED BY CLIENT, MISSING, and what a later suite may invent
        return max(verdicts, key=GRADES.index)


@dataclass(frozen=True)
class Allowed:
    """library: it fails in the same way without the gateway, which the runner checks each time"""

    set_up: str
    cases: tuple[str, ...]
    reason: str
    library: bool = False

    def covers(self, set_up: str, case: str) -> bool:
        return set_up == self.set_up and any(fnmatchcase(case, pattern) for pattern in self.cases)


_UNFINISHED = (
    "a Close between two fragments of a message is valid (RFC 6455 §5.4, §5.5.1); the library answers it with 1002, "
    "which the gateway passes on"
)
ALLOWED: tuple[Allowed, ...] = (
    Allowed("a", ("7.1.5",), _UNFINISHED, library=True),
    Allowed("c", ("7.1.5",), _UNFINISHED, library=True),
)

# Why the suite calls these something else than OK. For the reader: nothing is judged by it.
_NOTES: Mapping[tuple[str, ...], str] = {
    (
        "3.*",
        "4.*",
        "5.*",
    ): "a fault ends the session at once (RFC 6455 §7.1.7), before the echo of the message in front of it is back",
    ("6.4.*",): "the fault is found at the frame's end or the next read, not at its very byte",
    ("7.1.6", "7.13.*"): "the suite only records what happens here",
}


def note(case: str) -> str:
    """Why a case is NON-STRICT or INFORMATIONAL."""
    return next((text for cases, text in _NOTES.items() if any(fnmatchcase(case, each) for each in cases)), "")


def failures(results: Mapping[str, Sequence[Result]], allowed: Iterable[Allowed] = ALLOWED) -> list[str]:
    """Returns a line for each failed case that is not allowed, and for each entry that is not needed.

    An entry counts only if one of its cases was run.
    """
    allowed = list(allowed)
    wrong = []
    for set_up, played in results.items():
        for result in played:
            entry = next((entry for entry in allowed if entry.covers(set_up, result.case)), None)
            bad = result.grade in (FAILED, "UNIMPLEMENTED")
            if bad and entry is None:
                wrong.append(f"{set_up} {result.case} {result.behavior}/{result.close}: {result.reason}")
            elif not bad and entry is not None:
                wrong.append(f"{set_up} {result.case} is allowed to fail and does not: take it from verdict.ALLOWED")
    return wrong


def count(results: Iterable[Result]) -> dict[int, Counter[str]]:
    """Grades per section, in order."""
    counts: dict[int, Counter[str]] = {}
    for result in sorted(results, key=lambda result: result.section):
        counts.setdefault(result.section, Counter())[result.grade] += 1
    return counts


def key(case: str) -> tuple[int, ...]:
    """The order of cases."""
    return tuple(map(int, re.findall(r"\d+", case)))


def abbreviate(cases: Iterable[str]) -> str:
    """Case numbers for reading: 3.2, 4.1.3 to 4.1.5."""
    runs: list[list[str]] = []
    for case in sorted(cases, key=key):
        *head, last = key(case)
        if runs and [*key(runs[-1][-1])] == [*head, last - 1]:
            runs[-1].append(case)
        else:
            runs.append([case])
    return ", ".join(run[0] if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs)
