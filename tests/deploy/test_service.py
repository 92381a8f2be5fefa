"""The systemd units agree with what wsgate does, and systemd finds nothing wrong with them."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docs.pages import ROOT, blocks
from tests.programs import find
from wsgate.cli import main
from wsgate.settings.addresses import bind_address

SYSTEMD = ROOT / "deploy" / "systemd"
UNIT = SYSTEMD / "wsgate.service"
PROGRAM = "/usr/local/bin/wsgate"


@pytest.fixture(scope="module")
def service() -> dict[str, str]:
    """The settings of [Service]; each is there once, but for those that are lists."""
    section = ""
    found: dict[str, str] = {}
    for line in UNIT.read_text().splitlines():
        if line.startswith("["):
            section = line
        elif line and not line.startswith("#") and section == "[Service]":
            name, _, value = line.partition("=")
            assert name not in found or name in ("ExecReload", "SystemCallFilter")
            found[name] = f"{found[name]}\n{value}" if name in found else value
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


def test_a_reload_checks_first(service: dict[str, str]) -> None:
    file = shlex.split(service["ExecStart"])[2]
    assert service["ExecReload"].split("\n") == [f"{PROGRAM} check {file}", "/bin/kill -HUP $MAINPID"]
    assert service["Type"] == "notify"  # the drop-in has the one that Debian 12 does not know


def test_the_sockets_are_binds() -> None:
    opened = re.findall(r"^ListenStream=(.*)$", (SYSTEMD / "wsgate.socket").read_text(), re.MULTILINE)
    assert [str(bind_address(address)) for address in opened] == opened != []


@pytest.fixture
def installed(tmp_path: Path) -> list[str]:
    """The units, with a program that is there in the place of wsgate's, which systemd looks for."""
    for name in ("wsgate.service", "wsgate.socket"):
        (tmp_path / name).write_text((SYSTEMD / name).read_text().replace(PROGRAM, "/bin/true"))
    drop_in = tmp_path / "wsgate.service.d"
    drop_in.mkdir()
    (drop_in / "tls-key.conf").write_text((SYSTEMD / "tls-key.conf").read_text())
    return [str(tmp_path / name) for name in ("wsgate.service", "wsgate.socket")]


def analyze(*arguments: str) -> str:
    program = find("systemd-analyze")
    assert program is not None
    done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.needs("systemd-analyze")
def test_systemd_finds_nothing_wrong(installed: list[str]) -> None:
    assert analyze("verify", "--man=no", *installed) == ""


@pytest.mark.needs("systemd-analyze")
def test_its_exposure_is_as_the_page_says(installed: list[str]) -> None:
    score = re.search(r"exposure level for wsgate\.service: (\S+)", analyze("security", "--offline=true", installed[0]))
    assert score is not None
    page = (ROOT / "docs" / "systemd.md").read_text()
    assert f"exposure {score[1]} of 10" in page


def test_what_trying_again_does_not_cure_is_not_tried_again(service: dict[str, str]) -> None:
    assert service["RestartPreventExitStatus"].split() == ["2", str(os.EX_NOPERM)]


def test_it_may_have_ports_below_1024_and_nothing_else(service: dict[str, str]) -> None:
    assert service["AmbientCapabilities"] == service["CapabilityBoundingSet"] == "CAP_NET_BIND_SERVICE"


def test_the_sockets_on_the_page_are_binds() -> None:
    sockets = [block for block in blocks("ini") if "ListenStream=" in block.text]
    for block in sockets:
        binds = next(other for other in blocks("yaml") if other.page == block.page and other.line > block.line)
        opened = re.findall(r"^ListenStream=(.*)$", block.text, re.MULTILINE)
        expected = [listener["bind"].removeprefix("unix:") for listener in yaml.safe_load(binds.text)["listeners"]]
        assert opened == expected
    assert sockets


@pytest.mark.parametrize("block", [pytest.param(block, id=block.place) for block in blocks("sh")])
def test_scripts_on_pages_can_be_read_and_their_files_are_there(block: Any) -> None:
    subprocess.run(["sh", "-n"], input=block.text, text=True, check=True)
    for name in re.findall(r"(?<![\w/.-])(?:config|deploy)/[\w/.-]+", block.text):
        assert (ROOT / name).is_file(), name
