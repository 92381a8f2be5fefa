"""The table of docs/metrics.md, made from the table of metrics: ``python -m tests.docs.metrics_page`` writes it."""

from __future__ import annotations

import re

from tests.docs.pages import ROOT
from wsgate.events.metrics import METRICS

PAGE = ROOT / "docs" / "metrics.md"


def metrics_table() -> str:
    """Returns the table, with a line break at its end."""
    rows = []
    for metric in METRICS:
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        rows.append(f"| `{metric.name}` | {metric.kind.value} | {labels} | {metric.help} |")
    return "\n".join(["| metric | type | labels | what |", "|---|---|---|---|", *rows, ""])


def with_table(page: str) -> str:
    """Returns the page with its table made anew."""
    page, found = re.subn(r"^\| metric \|.*\n(?:\|.*\n)*", lambda _: metrics_table(), page, flags=re.M)
    assert found == 1, f"{PAGE.name} has no table that begins with metric"
    return page


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text()))
