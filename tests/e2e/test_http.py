"""Plain HTTP to a relay's backends as curl sees it, with Python's own HTTP server behind the gateway."""

from __future__ import annotations

import http.server
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.peers.sockets import free_port
from tests.pki import Authority, server_context

from .gateway import StartGateway, relay
from .tls import run

LARGE = 256 << 20  # bytes of a body
GROWTH = 8 << 20  # bytes of memory that such a body may cost; one that is kept would cost all of it
PIECE = 1 << 20

pytestmark = pytest.mark.needs("curl")


class Backend(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        if self.path != "/large":
            return super().do_GET()
        self.send_response(200)
        self.send_header("Content-Length", str(LARGE))
        self.end_headers()
        for _ in range(LARGE // PIECE):
            self.wfile.write(bytes(PIECE))
        return None

    def do_POST(self) -> None:
        size = sum(len(piece) for piece in self._body())
        answer = f"{size} bytes\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_PUT = do_POST

    def _body(self) -> Iterator[bytes]:
        if self.headers["Transfer-Encoding"] == "chunked":
            while size := int(self.rfile.readline(), 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        left = int(self.headers["Content-Length"] or 0)
        while left:
            piece = self.rfile.read(min(left, PIECE))
            left -= len(piece)
            yield piece

    def log_message(self, *said: Any) -> None:
        """Says nothing."""


@contextmanager
def serving(directory: Path, context: ssl.SSLContext | None = None) -> Iterator[int]:
    """The port of a backend that serves the files of ``directory``. ``context``: for TLS."""
    handler = partial(Backend, directory=str(directory))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    with serving(tmp_path) as port:
        yield port


async def curl(*arguments: str) -> str:
    return await run("curl", "-sS", "--http1.1", "--max-time", "20", "--noproxy", "*", *arguments)


async def test_pages_and_uploads(start_gateway: StartGateway, port: int, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("a page")
    (tmp_path / "data").write_bytes(bytes(100000))
    gateway = await start_gateway(relay(port, http="forward"))
    url = f"http://127.0.0.1:{gateway.port}/"
    upload = str(tmp_path / "data")
    assert await curl(url + "page.html", url + "page.html") == "a pagea page"
    head = await curl("--head", url + "page.html")
    assert "200 OK" in head
    assert "Content-Length: 6" in head
    assert await curl("--data-binary", f"@{upload}", "-H", "Content-Type: x/y", url) == "100000 bytes\n"
    assert await curl("-T", upload, url) == "100000 bytes\n"
    assert await curl("-T", upload, "-H", "Transfer-Encoding: chunked", url) == "100000 bytes\n"
    missing = await curl("-i", url + "missing")
    assert missing.startswith("HTTP/1.1 404 ")
    line = await gateway.next_line("answered", method="POST")
    assert (line["status"], line["bytes_up"], line["bytes_down"]) == (200, 100000, 13)


async def test_bodies_of_any_size_take_little_memory(start_gateway: StartGateway, port: int) -> None:
    gateway = await start_gateway(relay(port, http="forward"))
    url = f"http://127.0.0.1:{gateway.port}/"
    await curl(url)
    before = gateway.peak_memory()
    assert await curl("-o", "/dev/null", "-w", "%{size_download}", url + "large") == str(LARGE)
    large = ("sh", "-c", f"head -c {LARGE} /dev/zero | curl -sS --http1.1 --noproxy '*' -T - {url}")
    assert await run(*large) == f"{LARGE} bytes\n"
    assert gateway.peak_memory() < before + GROWTH


async def test_tls_on_both_sides(start_gateway: StartGateway, authority: Authority, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("a page")
    (tmp_path / "data").write_bytes(bytes(1000000))
    pair = authority.issue("localhost", "127.0.0.1")
    with serving(tmp_path, server_context(pair)) as port:
        secure = {"to": [f"wss://127.0.0.1:{port}"], "tls": {"ca": authority.file}}
        route = {"name": "app", "origins": "any", "http": "forward", "relay": secure}
        gateway = await start_gateway(route, listeners=[{"bind": "127.0.0.1:0", "tls": pair.settings()}])
        url = f"https://localhost:{gateway.port}/"
        for _ in range(2):
            page = await curl("--cacert", authority.file, url + "page.html", url + "page.html")
            assert page == "a pagea page"
        assert await curl("--cacert", authority.file, "-T", str(tmp_path / "data"), url) == "1000000 bytes\n"


async def test_a_backend_that_is_not_there(start_gateway: StartGateway, port: int) -> None:
    gateway = await start_gateway(relay(1, http="forward"))
    url = f"http://127.0.0.1:{gateway.port}/"
    answer = await curl("-i", "-H", "Accept: application/json", url)
    assert answer.startswith("HTTP/1.1 502 Bad Gateway")
    assert answer.endswith('{"status": 502, "error": "the backend cannot be reached"}\n')


async def test_a_backend_that_leads_back_here(start_gateway: StartGateway) -> None:
    """A request, and an upgrade, go round four times; then they are told."""
    port = free_port()
    gateway = await start_gateway(relay(port, http="forward"), listeners=[{"bind": f"127.0.0.1:{port}"}])
    url = f"http://127.0.0.1:{port}/"
    upgrade = ["-H", "Connection: Upgrade", "-H", "Upgrade: websocket", "-H", "Sec-WebSocket-Version: 13"]
    for fields in ([], [*upgrade, "-H", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]):
        answer = await curl("-i", *fields, url)
        assert answer.startswith("HTTP/1.1 508 ")
        assert "508 this request goes round in a circle" in answer
        detail = "Via names wsgate too often: a backend leads back here"
        assert (await gateway.next_line("refused", status=508))["detail"] == detail
