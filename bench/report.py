"""Prints the results on a terminal, and has the texts for them in all reports."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TextIO

from bench import stats
from bench.measure import Measured
from bench.rows import CPU, Goal, Row
from bench.stats import FOREIGN, Ratio, Sample, median

COLUMNS = (
    ("CPU us", "cpu_us"),
    ("per s", "messages_s"),
    ("MB/s", "mb_s"),
    ("p50 us", "p50_us"),
    ("p99 us", "p99_us"),
    ("p99.9 us", "p999_us"),
    ("all up s", "up_s"),
    ("KB/session", "kb_session"),
    ("busy", "busy"),
    ("load busy", "load_busy"),
)
SHARES = frozenset({"busy", "load_busy"})
RATES = frozenset({"messages_s", "mb_s"})
FULL, FREE = 0.97, 0.93  # shares of a core: the load's core is busy, the proxy's is not

QUANTITIES = {
    "cpu_us": "CPU per message",
    "messages_s": "messages/s",
    "mb_s": "MB/s",
    "kb_session": "KB per session",
    "p99_us": "p99",
}


def progress(stream: TextIO) -> Callable[[str], None]:
    """Shows progress in a line that is overwritten, on a terminal; does nothing elsewhere."""
    if not stream.isatty():
        return lambda text: None

    def say(text: str) -> None:
        stream.write(f"\r\x1b[K{text}")
        stream.flush()

    return say


def number(value: float | None, quantity: str = "") -> str:
    """Formats with three significant digits, thousands grouped; shares as percent; small ratios as 1/472."""
    if value is None:
        return "-"
    if quantity in SHARES:
        return f"{value:.0%}"
    if 0 < value < 0.01 and not quantity:
        return f"1/{1 / value:.0f}"
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def cell(samples: Sequence[Sample], quantity: str) -> str:
    """Returns the median, with ``≥`` if the generator's core was busy and the proxy's was not: the proxy could do
    more."""
    shown = number(median(samples, quantity), quantity)
    busy, load_busy = median(samples, "busy"), median(samples, "load_busy")
    held_up = busy is not None and load_busy is not None and busy < FREE and load_busy >= FULL
    return f"≥ {shown}" if quantity in RATES and held_up else shown


def limit(goal: Goal, value: float | None) -> str:
    """A goal's number as it was written down, and which way is enough."""
    if value is None:
        return "-"
    shown = f"1/{1 / value:.0f}" if value < 0.1 else f"{value:,g}"
    return f"{'≥' if goal.higher_is_better else '≤'} {shown}"


def quantity(row: Row) -> str:
    """What the row's goal compares, in words."""
    if row.goal.over:
        return f"{QUANTITIES[row.goal.quantity]}, times that of {row.goal.over[0]}"
    if row.goal.quantity == CPU and row.cases[0].load.mode == "upgrade":
        return "CPU per session"
    if row.goal.quantity == CPU and row.cases[0].load.http:
        return "CPU per request"
    return QUANTITIES[row.goal.quantity]


def found(measured: Measured) -> Ratio | None:
    """The row's ratio."""
    return stats.ratio(measured.row.goal, measured.row.cases[0].label, measured.samples)


def compared(measured: Measured, label: str) -> str:
    """What the row's goal compares of one of its cases, as a number."""
    return number(stats.middle(stats.compared(measured.row.goal, label, measured.samples)))


def outcome(ratio: Ratio | None, foreign: float) -> str:
    """Returns the text for a ratio: a number, or that there is none."""
    if ratio is None:
        return "no comparison"
    if ratio.disturbed:
        return f"disturbed: {number(ratio.low)} to {number(ratio.high)}"
    return number(ratio.value) + (f" (machine busy, {foreign:.0%})" if foreign > FOREIGN else "")


def reached(goal: Goal, ratio: Ratio | None) -> str:
    """Returns a short text about which goals are reached; empty if there is none, or the result is uncertain.

    For a disturbed row the whole interval must be on one side of the goal.
    """
    if ratio is None or goal.at_least is None:
        return ""
    best, worst = (ratio.low, ratio.high) if ratio.disturbed else (ratio.value, ratio.value)
    if goal.higher_is_better:
        best, worst = worst, best
    if goal.aim is not None and goal.reached(worst, goal.aim):
        return "aim"
    if goal.reached(worst, goal.at_least):
        return "yes"
    return "" if goal.reached(best, goal.at_least) else "**no**"


def text(measured: Measured) -> str:
    """A row for the terminal."""
    row = measured.row
    lines = [f"{row.title}  [{row.name}]"]
    shown = [
        (head, quantity)
        for head, quantity in COLUMNS
        if any(median(samples, quantity) is not None for samples in measured.samples.values())
    ]
    if shown:
        lines.append(" " * 22 + "".join(f"{head:>12}" for head, _ in shown))
    for case in row.cases:
        samples = measured.samples.get(case.label)
        if samples:
            cells = "".join(f"{cell(samples, quantity):>12}" for _, quantity in shown)
            refused = sum(sample.refused for sample in samples)
            lines.append(f"  {case.label:20}{cells}" + (f"  {refused} refused" if refused else ""))
        elif case.label in measured.why_not:
            lines.append(f"  {case.label:20}{measured.why_not[case.label]}")
    if measured.samples.get(row.cases[0].label):
        lines.append(f"  => {sentence(measured)}")
    return "\n".join(lines) + "\n"


def sentence(measured: Measured) -> str:
    """What the row says, against its goal."""
    goal, ratio = measured.row.goal, found(measured)
    words = f"{quantity(measured.row)} {outcome(ratio, stats.foreign(measured.samples))}"
    if ratio and ratio.against:
        words += f", against {ratio.against}"
    if ratio and goal.over:
        ours, theirs = compared(measured, measured.row.cases[0].label), compared(measured, ratio.against)
        words += f" ({ours} against {theirs})"
    if goal.at_least is not None:
        words += f"; must be {limit(goal, goal.at_least)}"
        words += f", aim {limit(goal, goal.aim)}" if goal.aim is not None else ""
        verdict = {"aim": "aim reached", "yes": "reached", "**no**": "NOT REACHED"}.get(reached(goal, ratio))
        words += f": {verdict}" if verdict else ""
    return words
