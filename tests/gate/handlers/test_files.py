"""The files handler: what it answers. What that is made of, ``test_representation`` shows."""

from __future__ import annotations

from pathlib import Path

from tests.gate.conftest import exchange_for, files_at, route
from tests.peers.heads import plain_request
from wsgate.gate.exchange import Response
from wsgate.gate.handlers.files import handle
from wsgate.wire.http import Refusal


async def test_a_file(tmp_path: Path) -> None:
    (tmp_path / "page.txt").write_text("hello")
    response = await handle(exchange_for(route(files_at(tmp_path)), plain_request("/page.txt")))
    assert isinstance(response, Response)
    assert response.body is not None
    assert (response.status, response.size, await response.body.read()) == (200, 5, b"hello")
    response.body.close()


async def test_a_redirect_has_no_body(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    response = await handle(exchange_for(route(files_at(tmp_path)), plain_request("/below")))
    assert isinstance(response, Response)
    assert (response.status, response.body) == (301, None)


async def test_a_file_that_is_missing_costs_nobody_the_connection(tmp_path: Path) -> None:
    refusal = await handle(exchange_for(route(files_at(tmp_path)), plain_request("/none")))
    assert isinstance(refusal, Refusal)
    assert (refusal.status, refusal.closes) == (404, False)
