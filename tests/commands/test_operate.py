"""What the commands ask, and what they print; tests/e2e/test_admin_api.py has them with a real gateway."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.commands.admin import FakeApi, answering
from wsgate.commands import operate

SESSION = {
    **{"id": "1f", "route": "chat", "client": "192.0.2.1:5000", "backend": "ws://b:1", "state": "open"},
    **{"duration": 61.5, "bytes_up": 2048, "bytes_down": 3, "client_rtt_ms": 1.5, "user": "a\x1bn"},
}
ENDED = {
    **SESSION,
    "ended": "2026-03-01T12:00:00.123Z",
    **{"ended_by": "client", "reason": "closed", "detail": None, "client_code": 4001, "client_reason": "bye"},
}
BACKEND = {"route": "chat", "backend": "ws://b:1", "sessions": 3, "failures": 1}


def run(api: FakeApi, *arguments: str) -> int:
    command, *rest = arguments
    return operate.run([command, "--admin", api.address, *rest])


@pytest.mark.parametrize(
    ("arguments", "answer", "asked", "printed"),
    [
        (
            ["status"],
            {
                **{"ready": False, "reasons": ["draining", "the route a drains"], "sessions": 1, "version": "1"},
                "most_sessions": None,
                "draining_routes": ["a", "b"],
            },
            ("GET", "status", None),
            "not ready, 1 session, wsgate 1\ndraining\nthe route a drains\nthe route b drains\n",
        ),
        (
            ["status"],
            {
                **{"ready": True, "reasons": [], "warnings": ["the last reload was refused"], "sessions": 1},
                **{"most_sessions": 9, "version": "1", "draining_routes": []},
            },
            ("GET", "status", None),
            "ready, 1 of 9 sessions, wsgate 1\nthe last reload was refused\n",
        ),
        (
            ["sessions", "--route", "chat", "--sort=-bytes_up", "--limit", "1"],
            {"total": 3, "offset": 0, "sessions": [SESSION]},
            ("GET", "sessions?route=chat&sort=-bytes_up&limit=1&offset=0", None),
            "ID  ROUTE  CLIENT          USER    BACKEND     AGE       UP  DOWN     RTT  STATE\n"
            "1f  chat   192.0.2.1:5000  a\\x1bn  ws://b:1  1m01s  2.0 KiB   3 B  1.5 ms  open\n"
            "2 more: --offset 1\n",
        ),
        (
            ["sessions", "--ended", "--user", "a\x1bn"],
            {"sessions": [ENDED]},
            ("GET", "endings?user=a%1Bn&limit=100", None),
            "ENDED                     ID  ROUTE  CLIENT          USER      AGE  BY      REASON  CLOSE     DETAIL\n"
            "2026-03-01T12:00:00.123Z  1f  chat   192.0.2.1:5000  a\\x1bn  1m01s  client  closed  4001 bye  -\n",
        ),
        (
            ["close", "1f", "2-1", "--reason", "go"],
            {"closed": ["1f", "2-1"]},
            ("POST", "sessions/close", {"ids": ["1f", "2-1"], "code": 1008, "reason": "go"}),
            "2 sessions told to close\n",
        ),
        (
            ["close", "--user", "ann", "--code", "4000"],
            {"closed": ["1f"]},
            ("POST", "sessions/close", {"filter": {"user": "ann"}, "code": 4000}),
            "1 session told to close\n",
        ),
        (
            ["backends", "--route", "chat"],
            {
                "backends": [
                    {**BACKEND, "healthy": True, "ejected": False, "draining": False},
                    {**BACKEND, "healthy": False, "ejected": True, "draining": True},
                ]
            },
            ("GET", "backends?route=chat", None),
            "ROUTE  BACKEND   STATE                         SESSIONS  FAILURES\n"
            "chat   ws://b:1  well                                 3         1\n"
            "chat   ws://b:1  unhealthy, draining, ejected         3         1\n",
        ),
        (
            ["move", "--share", "25%", "--over", "2m", "--route", "chat"],
            {"sessions": 40, "over": 120.0},
            ("POST", "sessions/move", {"share": 25, "over": 120.0, "route": "chat"}),
            "40 sessions told to come back elsewhere, within 120 s\n",
        ),
        (
            ["move", "--share", "1%"],
            {"sessions": 1, "over": 60.0},
            ("POST", "sessions/move", {"share": 1, "over": 60.0}),
            "1 session told to come back elsewhere, within 60 s\n",
        ),
        (
            ["move", "--stop"],
            {"sessions": 0, "over": 60.0},
            ("POST", "sessions/move", {"share": 0}),
            "no session is moved\n",
        ),
        (["drain"], {"drain": "begun"}, ("POST", "drain", None), "the gateway drains, and ends\n"),
        (
            ["drain", "--backend", "ws://b:1"],
            {"drain": True, "backends": [{"route": "chat", "backend": "ws://b:1"}]},
            ("POST", "backends/drain", {"backend": "ws://b:1", "drain": True}),
            "chat: ws://b:1 drains\n",
        ),
        (
            ["drain", "--backend", "ws://b:1", "--route", "chat", "--undo"],
            {"drain": False, "backends": [{"route": "chat", "backend": "ws://b:1"}]},
            ("POST", "backends/drain", {"route": "chat", "backend": "ws://b:1", "drain": False}),
            "chat: ws://b:1 drains no more\n",
        ),
        (
            ["drain", "--route", "chat"],
            {"drain": True, "route": "chat"},
            ("POST", "routes/drain", {"route": "chat", "drain": True}),
            "chat drains\n",
        ),
        (
            ["status", "--config"],
            {"config": {"workers": 1, "log": {"to": "a\x1bn"}, "routes": [{"name": "chat"}]}},
            ("GET", "config", None),
            'workers: 1\nlog:\n  to: "a\\en"\nroutes:\n- name: chat\n',
        ),
        (
            ["routes"],
            {
                "routes": [
                    {
                        **{"route": "chat", "action": "relay", "host": ["a", "b"], "path": "/chat/*"},
                        **{"http": "reject", "sessions": 3, "draining": True},
                    },
                    {
                        **{"route": "rest", "action": "files", "host": [], "path": None},
                        **{"http": False, "sessions": 0, "draining": False},
                    },
                ]
            },
            ("GET", "routes", None),
            "ROUTE  ACTION  HOST  PATH     STATE     SESSIONS\n"
            "chat   relay   a, b  /chat/*  draining         3\n"
            "rest   files   -     -        open             0\n",
        ),
        (
            ["reload"],
            {"reload": "begun"},
            ("POST", "reload", None),
            "the file is well; the gateway reads it now, and its log says what is new\n",
        ),
    ],
)
def test_what_is_asked_and_printed(
    arguments: list[str], answer: Any, asked: tuple[str, str, Any], printed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with answering((200, answer)) as api:
        assert run(api, *arguments) == 0
    method, target, body, _ = api.requests[0]
    assert (method, target, body) == (asked[0], f"/api/v1/{asked[1]}", asked[2])
    assert capsys.readouterr() == (printed, "")


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    answer = {"total": 0, "offset": 0, "sessions": []}
    with answering((200, answer)) as api:
        assert run(api, "sessions", "--json") == 0
    assert json.loads(capsys.readouterr().out) == answer


HOSTILE = "<script>\x1b[2J\x9b2J\u202e\r\nx"


@pytest.mark.parametrize("flags", [[], ["--json"]])
@pytest.mark.parametrize(
    ("command", "answer"),
    [
        (["sessions"], {"total": 1, "offset": 0, "sessions": [{**SESSION, "user": HOSTILE, "backend": HOSTILE}]}),
        (["status"], {"ready": False, "reasons": [HOSTILE], "sessions": 0, "version": HOSTILE, "draining_routes": []}),
        (["status", "--config"], {"config": {"routes": [{"name": HOSTILE}]}}),
        (["drain", "--route", "x"], {"drain": True, "route": HOSTILE}),
        (["drain", "--backend", "x"], {"drain": True, "backends": [{"route": "x", "backend": HOSTILE}]}),
    ],
)
def test_nothing_that_a_stranger_chose_moves_the_cursor(
    command: list[str], answer: Any, flags: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with answering((200, answer)) as api:
        assert run(api, *command, *flags) == 0
    out = capsys.readouterr().out
    assert "<script>" in out
    assert all(line.isprintable() for line in out.split("\n"))


def test_nor_does_what_goes_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    problem = {"file": HOSTILE, "line": 1, "column": 1, "path": HOSTILE, "message": HOSTILE}
    with answering((422, {"error": HOSTILE, "problems": [problem]})) as api:
        assert run(api, "reload") == 1
    assert all(line.isprintable() for line in capsys.readouterr().err.split("\n"))


def test_a_worker_that_did_not_answer(capsys: pytest.CaptureFixture[str]) -> None:
    with answering((200, {"backends": [], "missing_workers": [2]})) as api:
        assert run(api, "backends") == 0
    assert capsys.readouterr().err == "wsgate: backends: worker 2 did not answer: ask again\n"


def test_a_file_that_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    problem = {"file": "f", "line": 3, "column": 5, "path": "routes[0]", "message": "is odd"}
    with answering((422, {"error": "the file is wrong", "problems": [problem]})) as api:
        assert run(api, "reload") == 1
    assert capsys.readouterr().err == "wsgate: reload: the file is wrong\nf:3:5: routes[0]: is odd\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["close"], "name sessions by their ids"),
        (["close", "1", "--route", "a"], "name sessions by their ids"),
        (["move"], "say how many, with --share"),
        (["move", "--share", "25"], "'25' has no unit: write '25%'"),
        (["move", "--share", "5%", "--over", "20"], "has no unit"),
        (["move", "--stop", "--share", "5%"], "it takes no other flag"),
        (["drain", "--undo"], "a drain of the whole gateway cannot be undone"),
    ],
)
def test_what_is_not_asked(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with answering() as api:
        assert run(api, *arguments) == 1
    assert api.requests == []
    assert message in capsys.readouterr().err
