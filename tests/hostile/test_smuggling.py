"""Requests behind a failed upgrade: neither the gateway nor the backend reads them.

There are two known attacks on WebSocket proxies. A proxy that does not check the client's request passes on an upgrade
that the backend declines. A proxy that does not check the backend's answer accepts any 101. Both then pass on the
client's bytes, a second request, to the backend without any check.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator

import pytest

from tests.peers.frames import BINARY, MASK, Frame, close_code, close_frame, parse_all
from tests.peers.heads import KEY, accept_for, accept_value, request
from tests.peers.threads import Client, Recorder

from ..e2e.gateway import relay, tunnel
from ..e2e.gateway_process import GatewayProcess, running

SMUGGLED = b"GET /internal/secret HTTP/1.1\r\nHost: internal.test\r\nConnection: keep-alive\r\n\r\n"


def status(line: str, *fields: str, body: str = "") -> Callable[[bytes], bytes]:
    """A backend that gives this answer to every request."""
    lines = [f"HTTP/1.1 {line}", *fields, "", body]
    return lambda head: "\r\n".join(lines).encode()


def switching(accept: str | None, *fields: str) -> Callable[[bytes], bytes]:
    named = [] if accept is None else [f"Sec-WebSocket-Accept: {accept}"]
    return status("101 Switching Protocols", *(fields or ("Upgrade: websocket", "Connection: Upgrade")), *named)


def without(name: bytes, head: bytes) -> bytes:
    """The right 101, but for one field."""
    return b"\r\n".join(line for line in accept_for(head).split(b"\r\n") if not line.lower().startswith(name))


# A backend's answer that does not accept, and the status for the client
DECLINED: dict[str, tuple[Callable[[bytes], bytes], int]] = {
    "426": (status("426 Upgrade Required", "Sec-WebSocket-Version: 13", "Content-Length: 0"), 426),
    "401": (status("401 Unauthorized", "WWW-Authenticate: Basic", "Content-Length: 2", body="no"), 401),
    "401, chunked": (status("401 Unauthorized", "Transfer-Encoding: chunked", body="2\r\nno\r\n0\r\n\r\n"), 401),
    "200, kept alive": (status("200 OK", "Connection: keep-alive", "Content-Length: 2", body="ok"), 200),
    "204": (status("204 No Content"), 204),
    "302": (status("302 Found", "Location: /login", "Content-Length: 0"), 302),
    "early hints, then 403": (
        lambda head: b"HTTP/1.1 103 Early Hints\r\n\r\n" + status("403 Forbidden", "Content-Length: 0")(head),
        403,
    ),
    "a second response behind the first": (
        status("401 Unauthorized", "Content-Length: 0", body="HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npwned!"),
        401,
    ),
    "101 without Accept": (switching(None), 502),
    "101 with an empty Accept": (switching(""), 502),
    "101 with another Accept": (switching("AAAAAAAAAAAAAAAAAAAAAAAAAAA="), 502),
    "101 with the Accept of the client's key": (switching(accept_value(KEY)), 502),
    "101 without Upgrade": (functools.partial(without, b"upgrade"), 502),
    "101 without Connection": (functools.partial(without, b"connection"), 502),
    "101 to something else": (switching("x", "Upgrade: h2c", "Connection: Upgrade"), 502),
}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, recorder: Recorder) -> Iterator[GatewayProcess]:
    routes = [
        tunnel(recorder.port) | {"match": {"path": "/tunnel"}},
        relay(recorder.port),
    ]
    # the recorder answers no Close
    defaults = {"timeouts": {"close": "300ms"}}
    with running(tmp_path_factory.mktemp("smuggling"), *routes, defaults=defaults) as gateway:
        yield gateway


@pytest.mark.parametrize("at_once", [True, False], ids=["in one write", "behind the answer"])
@pytest.mark.parametrize("name", DECLINED)
def test_nothing_follows_an_upgrade_that_failed(
    gateway: GatewayProcess, recorder: Recorder, name: str, at_once: bool
) -> None:
    recorder.answer, expected = DECLINED[name]
    number = len(recorder.connections)
    client = Client(gateway.port)
    client.send(request() + (SMUGGLED if at_once else b""))
    answer = client.read_head()
    if not at_once:
        client.send(SMUGGLED)
    rest = client.read_all()
    client.close()
    assert answer.status == expected
    assert b"HTTP/" not in rest
    asked = recorder.wait(number)
    assert asked.ended.wait(5)
    assert asked.behind == b""
    assert len(recorder.connections) == number + 1


@pytest.mark.parametrize("version", ["8", "1337", "13, 13", ""])
def test_the_first_scenario(gateway: GatewayProcess, recorder: Recorder, version: str) -> None:
    """A version that only the backend would refuse: the gateway refuses it, and the backend gets nothing."""
    number = len(recorder.connections)
    client = Client(gateway.port)
    client.send(request(headers={"Sec-WebSocket-Version": version}))
    assert client.read_head().line == "HTTP/1.1 426 Upgrade Required"
    client.send(SMUGGLED)
    assert b"HTTP/" not in client.read_all()
    client.close()
    assert len(recorder.connections) == number


def test_the_second_scenario(gateway: GatewayProcess, recorder: Recorder) -> None:
    """A backend that fetches a URL for its caller is made to answer with the 101 of another server."""
    recorder.answer = switching(None, "Content-Type: application/json")
    number = len(recorder.connections)
    client = Client(gateway.port)
    client.send(request("/api/health?url=http://attacker.test/101"))
    assert client.read_head().line == "HTTP/1.1 502 Bad Gateway"
    client.send(SMUGGLED)
    assert b"HTTP/" not in client.read_all()
    client.close()
    asked = recorder.wait(number)
    assert asked.ended.wait(5)
    assert asked.behind == b""
    assert len(recorder.connections) == number + 1


def test_the_second_scenario_with_a_post(gateway: GatewayProcess, recorder: Recorder) -> None:
    number = len(recorder.connections)
    client = Client(gateway.port)
    client.send(request("/api/health", {"Content-Length": "2"}, method="POST") + b"{}" + SMUGGLED)
    assert client.read_head().line == "HTTP/1.1 400 Bad Request"
    assert b"HTTP/" not in client.read_all()
    client.close()
    assert len(recorder.connections) == number


@pytest.mark.parametrize("at_once", [True, False], ids=["in one write", "behind the answer"])
def test_a_request_behind_an_upgrade_is_no_frame(gateway: GatewayProcess, recorder: Recorder, at_once: bool) -> None:
    """It is part of the stream, and breaks its rules. The backend gets a Close of the gateway's, and no byte of it."""
    recorder.answer = accept_for
    number = len(recorder.connections)
    client = Client(gateway.port)
    client.send(request() + (SMUGGLED if at_once else b""))
    assert client.read_head().status == 101
    if not at_once:
        client.send(SMUGGLED)
    # G is 0x47: reserved bits, and an opcode that there is not
    assert client.read_all() == close_frame(1002, "reserved bits on a frame with opcode 0x7").encode(None)
    client.close()
    asked = recorder.wait(number)
    assert asked.ended.wait(5)
    (close,) = parse_all(asked.behind)
    assert close_code(close.frame) == 1001


def test_a_request_behind_the_upgrade_of_a_tunnel(gateway: GatewayProcess, recorder: Recorder) -> None:
    recorder.answer = lambda head: b""
    number = len(recorder.connections)
    client = Client(gateway.port)
    client.send(request("/tunnel") + Frame(BINARY, b"in front\r\n\r\n").encode(MASK) + SMUGGLED)
    assert client.read_head().status == 101
    assert recorder.wait(number).ended.wait(5)
    assert recorder.connections[number].received == b"in front\r\n\r\n"
    client.close()


def test_frames_behind_a_good_upgrade_arrive(gateway: GatewayProcess, recorder: Recorder) -> None:
    """What may be there is not lost: the counterproof."""
    recorder.answer = accept_for
    number = len(recorder.connections)
    frame = Frame(BINARY, b"early").encode(MASK)
    client = Client(gateway.port)
    client.send(request() + frame)
    assert client.read_head().status == 101
    asked = recorder.wait(number)
    gateway.wait_for(lambda: asked.behind == frame or None, "frame at the backend")
    client.close()
