"""The shared memory of the metrics: what a process counts, any other reads; what it leaves behind, its replacement."""

from __future__ import annotations

import os

from tests.log import Log
from wsgate.events.metric_rows import MetricRow, MetricRows
from wsgate.events.metrics import (
    BACKEND_HEALTHY,
    BYTES,
    METRICS,
    OPENED,
    SESSIONS,
    STALLED,
    UPGRADE,
)


def values(row: MetricRow) -> dict[tuple[str, ...], tuple[int, ...]]:
    return {(metric.name, *labels): numbers for metric, labels, numbers in row.read()}


def test_a_count_is_read_elsewhere() -> None:
    rows = MetricRows(2)
    cell = rows.row(1).cell(BYTES, "chat", "up")
    cell.add(3)
    cell.add()
    assert values(rows.row(1)) == {("wsgate_bytes_total", "chat", "up"): (4,)}
    assert values(rows.row(0)) == {}
    assert len(rows) == 2


def test_a_row_has_one_value_for_a_set_of_labels() -> None:
    row = MetricRows().row()
    for route in ("chat", "a longer name", "chat", ""):
        row.cell(OPENED, route).add()
    assert values(row) == {(OPENED.name, "chat"): (2,), (OPENED.name, "a longer name"): (1,), (OPENED.name, ""): (1,)}


def test_a_histogram() -> None:
    row = MetricRows().row()
    histogram = row.histogram(UPGRADE, "chat")
    for seconds in (0.0005, 0.001, 0.3, 99.0):
        histogram.observe(seconds)
    ((*counts, total),) = values(row).values()
    assert counts[0] == 2  # a bound belongs to its bucket
    assert counts[UPGRADE.buckets.index(0.5)] == 1
    assert counts[-1] == 1
    assert sum(counts) == 4
    assert total == 99_301_500


def test_a_child_counts_for_its_parent() -> None:
    rows = MetricRows(2)
    pid = os.fork()
    if not pid:
        rows.row(1).cell(OPENED, "chat").add(7)
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    assert values(rows.row(1)) == {(OPENED.name, "chat"): (7,)}


def test_counters_go_on_after_a_death_and_gauges_do_not() -> None:
    rows = MetricRows()
    dead = rows.row()
    dead.cell(OPENED, "chat").add(5)
    dead.cell(SESSIONS, "chat").set(5)
    dead.cell(BACKEND_HEALTHY, "chat", "ws://a").set(1)
    rows.row().clear_gauges()
    assert values(rows.row()) == {(OPENED.name, "chat"): (5,), (SESSIONS.name, "chat"): (0,)}
    new = rows.row()
    new.cell(OPENED, "chat").add()
    new.cell(BACKEND_HEALTHY, "chat", "ws://a").set(0)
    assert values(rows.row())[OPENED.name, "chat"] == (6,)
    assert values(rows.row())[BACKEND_HEALTHY.name, "chat", "ws://a"] == (0,)


def test_a_gauge_that_is_removed() -> None:
    row = MetricRows().row()
    row.cell(SESSIONS, "chat").set(5)
    row.cell(SESSIONS, "chat").remove()
    assert values(row) == {}


def test_an_entry_that_a_dead_process_has_begun() -> None:
    memory = memoryview(bytearray(4096))
    MetricRow(memory).cell(OPENED, "chat").add(5)
    used = memory.cast("Q")[0]
    memory[used : used + 500] = b"\xff" * 500  # written, but not counted yet
    row = MetricRow(memory)
    row.cell(STALLED, "chat", "up").add(2)
    assert values(row) == {(OPENED.name, "chat"): (5,), (STALLED.name, "chat", "up"): (2,)}


def test_a_full_row_keeps_what_it_has(log: Log) -> None:
    row = MetricRows(size=4096).row()
    for number in range(1000):
        row.cell(OPENED, f"route {number}").add()
    row.histogram(UPGRADE, "chat").observe(1.0)
    assert 10 < len(values(row)) < 1000
    assert log.events() == ["metrics full"]
    assert set(values(row).values()) == {(1,)}


def test_a_name_that_is_no_unicode() -> None:
    row = MetricRows().row()
    row.cell(OPENED, "\udcff").add()
    assert values(row) == {(OPENED.name, "\udcff"): (1,)}


def test_every_metric_fits_into_a_row() -> None:
    row = MetricRows().row()
    for metric in METRICS:
        row.cell(metric, *metric.labels)
    assert len(values(row)) == len(METRICS)
