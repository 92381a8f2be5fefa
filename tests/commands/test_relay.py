"""``wsgate relay``: what it prints, and which flag a fault is about. ``e2e`` runs it as a process."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest

from tests.pki import Authority
from wsgate import app
from wsgate.commands import relay
from wsgate.commands.relay_flags import parse
from wsgate.commands.relay_yaml import to_yaml
from wsgate.settings.load import load, loads
from wsgate.settings.model import Address, TcpAddress, UnixAddress

HERE = TcpAddress("0.0.0.0", 8080)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(line: str) -> int:
    return relay.run(shlex.split(line))


def test_show_config_is_a_file_to_serve(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--show-config --web . 8080 ws://127.0.0.1:9000") == 0
    out, err = capsys.readouterr()
    assert err == ""
    (here / "gate.yaml").write_text(out)
    assert [route.name for route in load(str(here / "gate.yaml")).routes] == ["relay", "web"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("8080", "say where it leads: "),
        ("70000 ws://a", "[HOST:]PORT: '70000' is not a port"),
        ("8080 http://a", "URL: unknown scheme 'http://': write ws://a"),
        ("8080 9000", "URL: '9000' has no scheme: write ws://127.0.0.1:9000"),
        ("8080 ws://a ws://a", "URL: "),
        ("8080 ws://a --cert no.pem", "--cert: the file "),
        ("8080 ws://a --cert {pem} --key no.pem", "--key: the file "),
        ("8080 ws://a --cert {pem} --key {key} --key-password-file no", "--key-password-file: the file "),
        ("8080 ws://a --path chat", "--path: 'chat' does not begin with / or ~"),
        ("8080 ws://a --origins '*'", "--origins: '*': write any"),
        ("8080 ws://a --origins any,null", "--origins: any lets every page in"),
        ("8080 ws://a --heartbeat 5", "--heartbeat: 5 has no unit: write 5s"),
        ("8080 ws://a --idle 5", "--idle: 5 has no unit: write 5s"),
        ("8080 ws://a --message-size 1MB", "--message-size: "),
        ("8080 ws://a ws://b --balance x", "--balance: expected first, round_robin"),
        ("8080 ws://a ws://b --hash x", "--hash: "),
        ("8080 ws://a --host http://x", "--host: 'http://x' has a scheme"),
        ("8080 wss://a --server-name a:1", "--server-name: 'a:1' has a port"),
        ("8080 wss://a --ca no.pem", "--ca: the file "),
        ("8080 ws://a --web no", "--web: the directory "),
        ("8080 ws://a --workers 0", "--workers: expected auto or a number"),
        ("8080 ws://a --sessions-per-address many", "--sessions-per-address: expected a number from 1"),
        ("8080 ws://a --trusted-proxies x", "--trusted-proxies: 'x' is not a network"),
        ("8080 ws://a --log-file no/log", "--log-file: cannot write 'no/log': No such file or directory"),
    ],
)
def test_wrong_usage(here: Path, line: str, message: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Each fault by the name of its flag; nothing is started."""
    if "{pem}" in line:
        pair = Authority(here).issue("gateway.test")
        line = line.format(pem=pair.certificate, key=pair.key)
    assert run(line) == 2
    out, err = capfd.readouterr()
    assert out == ""
    (said,) = err.splitlines()
    assert said.startswith(f"wsgate relay: {message}")


def test_it_runs_what_it_shows(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    line = "8080 ws://a ws://b"

    def serve(draft: Any, *, ready: Any, log: Any) -> int:
        assert log is None
        assert draft.settings == loads(to_yaml(parse(line.split())), "x.yaml")
        ready([HERE])
        return 0

    monkeypatch.setattr(app, "serve", serve)
    assert run(line) == 0
    assert capsys.readouterr().out == "wsgate relay: ws://localhost:8080/ leads to ws://a:80 or ws://b:80\n"


@pytest.mark.parametrize(
    ("line", "bound", "said"),
    [
        ("8080 ws://a", HERE, "ws://localhost:8080/ leads to ws://a:80"),
        ("[::1]:0 ws://a", TcpAddress("::1", 5), "ws://[::1]:5/ leads to ws://a:80"),
        (
            "80 ws://a --path /chat/* --web .",
            HERE,
            "ws://localhost:8080/chat/ leads to ws://a:80; open http://localhost:8080/",
        ),
        ("80 ws://a --path ~^/x", HERE, "ws://localhost:8080/ leads to ws://a:80"),
        ("80 ws://a --cert c --web .", HERE, "wss://localhost:8080/ leads to ws://a:80; open https://localhost:8080/"),
        ("unix:/run/s ws://a --web .", UnixAddress("/run/s"), "unix:/run/s leads to ws://a:80"),
    ],
)
def test_what_it_says_when_it_starts(line: str, bound: Address, said: str) -> None:
    flags = parse(line.split())
    assert relay.announcement(flags, loads(to_yaml(flags), "x.yaml"), bound) == said
