"""Which pages may read the answers of a route over plain HTTP: CORS, as the Fetch standard has it.

A browser lets a page of another origin read an answer only if the answer says so. Before a request that no form could
send, it asks with OPTIONS whether the page may: a preflight, which has no credentials.
"""

from __future__ import annotations

from wsgate.gate.addresses import DENIED, is_denied
from wsgate.gate.exchange import Exchange, Response
from wsgate.gate.origins import may_read
from wsgate.settings.model import ANY_ORIGIN, Cors
from wsgate.text.token import is_token
from wsgate.wire.headers import Headers, elements, has_token, values
from wsgate.wire.http import Refusal, Request

_PREFIX = b"access-control-"


def answer_preflight(exchange: Exchange) -> Response | Refusal | None:
    """Returns the answer to a preflight; ``None`` for any other request. Nobody is asked for a password for it."""
    request, cors = exchange.request, exchange.route.settings.cors
    if cors is None or exchange.upgrade is not None or not _is_preflight(request):
        return None
    if is_denied(exchange.client, exchange.route.addresses):
        return DENIED
    page = _page(exchange)
    if page is None:
        sent = b", ".join(values(request.headers, b"origin")).decode("latin-1")
        detail = f"a preflight, Origin: {sent[:200] or 'none'}: origins name the pages that may read answers"
        return Refusal(403, "this origin is not allowed", detail=detail, closes=False)
    fields = [(b"Vary", b"Access-Control-Request-Method, Access-Control-Request-Headers")]
    method = values(request.headers, b"access-control-request-method")
    methods = [name.encode() for name in cors.methods] or [name for name in method if is_token(name)]
    fields.append((b"Access-Control-Allow-Methods", b", ".join(methods)))
    asked = elements(request.headers, b"access-control-request-headers")
    names = [name.encode() for name in cors.headers] or [name for name in asked if is_token(name)]
    if names:
        fields.append((b"Access-Control-Allow-Headers", b", ".join(names)))
    if cors.max_age is not None:
        fields.append((b"Access-Control-Max-Age", b"%d" % cors.max_age))
    return Response(204, fields)


def cors_fields(exchange: Exchange, cors: Cors, headers: Headers) -> Headers:
    """Returns the fields of an answer with those that let its page read it, instead of a backend's own."""
    is_preflight = _is_preflight(exchange.request)  # then they are our own
    kept = [field for field in headers if is_preflight or not field[0].lower().startswith(_PREFIX)]
    page = _page(exchange)
    if page is not None:
        kept.append((b"Access-Control-Allow-Origin", page))
        if cors.credentials:
            kept.append((b"Access-Control-Allow-Credentials", b"true"))
        if cors.expose and not is_preflight:
            kept.append((b"Access-Control-Expose-Headers", ", ".join(cors.expose).encode()))
    if ANY_ORIGIN not in exchange.route.settings.origins and not _varies(kept):
        kept.append((b"Vary", b"Origin"))
    return kept


def _is_preflight(request: Request) -> bool:
    return request.method == b"OPTIONS" and bool(values(request.headers, b"access-control-request-method"))


def _page(exchange: Exchange) -> bytes | None:
    """Returns the origin of the page that may read the answer, ``*`` for every one; ``None`` for none."""
    route = exchange.route.settings
    if ANY_ORIGIN in route.origins:
        return b"*"
    sent = values(exchange.request.headers, b"origin")
    return sent[0] if len(sent) == 1 and may_read(route, sent[0], exchange.client) else None


def _varies(headers: Headers) -> bool:
    """Whether caches keep an answer for each origin apart already."""
    lower = [(name.lower(), value) for name, value in headers]
    return has_token(lower, b"vary", b"origin") or has_token(lower, b"vary", b"*")
