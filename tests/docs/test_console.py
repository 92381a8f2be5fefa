"""Each command on a page does what the page says, or is listed below with the reason why it is not run here."""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.docs.pages import ROOT, Block, blocks
from tests.e2e.gateway import ENVIRONMENT
from tests.peers.sockets import free_port
from tests.recording.test_commands import HEAD, RECORDS
from wsgate import __version__

PATIENCE = 30.0  # seconds for one command; each takes less than one

# Commands that are not run here, with the reason. An entry that no page has any more fails.
NOT_RUN = {
    "python3 -m venv wsgate-env": "of no use without the next",
    "wsgate-env/bin/pip install .": "takes a package index; deploy/check-image installs the same way",
    "wsgate probe ws://127.0.0.1:8080/chat": "asks a gateway; tests/e2e/test_admin.py runs it",
    "wsgate probe http://127.0.0.1:9600/readyz": "the same",
    "pipx install .": "takes a package index",
    "helm install chat deploy/kubernetes/chart --set image.repository=example.com/wsgate --values values.yaml": (
        "takes a cluster; make kubernetes-check renders the chart"
    ),
    "python3 -m venv ~/websocket": "of no use without the next",
    "~/websocket/bin/pip install websockets": "takes a package index; what the tests need has it",
    "websockify    --web /usr/share/novnc 6080 localhost:5900": "websockify's own; wsgate's is below it",
}

MAKE = re.compile(r"make(?: |$)")


@dataclass(frozen=True, slots=True)
class Command:
    line: str
    shown: list[str]  # what it prints, as far as the page has it


def commands(block: Block) -> Iterator[Command]:
    line: str | None = None
    shown: list[str] = []
    for text in block.text.splitlines():
        if text.startswith("$ "):
            if line is not None:
                yield Command(line, shown)
            line, shown = re.sub(r" +# .*$", "", text.removeprefix("$ ")), []
        else:
            shown.append(text)
    assert line is not None, f"{block.place} has no command: lines that begin with '$ ' are"
    yield Command(line, shown)


def cases() -> list[Any]:
    return [pytest.param(block, id=block.place) for block in blocks("console")]


class Place:
    """A directory in which a page's commands find what they name."""

    def __init__(self, directory: Path, block: Block) -> None:
        self.directory = directory
        site = directory / "novnc"
        site.mkdir()
        (site / "vnc.html").touch()
        # What pages have in commands, in what those print and in files, and what is there instead
        self._put = {
            "/usr/share/novnc": str(site),
            "6080": str(free_port()),
            "127.0.0.1:8080": f"127.0.0.1:{free_port()}",
        }
        self._write_configuration(block)
        (directory / "FILE").write_bytes(HEAD + RECORDS)
        # "wsgate" is this checkout's, also if the machine has another one
        (directory / "bin").mkdir()
        script = directory / "bin" / "wsgate"
        script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m wsgate "$@"\n')
        script.chmod(0o755)

    def _write_configuration(self, block: Block) -> None:
        """wsgate.yaml is the YAML above the commands; where they show its mistake, it is made."""
        above = [each for each in blocks("yaml") if each.page == block.page and each.line < block.line]
        if "wsgate.yaml" not in block.text:
            return
        text = above[-1].text
        if mistake := re.search(r"unknown key '(\w+)'; did you mean '(\w+)'", block.text):
            text = text.replace(f"{mistake[2]}:", f"{mistake[1]}:", 1)
        (self.directory / "wsgate.yaml").write_text(self.here(text))

    def here(self, text: str) -> str:
        for written, instead in self._put.items():
            text = text.replace(written, instead)
        return text

    @property
    def environment(self) -> Mapping[str, str]:
        path = f"{self.directory / 'bin'}:{Path(sys.executable).parent}:{ENVIRONMENT['PATH']}"
        return {**ENVIRONMENT, "PATH": path}

    def run(self, line: str) -> str:
        """What it prints, once it has ended."""
        done = subprocess.run(
            ["sh", "-c", self.here(line)],
            cwd=self.directory,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode in (0, 2), done.stdout
        return done.stdout

    def serve(self, line: str, until: str) -> str:
        """What it prints until a line has ``until`` in it. It is told to stop then, and ends well."""
        printed = ""
        with subprocess.Popen(
            ["sh", "-c", f"exec {self.here(line)}"],
            cwd=self.directory,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            assert process.stdout is not None
            try:
                for output in process.stdout:
                    printed += output
                    if until in output:
                        process.send_signal(signal.SIGTERM)
                        break
                process.stdout.read()
                assert process.wait(PATIENCE) == 0, printed
            finally:
                process.kill()
        return printed


@pytest.mark.parametrize("block", cases())
def test_what_is_shown_is_what_happens(block: Block, tmp_path: Path) -> None:
    place = Place(tmp_path, block)
    for command in commands(block):
        if command.line in NOT_RUN:
            continue
        if MAKE.match(command.line):  # what they do is what CI does; here, that there is such a target
            dry = [*shlex.split(command.line), "-n"]
            subprocess.run(dry, cwd=ROOT, check=True, capture_output=True, timeout=PATIENCE)
            continue
        expected = [place.here(line) for line in command.shown]
        if re.match(r"wsgate (serve|(relay|tunnel)(?! --show-config))", command.line):
            printed = place.serve(command.line, expected[-1] if expected else "ready")
        elif command.line.endswith("--version"):
            printed = place.run("wsgate --version")
        else:
            printed = place.run(command.line)
        missing = [line for line in expected if line not in printed.splitlines()]
        assert not missing, printed


def test_nothing_is_left_out_without_need() -> None:
    lines = {command.line for block in blocks("console") for command in commands(block)}
    assert NOT_RUN.keys() - lines == set(), "no longer needed in NOT_RUN"


def test_the_version_is_that_of_the_package() -> None:
    shown = [command.shown for block in blocks("console") for command in commands(block) if "--version" in command.line]
    assert shown == [[f"wsgate {__version__}"]]
