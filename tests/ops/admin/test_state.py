from __future__ import annotations

from wsgate.events.metric_rows import MetricRow, MetricRows
from wsgate.events.metrics import (
    ALIVE,
    BACKEND_DRAINING,
    BACKEND_EJECTED,
    BACKEND_HEALTHY,
    DRAINED,
    DRAINING,
    RELOAD_REFUSED,
    ROUTE_DRAINING,
    SERVING,
    SESSIONS,
)
from wsgate.ops.admin.exposition import Gathered, gather
from wsgate.ops.admin.state import SILENCE, draining_routes, not_alive, not_ready, warnings


def read(row: MetricRow) -> Gathered:
    rows = MetricRows()
    for metric, labels, (value, *_) in row.read():
        rows.row().cell(metric, *labels).set(value)
    gathered: Gathered = {}
    for _ in gather(rows, gathered):
        pass
    return gathered


def test_before_it_listens() -> None:
    assert not_ready(read(MetricRows().row())) == ["not listening yet"]


def test_ready_and_draining() -> None:
    row = MetricRows().row()
    row.cell(SERVING).set(2)
    row.cell(DRAINING).set(0)
    assert not_ready(read(row)) == []
    row.cell(SESSIONS, "chat").set(3)
    row.cell(DRAINING).set(1)
    row.cell(DRAINED).set(5)
    assert not_ready(read(row)) == ["draining: 3 of 5 sessions are still open"]


def test_a_refused_reload_is_a_warning() -> None:
    row = MetricRows().row()
    row.cell(SERVING).set(1)
    assert warnings(read(row)) == []
    row.cell(RELOAD_REFUSED).set(1)
    assert not_ready(read(row)) == []
    (warning,) = warnings(read(row))
    assert "refused" in warning


def test_backends() -> None:
    row = MetricRows().row()
    row.cell(SERVING).set(1)
    row.cell(BACKEND_HEALTHY, "chat", "a").set(0)
    row.cell(BACKEND_HEALTHY, "chat", "b").set(1)
    row.cell(BACKEND_HEALTHY, "app", "c").set(0)
    assert not_ready(read(row)) == []
    assert not_ready(read(row), ("chat",)) == []
    assert not_ready(read(row), ("chat", "app")) == ["no backend of the route app is healthy"]


def test_backends_that_are_healthy_and_take_no_sessions() -> None:
    row = MetricRows().row()
    row.cell(SERVING).set(1)
    for name in ("a", "b"):
        row.cell(BACKEND_HEALTHY, "chat", name).set(1)
    row.cell(BACKEND_DRAINING, "chat", "a").set(1)
    assert not_ready(read(row), ("chat",)) == []
    row.cell(BACKEND_EJECTED, "chat", "b").set(1)
    why = "no backend of the route chat takes sessions: each is unhealthy, ejected or draining"
    assert not_ready(read(row), ("chat",)) == [why]


def test_a_route_that_drains() -> None:
    row = MetricRows().row()
    row.cell(SERVING).set(1)
    row.cell(BACKEND_HEALTHY, "chat", "a").set(1)
    row.cell(ROUTE_DRAINING, "app").set(0)
    row.cell(ROUTE_DRAINING, "chat").set(1)
    assert not_ready(read(row), ("chat",)) == ["the route chat drains"]
    assert not_ready(read(row)) == []
    assert draining_routes(read(row)) == ["chat"]


def test_a_loop_that_hangs() -> None:
    row = MetricRows().row()
    assert not_alive(read(row), lambda: 1000.0) == []
    row.cell(ALIVE, "1").set(1000)
    row.cell(ALIVE, "2").set(985)
    row.cell(ALIVE, "3").set(0)  # its process has just been replaced
    assert not_alive(read(row), lambda: 985 + SILENCE) == []
    assert not_alive(read(row), lambda: 1000 + SILENCE) == ["worker 2 has given no sign for 30 s"]
    row.cell(ALIVE, "0").set(900)
    assert not_alive(read(row), lambda: 1000.0)[0] == "the gateway has given no sign for 100 s"
