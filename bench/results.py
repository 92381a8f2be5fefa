"""A run's results as a file, so that tables and plots can be made again without another run."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import stats
from bench.measure import Measured
from bench.rows import ROWS
from bench.stats import FOREIGN, Sample

CHANGED = "wsgate's own files changed while it was measured"


@dataclass(frozen=True, slots=True)
class Run:
    facts: dict[str, str]  # machine.facts, and how long it took
    rows: Sequence[Measured]

    @property
    def disturbance(self) -> str:
        """What came between, for people; empty when nothing did."""
        what = [CHANGED] if self.facts.get("code") == CHANGED else []
        foreign = max((stats.foreign(each.samples) for each in self.rows), default=0.0)
        what += [f"at times others had {foreign:.0%} of a core"] if foreign > FOREIGN else []
        return ", and ".join(what)

    def row(self, name: str) -> Measured | None:
        return next((each for each in self.rows if each.row.name == name), None)


def save(run: Run, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [
        {
            "row": each.row.name,
            "samples": {label: [dataclasses.asdict(one) for one in many] for label, many in each.samples.items()},
            "why_not": each.why_not,
        }
        for each in run.rows
    ]
    path.write_text(json.dumps({"facts": run.facts, "rows": rows}, indent=1) + "\n")


def load(path: Path) -> Run:
    """Raises ``KeyError`` for a row that this version does not have."""
    data = json.loads(path.read_text())
    known = {row.name: row for row in ROWS}
    rows = [
        Measured(
            known[each["row"]],
            {label: [Sample(**one) for one in many] for label, many in each["samples"].items()},
            each["why_not"],
        )
        for each in data["rows"]
    ]
    return Run(data["facts"], rows)
