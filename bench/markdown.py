"""The results as Markdown, put into a page that people write: only what stands between our marks is replaced."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from bench import report, sizing, stats
from bench.measure import Measured
from bench.plots import PLOTS
from bench.results import Run

SIZING, MACHINE, GOALS, PLOTTED, NUMBERS = "sizing", "machine", "goals", "plots", "numbers"
DISTURBED = """\
**This run was disturbed**: {}. Where the interval of a row is wide there is no number, only the
interval.

"""
REGIONS = (SIZING, MACHINE, GOALS, PLOTTED, NUMBERS)


def marks(region: str) -> tuple[str, str]:
    return f"<!-- bench {region} -->", f"<!-- end of bench {region} -->"


def replace(page: str, region: str, content: str) -> str:
    """Replaces the content between a region's marks, or appends it to the page with new marks."""
    begin, end = marks(region)
    before, found, rest = page.partition(begin)
    _, closed, after = rest.partition(end)
    if found and not closed:
        raise ValueError(f"{begin} has no {end} after it")
    if not found:
        before, after = page.rstrip() + "\n\n" if page else "", "\n"
    return f"{before}{begin}\n{content.rstrip()}\n{end}{after}"


def write(run: Run, page: Path, images: Sequence[str]) -> None:
    """``images`` are the addresses of the plots, relative to the page, in the order of ``plots.PLOTS``."""
    text = page.read_text() if page.exists() else ""
    contents = {
        SIZING: table(("one core, full", ""), sizing.lines(run)),
        MACHINE: table(("", ""), run.facts.items()),
        GOALS: (DISTURBED.format(run.disturbance) if run.disturbance else "") + goals(run.rows),
        PLOTTED: "\n\n".join(f"![{plot.title}]({image})" for plot, image in zip(PLOTS, images, strict=False)),
        NUMBERS: numbers(run.rows),
    }
    for region in REGIONS:
        text = replace(text, region, contents[region])
    page.write_text(text)


def table(heads: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    rows = [heads, ["---"] * len(heads), *lines]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in rows)


def goals(rows: Iterable[Measured]) -> str:
    """A line for each row: the ratio, and what it should be."""
    lines = []
    for each in rows:
        goal, first = each.row.goal, each.row.cases[0].label
        ratio = report.found(each)
        ours = report.compared(each, first)
        theirs = report.compared(each, ratio.against) if ratio and ratio.against else "-"
        outcome = each.why_not.get(first) or report.outcome(ratio, stats.foreign(each.samples))
        lines.append(
            (
                each.row.title,
                report.quantity(each.row) + (", us" if goal.quantity.endswith("_us") and not goal.over else ""),
                ours,
                f"{theirs} ({ratio.against})" if ratio and ratio.against else "-",
                outcome if each.row.goal.against or first in each.why_not or ratio is None or ratio.disturbed else "-",
                report.limit(goal, goal.at_least),
                report.limit(goal, goal.aim),
                report.reached(goal, ratio),
            )
        )
    return table(("work", "quantity", "wsgate", "against", "ratio", "must be", "aim", "reached"), lines)


def numbers(rows: Iterable[Measured]) -> str:
    """A line for each case of each row, with everything that was measured."""
    lines = []
    for each in rows:
        title = f"**{each.row.title}**"
        for case in each.row.cases:
            samples = each.samples.get(case.label)
            if samples:
                cells = [report.cell(samples, quantity) for _, quantity in report.COLUMNS]
                refused = sum(sample.refused for sample in samples)
                lines.append((title, case.label + (f" ({refused} refused)" if refused else ""), *cells))
            elif case.label in each.why_not:
                why_not = each.why_not[case.label].replace("|", "\\|").splitlines()[0]
                lines.append((title, case.label, why_not, *[""] * (len(report.COLUMNS) - 1)))
            else:
                continue
            title = ""
    return table(("work", "proxy", *(head for head, _ in report.COLUMNS)), lines)
