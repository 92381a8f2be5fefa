"""What the API is told and what it answers, as JSON Schema (2020-12), for its description."""

from __future__ import annotations

from typing import Any

from wsgate.wire.close import MAX_REASON

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "number"}
COUNT: Schema = {"type": "integer", "minimum": 0}
YES_OR_NO: Schema = {"type": "boolean"}
TEXTS: Schema = {"type": "array", "items": TEXT}


def ref(name: str) -> Schema:
    """Returns a reference to a schema of ``NAMED``."""
    return {"$ref": f"#/components/schemas/{name}"}


def described(schema: Schema, text: str) -> Schema:
    return {**schema, "description": text}


def or_null(schema: Schema) -> Schema:
    return {**schema, "type": [schema["type"], "null"]}


def mapping(required: Schema, **more: Schema) -> Schema:
    """Returns the schema of an object. ``more``: what may be left out"""
    return {"type": "object", "properties": {**required, **more}, "required": list(required)}


def request_body(required: Schema, **more: Schema) -> Schema:
    """Returns the schema of a request's body, which has nothing else."""
    return {**mapping(required, **more), "additionalProperties": False}


def listed(name: str, **more: Schema) -> Schema:
    """Returns the schema of an answer that has been gathered from the workers. ``more``: its fields"""
    missing = described({"type": "array", "items": COUNT}, "The workers that have not answered, if any.")
    return {**mapping(more, missing_workers=missing), "title": name}


CODE: Schema = {
    "type": "integer",
    "anyOf": [
        {"minimum": 1000, "maximum": 1003},
        {"minimum": 1007, "maximum": 1014},
        {"minimum": 3000, "maximum": 4999},
    ],
    "default": 1008,
    "description": "The close code for both sides.",
}
REASON: Schema = {
    "type": "string",
    "maxLength": MAX_REASON,
    "pattern": "^[^\\u0000]*$",
    "default": "closed by the operator",
    "description": f"The close reason for both sides, at most {MAX_REASON} bytes of UTF-8.",
}

_OF_EVERY_SESSION = {
    "id": TEXT,
    "route": TEXT,
    "client": described(TEXT, "Its address."),
    "backend": TEXT,
    "path": TEXT,
    "subprotocol": or_null(TEXT),
    "request_id": or_null(TEXT),
    "duration": described(NUMBER, "Seconds since it began, or until it ended."),
    "messages_up": COUNT,
    "messages_down": COUNT,
    "bytes_up": COUNT,
    "bytes_down": COUNT,
    "client_code": or_null(COUNT),
    "backend_code": or_null(COUNT),
}
_OF_SOME_SESSIONS = {
    "peer": described(TEXT, "The address of the connection, if another than the client's: a proxy's."),
    "subject": described(TEXT, "Of the client's certificate."),
    "user": TEXT,
    "host": described(TEXT, "That was asked for."),
    "user_agent": TEXT,
    "compression": {"enum": ["passed", "inspected", "client", "backend", "both"]},
}
_SESSION = mapping(
    {
        **_OF_EVERY_SESSION,
        "since": described({"type": "string", "format": "date-time"}, "When it began."),
        "throttled_up": described(NUMBER, "Seconds for which it waited at its limits."),
        "throttled_down": NUMBER,
        "client_rtt_ms": or_null(NUMBER),
        "backend_rtt_ms": or_null(NUMBER),
        "state": {"enum": ["open", "closing"]},
    },
    **_OF_SOME_SESSIONS,
)
_ENDED_SESSION = mapping(
    {
        **_OF_EVERY_SESSION,
        "ended": {"type": "string", "format": "date-time"},
        "ended_by": {"enum": ["client", "backend", "gateway"]},
        "reason": described(TEXT, "The cause, a word of the log."),
        "detail": described(or_null(TEXT), "The rule, timeout or error."),
        "client_reason": or_null(TEXT),
        "backend_reason": or_null(TEXT),
    },
    **_OF_SOME_SESSIONS,
)
_BACKEND = mapping(
    {
        "route": TEXT,
        "backend": described(TEXT, "Its URL, or its address where a name has several."),
        "sessions": COUNT,
        "failures": described(COUNT, "In a row."),
        "healthy": YES_OR_NO,
        "ejected": YES_OR_NO,
        "draining": YES_OR_NO,
        "weight": COUNT,
        "cap": described(or_null(COUNT), "The most sessions at once."),
    }
)
_ROUTE = mapping(
    {
        "route": TEXT,
        "action": {"enum": ["relay", "tunnel", "files", "respond", "redirect", "state"]},
        "host": TEXTS,
        "path": or_null(TEXT),
        "http": {"enum": ["forward", "reject", False], "description": "Of a relay; false for other routes."},
        "sessions": COUNT,
        "draining": YES_OR_NO,
    }
)
_PROBLEM = mapping({"file": TEXT, "line": COUNT, "column": COUNT, "path": TEXT, "message": TEXT})
_STATUS = mapping(
    {
        "version": TEXT,
        "ready": YES_OR_NO,
        "reasons": described(TEXTS, "Why it is not ready."),
        "warnings": described(TEXTS, "What to look at although it is ready."),
        "sessions": COUNT,
        "most_sessions": described(or_null(COUNT), "What limits.sessions allows; null: any number."),
        "draining_routes": TEXTS,
    }
)
_POINT = {
    "type": "array",
    "items": NUMBER,
    "minItems": 6,
    "maxItems": 6,
    "description": "Seconds since 1970, open sessions; per second: messages up and down, bytes up and down.",
}
_HISTORY = mapping(
    {
        "interval": described(NUMBER, "Seconds between two points."),
        "points": described({"type": "array", "items": _POINT}, "Of the last hour."),
    }
)

NAMED: Schema = {
    "Session": _SESSION,
    "EndedSession": _ENDED_SESSION,
    "Backend": _BACKEND,
    "Route": _ROUTE,
    "Problem": _PROBLEM,
    "Status": _STATUS,
    "History": _HISTORY,
    "Error": mapping({"error": described(TEXT, "What is wrong, and what to do.")}),
    "WrongFile": mapping({"error": TEXT, "problems": {"type": "array", "items": ref("Problem")}}),
}
