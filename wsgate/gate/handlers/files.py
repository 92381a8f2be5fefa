"""The files handler: GET and HEAD of the files below a directory."""

from __future__ import annotations

from dataclasses import replace

from wsgate.gate.exchange import Answer, Exchange, Handler, Response
from wsgate.gate.handlers.file_body import FileBody
from wsgate.gate.handlers.representation import open_file
from wsgate.settings.model import Files
from wsgate.wire.http import Refusal


async def handle(exchange: Exchange) -> Answer:
    """Returns a file, a range of one, or a refusal. A 404 does not end the connection: pages ask for missing icons."""
    route = exchange.route.settings
    action = route.action
    assert isinstance(action, Files)
    found = await open_file(route, action, exchange.request)
    if isinstance(found, Refusal):
        return replace(found, closes=False)
    body = None if found.file is None else FileBody(found.file, found.size, action, route)
    return Response(found.status, found.headers, found.body, body, found.size)


HANDLER = Handler(handle, upgrades=False, takes_bodies=True)
