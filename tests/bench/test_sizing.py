from __future__ import annotations

import pytest

from bench import markdown, sizing
from bench.measure import Measured
from bench.results import Run
from bench.rows import ROWS
from bench.stats import Sample


def run(**samples: Sample) -> Run:
    """``samples``: one of wsgate for each row, with ``_`` in its name for ``-``."""
    rows = {row.name: row for row in ROWS}
    return Run({}, [Measured(rows[name.replace("_", "-")], {"wsgate": [one]}) for name, one in samples.items()])


def test_sizes_are_of_a_full_core() -> None:
    found = run(
        relay_64=Sample(cpu_us=13.2, messages_s=50_000, busy=0.7),
        storm=Sample(up_s=2.52, cpu_us=480),
        idle_8000=Sample(kb_session=3.91),
    )
    assert sizing.lines(found) == [
        ("messages of 64 B through a relay, there and back", "76,000 a second"),
        ("until 5,000 clients are back, which all come at once", "2.5 s"),
        ("memory of 10,000 idle sessions", "39 MB"),
    ]


def test_what_was_not_measured_is_left_out() -> None:
    assert sizing.lines(Run({}, [])) == []
    assert sizing.lines(run(storm=Sample(cpu_us=480))) == []  # not all came in


@pytest.mark.parametrize("size", sizing.SIZES, ids=lambda size: size.row)
def test_every_size_is_of_a_row_with_wsgate_itself(size: sizing.Size) -> None:
    row = next(row for row in ROWS if row.name == size.row)
    assert row.cases[0].label == sizing.WSGATE
    assert size.quantity in Sample.__dataclass_fields__


def test_the_page_has_them_in_a_place_of_their_own() -> None:
    assert markdown.REGIONS[0] == markdown.SIZING
