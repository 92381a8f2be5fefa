"""What the commands of one line have in common. ``test_relay`` and the tests of ``wsgate tunnel`` show the rest."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, TextIO

import pytest

from wsgate import app
from wsgate.commands.line import CommandLine, reachable, refuse
from wsgate.settings.model import TcpAddress

TEXT = "listeners:\n  - bind: 127.0.0.1:80\nroutes:\n  - name: it\n    relay: {to: ws://127.0.0.1:1}\n"
LINE = CommandLine("wsgate it", TEXT, ((r"\.bind$", "ADDRESS"),))
HERE = TcpAddress("127.0.0.1", 80)


def test_it_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert LINE.show() == 0
    assert capsys.readouterr() == (TEXT, "")


@pytest.mark.parametrize("show", [True, False])
def test_faults_are_told_in_terms_of_flags(show: bool, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = CommandLine("wsgate it", TEXT.replace(":80", "").replace("127.0.0.1", "a b", 1), LINE.flag_of)
    wrong = CommandLine("wsgate it", wrong.text.replace("name: it", "name: i t"), LINE.flag_of)
    assert (wrong.show() if show else wrong.serve(lambda settings, bound: "")) == 2
    out, err = capsys.readouterr()
    assert out == ""
    first, second = err.splitlines()
    assert first.startswith("wsgate it: ADDRESS: ")
    assert second.startswith("wsgate it: routes[0].name: ")  # no flag: the value's own path


@pytest.mark.parametrize("status", [0, 1])
def test_it_is_served(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], status: int) -> None:
    def serve(draft: Any, *, ready: Any, log: TextIO | None) -> int:
        assert log is None
        ready([HERE])
        return status

    monkeypatch.setattr(app, "serve", serve)
    assert LINE.serve(lambda settings, bound: f"{bound}, {settings.routes[0].name}") == status
    assert capsys.readouterr().out == "wsgate it: 127.0.0.1:80, it\n"


def test_the_log_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def serve(draft: Any, *, ready: Any, log: TextIO) -> int:
        log.write("line\n")
        return 0

    monkeypatch.setattr(app, "serve", serve)
    file = tmp_path / "log"
    for _ in range(2):
        assert LINE.serve(lambda settings, bound: "", str(file)) == 0
    assert file.read_text() == "line\nline\n"
    os.mkfifo(tmp_path / "pipe")
    for name, reason in (("pipe", "it is a pipe that nobody reads"), ("no/log", "No such file or directory")):
        assert LINE.serve(lambda settings, bound: "", str(tmp_path / name)) == 2
        assert f"wsgate it: --log-file: cannot write '{tmp_path}/{name}': {reason}\n" == capsys.readouterr().err


def test_a_bind_to_all_addresses_is_opened_on_this_machine() -> None:
    assert [str(reachable(TcpAddress(host, 1))) for host in ("0.0.0.0", "::", "::1", "a")] == [
        *("localhost:1", "localhost:1", "[::1]:1", "a:1")
    ]


def test_a_refusal_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert refuse("wsgate it", "no") == 2
    assert capsys.readouterr() == ("", "wsgate it: no\n")
