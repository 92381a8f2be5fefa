"""The respond handler: what it answers, and what the client gets of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.gate.conftest import StartGate, exchange_for, files_at, route
from tests.log import Log
from tests.peers.heads import plain_request, request, write_head
from wsgate.gate.exchange import Response
from wsgate.gate.handlers.respond import handle
from wsgate.settings.model import Redirect, Respond

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


SMUGGLED = plain_request("/smuggled")


@pytest.mark.parametrize("fields", [{"Content-Length": str(len(SMUGGLED))}, {"Transfer-Encoding": "chunked"}])
async def test_a_body_is_answered_and_not_read(
    start_gate: StartGate, tmp_path: Path, log: Log, fields: dict[str, str]
) -> None:
    """It is no request, and the client can read its answer."""
    (tmp_path / "a").write_text("a")
    for action, status in (
        (Respond(status=404, body="no\n"), 404),
        (Redirect(to="/x", status=307), 307),
        (Redirect(to="https://{host}/"), 400),
        (files_at(tmp_path), 405),
    ):
        peer = start_gate(route(action)).connect()
        host = None if status == 400 else "a.test"
        version = "HTTP/1.0" if host is None else "HTTP/1.1"
        if host is None and "Transfer-Encoding" in fields:
            continue
        await peer.write(write_head(f"POST /a {version}", {"Host": host, **fields}) + SMUGGLED)
        head = await peer.read_head()
        assert (head.status, head.one("Connection")) == (status, "close")
        assert b"HTTP/1.1" not in await peer.read_all()


async def test_the_client_may_go_on_sending_while_it_reads_its_answer(start_gate: StartGate) -> None:
    peer = start_gate(route(Respond(status=413, body="too large\n"))).connect()
    await peer.write(write_head("PUT /a HTTP/1.1", {"Host": "a.test", "Content-Length": str(1 << 30)}))
    for _ in range(64):
        await peer.write(bytes(1 << 16))
    assert (await peer.read_head()).status == 413
    assert await peer.read_body() == b"too large\n"
    await peer.read_end()
