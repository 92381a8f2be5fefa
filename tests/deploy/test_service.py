"""The systemd unit agrees with what wsgate does."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import pytest

from wsgate.cli import main

UNIT = Path(__file__).parents[2] / "deploy" / "wsgate.service"


@pytest.fixture(scope="module")
def service() -> dict[str, str]:
    """The settings of [Service]; each is there once."""
    section, found = "", {}
    for line in UNIT.read_text().splitlines():
        if line.startswith("["):
            section = line
        elif line and not line.startswith("#") and section == "[Service]":
            name, _, value = line.partition("=")
            assert name not in found
            found[name] = value
    return found


def test_it_runs_a_command_that_there_is(
    service: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program, command, file = shlex.split(service["ExecStart"])
    assert (os.path.basename(program), file) == ("wsgate", "/etc/wsgate/wsgate.yaml")
    with pytest.raises(SystemExit):
        main([command, "--help"])
    assert "FILE" in capsys.readouterr().out


def test_only_the_parent_hears_the_signal(service: dict[str, str]) -> None:
    """control-group, systemd's own choice, sends TERM to every worker as well."""
    assert service["KillMode"] == "mixed"
    assert service["Type"] == "notify-reload"


def test_what_trying_again_does_not_cure_is_not_tried_again(service: dict[str, str]) -> None:
    assert service["RestartPreventExitStatus"].split() == ["2", str(os.EX_NOPERM)]


def test_it_may_have_ports_below_1024_and_nothing_else(service: dict[str, str]) -> None:
    assert service["AmbientCapabilities"] == service["CapabilityBoundingSet"] == "CAP_NET_BIND_SERVICE"
