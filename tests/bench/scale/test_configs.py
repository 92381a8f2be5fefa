"""The configurations are taken by the programs that they are for."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from bench.scale import configs
from bench.scale.plan import Plan
from tests.programs import find
from wsgate.settings.load import load

PLAN = Plan(sessions=100, replicas=3, check=0.5, delay=1.5)


def test_a_replica(tmp_path: Path) -> None:
    file = tmp_path / "wsgate.yaml"
    text = configs.wsgate(
        PLAN,
        "r1",
        "10.42.2.1",
        balancers=["10.42.1.1"],
        backends=["10.42.3.1", "10.42.3.2"],
        token="/token",
        log="/log",
    )
    file.write_text(text)
    settings = load(str(file))
    assert settings.limits.sessions == PLAN.cap == 55
    assert settings.drain.delay == 1.5
    assert len(settings.routes) == 1


def test_the_page_shows_what_the_balancers_have() -> None:
    page = (Path(__file__).parents[3] / "docs" / "scaling.md").read_text()
    shown = page.partition("```haproxy\n")[2].partition("```")[0].replace("    ", "  ").splitlines()
    text = configs.haproxy(Plan(), "10.42.1.1", replicas=[], socket="/socket").replace("000ms", "s")
    missing = [line for line in shown if line.strip() and line not in text.splitlines()]
    assert [line.split()[0] for line in missing] == ["bind", "server", "server", "server"]


@pytest.mark.needs("haproxy")
def test_a_balancer(tmp_path: Path) -> None:
    file = tmp_path / "haproxy.cfg"
    file.write_text(configs.haproxy(PLAN, "127.0.0.1", replicas=[("r1", "127.0.0.2")], socket=str(tmp_path / "socket")))
    haproxy = find("haproxy")
    assert haproxy is not None
    done = subprocess.run([haproxy, "-c", "-f", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr.lower()
