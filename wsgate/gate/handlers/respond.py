"""The respond handler: every request gets the same answer."""

from __future__ import annotations

from wsgate.gate.exchange import Answer, Exchange, Handler, Response
from wsgate.settings.model import Respond

_NO_LENGTH = (204, 304)  # their head ends them (RFC 9110 §8.6)


async def handle(exchange: Exchange) -> Answer:
    """Returns the answer in the settings."""
    action = exchange.route.settings.action
    assert isinstance(action, Respond)
    fields = [(name.encode(), value.encode("latin-1")) for name, value in action.headers]
    body = b"" if action.body is None else action.body.encode()
    if body and not any(name.lower() == b"content-type" for name, _ in fields):
        fields.append((b"Content-Type", b"text/plain; charset=utf-8"))
    if action.status not in _NO_LENGTH:
        fields.append((b"Content-Length", b"%d" % len(body)))
    return Response(action.status, fields, body)


HANDLER = Handler(handle, upgrades=False, takes_bodies=True)
