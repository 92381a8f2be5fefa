"""The respond handler: what it answers, and what the client gets of it."""

from __future__ import annotations

import pytest

from tests.gate.conftest import StartGate, exchange_for, route
from tests.log import Log
from tests.peers.heads import plain_request, request
from wsgate.gate.exchange import Response
from wsgate.gate.handlers.respond import handle
from wsgate.settings.model import Respond

JSON = (("Content-Type", "application/json"), ("Cache-Control", "no-store"))


@pytest.mark.parametrize(
    ("action", "fields", "body"),
    [
        (Respond(), {b"Content-Length": b"0"}, b""),
        (
            Respond(body="né\n"),
            {b"Content-Type": b"text/plain; charset=utf-8", b"Content-Length": b"4"},
            "né\n".encode(),
        ),
        (
            Respond(body="{}", headers=JSON),
            {b"Content-Type": b"application/json", b"Cache-Control": b"no-store", b"Content-Length": b"2"},
            b"{}",
        ),
        (Respond(status=503, headers=(("Retry-After", "60"),)), {b"Retry-After": b"60", b"Content-Length": b"0"}, b""),
        (Respond(status=204), {}, b""),
        (Respond(status=205), {b"Content-Length": b"0"}, b""),
        (Respond(status=304, headers=(("ETag", '"1"'),)), {b"ETag": b'"1"'}, b""),
    ],
)
async def test_answers(action: Respond, fields: dict[bytes, bytes], body: bytes) -> None:
    response = await handle(exchange_for(route(action), plain_request("/")))
    assert isinstance(response, Response)
    assert (response.status, dict(response.headers), response.data) == (action.status, fields, body)
    assert len(response.headers) == len(fields)


async def test_every_request_of_a_connection_is_answered(start_gate: StartGate) -> None:
    """Each method, and HEAD without the body; after 204 and 304 the next answer begins at once."""
    for action in (Respond(status=404, body="no\n"), Respond(status=204), Respond(status=304)):
        peer = start_gate(route(action)).connect()
        for method in (b"GET", b"HEAD", b"POST", b"DELETE", b"GET"):
            await peer.write(plain_request("/a/b?c").replace(b"GET", method))
            head = await peer.read_head()
            assert head.status == action.status
            assert head.one("Connection") is None
            assert head.one("Date")
            if action.body is not None:
                assert head.one("Content-Length") == "3"
                if method != b"HEAD":
                    assert await peer.read_body() == b"no\n"


async def test_it_is_no_websocket(start_gate: StartGate, log: Log) -> None:
    peer = start_gate(route(Respond(body="ok"))).connect()
    await peer.write(request("/"))
    assert (await peer.read_head()).status == 404
    assert log.one("refused")["reason"] == "nothing here speaks WebSocket"
