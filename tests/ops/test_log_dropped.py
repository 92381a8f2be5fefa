from __future__ import annotations

from wsgate.events.metric_rows import MetricRows
from wsgate.ops.log_dropped import DroppedLines


def test_a_replacement_goes_on_with_the_counter() -> None:
    rows = MetricRows()
    totals = iter((2, 5, 5))
    dropped = DroppedLines(rows.row(), lambda: next(totals))
    for expected in (2, 5, 5):
        dropped.update()
        assert [values for _, _, values in rows.read(0)] == [(expected,)]
    DroppedLines(rows.row(), lambda: 1).update()
    assert [values for _, _, values in rows.read(0)] == [(6,)]
