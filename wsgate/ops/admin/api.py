"""The API under ``/api/v1/``: JSON about sessions, backends and routes, and what operators may do with them.

It asks the serving processes (``ops.admin.asking``) and merges their answers. Nothing of it waits for a disk on the
loop, and what goes over all sessions goes in steps.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from heapq import merge
from itertools import islice
from operator import itemgetter
from typing import Any
from urllib.parse import parse_qsl, unquote

import trio

from wsgate import __version__
from wsgate.gate.session_moves import LONGEST
from wsgate.ops.admin.asking import Answers, Ask
from wsgate.ops.admin.filters import EXACT, SEARCH, SORTS
from wsgate.ops.admin.merging import merge_backends, merge_routes
from wsgate.ops.admin.openapi import description
from wsgate.ops.admin.operations import (
    LISTED,
    MOST_LISTED,
    MOST_OFFSET,
    MOVED_OVER,
    OPERATIONS,
    PREFIX,
    Operation,
    find,
)
from wsgate.ops.admin.questions import set_level
from wsgate.settings.model import LogLevel
from wsgate.settings.problem import Problem
from wsgate.wire.close import MAX_REASON, may_be_sent
from wsgate.wire.headers import Headers
from wsgate.wire.http import Request

MOST_BODY = 64 << 10  # bytes of a request's body

# Reads and tries the configuration as a reload would; returns what is wrong with it. Call it in a thread
Check = Callable[[], list[Problem]]

Read = Callable[[], Awaitable[Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request of the API. ``query``: its parameters, ``body``: its JSON, ``id``: what its path names"""

    query: Mapping[str, str]
    body: Mapping[str, Any]
    id: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """An answer."""

    status: int
    content: Mapping[str, Any]
    headers: Headers = ()


class Wrong(Exception):
    """A request that cannot be answered; the message says why."""

    def __init__(self, message: str, status: int = 400, headers: Headers = ()) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers


Handler = Callable[[Asked], Awaitable[Told]]


class Api:
    """Answers requests under ``PREFIX``.

    ask: asks the serving processes
    check: tries the configuration, for a reload; ``None`` if no reload is possible
    main: the process that signals are sent to, for a reload or a drain
    state: returns the lines why the gateway is not ready, and how many sessions it has
    history: returns the points of the last hour
    needs_token: whether requests must show a token, for the API's description
    """

    def __init__(
        self, ask: Ask, check: Check | None, main: int, state: Read, history: Read, *, needs_token: bool = False
    ) -> None:
        self._ask = ask
        self._check = check
        self._main = main
        self._state = state
        self._points = history
        self._needs_token = needs_token
        self._checking = trio.CapacityLimiter(1)
        self._handlers: dict[str, Handler] = {each.name: getattr(self, f"_{each.name}") for each in OPERATIONS}

    async def answer(self, request: Request, body: bytes) -> Told:
        """Returns the answer to a request."""
        try:
            operation, id = _operation(request)
            asked = Asked(_query(request), _object(body), unquote(id))
            _only(asked.query, operation.query)
            _only(asked.body, {} if operation.body is None else operation.body["properties"])
            return await self._handlers[operation.name](asked)
        except Wrong as error:
            return Told(error.status, {"error": str(error)}, error.headers)

    # -- what is asked -------------------------------------------------------------------------------------------------

    async def _status(self, asked: Asked) -> Told:
        return Told(200, {"version": __version__, **await self._state()})

    async def _history(self, asked: Asked) -> Told:
        return Told(200, await self._points())

    async def _sessions(self, asked: Asked) -> Told:
        query = asked.query
        sort = query.get("sort", "since")
        if sort.removeprefix("-") not in SORTS:
            raise Wrong(f"sort is one of {', '.join(SORTS)}, perhaps with - in front")
        limit, offset = _number(query, "limit", LISTED, MOST_LISTED), _number(query, "offset", 0, MOST_OFFSET)
        question = {"ask": "sessions", "filter": _filter(query), "sort": sort, "first": offset + limit}
        answers = await self._ask(question)
        total = sum(each["total"] for each in answers.found)
        merged = merge(*(each["order"] for each in answers.found), key=itemgetter(0))
        ids = [id for _, id in islice(merged, offset, offset + limit)]
        # asked only now, because far behind the beginning each worker would describe thousands that are not shown
        described = await self._ask({"ask": "described", "ids": ids})
        by_id = {session["id"]: session for each in described.found for session in each["sessions"]}
        listed = [by_id[id] for id in ids if id in by_id]
        missing = sorted({*answers.missing, *described.missing})
        return _told({"total": total, "offset": offset, "sessions": listed}, Answers(answers.found, missing))

    async def _session(self, asked: Asked) -> Told:
        answers = await self._ask({"ask": "session", "id": asked.id})
        found = [each["session"] for each in answers.found if each["session"] is not None]
        if not found:
            raise Wrong(f"no session has the id {asked.id!r}: it may have ended", 404)
        return _told({"session": found[0]}, answers)

    async def _endings(self, asked: Asked) -> Told:
        query = asked.query
        limit = _number(query, "limit", LISTED, MOST_LISTED)
        answers = await self._ask({"ask": "ended", "filter": _filter(query), "first": limit})
        merged = (session for each in answers.found for session in each["sessions"])
        listed = sorted(merged, key=lambda session: str(session["ended"]), reverse=True)[:limit]
        return _told({"sessions": listed}, answers)

    async def _backends(self, asked: Asked) -> Told:
        answers = await self._ask({"ask": "backends"})
        backends = merge_backends(answers.found)
        wanted = asked.query.get("route")
        return _told({"backends": [each for each in backends if wanted in (None, each["route"])]}, answers)

    async def _routes(self, asked: Asked) -> Told:
        answers = await self._ask({"ask": "routes"})
        return _told({"routes": merge_routes(answers.found)}, answers)

    async def _config(self, asked: Asked) -> Told:
        answers = await self._ask({"ask": "config"})
        if not answers.found:
            raise Wrong("no worker has answered: ask again", 503)
        return _told({"config": answers.found[0]["config"]}, answers)

    async def _openapi(self, asked: Asked) -> Told:
        return Told(200, description(needs_token=self._needs_token))

    async def _live(self, asked: Asked) -> Told:
        raise Wrong("this is a WebSocket: ask for it with GET", 426, [(b"Upgrade", b"websocket")])

    async def _tap(self, asked: Asked) -> Told:
        raise Wrong("this answer has no end: ask for it with GET", 405, [(b"Allow", b"GET")])

    # -- what is changed -----------------------------------------------------------------------------------------------

    async def _close_one(self, asked: Asked) -> Told:
        body: dict[str, Any] = {**asked.query, "ids": [asked.id]}
        if "code" in body:
            body["code"] = _number(asked.query, "code", 0, 4999)
        return await self._close(Asked({}, body))

    async def _close(self, asked: Asked) -> Told:
        """Ends the sessions in ``ids``, or all that ``filter`` takes."""
        body = asked.body
        code, reason = body.get("code", 1008), body.get("reason", "closed by the operator")
        if isinstance(code, float) and code.is_integer():  # for JSON Schema 1000.0 is an integer, too
            code = int(code)
        if not isinstance(code, int) or not may_be_sent(code):
            raise Wrong("code is a close code that may be sent: 1000 to 1003, 1007 to 1014, 3000 to 4999")
        if not isinstance(reason, str) or len(reason.encode(errors="replace")) > MAX_REASON or "\0" in reason:
            raise Wrong(f"reason is a text of at most {MAX_REASON} bytes")
        if "\ud800" <= max(reason, default="") <= "\udfff":
            raise Wrong("reason is a text without surrogates")
        ids, filter = body.get("ids"), body.get("filter")
        if ("ids" in body) == ("filter" in body):
            raise Wrong('write either ids, a list, or filter, a mapping like {"route": "chat"}')
        if "ids" in body and not (isinstance(ids, list) and all(isinstance(id, str) for id in ids)):
            raise Wrong("ids is a list of texts")
        if "filter" in body:
            if not isinstance(filter, dict) or not all(isinstance(value, str) for value in filter.values()):
                raise Wrong("filter is a mapping of texts")
            _only(filter, (*EXACT, SEARCH))
            if not filter:
                raise Wrong("an empty filter would end every session: name something, or use drain")
        question = {"ask": "close", "ids": ids, "filter": filter or {}, "code": code, "reason": reason}
        answers = await self._ask(question)
        closed = [id for each in answers.found for id in each["closed"]]
        if ids is not None and not closed and not answers.missing:
            raise Wrong("no open session has such an id: it may have ended", 404)
        return _told({"closed": closed}, answers)

    async def _move(self, asked: Asked) -> Told:
        body = asked.body
        share, over, route = body.get("share"), body.get("over", MOVED_OVER), body.get("route")
        if not _is_within(share, 100):
            raise Wrong("share is a number from 0 to 100, in per cent of the open sessions")
        if not _is_within(over, LONGEST):
            raise Wrong(f"over is a number of seconds from 0 to {LONGEST:.0f}")
        if "route" in body and not isinstance(route, str):
            raise Wrong("route is a text, the name of a route")
        answers = await self._ask({"ask": "move", "share": share, "over": over, "route": route})
        if not answers.missing and not any(found["found"] for found in answers.found):
            raise Wrong("no route has this name: GET /api/v1/routes lists them", 404)
        return _told({"sessions": sum(found["sessions"] for found in answers.found), "over": over}, answers)

    async def _drain_backend(self, asked: Asked) -> Told:
        body = asked.body
        backend, on = body.get("backend"), body.get("drain", True)
        if backend is None:
            raise Wrong("name a backend; POST /api/v1/routes/drain drains a whole route")
        if not (isinstance(backend, str) and isinstance(on, bool) and isinstance(body.get("route", ""), str)):
            raise Wrong("route and backend are texts, drain is true or false")
        route = body.get("route")
        answers = await self._ask({"ask": "drain backend", "route": route, "backend": backend, "on": on})
        drained = sorted({name for found in answers.found for name in found["routes"]})
        if not drained and not answers.missing:
            raise Wrong("no route has such a backend: GET /api/v1/backends lists them", 404)
        return _told({"drain": on, "backends": [{"route": name, "backend": backend} for name in drained]}, answers)

    async def _drain_route(self, asked: Asked) -> Told:
        body = asked.body
        route, on = body.get("route"), body.get("drain", True)
        if not isinstance(route, str) or not isinstance(on, bool):
            raise Wrong("route is a text, the name of a route; drain is true or false")
        answers = await self._ask({"ask": "drain route", "route": route, "on": on})
        if not answers.missing:
            if not any(found["found"] for found in answers.found):
                raise Wrong("no route has this name: GET /api/v1/routes lists them", 404)
            if not any(found["has_sessions"] for found in answers.found):
                raise Wrong("this route has no sessions: only one with relay or tunnel can be drained", 409)
        return _told({"drain": on, "route": route}, answers)

    async def _reload(self, asked: Asked) -> Told:
        """Tries the configuration first: what is wrong is in the answer, and nothing changes then."""
        if self._check is None:
            raise Wrong("this gateway has no file to read again", 409)
        if self._checking.borrowed_tokens:
            raise Wrong("a reload is being tried already", 409)
        problems = await trio.to_thread.run_sync(self._check, abandon_on_cancel=True, limiter=self._checking)
        if problems:
            return Told(
                422,
                {"error": "the file is wrong: everything stays as it was", "problems": list(map(_problem, problems))},
            )
        os.kill(self._main, signal.SIGHUP)
        return Told(202, {"reload": "begun"})

    async def _drain(self, asked: Asked) -> Told:
        os.kill(self._main, signal.SIGTERM)
        return Told(202, {"drain": "begun"})

    async def _log(self, asked: Asked) -> Told:
        level = asked.body.get("level")
        if not isinstance(level, str) or level not in {each.value for each in LogLevel}:
            raise Wrong(f"level is one of {', '.join(each.value for each in LogLevel)}")
        answers = await self._ask({"ask": "level", "level": level})
        set_level(level)
        return _told({"level": level}, answers)


def tapped_id(request: Request) -> str | None:
    """Returns the id of the session whose frames a request asks for (``GET sessions/ID/tap``); ``None`` for another
    request. It has an answer without an end, which the server gives itself."""
    found = find(request.method.decode("latin-1"), request.path.removeprefix(PREFIX))
    is_tap = request.path.startswith(PREFIX) and isinstance(found, tuple) and found[0].name == "tap"
    return unquote(found[1]) if is_tap else None


def _operation(request: Request) -> tuple[Operation, str]:
    """Returns the operation of a request, and what its path names. Raises ``Wrong``."""
    method = "GET" if request.method == b"HEAD" else request.method.decode("latin-1")
    found = find(method, request.path.removeprefix(PREFIX))
    if isinstance(found, tuple):
        return found
    if not found:
        raise Wrong(f"nothing is here: {PREFIX}openapi.json says what can be asked", 404)
    methods = ", ".join(sorted([*found, "HEAD"] if "GET" in found else found))
    raise Wrong(f"the method here is {methods}", 405, [(b"Allow", methods.encode())])


def _told(content: Mapping[str, Any], answers: Answers) -> Told:
    """Returns an answer; one without those of some workers says so."""
    return Told(200, {**content, **({"missing_workers": list(answers.missing)} if answers.missing else {})})


def _query(request: Request) -> Mapping[str, str]:
    query = request.target.partition(b"?")[2].decode("latin-1")
    pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=100, errors="replace")
    if len({name for name, _ in pairs}) != len(pairs):
        raise Wrong("a parameter comes twice")
    return dict(pairs)


def _object(body: bytes) -> Mapping[str, Any]:
    if not body:
        return {}
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise Wrong("the body is not JSON") from None
    if not isinstance(found, dict):
        raise Wrong("the body is not a JSON object")
    return found


def _only(given: Mapping[str, Any], known: Collection[str]) -> None:
    for name in given:
        if name not in known:
            here = f"known are {', '.join(known)}" if known else "none is known here"
            raise Wrong(f"unknown parameter {name[:50]!r}: {here}")


def _filter(query: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in query.items() if name in EXACT or name == SEARCH}


def _number(query: Mapping[str, str], name: str, default: int, most: int = 1 << 31) -> int:
    text = query.get(name, str(default))
    if not (text.isascii() and text.isdecimal() and len(text) <= 10 and int(text) <= most):
        raise Wrong(f"{name} is a number from 0 to {most}")
    return int(text)


def _is_within(value: object, most: float) -> bool:
    """Whether a value of JSON is a number from 0 to ``most``."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= most


def _problem(problem: Problem) -> dict[str, Any]:
    return {
        "file": problem.file,
        "line": problem.line,
        "column": problem.col,
        "path": problem.path,
        "message": problem.message,
    }
