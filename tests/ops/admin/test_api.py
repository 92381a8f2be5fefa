"""The API's requests, by what they ask of the serving processes and what they are told."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.log import Log
from wsgate.ops.admin.api import Api, Told
from wsgate.ops.admin.asking import Answers
from wsgate.settings.problem import Problem
from wsgate.wire.http import Request

Plain = dict[str, Any]


class Asked:
    """An API in front of two workers that give these answers."""

    def __init__(self, *answers: Plain, missing: tuple[int, ...] = (), problems: list[Problem] | None = None) -> None:
        self.questions: list[Plain] = []
        self._answers = Answers(answers, missing)
        check = None if problems is None else lambda: problems
        self.api = Api(self._ask, check, 4321, self._state, self._history)

    async def _ask(self, question: Plain) -> Answers:
        self.questions.append(question)
        return self._answers

    async def _state(self) -> Mapping[str, Any]:
        return {"ready": True}

    async def _history(self) -> Mapping[str, Any]:
        return {"interval": 5.0, "points": []}

    async def ask(self, method: str, target: str, body: object = None) -> Told:
        path = f"/api/v1/{target}".encode()
        request = Request(method.encode(), path, b"localhost", b"1.1", [], [])
        return await self.api.answer(request, b"" if body is None else json.dumps(body).encode())


def session(id: str, **more: object) -> Plain:
    return {"id": id, "since": f"2026-01-0{id}", "bytes_up": int(id), "route": "chat", **more}


def some(total: int, *ids: str) -> Plain:
    """What a worker answers about its first sessions, and about these sessions."""
    return {"total": total, "order": [[int(id), id] for id in ids], "sessions": [session(id) for id in ids]}


async def test_a_page_of_sessions_is_merged_from_those_of_the_workers() -> None:
    asked = Asked(some(3, "1", "4"), some(1, "2"))
    told = await asked.ask("GET", "sessions?limit=1&offset=1&route=chat&q=x")
    assert (told.status, told.content) == (200, {"total": 4, "offset": 1, "sessions": [session("2")]})
    assert asked.questions == [
        {"ask": "sessions", "filter": {"route": "chat", "q": "x"}, "sort": "since", "first": 2},
        {"ask": "described", "ids": ["2"]},
    ]
    told = await asked.ask("GET", "sessions?sort=bytes_up")
    assert [each["id"] for each in told.content["sessions"]] == ["1", "2", "4"]


async def test_a_session_that_has_ended_between_the_questions_is_left_out() -> None:
    told = await Asked({**some(2, "1", "4"), "sessions": [session("4")]}).ask("GET", "sessions")
    assert (told.content["total"], told.content["sessions"]) == (2, [session("4")])


async def test_workers_that_do_not_answer_are_named() -> None:
    told = await Asked(some(0), missing=(2,)).ask("GET", "sessions")
    assert told.content["missing_workers"] == [2]


async def test_one_session() -> None:
    asked = Asked({"session": None}, {"session": session("1")})
    assert (await asked.ask("GET", "sessions/2%2D1")).content == {"session": session("1")}
    assert asked.questions == [{"ask": "session", "id": "2-1"}]
    assert (await Asked({"session": None}).ask("GET", "sessions/9")).status == 404


async def test_sessions_that_have_ended_are_merged_by_time() -> None:
    ended = [{"id": id, "ended": f"2026-01-01T00:00:0{id}.000Z"} for id in "1234"]
    asked = Asked({"sessions": [ended[3], ended[0]]}, {"sessions": [ended[2], ended[1]]})
    told = await asked.ask("GET", "endings?limit=3&user=ann")
    assert [each["id"] for each in told.content["sessions"]] == ["4", "3", "2"]
    assert asked.questions == [{"ask": "ended", "filter": {"user": "ann"}, "first": 3}]
    assert (await asked.ask("GET", "endings?sort=id")).status == 400


CLOSE: Plain = {"ask": "close", "ids": None, "filter": {}, "code": 1008, "reason": "closed by the operator"}


@pytest.mark.parametrize(
    ("method", "target", "body", "question"),
    [
        ("DELETE", "sessions/1", None, {"ids": ["1"]}),
        ("DELETE", "sessions/1?code=4000&reason=a%20b", None, {"ids": ["1"], "code": 4000, "reason": "a b"}),
        ("POST", "sessions/close", {"ids": ["1", "2"], "code": 1012}, {"ids": ["1", "2"], "code": 1012}),
        ("POST", "sessions/close", {"ids": ["1"], "code": 1012.0}, {"ids": ["1"], "code": 1012}),
        ("POST", "sessions/close", {"filter": {"route": "a"}, "reason": ""}, {"filter": {"route": "a"}, "reason": ""}),
    ],
)
async def test_close(method: str, target: str, body: object, question: Plain) -> None:
    asked = Asked({"closed": ["1"]}, {"closed": []})
    told = await asked.ask(method, target, body)
    assert (told.status, told.content) == (200, {"closed": ["1"]})
    assert asked.questions == [{**CLOSE, **question}]


async def test_close_of_what_is_not_there() -> None:
    asked = Asked({"closed": []})
    assert (await asked.ask("DELETE", "sessions/1")).status == 404
    assert (await asked.ask("POST", "sessions/close", {"filter": {"route": "a"}})).status == 200


@pytest.mark.parametrize(
    ("target", "body", "error"),
    [
        ("sessions/close", {"ids": ["1"], "code": 1006}, "code is a close code that may be sent"),
        ("sessions/close", {"ids": ["1"], "code": "1000"}, "code is a close code that may be sent"),
        ("sessions/close", {"ids": ["1"], "reason": "x" * 124}, "reason is a text of at most 123 bytes"),
        ("sessions/close", {"ids": ["1"], "reason": 1}, "reason is a text of at most 123 bytes"),
        ("sessions/close", {"ids": ["1"], "reason": "\ud800"}, "reason is a text without surrogates"),
        ("sessions/close", {}, "write either ids, a list, or filter"),
        ("sessions/close", {"ids": ["1"], "filter": {"route": "a"}}, "write either ids, a list, or filter"),
        ("sessions/close", {"ids": "1"}, "ids is a list of texts"),
        ("sessions/close", {"ids": [1]}, "ids is a list of texts"),
        ("sessions/close", {"filter": []}, "filter is a mapping of texts"),
        ("sessions/close", {"filter": {"route": 1}}, "filter is a mapping of texts"),
        ("sessions/close", {"filter": {}}, "an empty filter would end every session"),
        ("sessions/close", {"filter": {"x": "1"}}, "unknown parameter 'x'"),
        ("sessions/close", [1], "the body is not a JSON object"),
        ("sessions/close?x=1", {"ids": ["1"]}, "unknown parameter 'x'"),
        ("backends/drain", {"route": "a"}, "name a backend; POST /api/v1/routes/drain drains a whole route"),
        ("backends/drain", {"backend": 1}, "route and backend are texts"),
        ("backends/drain", {"backend": "a", "route": 1}, "route and backend are texts"),
        ("backends/drain", {"backend": "a", "drain": 1}, "route and backend are texts, drain is true or false"),
        ("routes/drain", {}, "route is a text"),
        ("routes/drain", {"route": "a", "drain": 1}, "route is a text, the name of a route; drain is true or false"),
        ("routes/drain", {"route": "a", "backend": "b"}, "unknown parameter 'backend'"),
        ("sessions/move", {}, "share is a number from 0 to 100"),
        ("sessions/move", {"share": "25%"}, "share is a number from 0 to 100"),
        ("sessions/move", {"share": True}, "share is a number from 0 to 100"),
        ("sessions/move", {"share": 101}, "share is a number from 0 to 100"),
        ("sessions/move", {"share": float("nan")}, "share is a number from 0 to 100"),
        ("sessions/move", {"share": 1, "over": -1}, "over is a number of seconds from 0 to 86400"),
        ("sessions/move", {"share": 1, "over": 1e9}, "over is a number of seconds from 0 to 86400"),
        ("sessions/move", {"share": 1, "route": None}, "route is a text, the name of a route"),
        ("sessions/move", {"share": 1, "user": "a"}, "unknown parameter 'user'"),
        ("log", {"level": "loud"}, "level is one of debug, info, warning, error"),
        ("log", {"level": {}}, "level is one of debug, info, warning, error"),
        ("sessions/close", {"ids": None, "filter": {"route": "a"}}, "write either ids, a list, or filter"),
        ("sessions/close", {"filter": None}, "filter is a mapping of texts"),
        ("sessions/close", {"ids": ["1"], "code": 1000.5}, "code is a close code that may be sent"),
        ("sessions/close", {"ids": ["1"], "code": 1e999}, "code is a close code that may be sent"),
        ("backends/drain", {"backend": "a", "route": None}, "route and backend are texts"),
        ("reload", {"x": 1}, "unknown parameter 'x': none is known here"),
    ],
)
async def test_changes_that_are_not_understood(target: str, body: object, error: str) -> None:
    asked = Asked()
    told = await asked.ask("POST", target, body)
    assert told.status == 400
    assert told.content["error"].startswith(error)
    assert asked.questions == []


@pytest.mark.parametrize(
    ("target", "error"),
    [
        ("sessions?limit=1001", "limit is a number from 0 to 1000"),
        ("sessions?limit=-1", "limit is a number"),
        ("sessions?offset=x", "offset is a number"),
        ("sessions?offset=%D9%A3", "offset is a number"),
        ("sessions?sort=path", "sort is one of since, id,"),
        ("sessions?route=a&route=b", "a parameter comes twice"),
        ("sessions?rout=a", "unknown parameter 'rout'"),
        ("backends?x", "unknown parameter 'x'"),
    ],
)
async def test_lists_that_are_not_understood(target: str, error: str) -> None:
    told = await Asked().ask("GET", target)
    assert told.status == 400
    assert told.content["error"].startswith(error)


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", "", 404),
        ("GET", "session", 404),
        ("GET", "sessions/", 404),
        ("PUT", "sessions", 405),
        ("POST", "sessions/1", 405),
        ("GET", "sessions/close", 405),  # no session has this id
        ("GET", "drain", 405),
    ],
)
async def test_what_is_not_there(method: str, target: str, status: int) -> None:
    assert (await Asked({"session": session("1")}).ask(method, target)).status == status


async def test_backends_and_routes() -> None:
    backend = {"route": "a", "backend": "b", "sessions": 1, "failures": 0, "healthy": True, "ejected": False}
    asked = Asked({"backends": [{**backend, "draining": False}]})
    assert (await asked.ask("GET", "backends?route=b")).content == {"backends": []}
    assert len((await asked.ask("GET", "backends")).content["backends"]) == 1
    told = await Asked({"routes": [{"route": "a", "sessions": 0}]}).ask("GET", "routes")
    assert told.content == {"routes": [{"route": "a", "sessions": 0}]}
    assert (await Asked().ask("GET", "status")).content["ready"]
    assert (await Asked().ask("GET", "history")).content == {"interval": 5.0, "points": []}


async def test_a_drain_of_backends() -> None:
    asked = Asked({"routes": ["a"]}, {"routes": ["a"]})
    told = await asked.ask("POST", "backends/drain", {"backend": "b"})
    assert told.content == {"drain": True, "backends": [{"route": "a", "backend": "b"}]}
    assert asked.questions == [{"ask": "drain backend", "route": None, "backend": "b", "on": True}]
    assert (await Asked({"routes": []}).ask("POST", "backends/drain", {"backend": "b", "drain": False})).status == 404


async def test_a_move() -> None:
    asked = Asked({"sessions": 3, "found": True}, {"sessions": 4, "found": True})
    told = await asked.ask("POST", "sessions/move", {"share": 12.5})
    assert (told.status, told.content) == (200, {"sessions": 7, "over": 60.0})
    assert asked.questions == [{"ask": "move", "share": 12.5, "over": 60.0, "route": None}]
    body = {"share": 100, "over": 0, "route": "a"}
    unknown = {"sessions": 0, "found": False}
    assert (await Asked(unknown).ask("POST", "sessions/move", body)).status == 404
    told = await Asked(unknown, missing=(1,)).ask("POST", "sessions/move", body)
    assert told.content == {"sessions": 0, "over": 0, "missing_workers": [1]}


async def test_a_drain_of_a_route() -> None:
    known, unknown = {"found": True, "has_sessions": True}, {"found": False, "has_sessions": False}
    asked = Asked(known, known)
    assert (await asked.ask("POST", "routes/drain", {"route": "a"})).content == {"drain": True, "route": "a"}
    assert asked.questions == [{"ask": "drain route", "route": "a", "on": True}]
    undo = {"route": "a", "drain": False}
    assert (await Asked(known).ask("POST", "routes/drain", undo)).content == undo
    assert (await Asked(unknown, unknown).ask("POST", "routes/drain", undo)).status == 404
    told = await Asked({"found": True, "has_sessions": False}).ask("POST", "routes/drain", {"route": "a"})
    assert (told.status, str(told.content["error"])[:30]) == (409, "this route has no sessions: on")
    told = await Asked(unknown, missing=(1,)).ask("POST", "routes/drain", {"route": "a"})
    assert told.content == {"drain": True, "route": "a", "missing_workers": [1]}


async def test_the_configuration_is_that_of_a_worker() -> None:
    told = await Asked({"config": {"workers": 2}}, {"config": {"workers": 2}}).ask("GET", "config")
    assert (told.status, told.content) == (200, {"config": {"workers": 2}})
    assert (await Asked(missing=(1, 2)).ask("GET", "config")).status == 503


async def test_the_description_has_what_is_asked_here() -> None:
    told = await Asked().ask("GET", "openapi.json")
    assert (told.status, told.content["openapi"]) == (200, "3.1.0")


async def test_another_method_is_told_which_there_are() -> None:
    told = await Asked().ask("PUT", "status")
    assert (told.status, told.headers) == (405, [(b"Allow", b"GET, HEAD")])
    told = await Asked().ask("OPTIONS", "sessions/close")
    assert (told.status, told.headers) == (405, [(b"Allow", b"POST")])
    assert (await Asked().ask("HEAD", "live")).status == 426


async def test_signals_go_to_the_main_process(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[int, str]] = []
    monkeypatch.setattr(os, "kill", lambda pid, number: sent.append((pid, number.name)))
    asked = Asked(problems=[])
    assert (await asked.ask("POST", "reload")).status == 202
    assert (await asked.ask("POST", "drain")).status == 202
    assert sent == [(4321, "SIGHUP"), (4321, "SIGTERM")]


async def test_a_reload_of_a_wrong_file_changes_nothing() -> None:
    told = await Asked(problems=[Problem("f", 3, 5, "routes[0]", "is odd")]).ask("POST", "reload")
    assert told.status == 422
    assert told.content["problems"] == [{"file": "f", "line": 3, "column": 5, "path": "routes[0]", "message": "is odd"}]
    assert (await Asked().ask("POST", "reload")).status == 409


async def test_the_log_level(log: Log) -> None:
    asked = Asked({})
    assert (await asked.ask("POST", "log", {"level": "debug"})).content == {"level": "debug"}
    assert asked.questions == [{"ask": "level", "level": "debug"}]


@given(body=st.binary(max_size=20) | st.sampled_from([b"[" * 100_000, b'{"ids": 1e999}']), target=st.text(max_size=20))
async def test_any_request_is_answered(body: bytes, target: str) -> None:
    asked = Asked({"session": None, "total": 0, "sessions": [], "closed": [], "backends": [], "routes": []})
    for method in (b"POST", b"GET"):
        for path in ("sessions/close", "backends/drain", "routes/drain", "log", target):
            target_bytes = f"/api/v1/{path}".encode("utf-8", "replace").replace(b"#", b"")
            if path == "drain":
                continue
            told = await asked.api.answer(Request(method, target_bytes, b"h", b"1.1", [], []), body)
            assert told.status in (200, 400, 404, 405, 409)
            json.dumps(told.content)
