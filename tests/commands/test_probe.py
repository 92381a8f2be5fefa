"""``wsgate probe``: what is asked for, and what it says of real servers; a gateway's own are in ``e2e``."""

from __future__ import annotations

import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.peers.heads import switching
from tests.pki import Authority
from wsgate.cli import main
from wsgate.commands.probe import parse
from wsgate.settings.model import BackendTls, TcpAddress, UnixAddress
from wsgate.text.error import TextError


def parsed(text: str, **more: Any) -> Any:
    return parse(text, more.get("timeout", 5.0), more.get("headers", ()), more.get("subprotocols", ()), BackendTls())


def test_what_is_asked() -> None:
    probed = parsed("wss://a.test/x?y=1", headers=["Origin: https://b.test"], subprotocols=["v1", "v2"])
    assert (probed.url.address, probed.url.tls, probed.target) == (TcpAddress("a.test", 443), True, b"/x?y=1")
    assert (probed.fields, probed.subprotocols, probed.http) == (
        [(b"Origin", b"https://b.test")],
        (b"v1", b"v2"),
        False,
    )
    probed = parsed("http://127.0.0.1:9600/readyz")
    assert (probed.url.address, probed.target, probed.http) == (TcpAddress("127.0.0.1", 9600), b"/readyz", True)
    assert parsed("unix:/run/a.sock:/x").url.address == UnixAddress("/run/a.sock")
    assert parsed("ws://a.test").target == b"/"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("127.0.0.1:80/x", "has no scheme: write ws://, wss://, http:// or https://"),
        ("ftp://a.test", "unknown scheme"),
        ("ws://a.test/x?\n", "is not a valid query"),
        ("ws://", "host"),
    ],
)
def test_what_is_no_url(text: str, message: str) -> None:
    with pytest.raises(TextError, match=message):
        parsed(text)
    assert main(["probe", text]) == 2


def test_what_is_no_field_or_time(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["probe", "ws://a.test", "--header", "Origin"]) == 2
    assert capsys.readouterr().err == "wsgate: probe: 'Origin' is no field: write 'NAME: VALUE'\n"
    with pytest.raises(SystemExit):
        main(["probe", "ws://a.test", "--timeout", "5"])


Answer = Callable[[socket.socket, bytes], None]
Serve = Callable[..., str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """``serve(answer)``: a server for one connection; ``answer`` gets it, and the request's head. Returns host:port."""
    threads: list[threading.Thread] = []

    def serve(answer: Answer, context: ssl.SSLContext | None = None) -> str:
        listener = socket.create_server(("127.0.0.1", 0))

        def run() -> None:
            with listener:
                sock = listener.accept()[0]
            if context is not None:
                sock = context.wrap_socket(sock, server_side=True)
            with sock:
                answer(sock, sock.recv(65536))

        threads.append(threading.Thread(target=run))
        threads[-1].start()
        return f"127.0.0.1:{listener.getsockname()[1]}"

    yield serve
    for thread in threads:
        thread.join(10)


def say(data: bytes) -> Answer:
    return lambda sock, head: sock.sendall(data)


def upgrade_and(data: bytes) -> Answer:
    def answer(sock: socket.socket, head: bytes) -> None:
        (key,) = re.findall(rb"Sec-WebSocket-Key: (.*)\r\n", head)
        chosen = {"Sec-WebSocket-Protocol": "v2"} if b"Sec-WebSocket-Protocol" in head else {}
        sock.sendall(switching(key.decode(), chosen))
        sock.recv(65536)
        sock.sendall(data)
        while sock.recv(65536):
            pass

    return answer


PONG = b"\x8a\x0dwsgate health"
CLOSE = b"\x88\x02\x03\xe8"


def test_a_websocket(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"ws://{serve(upgrade_and(PONG + CLOSE))}/x"
    assert main(["probe", url, "--subprotocol", "v1", "--subprotocol", "v2"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"{url}: opened with v2 in ")
    assert "ms, answered a Ping and closed in " in said


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (say(b"HTTP/1.1 503 x\r\nContent-Length: 8\r\n\r\nno\x1b\nmore"), "answered 503: no more"),
        (say(b"HTTP/1.1 404 x\r\nContent-Length: 0\r\n\r\n"), "answered 404"),
        (say(b"nonsense\r\n\r\n"), "malformed answer"),
        (upgrade_and(CLOSE), "it closed the WebSocket before its Pong"),
    ],
)
def test_what_is_not_well(serve: Serve, capsys: pytest.CaptureFixture[str], answer: Answer, said: str) -> None:
    assert main(["probe", f"ws://{serve(answer)}"]) == 1
    shown = capsys.readouterr().err
    assert shown.startswith("wsgate probe: ws://127.0.0.1:")
    assert said in shown


@pytest.mark.parametrize(
    ("answer", "status", "said"),
    [
        (say(b"HTTP/1.1 200 x\r\nContent-Length: 6\r\n\r\nready\n"), 0, "answered 200: ready"),
        (say(b"HTTP/1.1 503 x\r\nContent-Length: 10\r\n\r\nnot ready\n"), 1, "answered 503: not ready"),
        (say(b"HTTP/1.1 302 x\r\nContent-Length: 0\r\n\r\n"), 1, "answered 302"),
        (say(b"nonsense\r\n\r\n"), 1, "malformed answer"),
    ],
)
def test_plain_http(serve: Serve, capsys: pytest.CaptureFixture[str], answer: Answer, status: int, said: str) -> None:
    assert main(["probe", f"http://{serve(answer)}/readyz"]) == status
    assert said in "".join(capsys.readouterr())


def test_nobody_there(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert main(["probe", f"ws://127.0.0.1:{port}"]) == 1
    assert f"cannot connect to 127.0.0.1:{port}: Connection refused" in capsys.readouterr().err


@pytest.mark.parametrize("scheme", ["ws", "http"])
def test_one_that_does_not_answer(capsys: pytest.CaptureFixture[str], scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"{scheme}://127.0.0.1:{server.getsockname()[1]}"
        assert main(["probe", url, "--timeout", "50ms"]) == 1
    assert capsys.readouterr().err == f"wsgate probe: {url}: it took longer than 0.05 s\n"


def reset(sock: socket.socket, head: bytes) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


@pytest.mark.parametrize("scheme", ["ws", "http"])
def test_one_that_resets_the_connection(serve: Serve, capsys: pytest.CaptureFixture[str], scheme: str) -> None:
    assert main(["probe", f"{scheme}://{serve(reset)}"]) == 1
    assert "reset" in capsys.readouterr().err


def test_tls(serve: Serve, authority: Authority, capsys: pytest.CaptureFixture[str]) -> None:
    pair = authority.issue("127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    answer = say(b"HTTP/1.1 200 x\r\nContent-Length: 2\r\n\r\nok")
    assert main(["probe", f"https://{serve(answer, context)}", "--ca", authority.file]) == 0
    assert main(["probe", f"https://{serve(answer, context)}", "--insecure"]) == 0
    assert main(["probe", "https://127.0.0.1:1", "--ca", "/nonexistent/ca.pem"]) == 1
    assert "/nonexistent/ca.pem cannot be read" in capsys.readouterr().err
