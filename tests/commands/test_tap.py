"""The command against an API that tells what a test says; tests/e2e/test_tap.py has it with a real gateway."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.commands.admin import FakeApi, answering
from tests.commands.test_tap_lines import frame
from wsgate.commands import tap
from wsgate.commands.admin_client import AdminClient

BEGIN = {"event": "begin", "id": "2-1f", "route": "chat", "client": "c:1", "backend": "ws://b:1", "payload": True}
END = {"event": "end", "reason": "closed", "ended_by": "client", "client_code": 1000, "backend_code": 1000}


def jsonl(*events: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(event).encode() + b"\n" for event in events)


WHOLE = jsonl(BEGIN, frame("text", b"1"), frame("text", b"2"), END)


def run(api: FakeApi, *arguments: str) -> int:
    return tap.run(["--admin", api.address, *arguments])


def test_lines_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    with answering((200, WHOLE)) as api:
        assert run(api, "2-1f/") == 0
    assert api.requests[0][:2] == ("GET", "/api/v1/sessions/2-1f%2F/tap")
    begin, first, second, end = capsys.readouterr().out.splitlines()
    assert begin == "session 2-1f: chat, c:1 to ws://b:1"
    assert first.endswith('"1"')
    assert second.endswith('"2"')
    assert end == "session ended: closed by client, client 1000, backend 1000"


def test_the_lines_of_the_api(capsys: pytest.CaptureFixture[str]) -> None:
    with answering((200, WHOLE)) as api:
        assert run(api, "2-1f", "--json", "--count", "1") == 0
    assert capsys.readouterr().out.encode() == jsonl(BEGIN, frame("text", b"1"))


@pytest.mark.parametrize("also", [[], ["--json"]])
def test_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str], also: list[str]) -> None:
    file = tmp_path / "tap.txt"
    with answering((200, WHOLE)) as api:
        assert run(api, "2-1f", "--write", str(file), *also) == 0
    assert file.read_text().count("\nI 2026") == 2
    shown = capsys.readouterr()
    assert shown.out.encode() == (WHOLE if also else b"")
    assert shown.err == f"2 frames in {file}\n"


@pytest.mark.parametrize(
    ("status", "answer", "message"),
    [
        (404, {"error": "no session has the id '7'"}, "no session has the id '7'"),
        (403, b"admin.tap is off\n", "answered 403: admin.tap is off"),
        (200, WHOLE[:-20], "the answer ended before the session"),
        (200, b"", "the answer ended before the session"),
    ],
)
def test_what_went_wrong(status: int, answer: Any, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with answering((status, answer)) as api:
        assert run(api, "7") == 1
    assert message in capsys.readouterr().err


def test_a_worker_that_has_died(capsys: pytest.CaptureFixture[str]) -> None:
    end = {"event": "end", "reason": "worker", "detail": "its worker has died"}
    with answering((200, jsonl(BEGIN, end))) as api:
        assert run(api, "7") == 1
    assert "its worker has died" in capsys.readouterr().out


def test_a_file_that_is_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with answering() as api:
        assert run(api, "7", "--write", str(tmp_path)) == 1
    assert api.requests == []
    assert "it is there already" in capsys.readouterr().err


def test_ctrl_c_is_how_it_ends(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def lines(self: AdminClient, resource: str) -> Iterator[str]:
        yield json.dumps(BEGIN)
        raise KeyboardInterrupt

    monkeypatch.setattr(AdminClient, "lines", lines)
    assert tap.run(["7", "--write", str(tmp_path / "a")]) == 0
    assert capsys.readouterr().err == f"0 frames in {tmp_path}/a\n"


@pytest.mark.parametrize("count", ["0", "-1", "x", "²"])
def test_a_count_that_is_none(count: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        tap.run(["7", f"--count={count}"])
    assert "is no number of frames: write 1 or more" in capsys.readouterr().err
