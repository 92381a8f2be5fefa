from __future__ import annotations

import pytest
from rich.cells import cell_len

from wsgate.commands.fitted_table import Column, fitted_table

COLUMNS = (
    Column("NAME", lambda row: row[0], least=8),
    Column("PLACE", lambda row: row[1], rank=2),
    Column("N", lambda row: str(row[2]), number=4, rank=1),
)
ROWS = [("a", "in the middle of it", 7), ("a-name-that-is-long", "here", 12345)]


@pytest.mark.parametrize(
    ("width", "lines"),
    [
        (
            60,
            [
                "NAME                 PLACE                    N",
                "a                    in the middle of it      7",
                "a-name-that-is-long  here                 12345",
            ],
        ),
        (
            34,
            [
                "NAME          PLACE              N",
                "a             in the middl…      7",
                "a-name-that…  here           12345",
            ],
        ),
        (20, ["NAME               N", "a                  7", "a-name-that-…  12345"]),
        (10, ["NAME", "a", "a-name-th…"]),
        (3, ["NA…", "a", "a-…"]),
    ],
)
def test_widths(width: int, lines: list[str]) -> None:
    table = fitted_table(COLUMNS, ROWS, width)
    assert [line.plain for line in table] == lines
    assert max(line.cell_len for line in table) <= width


def test_a_marked_column_stays() -> None:
    head, *_ = fitted_table(COLUMNS, ROWS, 20, marked={"PLACE"})
    assert head.plain == "NAME       PLACE"
    assert [head.plain[span.start : span.end].strip() for span in head.spans if span.style == "reverse"] == ["PLACE"]


def test_nothing_in_a_cell_moves_the_cursor_or_is_markup() -> None:
    (_, line) = fitted_table([Column("A", str)], ["\x1b[2J[red]\n"], 40)
    assert line.plain == "\\x1b[2J[red]\\x0a"
    assert not line.spans


def test_wide_characters_are_two_cells() -> None:
    (_, line) = fitted_table([Column("A", str), Column("N", lambda row: "1", number=3)], ["日本語日本語"], 13)
    assert line.plain == "日本語 …    1"
    assert cell_len(line.plain) == 13  # a wide character never is halved
    assert [each.style for each in fitted_table([Column("A", str)], ["x"], 9, style=lambda row: "red")] == ["", "red"]
