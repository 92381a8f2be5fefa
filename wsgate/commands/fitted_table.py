"""Tables that fit a terminal: columns that matter less are left out, and texts are cut with …"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from rich.cells import cell_len
from rich.text import Text

from wsgate.commands.table import printable

GAP = 2  # cells between two columns


@dataclass(frozen=True, slots=True)
class Column:
    """A column.

    cell: returns its text for a row
    number: its width in cells, if it has numbers, which are never cut; 0: it has texts
    least: cells that it keeps, if it has texts of this length
    rank: the columns with the highest ranks are left out first, those of one rank together
    """

    name: str
    cell: Callable[[Any], str]
    number: int = 0
    least: int = 6
    rank: int = 0


def fitted_table(
    columns: Sequence[Column],
    rows: Sequence[Any],
    width: int,
    *,
    marked: Collection[str] = (),
    style: Callable[[Any], str] = lambda row: "",
) -> list[Text]:
    """Returns the lines of a table, none of them longer than ``width`` cells.

    marked: names of columns that are in reverse in the head, and never left out
    style: returns the style of a row
    """
    texts = {column.name: [printable(column.cell(row)) for row in rows] for column in columns}
    natural = {
        column.name: max(column.number, *map(cell_len, [column.name, *texts[column.name]])) for column in columns
    }
    kept = _kept(columns, natural, width, marked)
    widths = _widths(kept, natural, width)
    head = Text()
    for column in kept:
        name = _padded(column.name, widths[column.name], column)
        head.append(name, style="reverse" if column.name in marked else "").append(" " * GAP)
    lines = [head]
    head.stylize("bold")
    for number, row in enumerate(rows):
        cells = (_padded(texts[column.name][number], widths[column.name], column) for column in kept)
        lines.append(Text((" " * GAP).join(cells), style=style(row)))
    for line in lines:
        line.rstrip()
        line.truncate(width, overflow="ellipsis")
    return lines


def _kept(columns: Sequence[Column], natural: dict[str, int], width: int, marked: Collection[str]) -> Sequence[Column]:
    """Returns the columns for which there is room, if texts are cut."""
    kept = list(columns)
    for rank in sorted({column.rank for column in columns if column.rank}, reverse=True):
        if sum(_least(column, natural) + GAP for column in kept) - GAP <= width:
            break
        kept = [column for column in kept if column.rank != rank or column.name in marked]
    return kept


def _least(column: Column, natural: dict[str, int]) -> int:
    return natural[column.name] if column.number else min(natural[column.name], column.least)


def _widths(columns: Sequence[Column], natural: dict[str, int], width: int) -> dict[str, int]:
    """Returns the width of each column; the widest texts are cut until all fit."""
    widths = {column.name: natural[column.name] for column in columns}
    for _ in range(sum(widths.values()) + GAP * (len(widths) - 1) - width):
        longer = [column.name for column in columns if widths[column.name] > _least(column, natural)]
        if not longer:
            break
        widths[max(longer, key=lambda name: widths[name])] -= 1
    return widths


def _padded(text: str, width: int, column: Column) -> str:
    cell = Text(text)
    cell.truncate(width, overflow="ellipsis")
    room = " " * (width - cell.cell_len)
    return room + cell.plain if column.number else cell.plain + room
