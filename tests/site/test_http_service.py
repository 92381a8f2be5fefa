"""What an HTTP service is asked. ``tests/site/tokens/test_url.py`` has what may be wrong with its answers."""

from __future__ import annotations

import pytest
import trio

from tests.peers.sockets import serve_tcp
from wsgate.settings.model import BackendTls, HttpUrl, TcpAddress
from wsgate.site.http_service import HttpService
from wsgate.site.tokens.source import SourceError


@pytest.mark.parametrize(
    ("address", "expected"),
    [(TcpAddress("a.example", 80), "a.example"), (TcpAddress("::1", 80), "[::1]"), (TcpAddress("a", 81), "a:81")],
)
def test_the_host_that_is_asked_for(address: TcpAddress, expected: str) -> None:
    assert HttpService(HttpUrl(False, address, "/"), BackendTls(), None, 1.0).host == expected


async def test_fields_and_a_bound() -> None:
    asked: list[bytes] = []

    async def answer(stream: trio.SocketStream) -> None:
        asked.append(await stream.receive_some())
        await stream.send_all(b"HTTP/1.1 200 OK\r\nX-Auth-User: alice\r\nContent-Length: 4\r\n\r\nfine")

    async with trio.open_nursery() as nursery:
        url = HttpUrl(False, TcpAddress("127.0.0.1", await serve_tcp(nursery, answer)), "/check")
        service = HttpService(url, BackendTls(), None, 20.0)
        found = await service.get("/check?x", [(b"Cookie", b"a=1")])
        assert (found.status, found.body, dict(found.headers)[b"X-Auth-User"]) == (200, b"fine", b"alice")
        with pytest.raises(SourceError, match=r"^http://127.0.0.1:\d+/check: its body is longer than 3 bytes$"):
            await service.get("/check", max_body=3)
        nursery.cancel_scope.cancel()
    assert asked[0].startswith(b"GET /check?x HTTP/1.1\r\n")
    assert b"\r\nCookie: a=1\r\n" in asked[0]
