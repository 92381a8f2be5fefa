"""Signed tokens against the programs that have them: PyJWT, openssl, a server of keys, and pages in browsers."""

from __future__ import annotations

import base64
import contextlib
import http.server
import json
import re
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import jwt
import pytest
import trio
from websockets.exceptions import ConnectionClosed
from websockets.trio.server import ServerConnection
from websockets.typing import Subprotocol

from tests.peers.sockets import serve_tcp
from tests.pki import Authority, server_context
from tests.site.jwt.signing import jwk, key_set, private, private_pem, public_pem, write

from .browser import opened_in_chromium, opened_in_firefox
from .gateway import PROJECT, Gateway, StartGateway, relay
from .library import Serve, connect, echo
from .site import PATIENCE, Open, Site
from .test_access import status
from .tls import run

PLACES = ["header:Authorization", "subprotocol:bearer.", "query:access_token", "cookie:sid"]


def sign(claims: dict[str, Any], kind: str = "P256", number: int = 0, **headers: Any) -> str:
    return jwt.encode(claims, private(kind, number), {"R": "RS256", "P": "ES256"}[kind[0]], headers=headers)


def bearer(token: str) -> dict[str, Any]:
    return {"additional_headers": {"Authorization": f"Bearer {token}"}}


def chosen(connection: object, offered: Sequence[str]) -> Subprotocol | None:
    """A backend's choice, which takes clients without any, too."""
    return Subprotocol("chat") if "chat" in offered else None


async def test_where_a_token_is_shown_and_who_learns_what(
    start_gateway: StartGateway, serve: Serve, tmp_path: Path
) -> None:
    heard: list[tuple[str, Any]] = []

    async def handle(websocket: ServerConnection) -> None:
        assert websocket.request is not None
        heard.append((websocket.request.path, websocket.request.headers))
        await echo(websocket)

    key = write(tmp_path / "key.pem", public_pem("P256"))
    tokens = {"key": key, "algorithms": "ES256", "from": PLACES, "fields": {"X-Auth-Team": "team"}}
    port = await serve(handle, select_subprotocol=chosen)
    gateway = await start_gateway(relay(port, auth={"jwt": tokens}))
    token = sign({"sub": "alice", "team": "red"})
    ways: list[tuple[str, dict[str, Any]]] = [
        ("/", bearer(token)),
        ("/", {"subprotocols": ["chat", f"bearer.{token}"]}),
        (f"/?room=1&access_token={token}", {}),
        ("/", {"additional_headers": {"Cookie": f"sid={token}"}}),
    ]
    for path, options in ways:
        sent = {**options.pop("additional_headers", {}), "X-Auth-User": "root", "X_Auth_Team": "root"}
        async with connect(gateway.url(path), additional_headers=sent, **options) as client:
            await client.send("hello")
            assert await client.recv() == "hello"
            assert client.subprotocol == ("chat" if options else None)
        line = await gateway.session_line(user="alice")
        assert line["subprotocol"] == ("chat" if options else None)
    for _, fields in heard:
        assert fields.get_all("X-Auth-User") == ["alice"]
        assert fields.get_all("X-Auth-Team") == ["red"]
        assert "X_Auth_Team" not in fields
    assert [path for path, _ in heard] == ["/", "/", "/?room=1", "/"]
    assert heard[1][1].get_all("Sec-WebSocket-Protocol") == ["chat"]
    # A client that offers its token only gets no subprotocol: this program accepts that, a browser does not
    async with connect(gateway.url(), subprotocols=[f"bearer.{token}"]) as client:
        assert client.subprotocol is None
    await gateway.session_line(user="alice")
    for wrong in (sign({"sub": "eve"}, number=1), sign({"sub": "eve", "exp": 1}), "x", "none", token[:-1]):
        assert await status(gateway.url(), **bearer(wrong)) == 401
    await gateway.refused_line(detail="the token has expired")
    assert await status(gateway.url()) == 401
    await gateway.refused_line(reason="a token is needed")
    said = "".join(gateway.log)
    assert token not in said
    assert token.rpartition(".")[2] not in said


@pytest.mark.needs("openssl", "curl")
async def test_tokens_of_openssl_and_curl(start_gateway: StartGateway, tmp_path: Path) -> None:
    """Files are behind tokens like any route, and curl shows them with its own option."""
    write(tmp_path / "key.pem", public_pem("RSA"))
    write(tmp_path / "private.pem", private_pem("RSA"))
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("welcome")
    auth = {"jwt": {"key": str(tmp_path / "key.pem"), "algorithms": ["RS256"], "require": ["exp"]}}
    gateway = await start_gateway({"name": "site", "auth": auth, "files": {"root": str(tmp_path / "site")}})

    def part(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    claims = json.dumps({"sub": "alice", "exp": int(time.time()) + 600}).encode()
    signed = ".".join(map(part, (b'{"alg": "RS256", "typ": "JWT"}', claims)))
    signature = await run("openssl", "dgst", "-sha256", "-sign", str(tmp_path / "private.pem"), stdin=signed.encode())
    curl = ("curl", "-sS", "-i", "--max-time", "5", "--noproxy", "*", f"http://127.0.0.1:{gateway.port}/")
    said = await run(*curl, "--oauth2-bearer", f"{signed}.{part(signature.encode('latin-1'))}")
    assert said.startswith("HTTP/1.1 200 ")
    assert said.endswith("welcome")
    said = await run(*curl)
    assert said.startswith("HTTP/1.1 401 ")
    assert 'www-authenticate: bearer realm="wsgate"' in said.lower()
    said = await run(*curl, "--oauth2-bearer", signed + ".x")
    assert said.startswith("HTTP/1.1 401 ")
    assert 'www-authenticate: bearer error="invalid_token"' in said.lower()


class Keys(http.server.ThreadingHTTPServer):
    """A server of keys, which may be down."""

    daemon_threads = True

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), KeysHandler)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.body = b""
        self.is_down = False

    def handle_error(self, *error: Any) -> None:
        """Says nothing."""


class KeysHandler(http.server.BaseHTTPRequestHandler):
    server: Keys

    def do_GET(self) -> None:
        self.send_response(503 if self.server.is_down else 200)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *said: Any) -> None:
        """Says nothing."""


@pytest.fixture
def keys(authority: Authority) -> Iterator[Keys]:
    with Keys(server_context(authority.issue("localhost"))) as keys:
        thread = threading.Thread(target=keys.serve_forever, args=(0.01,))
        thread.start()
        yield keys
        keys.shutdown()
        thread.join()


async def answered_by_all(gateway: Gateway, workers: int, token: str, expected: int) -> None:
    """Shows a token until each worker has given this answer."""
    seen = set[object]()
    with trio.fail_after(PATIENCE):
        while len(seen) < workers:
            got = await status(gateway.url(), **bearer(token))
            line = await gateway.next_line("opened" if got == 101 else "refused")
            if got == expected:
                seen.add(line.get("worker"))


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_server_that_rotates_its_keys(
    start_gateway: StartGateway, serve: Serve, keys: Keys, authority: Authority, workers: int
) -> None:
    keys.body = key_set(jwk("P256", 0, kid="a"))
    port = keys.server_address[1]
    tokens = {
        "jwks": f"https://localhost:{port}/keys",
        "jwks_tls": {"ca": str(authority.file)},
        "algorithms": ["ES256", "RS256"],
        "audience": "chat",
        "refresh": "100ms",
    }
    backend = await serve(echo)
    gateway = await start_gateway(relay(backend, auth={"jwt": tokens}), workers=workers)
    old, new = (sign({"aud": "chat"}, number=number, kid=kid) for number, kid in ((0, "a"), (1, "b")))
    await answered_by_all(gateway, workers, old, 101)
    await answered_by_all(gateway, workers, new, 401)
    keys.body = key_set(jwk("P256", 0, kid="a"), jwk("P256", 1, kid="b"))
    await answered_by_all(gateway, workers, new, 101)
    keys.body = key_set(jwk("P256", 1, kid="b"))
    await answered_by_all(gateway, workers, old, 401)
    keys.is_down = True
    for _ in range(workers):
        await gateway.next_line("token keys not read")
    await answered_by_all(gateway, workers, new, 101)
    await answered_by_all(gateway, workers, sign({}, number=2, kid="c"), 503)
    # A reload that changes nothing of it keeps the keys, and one that does asks for them anew
    headers = {"to_client": {"set": {"X-A": "b"}}}
    for number, expected in enumerate((101, 503)):
        auth = {"jwt": {**tokens, "audience": ["chat", "mail"][number]}}
        await gateway.reload(relay(backend, auth=auth, headers=headers), workers=workers)
        for _ in range(workers - 1):
            await gateway.next_line("reloaded")
        await answered_by_all(gateway, workers, new, expected)
    keys.is_down = False
    await answered_by_all(gateway, workers, new, 401)  # it is for another audience


async def test_servers_of_keys_that_harm_nobody(start_gateway: StartGateway, serve: Serve) -> None:
    """One never answers, the other one answers a gibibyte: routes beside theirs notice nothing of it."""
    sent = 0

    async def silent(stream: trio.SocketStream) -> None:
        while await stream.receive_some():
            pass

    async def endless(stream: trio.SocketStream) -> None:
        nonlocal sent
        await stream.receive_some()
        with contextlib.suppress(trio.BrokenResourceError):
            await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n")
            for _ in range(1024):
                await stream.send_all(bytes(1 << 20))
                sent += 1

    async with trio.open_nursery() as nursery:
        backend = await serve(echo)
        routes = []
        for name, handler in (("silent", silent), ("endless", endless)):
            url = f"http://127.0.0.1:{await serve_tcp(nursery, handler)}/keys"
            auth = {"jwt": {"jwks": url, "algorithms": "ES256", "timeout": "500ms"}}
            routes.append(relay(backend, name=name, match={"path": f"/{name}"}, auth=auth))
        gateway = await start_gateway(*routes, relay(backend))
        before = gateway.peak_memory()
        assert await status(gateway.url("/")) == 101
        for name, problem in (("silent", "did not answer within 0.5 s"), ("endless", "is longer than 1048576 bytes")):
            assert await status(gateway.url(f"/{name}"), **bearer(sign({}))) == 503
            assert problem in (await gateway.refused_line(route=name))["detail"]
        assert gateway.peak_memory() - before < 16 << 20
        assert sent < 64
        nursery.cancel_scope.cancel()


async def test_a_session_ends_with_its_token(start_gateway: StartGateway, serve: Serve, tmp_path: Path) -> None:
    key = write(tmp_path / "key", b"a secret of thirty-two bytes, or more\n")
    tokens = {"key": key, "algorithms": "HS256", "leeway": "0s", "expire": "close"}
    gateway = await start_gateway(relay(await serve(echo), auth={"jwt": tokens}))
    secret = "a secret of thirty-two bytes, or more"
    short, long = (jwt.encode({"exp": int(time.time()) + seconds}, secret, "HS256") for seconds in (3, 600))
    async with connect(gateway.url(), **bearer(long)) as stays, connect(gateway.url(), **bearer(short)) as ends:
        with pytest.raises(ConnectionClosed):
            await ends.recv()
        assert (ends.close_code, ends.close_reason) == (1008, "token expired")
        assert (await gateway.session_line(reason="expired"))["backend_code"] == 1008
        await stays.send("hello")
        assert await stays.recv() == "hello"
    assert await status(gateway.url(), **bearer(short)) == 401


@pytest.mark.parametrize("kept_in", ["key", "jwks", "url"])
async def test_a_session_ends_when_its_key_is_gone(
    start_gateway: StartGateway, serve: Serve, keys: Keys, authority: Authority, tmp_path: Path, kept_in: str
) -> None:
    def rotate(*numbers: int) -> None:
        keys.body = key_set(*(jwk("P256", number, kid=str(number)) for number in numbers))
        write(tmp_path / "new", public_pem("P256", numbers[0]) if kept_in == "key" else keys.body)
        (tmp_path / "new").replace(tmp_path / "keys")

    tokens: dict[str, Any] = {"algorithms": "ES256"}
    if kept_in == "url":
        tokens |= {"jwks": f"https://localhost:{keys.server_address[1]}/keys", "refresh": "100ms"}
        tokens["jwks_tls"] = {"ca": str(authority.file)}
    else:
        tokens[kept_in] = str(tmp_path / "keys")
    rotate(0)
    gateway = await start_gateway(relay(await serve(echo), auth={"jwt": tokens}))
    old, new = (bearer(sign({"sub": "alice"}, number=number, kid=str(number))) for number in (0, 1))
    async with connect(gateway.url(), **old) as ends:
        if kept_in == "url":
            keys.is_down = True  # keys that cannot be fetched end nothing
            await gateway.next_line("token keys not read")
            keys.is_down = False
        rotate(1)
        with trio.fail_after(PATIENCE):
            while await status(gateway.url(), **new) != 101:
                pass
        async with connect(gateway.url(), **new) as stays:
            with pytest.raises(ConnectionClosed):
                await ends.recv()
            assert (ends.close_code, ends.close_reason) == (1008, "credential revoked")
            assert (await gateway.session_line(reason="revoked"))["user"] == "alice"
            await stays.send("hello")
            assert await stays.recv() == "hello"


PAGE = """<!doctype html><title>wsgate</title><script>
const once = (socket) => new Promise((done) => {
  socket.onopen = () => { done(["open", socket.protocol]); };
  socket.onclose = ({ code }) => { done(["closed", code]); };
});
const token = "TOKEN";
(async () => {
  const seen = [await once(AS_DOCUMENTED)];
  for (const offered of [[`bearer.${token}`], ["chat", "bearer.wrong"], ["chat"]]) {
    seen.push(await once(new WebSocket(URL_OF_GATEWAY, offered)));
  }
  await fetch("/seen", { method: "POST", body: JSON.stringify(seen) });
})();
</script>"""


def documented() -> str:
    """What docs/access.md has for a page."""
    found = re.findall(r"^```javascript\n(.*?);\n```$", (PROJECT / "docs" / "access.md").read_text(), re.M | re.S)
    (block,) = found
    assert '"wss://gateway.example.com/chat"' in block
    return str(block.replace('"wss://gateway.example.com/chat"', "URL_OF_GATEWAY"))


@pytest.mark.parametrize(
    ("open_browser", "alone"),
    [
        pytest.param(opened_in_chromium, ["closed", 1006], id="chromium", marks=pytest.mark.needs("chromium")),
        pytest.param(opened_in_firefox, ["open", ""], id="firefox", marks=pytest.mark.needs("firefox-esr")),
    ],
)
async def test_a_page_offers_its_token_beside_a_subprotocol(
    start_gateway: StartGateway, serve: Serve, site: Site, open_browser: Open, alone: object, tmp_path: Path
) -> None:
    """Alone it is not enough: by the WebSockets standard a browser fails a connection for which none of its
    subprotocols was chosen. Firefox does not keep to it."""
    port = await serve(echo, select_subprotocol=chosen)
    tokens = {"key": write(tmp_path / "key.pem", public_pem("P256")), "algorithms": "ES256", "from": PLACES}
    origin = f"http://127.0.0.1:{site.server_address[1]}"
    gateway = await start_gateway(relay(port, auth={"jwt": tokens}, origins=[origin]))
    page = PAGE.replace("AS_DOCUMENTED", documented()).replace("URL_OF_GATEWAY", json.dumps(gateway.url()))
    site.page = page.replace("TOKEN", sign({"sub": "alice"})).encode()
    profile = tmp_path / "profile"
    profile.mkdir()
    with open_browser(profile, f"{origin}/"):
        assert await trio.to_thread.run_sync(site.heard.wait, PATIENCE)
    assert site.said == [["open", "chat"], alone, ["closed", 1006], ["closed", 1006]]
