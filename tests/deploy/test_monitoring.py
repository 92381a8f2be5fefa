"""The alert rules and the dashboard ask only for metrics and labels that exist, in PromQL that Prometheus reads."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.programs import find
from wsgate.events.metrics import METRICS, Kind

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES = DEPLOY / "prometheus-rules.yaml"
DASHBOARD = DEPLOY / "grafana-dashboard.json"

GIVEN = {"instance", "le"}  # labels of Prometheus itself, and of histograms
VARIABLES = {"$__rate_interval": "5m", "$instance": ".*", "$route": ".*"}

# Metrics that neither the dashboard nor a rule needs
NOT_SHOWN = {
    "wsgate_build_info",
    "wsgate_reloads_total",
    "wsgate_reloads_refused_total",
    "wsgate_stalls_total",
    "wsgate_throttles_total",
    "wsgate_process_alive_timestamp_seconds",
}

SERIES: dict[str, set[str]] = {}
for metric in METRICS:
    for suffix in ("_bucket", "_sum", "_count") if metric.kind is Kind.HISTOGRAM else ("",):
        SERIES[metric.name + suffix] = {*metric.labels, *GIVEN}


def rules() -> list[str]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule["expr"] for group in groups for rule in group["rules"]]


def queries() -> list[str]:
    dashboard = json.loads(DASHBOARD.read_text())
    found = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]
    for name, instead in VARIABLES.items():
        found = [query.replace(name, instead) for query in found]
    return found


def strange(expression: str) -> Iterator[str]:
    """What it names that no metric has."""
    names = re.findall(r"\bwsgate_\w+", expression)
    known: set[str] = set(GIVEN)
    for name in names:
        if name not in SERIES:
            yield name
        known |= SERIES.get(name, set())
    groups = re.findall(r"\b(?:by|on|without)\s*\(([^)]*)\)", expression)
    labels = {label.strip() for group in groups for label in group.split(",")}
    labels |= set(re.findall(r"(\w+)\s*=~?\"", expression))
    yield from labels - known


def test_there_are_some() -> None:
    assert len(rules()) >= 10
    assert len(queries()) >= 25


@pytest.mark.parametrize("expression", [*rules(), *queries()])
def test_names_exist(expression: str) -> None:
    assert list(strange(expression)) == []


def test_what_does_not_exist_is_found() -> None:
    found = set(strange('sum by (room) (rate(wsgate_sesions{route="a"}[5m]))'))
    assert found == {"wsgate_sesions", "room", "route"}


def test_every_metric_is_shown_or_left_out() -> None:
    shown = "\n".join([*queries(), *rules()])
    assert {metric.name for metric in METRICS if metric.name not in shown} == NOT_SHOWN


@pytest.mark.needs("promtool")
def test_promtool_finds_nothing(tmp_path: Path) -> None:
    """The dashboard's queries are checked as rules, too."""
    recorded = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(queries())]
    file = tmp_path / "queries.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": recorded}]}))
    promtool = find("promtool")
    assert promtool is not None
    for checked in (RULES, file):
        done = subprocess.run(
            [promtool, "check", "rules", str(checked)], capture_output=True, text=True, timeout=30, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
