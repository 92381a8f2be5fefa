"""The table of metrics follows Prometheus' rules for names; tests/ops/test_exposition.py has promtool check them."""

from __future__ import annotations

import pytest

from wsgate.events.metrics import METRICS, Across, Kind, Metric

LABELS = {
    *("route", "direction", "opcode", "side", "code", "cause", "kind", "backend", "worker", "version", "file"),
    "form",  # of compressed messages
}


def test_names_are_unique() -> None:
    assert len({metric.name for metric in METRICS}) == len(METRICS)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_rules(metric: Metric) -> None:
    assert metric.name.startswith("wsgate_")
    assert metric.name.endswith("_total") == (metric.kind is Kind.COUNTER)
    assert set(metric.labels) <= LABELS
    assert metric.help.endswith(".")
    assert "\n" not in metric.help
    assert ("worker" in metric.labels) == (metric.across is Across.EACH)
    assert list(metric.buckets) == sorted(metric.buckets)
    assert bool(metric.buckets) == (metric.kind is Kind.HISTOGRAM)
    assert metric.cells == (len(metric.buckets) + 2 if metric.buckets else len(metric.known) or 1)
