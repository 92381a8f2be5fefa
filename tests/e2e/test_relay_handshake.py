"""What client and backend agree on when a relay's session begins, and by which route it goes."""

from __future__ import annotations

from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.trio.server import ServerConnection

from tests.peers.frames import BINARY, TEXT, Frame
from tests.peers.heads import KEY, plain_request, request

from .gateway import OpenClient, StartGateway, StartSession, relay
from .library import Handler, Serve, connect, echo


async def test_the_backend_chooses_the_subprotocol(start_gateway: StartGateway, serve: Serve) -> None:
    gateway = await start_gateway(relay(await serve(echo, subprotocols=["chat.v1", "chat.v2"])))
    async with connect(gateway.url(), subprotocols=["chat.v3", "chat.v2"]) as client:
        assert client.subprotocol == "chat.v2"
    assert (await gateway.session_line())["subprotocol"] == "chat.v2"


async def test_no_subprotocol_is_made_up(start_gateway: StartGateway, serve: Serve) -> None:
    gateway = await start_gateway(relay(await serve(echo)))
    async with connect(gateway.url(), subprotocols=["chat"]) as client:
        assert client.subprotocol is None
    assert (await gateway.session_line())["subprotocol"] is None


@pytest.mark.parametrize(
    ("client_wants", "backend_wants"), [("deflate", "deflate"), (None, "deflate"), ("deflate", None)]
)
async def test_permessage_deflate_where_both_want_it(
    start_gateway: StartGateway, serve: Serve, client_wants: str | None, backend_wants: str | None
) -> None:
    at_backend: list[list[type]] = []

    async def backend(websocket: ServerConnection) -> None:
        at_backend.append([type(extension) for extension in websocket.protocol.extensions])
        await echo(websocket)

    gateway = await start_gateway(relay(await serve(backend, compression=backend_wants)))
    text = "again and again, " * 10_000
    async with connect(gateway.url(), compression=client_wants) as client:
        at_client = [type(extension) for extension in client.protocol.extensions]
        for message in (text, "", text[::-1], b"binary too"):  # the window is carried over from one to the next
            await client.send(message)
            assert await client.recv() == message
    line = await gateway.session_line()
    if client_wants and backend_wants:
        assert at_client == at_backend[0] == [PerMessageDeflate]
        assert line["bytes_up"] < len(text) / 10
        assert line["bytes_down"] < len(text) / 10
    else:
        assert at_client == at_backend[0] == []
        assert line["bytes_up"] > 2 * len(text)


async def test_an_extension_that_the_gateway_does_not_know_is_not_offered_on(start_relay: StartSession) -> None:
    _, client, backend = await start_relay()
    await client.write(request("/", {"Sec-WebSocket-Extensions": "x-secret-mux; channels=4"}))
    server = await backend.accept_request()
    assert server.head.all("Sec-WebSocket-Extensions") == []
    await server.accept_upgrade()
    assert (await client.read_head()).all("Sec-WebSocket-Extensions") == []


async def test_what_the_backend_learns_about_the_client(start_relay: StartSession) -> None:
    _, client, backend = await start_relay()
    passed_on = {
        "Origin": "https://app.example.com",
        "Cookie": "session=1; theme=dark",
        "Authorization": "Bearer abc.def",
        "User-Agent": "Mozilla/5.0 (X11)",
        "Accept-Language": "de, en;q=0.5",
    }
    believed_from_nobody = {
        "X-Forwarded-For": "6.6.6.6",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "admin.example.com",
        "X-Real-IP": "6.6.6.6",
        "Forwarded": "for=6.6.6.6",
    }
    hop_by_hop = {"Connection": "keep-alive, Upgrade, X-Hop", "X-Hop": "for the gateway only", "TE": "trailers"}
    await client.write(
        request("/chat?room=1", {"Host": "chat.example.com:8080", **passed_on, **believed_from_nobody, **hop_by_hop})
    )
    server = await backend.accept_request()
    head = server.head
    assert head.line == "GET /chat?room=1 HTTP/1.1"
    assert {name: head.one(name) for name in passed_on} == passed_on
    assert head.one("Host") == "chat.example.com:8080"
    assert head.one("X-Forwarded-For") == "127.0.0.1"
    assert head.one("X-Forwarded-Proto") == "http"
    assert head.one("X-Forwarded-Host") == "chat.example.com:8080"
    assert "6.6.6.6" not in str(head)
    assert "admin.example.com" not in str(head)
    assert head.all("X-Hop") == head.all("TE") == []
    assert head.one("Sec-WebSocket-Version") == "13"
    assert head.one("Sec-WebSocket-Key") not in (None, KEY), "each leg has a handshake of its own"


async def test_what_the_client_learns_from_the_backend(start_relay: StartSession) -> None:
    _, client, backend = await start_relay()
    await client.write(request())
    server = await backend.accept_request()
    await server.accept_upgrade({"Set-Cookie": "sticky=7", "X-Served-By": "app-7"})
    head = await client.read_head()
    assert head.one("Set-Cookie") == "sticky=7"
    assert head.one("X-Served-By") == "app-7"
    # what the RFC's own example key demands (§1.3), not what the backend's leg had
    assert head.one("Sec-WebSocket-Accept") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


async def test_bytes_right_behind_both_heads(start_relay: StartSession) -> None:
    _, client, backend = await start_relay()
    impatient = [Frame(TEXT, b"I could not wait"), Frame(BINARY, bytes(100_000))]
    mask = b"\x11\x22\x33\x44"
    await client.write(request() + b"".join(frame.encode(mask) for frame in impatient))
    server = await backend.accept_request()
    await server.accept_upgrade(behind=[Frame(TEXT, b"welcome"), Frame(TEXT, b"and more")])
    assert (await client.read_head()).status == 101
    assert [await client.receive(), await client.receive()] == [Frame(TEXT, b"welcome"), Frame(TEXT, b"and more")]
    assert [await server.receive(), await server.receive()] == impatient


async def test_several_services_on_one_host_and_port(
    start_gateway: StartGateway, serve: Serve, open_client: OpenClient, tmp_path: Path
) -> None:
    def backend(name: str) -> Handler:
        async def say_who(websocket: ServerConnection) -> None:
            assert websocket.request is not None
            await websocket.send(f"{name} {websocket.request.path}")

        return say_who

    async def route(name: str, match: dict[str, object], path: str = "") -> dict[str, object]:
        port = await serve(backend(name))
        return {"name": name, "match": match, "relay": {"to": [f"ws://127.0.0.1:{port}{path}"]}}

    site = tmp_path / "site"
    site.mkdir()
    (site / "index.html").write_text("<title>a page</title>")
    gateway = await start_gateway(
        await route("v2", {"path": "/chat", "subprotocol": ["chat.v2"]}),
        await route("chat", {"path": "/chat"}),
        await route("rooms", {"path": "/rooms/*"}, "/internal/"),
        await route("other-host", {"host": ["other.example.com", "*.example.org"], "path": "/ws"}),
        await route("regex", {"path": "~/v[0-9]+/feed"}),
        await route("exact", {"path": "/ws"}, "/base"),
        {"name": "site", "match": {"path": "/*"}, "files": {"root": str(site)}},
    )

    async def ask(host: str, path: str, *subprotocols: str) -> str:
        address = {"host": "127.0.0.1", "port": gateway.port}
        async with connect(f"ws://{host}{path}", subprotocols=list(subprotocols), **address) as client:
            return str(await client.recv())

    assert await ask("example.com", "/chat") == "chat /chat"
    assert await ask("example.com", "/chat", "chat.v1") == "chat /chat"
    assert await ask("example.com", "/chat", "chat.v1", "chat.v2") == "v2 /chat"
    assert await ask("example.com", "/rooms/7?who=me") == "rooms /internal/7?who=me"
    assert await ask("OTHER.example.com", "/ws?x=1") == "other-host /ws?x=1"
    assert await ask("a.b.example.org", "/ws") == "other-host /ws"
    assert await ask("example.org", "/ws?x=1") == "exact /base?x=1"
    assert await ask("example.com", "/v12/feed") == "regex /v12/feed"

    browser = await open_client(gateway)
    await browser.write(plain_request("/index.html"))
    assert (await browser.read_head()).status == 200
    assert await browser.read_body() == b"<title>a page</title>"

    with pytest.raises(InvalidStatus):
        await ask("example.com", "/chat/nothing")
