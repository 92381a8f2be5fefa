from __future__ import annotations

import json
import sys

import pytest

from tests.commands.admin import answering
from tests.commands.top import session, snapshot
from wsgate.commands import top


def test_without_a_terminal_one_screen_is_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "70")
    monkeypatch.setenv("LINES", "20")
    now = snapshot(1.0, session("2-1f", user="ann"))
    answers = [(200, now.sessions), (200, now.backends), (200, now.status)]
    with answering(*answers, *answers) as api:
        assert top.run(["--admin", api.address, "--user", "ann", "--interval", "100ms"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[0].startswith("wsgate 1  ready  1 session ")
    assert out.splitlines()[-1].startswith("2-1f  chat   192.0.2.1:5000  ann ")
    assert err == ""
    assert "\x1b" not in out
    assert max(map(len, out.splitlines())) <= 70
    assert api.requests[0][1].startswith("/api/v1/sessions?user=ann&")


def test_json_needs_no_library(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    monkeypatch.setitem(sys.modules, "rich", None)
    now = snapshot(1.0, session("b"), session("a"))
    answers = [(200, now.sessions), (200, now.backends), (200, now.status)]
    with answering(*answers, *answers) as api:
        assert top.run(["--admin", api.address, "--json", "--sort", "ID"]) == 0
    out, err = capsys.readouterr()
    assert ([each["id"] for each in json.loads(out)["sessions"]], err) == (["a", "b"], "")
    assert "sort=id&" in api.requests[0][1]
    assert top.run(["--admin", "http://127.0.0.1:1", "--json"]) == 1
    assert "Connection refused" in capsys.readouterr().err


def test_an_interrupt_ends_the_lines(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(top, "lines", lambda *asked: map(interrupted, [1.0]))
    assert top.run(["--json", "--interval", "1s"]) == 0
    assert capsys.readouterr() == ("", "")


def test_what_is_no_column(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        top.parser().parse_args(["--sort", "size"])
    assert "'size' is no column: write one of id, route," in capsys.readouterr().err


def test_a_gateway_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert top.run(["--admin", "http://127.0.0.1:1"]) == 1
    assert capsys.readouterr().err.startswith(
        "wsgate: top: no answer from http://127.0.0.1:1: Connection refused: is it"
    )


def test_it_needs_its_library(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for name in [name for name in sys.modules if name.startswith(("rich", "wsgate.commands.top_"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "rich", None)
    assert top.run([]) == 1
    assert capsys.readouterr().err == "wsgate: top: it needs rich, not installed here: pip install 'wsgate[top]'\n"


@pytest.mark.parametrize(("text", "seconds"), [("2", 2.0), ("500ms", 0.5), ("1m", 60.0)])
def test_intervals(text: str, seconds: float) -> None:
    assert top.parser().parse_args(["--interval", text]).interval == seconds


@pytest.mark.parametrize(("text", "why"), [("50ms", "too often: write 100ms or more"), ("0", "too often"), ("x", "")])
def test_what_is_no_interval(text: str, why: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        top.parser().parse_args(["--interval", text])
    assert why in capsys.readouterr().err
