"""The tables on paper, by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import markdown
from bench.scale.paper import PAPER, SIZING, Measured, measured, paper, sizing

DOCS = Path(__file__).parents[3] / "docs"
ONE = Measured(kb=2.0, kb_tls=12.0, upgrades=2000, upgrades_tls=1000, messages=80_000, messages_tls=40_000)


def test_what_a_gigabyte_and_a_core_are_good_for() -> None:
    plain, tls = sizing(ONE).splitlines()[2:]
    assert plain == "| plain | 2 KB | 500,000 | 100,000 | 2,000; 1,000 | 80,000; 40,000 |"
    assert tls == "| TLS to the client | 12 KB | 83,000 | 50,000 | 1,000; 500 | 40,000; 20,000 |"


@pytest.mark.parametrize(
    ("row", "cells"),
    [
        ("replicas of 4 cores", ["22", "220"]),  # 20 and 200, and a tenth
        ("sessions on each then", ["45,000", "45,000"]),
        ("memory of all replicas", ["2 GB; 10 GB", "20 GB; 100 GB"]),
        ("the same with TLS", ["12 GB; 20 GB", "120 GB; 200 GB"]),
        ("balancers in TCP mode", ["4", "40"]),
        ("ports from one balancer", ["11,000", "1,100"]),  # 1,000,000 / 4 / 22
        ("backends, 10,000", ["100", "1,000"]),
        ("one replica dies", ["1,500; 73", "1,500; 7"]),  # 45,455 / 30
        ("all come back at once", ["11.4; 22.7", "11.4; 22.7"]),  # 1,000,000 / (22 * 4 * 1,000)
        ("restart one by one", ["28; 758", "275; 758"]),  # 22 * 75 s, 45,455 / 60
        ("restart 5% at a time", ["25; 834", "25; 8,300"]),
    ],
)
def test_many_sessions(row: str, cells: list[str]) -> None:
    (line,) = [line for line in paper(ONE).splitlines() if line.startswith(f"| {row}")]
    assert [cell.strip() for cell in line.split("|")[2:-1]] == cells


def test_the_page_has_what_follows_from_the_measurements() -> None:
    """If not: ``python -m bench.scale.paper docs/scaling.md docs/performance.md``."""
    one = measured((DOCS / "performance.md").read_text())
    page = (DOCS / "scaling.md").read_text()
    for region, content in ((SIZING, sizing(one)), (PAPER, paper(one))):
        assert markdown.replace(page, region, content) == page


def test_a_row_that_is_missing_is_named() -> None:
    with pytest.raises(ValueError, match="no row 'memory of 10,000 idle sessions'"):
        measured("| new sessions, with their end | 3,500 a second |\n")
