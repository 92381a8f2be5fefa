"""The commands: what each prints where, and its exit status. ``e2e`` runs some of them as processes."""

from __future__ import annotations

import os
import runpy
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from wsgate import __version__, app, demo, websockify
from wsgate.cli import main
from wsgate.commands import relay
from wsgate.ops.file_watch import WatchedFile
from wsgate.settings.draft import Draft
from wsgate.settings.faults import ReportFault, ReportWarning
from wsgate.settings.load import load
from wsgate.settings.model import Settings, TcpAddress
from wsgate.site import build as build_module
from wsgate.site.site import Site

CONFIG = Path(__file__).parents[1] / "config"

GOOD = """\
listeners: [{bind: 127.0.0.1:8080}]
routes:
  - {name: a, match: {path: /a}, relay: {to: ws://127.0.0.1:9000}, origins: same-host}
  - {name: b, tunnel: {to: tcp://127.0.0.1:5900}}
"""
WRONG = "listeners: [{bind: nonsense}]\nroutes: []\n"


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    """`serve` changes what a signal does to the process, which here is the test's."""
    before = signal.getsignal(signal.SIGHUP)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "wsgate.yaml"


def test_check_of_a_good_file(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(GOOD)
    assert main(["check", str(file)]) == 0
    assert capsys.readouterr() == (f"{file}: ok, 1 listener, 2 routes\n", "")


def test_check_explains_a_request(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The site that is explained is the one that was checked: its files are read once."""
    builds: list[object] = []
    build = build_module.build

    def noted(*arguments: Any, **others: Any) -> Site:
        builds.append(arguments)
        return build(*arguments, **others)

    monkeypatch.setattr(build_module, "build", noted)
    file.write_text(GOOD)
    assert main(["check", str(file), "--explain", "ws://x/b", "--header", "X-A: 1"]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == [
        "routes[0] a: path does not match /b",
        "routes[1] b: takes it",
        "  target tcp://127.0.0.1:5900",
    ]
    assert len(builds) == 1
    assert main(["check", str(file), "--explain", "x"]) == 2
    assert "--explain: 'x' is no URL to ask for" in capsys.readouterr().err


def warn_of_routes(settings: Settings, fault: ReportFault, warn: ReportWarning, given: object) -> None:
    warn("routes[1]", "is odd: write another")
    warn("routes[0].match.path", "is odd: write another")


def test_check_says_warnings_in_file_order_and_counts_them(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(GOOD)
    monkeypatch.setattr("wsgate.settings.load.check", warn_of_routes)
    assert main(["check", str(file)]) == 0
    assert capsys.readouterr() == (
        f"{file}: ok, 1 listener, 2 routes, 2 warnings\n",
        f"{file}:3:29: warning: routes[0].match.path: is odd: write another\n"
        f"{file}:4:5: warning: routes[1]: is odd: write another\n",
    )


def test_warnings_stand_between_the_errors_and_are_not_counted_as_such(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(GOOD.replace("/a}", "a}") + "x: 1\n")
    monkeypatch.setattr("wsgate.settings.load.check", warn_of_routes)
    assert main(["check", str(file)]) == 2
    out, err = capsys.readouterr()
    lines = err.replace(f"{file}:", "").splitlines()
    assert [line.partition(":")[0] for line in lines[:-1]] == ["3", "3", "4", "5"]
    assert [" warning: " in line for line in lines[:-1]] == [False, True, True, False]
    assert (out, lines[-1]) == ("", "wsgate:  2 errors; nothing was started")


@pytest.mark.parametrize("command", ["check", "serve"])
def test_a_wrong_file(file: Path, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Every error with its place, their number, and that nothing runs."""
    file.write_text(WRONG)
    assert main([command, str(file)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    *errors, last = err.splitlines()
    assert all(line.startswith(f"{file}:") for line in errors)
    assert last == f"wsgate: {file}: {len(errors)} error{'' if len(errors) == 1 else 's'}; nothing was started"


def test_one_error_is_not_errors(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(file)]) == 2
    assert capsys.readouterr().err == (
        f"{file}: cannot read the file: No such file or directory\nwsgate: {file}: 1 error; nothing was started\n"
    )


def test_a_hup_before_there_is_anything_to_reload_is_no_end(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def serve(draft: Draft, *, load: Callable[[], Draft], watched: WatchedFile | None) -> int:
        signal.raise_signal(signal.SIGHUP)
        return 0

    file.write_text(GOOD)
    monkeypatch.setattr(app, "serve", serve)
    assert main(["serve", str(file)]) == 0


@pytest.mark.parametrize("status", [0, 1])
def test_serve_runs_the_file(file: Path, monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    """It can be read again, for a reload. And the process ends as the gateway did."""
    file.write_text(GOOD)
    served: list[Draft] = []

    def serve(draft: Draft, *, load: Callable[[], Draft], watched: WatchedFile | None) -> int:
        served.extend([draft, load()])
        seen.append(watched)
        return status

    seen: list[WatchedFile | None] = []
    monkeypatch.setattr(app, "serve", serve)
    assert main(["serve", str(file)]) == status
    assert main(["serve", "--watch", str(file)]) == status
    assert [draft.settings for draft in served] == [load(str(file))] * 4
    assert seen == [None, WatchedFile.now(str(file))]


def test_schema_is_the_committed_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    assert capsys.readouterr() == ((CONFIG / "wsgate.schema.json").read_text(), "")


@pytest.mark.parametrize("status", [0, 2])
@pytest.mark.parametrize(("command", "module"), [("tunnel", websockify), ("relay", relay)])
def test_tunnel_and_relay_have_command_lines_of_their_own(
    monkeypatch: pytest.MonkeyPatch, command: str, module: ModuleType, status: int
) -> None:
    """What follows is not for this parser: flags may stand anywhere."""
    ran: list[list[str]] = []

    def run(arguments: list[str]) -> int:
        ran.append(arguments)
        return status

    monkeypatch.setattr(module, "run", run)
    assert main([command, "6080", "--web", "x", "y:1", "--help"]) == status
    assert ran == [["6080", "--web", "x", "y:1", "--help"]]


@pytest.mark.parametrize(
    ("arguments", "address"),
    [
        ([], TcpAddress("127.0.0.1", 8080)),
        (["--listen", "0.0.0.0:80"], TcpAddress("0.0.0.0", 80)),
        (["--listen", "[::1]:0"], TcpAddress("::1", 0)),
    ],
)
def test_demo(arguments: list[str], address: TcpAddress, monkeypatch: pytest.MonkeyPatch) -> None:
    listened: list[TcpAddress] = []

    def run(listen: TcpAddress) -> int:
        listened.append(listen)
        return 0

    monkeypatch.setattr(demo, "run", run)
    assert main(["demo", *arguments]) == 0
    assert listened == [address]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "COMMAND"),
        (["serve"], "FILE"),
        (["check"], "FILE"),
        (["check", "a", "b"], "unrecognized arguments: b"),
        (["schema", "x"], "unrecognized arguments: x"),
        (["sreve", "a"], "'sreve' is no command: did you mean serve?"),
        (["stats"], "'stats' is no command: did you mean status?"),
        ([str(CONFIG / "full.yaml")], "full.yaml' is a file and no command: did you mean wsgate serve "),
        (["xyzzy"], "invalid choice: 'xyzzy'"),
        (["demo", "--listen", "8080"], "'8080' is a port alone: write 127.0.0.1:8080"),
        (["demo", "--listen", "unix:/run/demo.sock"], "the demo's page needs HOST:PORT"),
        (["demo", "--listen", "localhost"], "the demo's page needs HOST:PORT"),
    ],
)
def test_wrong_usage(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("usage: wsgate")
    assert words in err


def test_a_bug_of_ours(file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def crash(settings: Settings, **more: object) -> int:
        raise RuntimeError("a bug")

    file.write_text(GOOD)
    monkeypatch.setattr(app, "serve", crash)
    assert main(["serve", str(file)]) == os.EX_SOFTWARE
    out, err = capsys.readouterr()
    assert out == ""
    assert "RuntimeError: a bug" in err
    assert err.splitlines()[-1] == "wsgate: internal error: please report it"


def test_ctrl_c_while_it_begins(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(settings: Settings, **more: object) -> int:
        raise KeyboardInterrupt

    file.write_text(GOOD)
    monkeypatch.setattr(app, "serve", interrupt)
    assert main(["serve", str(file)]) == 128 + signal.SIGINT
    assert capsys.readouterr() == ("", "")


def test_help_lists_the_exit_statuses(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    listed = capsys.readouterr().out.partition("exit status:\n")[2]
    assert [int(line.split()[0]) for line in listed.splitlines()] == [0, 1, 2, 70, 71, 77]


@pytest.mark.parametrize("arguments", [["--help"], ["serve", "--help"], ["demo", "--help"]])
def test_help_is_no_error(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("usage: wsgate")


def test_python_m_wsgate(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["wsgate", "--version"])
    monkeypatch.delitem(sys.modules, "wsgate.__main__", raising=False)  # its own tests import it
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("wsgate", run_name="__main__")
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"wsgate {__version__}\n"
