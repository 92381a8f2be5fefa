"""The API's description by OpenAPI 3.1, made of the table by which requests are dispatched."""

from __future__ import annotations

from typing import Any

from wsgate import __version__
from wsgate.ops.admin.operations import OPERATIONS, PREFIX, Operation
from wsgate.ops.admin.schemas import NAMED, Schema, ref

Json = dict[str, Any]

# What any request may be answered, whatever it asks
_COMMON = {
    400: "It is not understood.",
    401: "It shows no token, or a wrong one.",
    403: "It is not allowed: it is from a page of another origin, or what it asks for is off.",
    408: "It took too long.",
    413: "Its body is too large.",
    421: "It names a host that is not the gateway's.",
    503: "Too many wrong tokens are being tried.",
}
_OTHERS = {
    404: "What it names is not there.",
    409: "It is not possible now.",
    422: "The file is wrong: everything stays as it was.",
    426: "It asks for no WebSocket.",
}
_MAY_NOT = "It is from a page of another origin; or changes need a token or the Unix socket, and there is neither."
_DONE = {101: "The WebSocket.", 200: "The answer.", 202: "It has begun."}


def description(*, needs_token: bool) -> Json:
    """Returns the description. ``needs_token``: whether a request must show a token"""
    paths: Json = {}
    for operation in OPERATIONS:
        paths.setdefault(PREFIX + operation.path, {})[operation.method.lower()] = _operation(operation)
    components: Json = {"schemas": NAMED}
    security: Json = {}
    if needs_token:
        scheme = {"type": "http", "scheme": "bearer", "description": "The first line of the file in admin.token."}
        components["securitySchemes"] = {"token": scheme}
        security = {"security": [{"token": []}]}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "wsgate",
            "version": __version__,
            "description": "Asks and changes a running gateway, at its admin listener.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": components,
        **security,
    }


def _operation(operation: Operation) -> Json:
    parameters: list[Json] = [
        {"name": name, "in": "query", "schema": schema} for name, schema in operation.query.items()
    ]
    if operation.has_id:
        id: Schema = {"type": "string", "minLength": 1}
        parameters.insert(0, {"name": "id", "in": "path", "required": True, "schema": id})
    described: Json = {
        "operationId": operation.name,
        "summary": operation.doc,
        "responses": _responses(operation),
    }
    if parameters:
        described["parameters"] = parameters
    if operation.body is not None:
        described["requestBody"] = {"required": True, "content": {"application/json": {"schema": operation.body}}}
    return described


def _responses(operation: Operation) -> Json:
    texts = {**_COMMON, 403: _MAY_NOT} if operation.changes else _COMMON
    responses = {str(status): _response(text, ref("Error")) for status, text in texts.items()}
    for status, schema in operation.errors.items():
        responses[str(status)] = _response({**_OTHERS, **texts}[status], schema)
    for status, answer in operation.answer.items():
        responses[str(status)] = _response(_DONE[status], answer, operation.kind)
        if operation.links:
            links = {name: {"operationId": name, "parameters": dict(what)} for name, what in operation.links.items()}
            responses[str(status)]["links"] = links
    return dict(sorted(responses.items()))


def _response(text: str, schema: Schema | None, kind: str = "application/json") -> Json:
    if schema is None:
        return {"description": text}
    return {"description": text, "content": {kind: {"schema": schema}}}
