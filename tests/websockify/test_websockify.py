"""``wsgate tunnel``: what it prints where, what it runs, and its exit statuses. ``e2e`` runs it as a process."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

import pytest

from tests.pki import Authority
from wsgate import app, websockify
from wsgate.settings.draft import Draft
from wsgate.settings.load import load, loads
from wsgate.settings.model import Address, Errors, Settings, TcpAddress, UnixAddress
from wsgate.websockify.flags import parse
from wsgate.websockify.translate import to_yaml

HERE = TcpAddress("0.0.0.0", 6080)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "web").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(arguments: str) -> int:
    return websockify.run(shlex.split(arguments))


def test_show_config_is_a_file_to_serve(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--show-config --web web 6080 localhost:5900") == 0
    out, err = capsys.readouterr()
    assert err == ""
    (here / "gate.yaml").write_text(out)
    settings = load(str(here / "gate.yaml"))
    assert [route.name for route in settings.routes] == ["tunnel", "web"]
    assert settings.routes[0].errors is Errors.CLOSE


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("-D 6080 x:1", "--daemon: let systemd or a container run it; in a shell: nohup wsgate tunnel ... &"),
        ("6080 x", "the target 'x' is not HOST:PORT: write x:5900, say"),
        ("--cert no.pem 6080 x:1", "--cert: the file '{here}/no.pem' does not exist"),
        ("--web no 6080 x:1", "--web: the directory '{here}/no' does not exist"),
        ("70000 x:1", "[HOST:]PORT: '70000' is not a port"),
        ("6080 x:0", "target: '0' is not a port"),
        ("6080 a_b..c:1", "target: "),
        ("--heartbeat 99999999 6080 x:1", "--heartbeat: 99999999s is longer than a year"),
        ("--sessions-per-address 0 6080 x:1", "--sessions-per-address: 0: for none, write off"),
        ("--idle-timeout 99999999 6080 x:1", "--idle-timeout: 99999999s is longer than a year"),
        ("--unix-listen s --unix-listen-mode 7777 x:1", "--unix-listen-mode: "),
        ("--log-file no/log 6080 x:1", "--log-file: cannot write 'no/log': No such file or directory"),
    ],
)
def test_wrong_usage(here: Path, arguments: str, message: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Each fault by the name of its flag; nothing is started."""
    assert run(arguments) == 2
    out, err = capfd.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    assert line.replace("'", "").startswith(f"wsgate tunnel: {message.format(here=here)}".replace("'", ""))


def test_a_log_that_is_a_pipe_that_nobody_reads(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It would delay the start until the pipe has a reader."""
    os.mkfifo(here / "pipe")
    assert run("--log-file pipe 6080 x:1") == 2
    assert "cannot write 'pipe': it is a pipe that nobody reads" in capsys.readouterr().err


def test_every_fault_has_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--web no --heartbeat 99999999 6080 x:0") == 2
    flags = [line.split(": ")[1] for line in capsys.readouterr().err.splitlines()]
    assert flags == ["--heartbeat", "target", "--web"]


@pytest.mark.parametrize("status", [0, 1])
def test_it_runs_what_it_shows(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], status: int
) -> None:
    arguments = "--web web 6080 localhost:5900"
    served: list[Settings] = []

    def serve(draft: Draft, *, ready: Callable[[list[Address]], None], log: TextIO | None) -> int:
        assert log is None
        served.append(draft.settings)
        ready([HERE])
        return status

    monkeypatch.setattr(app, "serve", serve)
    assert run(arguments) == status
    assert served == [loads(to_yaml(parse(arguments.split())), "x.yaml")]
    assert capsys.readouterr().out == (
        "wsgate tunnel: ws://localhost:6080/ leads to tcp://localhost:5900; open http://localhost:6080/\n"
    )


def test_the_log_goes_on_in_its_file(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def serve(draft: Draft, *, ready: Any, log: TextIO) -> int:
        log.write("line\n")
        assert (here / "log").read_text().endswith("line\n")  # at once
        return 0

    monkeypatch.setattr(app, "serve", serve)
    (here / "log").write_text("before\n")
    assert run("--log-file log 6080 x:1") == 0
    assert run("--log-file log 6080 x:1") == 0
    assert (here / "log").read_text() == "before\nline\nline\n"


def test_a_port_that_is_taken_is_said_on_standard_error(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not in the log file, which is not read during the start."""
    (here / "taken").write_text("a file")
    assert run("--log-file log --unix-listen taken x:1") == 1
    assert "taken" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "bound", "said"),
    [
        ("6080 x:1", HERE, "ws://localhost:6080/ leads to tcp://x:1"),
        ("-6 6080 x:1", TcpAddress("::", 6080), "ws://localhost:6080/ leads to tcp://x:1"),
        ("[::1]:0 x:1", TcpAddress("::1", 5), "ws://[::1]:5/ leads to tcp://x:1"),
        ("--unix-target s 80 --web web", HERE, "leads to unix:{here}/s; open http://localhost:6080/"),
        ("--unix-listen s --web web x:1", UnixAddress("/run/s"), "unix:/run/s leads to tcp://x:1"),
    ],
)
def test_what_it_says_when_it_starts(here: Path, arguments: str, bound: Address, said: str) -> None:
    assert announce(arguments, bound).endswith(said.format(here=here))


def announce(arguments: str, bound: Address) -> str:
    flags = parse(arguments.split())
    return websockify.announcement(flags, loads(to_yaml(flags), "x.yaml"), bound)


def test_novnc_is_what_to_open(here: Path) -> None:
    (here / "web" / "vnc.html").touch()
    (here / "tokens").touch()
    assert announce("--web web 80 x:1", HERE).endswith("; open http://localhost:6080/vnc.html")
    tokens = "--web web --token-plugin TokenFile --token-source tokens 80"
    expected = "; open http://localhost:6080/vnc.html?path=websockify%3Ftoken%3DTOKEN"
    assert announce(tokens, HERE).endswith(f"leads to the target of its token{expected}")
    assert announce(f"--host-token {tokens}", HERE).endswith("; open http://localhost:6080/vnc.html")


def test_with_tls_it_is_https(here: Path, certificate: str) -> None:
    assert announce(f"--cert {certificate} --web web 80 x:1", HERE) == (
        "wss://localhost:6080/ leads to tcp://x:1; open https://localhost:6080/"
    )


@pytest.fixture
def certificate(here: Path) -> str:
    pair = Authority(here).issue("gateway.test")
    path = here / "both.pem"
    path.write_bytes(Path(pair.certificate).read_bytes() + Path(pair.key).read_bytes())
    return os.fspath(path)
