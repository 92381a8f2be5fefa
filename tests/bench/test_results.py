"""Kept numbers give the same tables and plots again."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench import markdown, plots, results
from bench.bars import Bar, Group, draw
from bench.measure import Measured
from bench.results import CHANGED, Run
from bench.rows import ROWS
from bench.stats import Sample


def row(name: str, samples: dict[str, list[Sample]], why_not: dict[str, str] | None = None) -> Measured:
    return Measured(next(row for row in ROWS if row.name == name), samples, why_not or {})


RUN = Run(
    {"date": "2026-01-02", "kernel": "Linux"},
    [
        row(
            "relay-64",
            {"wsgate": [Sample(cpu_us=12.0, p99_us=900)], "nginx 64k": [Sample(cpu_us=10.0, p99_us=800)]},
            {"haproxy 64k": "not installed (apt-get install haproxy)"},
        ),
        row("tls-64", {}, {"wsgate": "did not start: exit status 2"}),
        row("idle-1000", {"wsgate": [Sample(kb_session=5.5)], "nginx": [Sample(kb_session=18)]}),
    ],
)


def test_saved_and_loaded(tmp_path: Path) -> None:
    results.save(RUN, tmp_path / "new" / "results.json")
    assert results.load(tmp_path / "new" / "results.json") == RUN


def test_goals_are_a_line_for_each_row() -> None:
    lines = markdown.goals(RUN.rows).splitlines()
    assert lines[2:] == [
        "| relay 64 B, 64 connections, ping-pong | CPU per message, us | 12.0 | 10.0 (nginx 64k) | 1.20 | ≤ 1.05 | ≤ 1 "
        "| **no** |",
        "| TLS to the client, relay 64 B, 64 connections | CPU per message, us | - | - | did not start: exit status 2 "
        "| ≤ 1.1 | ≤ 1 |  |",
        "| memory per idle session at 1,000 | KB per session | 5.50 | - | - | ≤ 6 | ≤ 4.5 | yes |",
    ]


def test_numbers_have_every_case_and_say_who_was_missing() -> None:
    text = markdown.numbers(RUN.rows)
    assert "| **relay 64 B, 64 connections, ping-pong** | wsgate | 12.0 |" in text
    assert "|  | haproxy 64k | not installed (apt-get install haproxy) |" in text
    widths = {line.count("|") for line in text.splitlines()}
    assert len(widths) == 1


def test_a_page_keeps_what_people_wrote(tmp_path: Path) -> None:
    page = tmp_path / "docs" / "performance.md"
    page.parent.mkdir()
    begin, end = markdown.marks("goals")
    page.write_text(f"# Speed\n\nBefore.\n\n{begin}\nold\n{end}\n\nAfter.\n")
    markdown.write(RUN, page, ["images/bench-cpu.svg"])
    first = page.read_text()
    assert re.search(rf"Before\.\n\n{begin}\n\| work .*yes \|\n{end}\n\nAfter\.\n", first, re.DOTALL)
    assert "old" not in first
    assert "![CPU per relayed message, nginx = 1](images/bench-cpu.svg)" in first
    markdown.write(RUN, page, ["images/bench-cpu.svg"])
    assert page.read_text() == first


@pytest.mark.parametrize(
    ("facts", "foreign", "words"),
    [
        ({}, 0.4, "at times others had 40% of a core"),
        ({"code": CHANGED}, 0.01, CHANGED),
        ({"code": CHANGED}, 0.4, f"{CHANGED}, and at times others had 40% of a core"),
    ],
)
def test_a_disturbed_run_says_so_on_its_page_and_in_its_plots(
    tmp_path: Path, facts: dict[str, str], foreign: float, words: str
) -> None:
    run = Run(facts, [row("relay-64", {"wsgate": [Sample(cpu_us=12.0, foreign=foreign)]})])
    markdown.write(run, tmp_path / "page.md", [])
    assert f"**This run was disturbed**: {words}. Where" in (tmp_path / "page.md").read_text()
    plots.write(run, tmp_path)
    assert "a disturbed run" in (tmp_path / "bench-cpu.svg").read_text()


def test_a_quiet_run_says_nothing(tmp_path: Path) -> None:
    assert RUN.disturbance == ""
    markdown.write(RUN, tmp_path / "page.md", [])
    assert "disturbed" not in (tmp_path / "page.md").read_text()


def test_an_open_mark_is_not_written_over() -> None:
    with pytest.raises(ValueError, match="has no <!-- end of bench goals -->"):
        markdown.replace("text <!-- bench goals --> text that would be lost", "goals", "new")


def test_plots_are_svg_and_leave_out_what_is_not_there(tmp_path: Path) -> None:
    files = plots.write(RUN, tmp_path)
    assert files == [plot.file for plot in plots.PLOTS]
    for file in files:
        ElementTree.parse(tmp_path / file)
    cpu = next(plot for plot in plots.PLOTS if plot.file == "bench-cpu.svg")
    assert plots.groups(cpu, RUN) == [
        Group("64 B", [Bar("wsgate", "#1a7f5a", 1.2), Bar("nginx, 64 KiB buffers", "#5b7fb5", 1.0)])
    ]


@pytest.mark.parametrize("logarithmic", [False, True])
def test_bars_are_as_long_as_their_values(logarithmic: bool) -> None:
    group = Group("a < b", [Bar("one", "#111111", 10.0), Bar("two", "#222222", 1000.0)])
    drawn = draw("T & U", "less is better", [group], logarithmic=logarithmic, line=False)
    assert "a &lt; b" in drawn
    assert "T &amp; U" in drawn
    one, two = (float(width) for width in re.findall(r'width="([\d.]+)" height="15"', drawn))
    assert one / two == pytest.approx(0.13 if logarithmic else 0.01, abs=0.01)
