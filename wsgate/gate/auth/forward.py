"""Asks an HTTP service whether a client may come in: forward auth, as nginx, Traefik and Caddy ask it.

The service gets a GET with what the client shows, its cookies and ``Authorization``, and where it wants to go. It never
gets a body. Its 2xx admits the client. Any other answer goes to the client, with the fields by which it can log in.
"""

from __future__ import annotations

from wsgate.gate.auth.identity import Identity
from wsgate.gate.client import backend_fields
from wsgate.gate.exchange import Exchange
from wsgate.gate.refusals import RETRY_AFTER
from wsgate.site.forward_service import ForwardService
from wsgate.site.tokens.source import SourceError
from wsgate.wire.headers import Headers, values
from wsgate.wire.http import Refusal

# Of the client's own fields the service gets these: what it shows, and what kind of answer it can use
_SHOWN = (b"Authorization", b"Origin", b"Accept", b"Accept-Language", b"User-Agent", b"X-Requested-With")
_FOR_CLIENT = {name.lower(): name for name in (b"Location", b"Set-Cookie", b"WWW-Authenticate")}

_REASONS = {401: "authentication is needed", 403: "this client may not use the route"}


async def check_forward(exchange: Exchange, service: ForwardService) -> Identity | Refusal:
    """Asks the service about a client, within the timeout of its settings."""
    if len(values(exchange.request.headers, b"authorization")) > 1:  # the service might read the other one
        return Refusal(400, "a credential is sent twice", detail="in Authorization", cause="malformed")
    try:
        answer = await service.ask(_question(exchange))
    except SourceError as error:
        reason = "access cannot be checked now: try again"
        return Refusal(503, reason, RETRY_AFTER, detail=str(error), cause="unavailable")
    settings, found = service.settings, [(name.lower(), value) for name, value in answer.headers]
    if answer.status >= 300:
        headers = [(_FOR_CLIENT[name], value) for name, value in found if name in _FOR_CLIENT]
        detail = f"{settings.url.shown} answered with status {answer.status}"
        reason = _REASONS.get(answer.status, "log in on another page")
        return Refusal(answer.status, reason, headers, detail=detail, cause="wrong")
    fields = [(name.encode(), value) for name in settings.fields for value in values(found, name.lower().encode())]
    cookies = [(b"Set-Cookie", value) for value in values(found, b"set-cookie")]
    named = values(found, settings.user.lower().encode())
    user = named[0].decode("utf-8", "replace") if named else ""
    return Identity(user or None, fields, answer_fields=cookies)


def _question(exchange: Exchange) -> Headers:
    """Returns the fields of the request to the service."""
    request = exchange.request
    fields = backend_fields(exchange.client)
    fields += [(b"X-Forwarded-Method", request.method), (b"X-Forwarded-Uri", request.target)]
    if cookies := values(request.headers, b"cookie"):
        fields.append((b"Cookie", b"; ".join(cookies)))  # one field (RFC 6265 §5.4)
    return fields + [(name, value) for name in _SHOWN for value in values(request.headers, name.lower())]
