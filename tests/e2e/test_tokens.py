"""Tokens in the real process: what clients learn, what the log shows, and how a failing source affects others."""

from __future__ import annotations

import functools
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
import trio
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.peers import sockets
from tests.peers.heads import request
from tests.peers.sockets import serve_tcp
from tests.site.jwt.signing import SECRET

from .gateway import Gateway, OpenBackend, StartGateway
from .library import connect

Service = Callable[[], Awaitable[int]]

DEBUG = {"level": "debug"}  # the most detailed log


@pytest.fixture
def echo(nursery: trio.Nursery) -> Service:
    """``await echo()``: a TCP service that sends back what it gets; returns its port."""

    return functools.partial(serve_tcp, nursery, sockets.echo)


def by_token(name: str, **token: Any) -> dict[str, Any]:
    """Returns a route for ``/name`` whose clients' tokens are in the query."""
    return {"name": name, "match": {"path": f"/{name}"}, "tunnel": {"token": {"from": "query:token", **token}}}


async def status(gateway: Gateway, path: str) -> int:
    """Returns the status that a WebSocket client gets; 101 if a session opens and echoes."""
    try:
        async with connect(gateway.url(path)) as client:
            await client.send(b"hello")
            assert await client.recv() == b"hello"
            return 101
    except InvalidStatus as error:
        return error.response.status_code


async def answer(gateway: Gateway, path: str) -> bytes:
    """All that a client is sent which is not let in."""
    async with await trio.open_tcp_stream("127.0.0.1", gateway.port) as stream:
        await stream.send_all(request(path))
        return b"".join([data async for data in stream])


async def test_whatever_is_wrong_with_a_token_the_answer_is_the_same(
    start_gateway: StartGateway, echo: Service, tmp_path: Path
) -> None:
    port = await echo()
    (tmp_path / "tokens").write_text(f"known-one: 127.0.0.1:{port}\n")
    (tmp_path / "key").write_bytes(SECRET)

    def signed(key: bytes = SECRET, **claims: Any) -> str:
        return jwt.encode({"host": "127.0.0.1", "port": port, **claims}, key, "HS256")

    gateway = await start_gateway(
        by_token("file", file=str(tmp_path / "tokens")), by_token("jwt", jwt={"key": str(tmp_path / "key")}), log=DEBUG
    )
    now = int(time.time())
    good, expired, forged = signed(exp=now + 3600), signed(exp=now - 60), signed(SECRET[::-1])
    assert await status(gateway, "/file?token=known-one") == 101
    assert await status(gateway, f"/jwt?token={good}") == 101
    wrong = {
        "/file?token=other-one": "the token leads nowhere",
        "/file?token=": "no token",
        "/file": "no token",
        "/jwt": "no token",
        "/jwt?token=other-one": "the token is no JWT",
        f"/jwt?token={expired}": "the token has expired",
        f"/jwt?token={forged}": "the token's signature does not match",
    }
    answers = {await answer(gateway, path) for path in wrong}
    assert len(answers) == 1
    assert answers.pop().startswith(b"HTTP/1.1 403 ")
    for path, detail in wrong.items():
        line = await gateway.refused_line()
        assert (line["status"], line["path"], line["detail"]) == (403, path.partition("?")[0], detail)
    log = "\n".join(gateway.log)
    assert not any(token in log for token in ("-one", good, expired, forged))


async def test_a_wrong_line_is_named_by_its_number_and_harms_no_other(
    start_gateway: StartGateway, echo: Service, tmp_path: Path
) -> None:
    port = await echo()
    file = tmp_path / "tokens"
    file.write_text(f"# desks\nfirst-one: 127.0.0.1:{port}\nsecond-one 127.0.0.1:{port}\nthird-one: 127.0.0.1:{port}\n")
    route = {
        "name": "desks",
        "match": {"path": "/desk/*"},
        "tunnel": {"token": {"from": "path", "file": str(file)}},
    }
    gateway = await start_gateway(route, log=DEBUG)
    line = await gateway.next_line("token file has a wrong line")
    assert (line["level"], line["file"], line["line"]) == ("warning", str(file), 3)
    expected = {"first-one": 101, "second-one": 403, "third-one": 101}
    assert {token: await status(gateway, f"/desk/{token}") for token in expected} == expected
    assert gateway.untaken("token file has a wrong line") == []  # one is enough

    file.write_text(file.read_text().replace("second-one ", "second-one: ").replace("third-one", "fourth-one"))
    expected = {"first-one": 101, "second-one": 101, "third-one": 403, "fourth-one": 101}
    assert {token: await status(gateway, f"/desk/{token}") for token in expected} == expected
    assert "-one" not in "\n".join(gateway.log)


async def test_a_source_that_says_nothing_holds_up_nobody_else(
    start_gateway: StartGateway, open_backend: OpenBackend, echo: Service, tmp_path: Path
) -> None:
    source = await open_backend()
    (tmp_path / "tokens").write_text(f"known-one: 127.0.0.1:{await echo()}\n")
    gateway = await start_gateway(
        by_token("silent", url=f"http://127.0.0.1:{source.port}/{{token}}", timeout="1s"),
        by_token("file", file=str(tmp_path / "tokens")),
        log=DEBUG,
    )
    answered: list[tuple[str, int]] = []

    async def ask(path: str) -> None:
        answered.append((path, await status(gateway, path)))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask, "/silent?token=secret")
        lookup = await source.accept_request()
        assert lookup.head.target == "/secret"
        await ask("/file?token=known-one")
    assert answered == [("/file?token=known-one", 101), ("/silent?token=secret", 504)]
    assert (await gateway.refused_line())["detail"] == "the source did not answer within 1 s"
    assert (await gateway.next_line("token source broken"))["route"] == "silent"
    assert "secret" not in "\n".join(gateway.log)


async def test_a_token_that_is_taken_back_ends_its_session(
    start_gateway: StartGateway, echo: Service, tmp_path: Path
) -> None:
    port = await echo()
    file = tmp_path / "tokens"
    file.write_text(f"kept: 127.0.0.1:{port}\nlost: 127.0.0.1:{port}\n")
    gateway = await start_gateway(by_token("revoked", file=str(file), revoke=True))
    async with connect(gateway.url("/revoked?token=kept")) as kept, connect(gateway.url("/revoked?token=lost")) as lost:
        for client in (kept, lost):
            await client.send(b"hello")
            assert await client.recv() == b"hello"
        file.write_text(f"kept: 127.0.0.1:{port}\n")
        with pytest.raises(ConnectionClosed):
            await lost.recv()
        assert (lost.close_code, lost.close_reason) == (1008, "token revoked")
        await kept.send(b"still here")
        assert await kept.recv() == b"still here"
    line = await gateway.session_line(reason="revoked")
    assert (line["client_code"], line["ended_by"]) == (1008, "gateway")


async def test_what_allow_does_not_have_is_not_reached(
    start_gateway: StartGateway, echo: Service, tmp_path: Path
) -> None:
    allowed, other = await echo(), await echo()
    tokens = tmp_path / "tokens"
    tokens.write_text(f"a: 127.0.0.1:{allowed}\nb: 127.0.0.1:{other}\n")
    by_file = by_token("file", file=str(tokens))
    by_file["tunnel"]["allow"] = [f"127.0.0.0/8:{allowed}"]
    named: dict[str, Any] = {"target": {"from": "query:target"}, "allow": [f"127.0.0.0/8:{allowed}"]}
    gateway = await start_gateway(
        by_file,
        {"name": "status", "match": {"path": "/status"}, "tunnel": named},
        {"name": "close", "match": {"path": "/close"}, "tunnel": named, "errors": "close"},
    )
    assert await status(gateway, "/file?token=a") == 101
    assert await status(gateway, "/file?token=b") == 403
    for path in ("/status", "/close"):
        assert await status(gateway, f"{path}?target=127.0.0.1:{allowed}") == 101
    assert await status(gateway, f"/status?target=127.0.0.1:{other}") == 403
    async with connect(gateway.url(f"/close?target=127.0.0.1:{other}")) as client:
        with pytest.raises(ConnectionClosed):
            await client.recv()
        assert (client.close_code, client.close_reason) == (4403, "this target may not be reached")
    for route in ("file", "status", "close"):
        line = await gateway.refused_line(route=route)
        assert (line["status"], line["detail"]) == (403, f"127.0.0.1:{other} is not allowed on this route")
