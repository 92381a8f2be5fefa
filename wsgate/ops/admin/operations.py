"""The table of all requests of the API. Requests are dispatched by it, and the API's description is made of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from wsgate.gate.session_moves import LONGEST
from wsgate.ops.admin.filters import EXACT, SEARCH, SORTS
from wsgate.ops.admin.schemas import (
    CODE,
    COUNT,
    NUMBER,
    REASON,
    TEXT,
    YES_OR_NO,
    Schema,
    described,
    listed,
    mapping,
    ref,
    request_body,
)
from wsgate.settings.model import LogLevel

PREFIX = "/api/v1/"
MOST_LISTED = 1000  # sessions in one answer
LISTED = 100  # sessions in one answer, if the request does not say
MOST_OFFSET = 1 << 31
MOVED_OVER = 60.0  # seconds for a move, if the request does not say
LIVE = f"{PREFIX}live"


@dataclass(frozen=True, slots=True)
class Operation:
    """One request of the API.

    name: also of the method of ``Api`` that answers it, with an underscore in front
    path: below ``PREFIX``; ``{id}`` in it stands for any text without a slash
    doc: what it is for, in a line
    answer: the schema of its answer, by its status; ``None``: no JSON
    query: the schemas of its parameters
    body: the schema of its body; ``None`` if it has none
    errors: statuses that it may have beside those of every request, with their schemas
    kind: the type of its answer
    links: by the names of other operations, what of its answer they may be asked with
    """

    method: str
    path: str
    name: str
    doc: str
    answer: Mapping[int, Schema | None]
    query: Mapping[str, Schema] = field(default_factory=dict)
    body: Schema | None = None
    errors: Mapping[int, Schema] = field(default_factory=dict)
    kind: str = "application/json"
    links: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def has_id(self) -> bool:
        """Whether its path has ``{id}``."""
        return "{id}" in self.path

    def id_in(self, path: str) -> str | None:
        """Returns what stands for ``{id}`` in a path; ``None`` if the path is another."""
        before, _, behind = self.path.partition("{id}")
        id = path.removeprefix(before).removesuffix(behind)
        return id if id and "/" not in id and path == f"{before}{id}{behind}" else None

    @property
    def changes(self) -> bool:
        """Whether it changes anything."""
        return self.method != "GET"


_ERROR = ref("Error")
_NOT_FOUND = {404: _ERROR}
_FILTER = {
    **{name: described(TEXT, f"Only those with just this {name.replace('_', ' ')}.") for name in EXACT},
    "client": described(TEXT, "Only those of this address, with or without its port."),
    SEARCH: described(TEXT, "Only those that have this in any of their texts."),
}
_CLOSED = listed("Closed", closed={"type": "array", "items": TEXT, "description": "The ids of those that end now."})
_SESSIONS = {"type": "array", "items": ref("Session")}
_FIRST = {"id": "$response.body#/sessions/0/id"}
_TOTAL = {"type": "integer", "minimum": 0, "description": "All that the filter takes."}
_LIMIT = {"type": "integer", "minimum": 0, "maximum": MOST_LISTED, "default": LISTED}
_OFFSET = {"type": "integer", "minimum": 0, "maximum": MOST_OFFSET, "default": 0}
_DRAIN = described({**YES_OR_NO, "default": True}, "Whether it drains, or drains no more.")
_PER_CENT = {"type": "number", "minimum": 0, "maximum": 100}
_OVER = {"type": "number", "minimum": 0, "maximum": LONGEST, "default": MOVED_OVER}
_DRAINED_BACKENDS = {"type": "array", "items": mapping({"route": TEXT, "backend": TEXT})}

OPERATIONS: tuple[Operation, ...] = (
    Operation("GET", "status", "status", "Is it ready, why not, and how many sessions has it?", {200: ref("Status")}),
    Operation("GET", "history", "history", "Sessions, messages and bytes of the last hour.", {200: ref("History")}),
    Operation(
        "GET",
        "live",
        "live",
        "A WebSocket, subprotocol wsgate.live: the state as JSON in a text message, every two seconds.",
        {101: None},
        errors={426: _ERROR},
    ),
    Operation(
        "GET",
        "sessions",
        "sessions",
        "The open sessions, in pages.",
        {200: listed("Sessions", total=_TOTAL, offset=_OFFSET, sessions=_SESSIONS)},
        links={"session": _FIRST, "close_one": _FIRST},
        query={
            **_FILTER,
            "sort": {
                "enum": [*SORTS, *(f"-{name}" for name in SORTS)],
                "default": "since",
                "description": "By this field; with - in front from the largest to the smallest.",
            },
            "limit": _LIMIT,
            "offset": _OFFSET,
        },
    ),
    Operation(
        "GET",
        "sessions/{id}",
        "session",
        "One session.",
        {200: listed("OneSession", session=ref("Session"))},
        errors=_NOT_FOUND,
    ),
    Operation(
        "GET",
        "sessions/{id}/tap",
        "tap",
        "The frames of a session as they pass, a JSON object in each line, until it ends.",
        {200: TEXT},
        errors={404: _ERROR, 409: _ERROR},
        kind="application/jsonl",
    ),
    Operation(
        "GET",
        "endings",
        "endings",
        "The sessions that ended last, and why, the newest first.",
        {200: listed("Endings", sessions={"type": "array", "items": ref("EndedSession")})},
        query={**_FILTER, "limit": _LIMIT},
    ),
    Operation(
        "DELETE",
        "sessions/{id}",
        "close_one",
        "Ends a session, with a Close to both sides.",
        {200: _CLOSED},
        query={"code": CODE, "reason": REASON},
        errors=_NOT_FOUND,
    ),
    Operation(
        "POST",
        "sessions/close",
        "close",
        "Ends sessions: those in ids, or all that a filter takes.",
        {200: _CLOSED},
        body={
            **request_body(
                {},
                ids={"type": "array", "items": TEXT},
                filter={**request_body({}, **_FILTER), "minProperties": 1},
                code=CODE,
                reason=REASON,
            ),
            "oneOf": [{"required": ["ids"]}, {"required": ["filter"]}],
        },
        errors=_NOT_FOUND,
    ),
    Operation(
        "POST",
        "sessions/move",
        "move",
        "Ends a share of the sessions with 1012, evenly over a time: a balancer may give them to others.",
        {200: listed("Moved", sessions=described(COUNT, "How many are moved."), over=NUMBER)},
        body=request_body(
            {"share": described(_PER_CENT, "Of the open sessions, in per cent; 0 ends the move that is under way.")},
            over=described(_OVER, "Seconds until the last one is told."),
            route=described(TEXT, "Only those of this route."),
        ),
        errors=_NOT_FOUND,
    ),
    Operation(
        "GET",
        "backends",
        "backends",
        "The backends of relays, with their state.",
        {200: listed("Backends", backends={"type": "array", "items": ref("Backend")})},
        query={"route": described(TEXT, "Only those of this route.")},
    ),
    Operation(
        "POST",
        "backends/drain",
        "drain_backend",
        "Drains a backend of all routes, or of one: no new session, and those that it has end with 1012.",
        {200: listed("DrainedBackends", drain=YES_OR_NO, backends=_DRAINED_BACKENDS)},
        body=request_body({"backend": TEXT}, route=TEXT, drain=_DRAIN),
        errors=_NOT_FOUND,
    ),
    Operation(
        "GET",
        "routes",
        "routes",
        "The routes in their order, with their sessions.",
        {200: listed("Routes", routes={"type": "array", "items": ref("Route")})},
    ),
    Operation(
        "POST",
        "routes/drain",
        "drain_route",
        "Drains a route: no new session, and those that it has end with 1012.",
        {200: listed("DrainedRoute", drain=YES_OR_NO, route=TEXT)},
        body=request_body({"route": TEXT}, drain=_DRAIN),
        errors={404: _ERROR, 409: _ERROR},
    ),
    Operation(
        "GET",
        "config",
        "config",
        "The configuration that is in effect, with every default, without secrets.",
        {200: listed("Config", config={"type": "object"})},
        errors={503: _ERROR},
    ),
    Operation(
        "POST",
        "reload",
        "reload",
        "Tries the configuration file; where it is well, the gateway reads it, as at SIGHUP.",
        {202: mapping({"reload": {"const": "begun"}})},
        errors={409: _ERROR, 422: ref("WrongFile")},
    ),
    Operation(
        "POST",
        "drain",
        "drain",
        "Drains the gateway, which ends then, as at SIGTERM.",
        {202: mapping({"drain": {"const": "begun"}})},
    ),
    Operation(
        "POST",
        "log",
        "log",
        "Logs more or less, until a reload changes log.",
        {200: listed("LogLevel", level=TEXT)},
        body=request_body({"level": {"enum": [level.value for level in LogLevel]}}),
    ),
    Operation("GET", "openapi.json", "openapi", "This description.", {200: {"type": "object"}}),
)


def find(method: str, path: str) -> tuple[Operation, str] | list[str]:
    """Returns the operation of a request and what stands for ``{id}``, or the methods that its path has: none if there
    is nothing.

    path: below ``PREFIX``
    """
    there = [(operation, "") for operation in OPERATIONS if operation.path == path] or [
        (operation, id) for operation in OPERATIONS if operation.has_id and (id := operation.id_in(path)) is not None
    ]
    for operation, rest in there:
        if operation.method == method:
            return operation, rest
    return [operation.method for operation, _ in there]
