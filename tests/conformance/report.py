"""The result as a page, ``docs/conformance.md``."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .setups import SET_UPS, SetUp
from .verdict import ALLOWED, FAILED, GRADES, Result, abbreviate, count, note

Results = Mapping[str, Sequence[Result]]

_COMPRESSION = 12  # the first section that is about it
_COMPRESSION_TITLE = "## Compression"

_SECTIONS = {
    1: "framing",
    2: "pings and pongs",
    3: "reserved bits",
    4: "opcodes",
    5: "fragmentation",
    6: "UTF-8",
    7: "close handling",
    9: "limits and performance",
    10: "automatic fragmentation",
    12: "compression, sizes",
    13: "compression, parameters",
}


def summary(results: Results) -> str:
    """A few lines for a terminal."""
    lines = []
    for set_up in SET_UPS:
        if set_up.key in results:
            counted = [result.grade for result in results[set_up.key]]
            grades = ", ".join(f"{counted.count(grade)} {grade}" for grade in GRADES if grade in counted)
            lines.append(f"{set_up.key}  {len(counted):3} cases: {grades}")
    return "\n".join(lines)


@dataclass(frozen=True)
class Facts:
    """What was run, and how: under every table."""

    gateway: str
    suite: str
    command: str
    date: datetime.date

    def __str__(self) -> str:
        return f"{self.gateway}, suite {self.suite}, {self.date:%Y-%m-%d}, `{self.command}`"


def page(results: Results, facts: Facts, before: str = "") -> str:
    """The whole page, in Markdown. What was not played it keeps as ``before``, the last page, has it."""
    basic = {key: [result for result in played if result.section < _COMPRESSION] for key, played in results.items()}
    compression = {
        key: [result for result in played if result.section >= _COMPRESSION] for key, played in results.items()
    }
    basic_before, _, compression_before = before.partition(_COMPRESSION_TITLE)
    return (
        "\n\n".join(
            [
                "# Conformance",
                "The [Autobahn test suite](https://github.com/crossbario/autobahn-testsuite) plays its cases through a "
                "running gateway, as users run it, with its default limits. The run writes this page: do not edit it.",
                "NON-STRICT and INFORMATIONAL are the suite's words for what RFC 6455 leaves open. FAILED are all "
                "cases whose messages or whose close were wrong, and all that were not played.",
                "\n".join(f"- **{set_up.key}**: {set_up.title}. It shows {set_up.shows}." for set_up in SET_UPS),
                "Text is validated in all of them, which is the default. With `validate_text: false` the gateway "
                "passes text on as it comes: in set-up b the cases of section 6 with bad UTF-8 would not be refused.",
                "## The protocol",
                *_tables(basic, facts, basic_before),
                "### Cases that are not asked",
                _left_out(),
                _COMPRESSION_TITLE,
                "permessage-deflate (RFC 7692): in a and c between the two ends, passed on by the gateway, which looks "
                "into the messages; in e to h the gateway's own. Not one case may be UNIMPLEMENTED.",
                *_tables(compression, facts, compression_before),
            ]
        )
        + "\n"
    )


def _tables(results: Results, facts: Facts, before: str) -> list[str]:
    counts = [
        _counts(set_up, results[set_up.key], facts) if results.get(set_up.key) else _kept(set_up, before)
        for set_up in SET_UPS
    ]
    if not any(counts):
        return ["Not played yet: `--full` does."]
    return [*filter(None, counts), "### Cases that are not OK", _not_ok(results, before)]


def _kept(set_up: SetUp, before: str) -> str:
    """The table of a set-up that was not played now; empty without one."""
    found = re.search(rf"^### {set_up.key}: .*?(?=\n\n###)", before, re.DOTALL | re.MULTILINE)
    return found[0] if found else ""


def _counts(set_up: SetUp, results: Sequence[Result], facts: Facts) -> str:
    counts = count(results)
    seen = {"OK", FAILED}.union(*counts.values())
    grades = [grade for grade in GRADES if grade in seen]
    rows = [["section", "cases", *grades]]
    for section, counted in counts.items():
        name = f"{section} {_SECTIONS[section]}"
        rows.append([name, str(counted.total()), *(str(counted[grade]) for grade in grades)])
    totals = [str(sum(counted[grade] for counted in counts.values())) for grade in grades]
    rows.append(["**all**", str(len(results)), *totals])
    return f"### {set_up.key}: {set_up.title}\n\n{facts}\n\n" + _table(rows, numbers=True)


def _not_ok(results: Results, before: str) -> str:
    grouped: dict[tuple[str, str, str], list[str]] = {}
    for set_up, played in results.items():
        for result in played:
            if result.grade != "OK":
                entry = next((entry for entry in ALLOWED if entry.covers(set_up, result.case)), None)
                reason = entry.reason if entry else note(result.case) or result.reason
                grouped.setdefault((set_up, result.grade, reason), []).append(result.case)
    rows = [[set_up, grade, abbreviate(cases), reason] for (set_up, grade, reason), cases in grouped.items()]
    table_before = before.partition("### Cases that are not OK")[2].partition("\n###")[0]
    kept = re.findall(r"^\| (\w) \| (.+?) \| (.+?) \| (.+) \|$", table_before, re.MULTILINE)
    rows += [list(row) for row in kept if not results.get(row[0])]
    return _table([["set-up", "grade", "cases", "reason"], *sorted(rows)]) if rows else "None."


def _left_out() -> str:
    rows = [["set-up", "cases", "reason"]]
    for set_up in SET_UPS:
        reasons: dict[str, list[str]] = {}
        for cases, reason in set_up.left_out.items():
            reasons.setdefault(reason, []).append(cases)
        if not set_up.compression:
            reason = "this echo compresses nothing" if set_up.key == "b" else "a tunnel compresses nothing"
            reasons.setdefault(reason, []).extend(["12.*", "13.*"])
        rows += [[set_up.key, ", ".join(cases), reason] for reason, cases in reasons.items()]
    return _table(rows)


def _table(rows: Sequence[Sequence[str]], *, numbers: bool = False) -> str:
    rule = ["---", *("---:" if numbers else "---" for _ in rows[0][1:])]
    return "\n".join("| " + " | ".join(row) + " |" for row in [rows[0], rule, *rows[1:]])
