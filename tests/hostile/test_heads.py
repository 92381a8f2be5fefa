"""Request heads that are malformed, unusual, or ambiguous, each with its exact answer.

There are two tables: refusals with status, body and fields, and unusual valid requests with the request that the
backend gets.
"""

from __future__ import annotations

import base64
import http
from collections.abc import Iterator

import pytest
import trio
from trio.testing import MockClock

from tests.peers.heads import Head, accept_value
from tests.peers.threads import Client, Recorder

from ..e2e.gateway import relay
from ..e2e.gateway_process import GatewayProcess, running
from ..relay.joined import socket_pair
from .gateways import HANDSHAKE, relay_to, serve

HOST = b"Host: gateway.test"
UPGRADE = b"Upgrade: websocket"
CONNECTION = b"Connection: Upgrade"
KEY = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
VERSION = b"Sec-WebSocket-Version: 13"


def head(
    *more: bytes,
    line: bytes = b"GET /chat/room HTTP/1.1",
    host: bytes | None = HOST,
    upgrade: bytes | None = UPGRADE,
    connection: bytes | None = CONNECTION,
    key: bytes | None = KEY,
    version: bytes | None = VERSION,
) -> bytes:
    """A valid request with some lines changed, left out (``None``), or added (``more``)."""
    usual = [each for each in (host, upgrade, connection, key, version) if each is not None]
    return b"\r\n".join([line, *usual, *more, b"", b""])


def target(path: bytes) -> bytes:
    return head(line=b"GET " + path + b" HTTP/1.1")


def encoded(size: int) -> bytes:
    return b"Sec-WebSocket-Key: " + base64.b64encode(bytes(size))


MALFORMED = "malformed request"  # the log says what was wrong with it
BODY = "request with a body: nothing here takes one"
BOTH = "request with both Transfer-Encoding and Content-Length"
BAD_KEY = "a handshake has one Sec-WebSocket-Key of 16 bytes in base64"
BAD_VERSION = "a handshake has one Sec-WebSocket-Version"
NO_ROUTE = "no route for this host, path and subprotocol"
NO_UPGRADE = "this is a WebSocket endpoint"
NO_CONNECTION = "Upgrade: websocket without Connection: Upgrade"
BAD_TARGET = "request target is neither a path nor a URL"
BAD_HOST = "Host is not a host"
BAD_PROTOCOL = "Sec-WebSocket-Protocol has a quote or a control character in it"
WRONG_METHOD = "the method of a WebSocket handshake is GET"
WANTS_13 = "the WebSocket version is 13"
LONG_HEAD = "request head of more than 16384 bytes"
LONG_TARGET = "request target of more than 8192 bytes"

REFUSED: dict[str, tuple[bytes, int, str]] = {
    # the request line
    "nothing but noise": (bytes(range(128, 256)) + b"\r\n\r\n", 400, MALFORMED),
    "another protocol": (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", 400, MALFORMED),
    "a PROXY header that nobody asked for": (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", 400, MALFORMED),
    "its second version": (b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0", 400, MALFORMED),
    "an empty line of blanks in front": (b" \r\n" + head(), 400, MALFORMED),
    "a CR alone in front": (b"\r" + head(), 400, MALFORMED),
    "no version": (b"GET /chat/room\r\n\r\n", 400, MALFORMED),
    "HTTP/1.0": (head(line=b"GET /chat/room HTTP/1.0"), 400, "a WebSocket handshake takes HTTP/1.1"),
    "HTTP/2's preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, BAD_TARGET),
    "version in small letters": (head(line=b"GET /chat/room http/1.1"), 400, MALFORMED),
    "two spaces before the target": (head(line=b"GET  /chat/room HTTP/1.1"), 400, MALFORMED),
    "a space in the target": (target(b"/chat/ro om"), 400, MALFORMED),
    "a space behind the version": (head(line=b"GET /chat/room HTTP/1.1 "), 400, MALFORMED),
    "a space before the method": (head(line=b" GET /chat/room HTTP/1.1"), 400, MALFORMED),
    "a method that is no token": (head(line=b"G(T /chat/room HTTP/1.1"), 400, MALFORMED),
    "POST": (head(line=b"POST /chat/room HTTP/1.1"), 405, WRONG_METHOD),
    "get in small letters": (head(line=b"get /chat/room HTTP/1.1"), 405, WRONG_METHOD),
    "HEAD": (head(line=b"HEAD /chat/room HTTP/1.1"), 405, WRONG_METHOD),
    # the target
    "asterisk": (head(line=b"OPTIONS * HTTP/1.1"), 400, BAD_TARGET),
    "authority": (head(line=b"CONNECT gateway.test:80 HTTP/1.1"), 400, BAD_TARGET),
    "another scheme": (target(b"ftp://gateway.test/chat/room"), 400, BAD_TARGET),
    "URL without a host": (target(b"http:///chat/room"), 400, BAD_TARGET),
    "URL with a user": (target(b"http://me@gateway.test/chat/room"), 400, BAD_TARGET),
    "URL of another host": (target(b"http://other.test/chat/room"), 404, NO_ROUTE),
    "relative path": (target(b"chat/room"), 400, BAD_TARGET),
    "a fragment": (target(b"/chat/room#here"), 400, "request target with a fragment"),
    "a raw control byte": (target(b"/chat/\x07"), 400, MALFORMED),
    "the path in another case": (target(b"/Chat/room"), 404, NO_ROUTE),
    "the slash encoded": (target(b"/chat%2froom"), 404, NO_ROUTE),
    "dots that lead out of the route": (target(b"/chat/../room"), 404, NO_ROUTE),
    "encoded dots that do": (target(b"/chat/%2e%2E/room"), 404, NO_ROUTE),
    "dots behind two slashes": (target(b"/chat//../room"), 404, NO_ROUTE),
    "a target over 8 KiB": (target(b"/chat/" + b"x" * 8187), 414, LONG_TARGET),
    "a target of 64 KiB": (target(b"/chat/" + b"x" * (64 << 10)), 414, LONG_TARGET),
    "a URL over 8 KiB": (target(b"http://gateway.test/chat/" + b"x" * 8187), 414, LONG_TARGET),
    # Host
    "no Host": (head(host=None), 400, MALFORMED),
    "Host twice": (head(HOST), 400, MALFORMED),
    "two Hosts": (head(b"host: other.test"), 400, MALFORMED),
    "Host is empty": (head(host=b"Host:"), 404, NO_ROUTE),
    "another Host": (head(host=b"Host: other.test"), 404, NO_ROUTE),
    "a list of Hosts": (head(host=b"Host: gateway.test, other.test"), 400, BAD_HOST),
    "Host with a user": (head(host=b"Host: me@gateway.test"), 400, BAD_HOST),
    "Host with a path": (head(host=b"Host: gateway.test/x"), 400, BAD_HOST),
    "Host with two ports": (head(host=b"Host: gateway.test:80:80"), 400, BAD_HOST),
    "Host with a port that is none": (head(host=b"Host: gateway.test:http"), 400, BAD_HOST),
    # Upgrade and Connection
    "no Upgrade": (head(upgrade=None), 426, NO_UPGRADE),
    "another Upgrade": (head(upgrade=b"Upgrade: h2c"), 426, NO_UPGRADE),
    "Upgrade with a version": (head(upgrade=b"Upgrade: websocket/13"), 426, NO_UPGRADE),
    "no Upgrade, and no route": (head(line=b"GET /nowhere HTTP/1.1", upgrade=None), 404, NO_ROUTE),
    "no Connection": (head(connection=None), 400, NO_CONNECTION),
    "another Connection": (head(connection=b"Connection: keep-alive"), 400, NO_CONNECTION),
    # Sec-WebSocket-Key
    "no key": (head(key=None), 400, BAD_KEY),
    "an empty key": (head(key=b"Sec-WebSocket-Key:"), 400, BAD_KEY),
    "the key twice": (head(KEY), 400, BAD_KEY),
    "two keys": (head(encoded(16)), 400, BAD_KEY),
    "two keys in one": (head(key=KEY + b", " + KEY.split()[1]), 400, BAD_KEY),
    "a key of 15 bytes": (head(key=encoded(15)), 400, BAD_KEY),
    "a key of 17 bytes": (head(key=encoded(17)), 400, BAD_KEY),
    "a key that is no base64": (head(key=b"Sec-WebSocket-Key: " + b"!" * 24), 400, BAD_KEY),
    "a key without padding": (head(key=KEY.rstrip(b"=")), 400, BAD_KEY),
    "a key with a space": (head(key=KEY.replace(b"IHNh", b"IH Nh")), 400, BAD_KEY),
    "a key of the URL alphabet": (head(key=KEY.replace(b"IHNh", b"IH_-")), 400, BAD_KEY),
    # Sec-WebSocket-Version
    "no WebSocket version": (head(version=None), 400, BAD_VERSION),
    "the WebSocket version twice": (head(VERSION), 400, BAD_VERSION),
    "two WebSocket versions": (head(b"Sec-WebSocket-Version: 8"), 400, BAD_VERSION),
    "version 8": (head(version=b"Sec-WebSocket-Version: 8"), 426, WANTS_13),
    "version 14": (head(version=b"Sec-WebSocket-Version: 14"), 426, WANTS_13),
    "version 013": (head(version=b"Sec-WebSocket-Version: 013"), 426, WANTS_13),
    "a list of versions": (head(version=b"Sec-WebSocket-Version: 13, 8"), 426, WANTS_13),
    # the other two lists
    "a quote in a subprotocol": (head(b'Sec-WebSocket-Protocol: "a, b"'), 400, BAD_PROTOCOL),
    "a control byte in a subprotocol": (head(b"Sec-WebSocket-Protocol: a\x01"), 400, BAD_PROTOCOL),
    # a body
    "a body": (head(b"Content-Length: 5") + b"hello", 400, BODY),
    "a chunked body": (head(b"Transfer-Encoding: chunked") + b"5\r\nhello\r\n0\r\n\r\n", 400, BODY),
    "both lengths": (head(b"Content-Length: 5", b"Transfer-Encoding: chunked") + b"0\r\n\r\n", 400, BOTH),
    "length 0 and chunked": (head(b"Content-Length: 0", b"Transfer-Encoding: chunked") + b"0\r\n\r\n", 400, BOTH),
    "two lengths": (head(b"Content-Length: 0", b"Content-Length: 5") + b"hello", 400, MALFORMED),
    "a negative length": (head(b"Content-Length: -1"), 400, MALFORMED),
    "a signed length": (head(b"Content-Length: +0"), 400, MALFORMED),
    "another coding": (head(b"Transfer-Encoding: gzip, chunked") + b"0\r\n\r\n", 501, MALFORMED),
    "a coding hidden by a tab": (head(b"Transfer-Encoding:\tchunked") + b"0\r\n\r\n", 400, BODY),
    # fields
    "a space before the colon": (head(host=b"Host : gateway.test"), 400, MALFORMED),
    "a space in a name": (head(b"X Y: z"), 400, MALFORMED),
    "no name": (head(b": z"), 400, MALFORMED),
    "no colon": (head(b"X-Y"), 400, MALFORMED),
    "a name over 127": (head(b"X-\xe9: z"), 400, MALFORMED),
    "NUL in a value": (head(b"X-Y: a\0b"), 400, MALFORMED),
    "NUL in a name": (head(b"X-\0: b"), 400, MALFORMED),
    "a control byte in a value": (head(b"X-Y: a\x0bb"), 400, MALFORMED),
    "CR in a value": (head(b"X-Y: a\rSmuggled: b"), 400, MALFORMED),
    "a fold before the first field": (head(host=b" Host: gateway.test"), 400, MALFORMED),
    # sizes
    "a head of 64 KiB": (head(b"X-Y: " + b"x" * (64 << 10)), 431, LONG_HEAD),
    "a head of 64 KiB in small fields": (head(*[b"X: y"] * (11 << 10)), 431, LONG_HEAD),
    "a head without an end": (head()[:-2] + b"X-Y: " + b"x" * (64 << 10), 431, LONG_HEAD),
}
FIELDS = {
    NO_UPGRADE: [("Upgrade", "websocket"), ("Connection", "Upgrade")],
    WANTS_13: [("Sec-WebSocket-Version", "13")],
    WRONG_METHOD: [("Allow", "GET")],
}

ACCEPTED: dict[str, tuple[bytes, bytes]] = {
    "the usual one": (head(), b"/chat/room"),
    "a query": (target(b"/chat/room?a=/../%00&b=?"), b"/chat/room?a=/../%00&b=?"),
    "keep-alive, Upgrade": (head(connection=b"Connection: keep-alive, Upgrade"), b"/chat/room"),
    "Connection in two lines": (head(b"Connection: keep-alive"), b"/chat/room"),
    "Connection: close too": (head(connection=b"Connection: close, upgrade"), b"/chat/room"),
    "Connection names Host and Key": (head(connection=b"Connection: Upgrade, Host, Sec-WebSocket-Key"), b"/chat/room"),
    "Upgrade in other letters": (head(upgrade=b"UPGRADE: WebSocket"), b"/chat/room"),
    "several Upgrades": (head(upgrade=b"Upgrade: h2c, websocket, foo/2"), b"/chat/room"),
    "Upgrade in two lines": (head(b"Upgrade: h2c"), b"/chat/room"),
    "empty list elements": (head(connection=b"Connection: , ,Upgrade,"), b"/chat/room"),
    "a key that decodes to 16 bytes, oddly": (head(key=KEY.replace(b"ZQ==", b"ZR==")), b"/chat/room"),
    "length 0": (head(b"Content-Length: 0"), b"/chat/room"),
    "length 0 twice": (head(b"Content-Length: 0", b"Content-Length: 0"), b"/chat/room"),
    "a field folded": (head(b"X-Y: a\r\n b"), b"/chat/room"),
    "one line that ends with LF": (head(b"X-Y: a\nX-Z: b"), b"/chat/room"),
    "lines that end with LF": (head().replace(b"\r\n", b"\n"), b"/chat/room"),
    "bytes over 127 in a value": (head(b"X-Y: caf\xc3\xa9 \xff"), b"/chat/room"),
    "Host with a port": (head(host=b"Host: gateway.test:8080"), b"/chat/room"),
    "Host in other letters, with the root's dot": (head(host=b"hOsT: Gateway.TEST."), b"/chat/room"),
    "a URL": (target(b"http://gateway.test/chat/room?a"), b"/chat/room?a"),
    "a URL stands over Host": (
        head(line=b"GET ws://gateway.test/chat/room HTTP/1.1", host=b"Host: other.test"),
        b"/chat/room",
    ),
    "a letter encoded": (target(b"/%63hat/room"), b"/%63hat/room"),
    "two slashes": (target(b"//chat/room"), b"//chat/room"),
    "dots that lead into the route": (target(b"/x/../chat/room"), b"/x/../chat/room"),
    "encoded dots stay as they are": (target(b"/x/%2e%2e/chat/room"), b"/x/%2e%2e/chat/room"),
    "encoded slashes stay as they are": (target(b"/chat/..%2f..%2Froom"), b"/chat/..%2f..%2Froom"),
    "an encoded NUL stays as it is": (target(b"/chat/%00"), b"/chat/%00"),
    "a percent sign that encodes nothing": (target(b"/chat/%zz"), b"/chat/%zz"),
    "two slashes in the path": (target(b"/chat//room"), b"/chat//room"),
    "a target of 8 KiB": (target(b"/chat/" + b"x" * 8186), b"/chat/" + b"x" * 8186),
    "raw bytes over 127": (target(b"/chat/\xc3\xa9?\xff"), b"/chat/\xc3\xa9?\xff"),
    "an empty line in front": (b"\r\n" + head(), b"/chat/room"),
    "some empty lines in front": (b"\r\n\n\r\n" + head(), b"/chat/room"),
    "an extension that nobody knows": (head(b"Sec-WebSocket-Extensions: x-foo; a"), b"/chat/room"),
    "a subprotocol twice": (head(b"Sec-WebSocket-Protocol: a, a"), b"/chat/room"),
    "a subprotocol twice, on two lines": (
        head(b"Sec-WebSocket-Protocol: a", b"Sec-WebSocket-Protocol: a"),
        b"/chat/room",
    ),
    "a subprotocol that is no token": (head(b"Sec-WebSocket-Protocol: SPDY/3.1+portforward.k8s.io"), b"/chat/room"),
    "a subprotocol with a space": (head(b"Sec-WebSocket-Protocol: a b"), b"/chat/room"),
    "an extension without a name": (head(b"Sec-WebSocket-Extensions: ;a=b"), b"/chat/room"),
    "a quote that is not closed": (head(b'Sec-WebSocket-Extensions: x; a="b, y'), b"/chat/room"),
    "a parameter twice": (
        head(b"Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=9; server_max_window_bits=9"),
        b"/chat/room",
    ),
    "a window that deflate has not": (
        head(b"Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=7"),
        b"/chat/room",
    ),
}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, recorder: Recorder) -> Iterator[GatewayProcess]:
    match = {"host": ["gateway.test"], "path": "/chat/*"}
    # the recorder answers no Close
    defaults = {"timeouts": {"close": "300ms"}}
    with running(tmp_path_factory.mktemp("heads"), relay(recorder.port, match=match), defaults=defaults) as gateway:
        yield gateway


def test_the_tables_are_as_long_as_they_should_be() -> None:
    assert len(REFUSED) + len(ACCEPTED) >= 60


@pytest.mark.parametrize("name", REFUSED)
def test_a_request_that_is_refused(gateway: GatewayProcess, recorder: Recorder, name: str) -> None:
    """One whole answer, then the end; and the good request behind it is neither answered nor passed on."""
    request, status, reason = REFUSED[name]
    before = len(recorder.connections)
    client = Client(gateway.port)
    client.send(request + head())
    answer = client.read_all()
    client.close()
    first, _, body = answer.partition(b"\r\n\r\n")
    line, *lines = first.decode().split("\r\n")
    assert line == f"HTTP/1.1 {status} {http.HTTPStatus(status).phrase}"
    if request.startswith(b"HEAD"):
        assert body == b""
    else:
        assert body.decode() == f"{status} {reason}\n"
        assert Head.parse(first).one("Content-Length") == str(len(body))
    expected = [*FIELDS.get(reason, ()), ("Content-Type", "text/plain; charset=utf-8"), ("Connection", "close")]
    got = [tuple(field.split(": ", 1)) for field in lines if not field.startswith(("Content-Length", "Date"))]
    assert (Head.parse(first).one("Date") or "").endswith(" GMT")  # the clock is the process's own
    assert sorted(got) == sorted(expected)
    logged = gateway.wait_line("refused", client=client.address)
    assert (logged["status"], logged["reason"]) == (status, reason)
    assert bool(logged["detail"]) is (reason == MALFORMED)
    assert len(recorder.connections) == before


@pytest.mark.parametrize("name", ACCEPTED)
def test_an_odd_request_that_is_good(gateway: GatewayProcess, recorder: Recorder, name: str) -> None:
    request, expected = ACCEPTED[name]
    number = len(recorder.connections)
    client = Client(gateway.port)
    client.send(request)
    answer = client.read_head()
    assert answer.line == "HTTP/1.1 101 Switching Protocols"
    sent_key = Head.parse(b"\r\n".join(request.splitlines())).key
    assert answer.one("Sec-WebSocket-Accept") == accept_value(sent_key)
    asked = recorder.wait(number)
    assert asked.head.target == expected.decode("latin-1")
    assert (asked.head.one("Host") or "").lower().startswith("gateway.test")
    assert asked.head.key != sent_key
    assert (asked.head.one("Connection"), asked.head.one("Upgrade")) == ("Upgrade", "websocket")
    assert asked.head.all("content-length") == asked.head.all("sec-websocket-extensions") == []
    assert b"\n " not in asked.received
    assert asked.received.count(b"\n") == asked.received.count(b"\r\n")
    client.close()


def test_a_field_that_connection_names_goes_no_further(gateway: GatewayProcess, recorder: Recorder) -> None:
    number = len(recorder.connections)
    client = Client(gateway.port)
    client.send(head(b"X-Secret: 1", b"X-Other: 2", b"TE: trailers", connection=b"Connection: Upgrade, x-secret"))
    client.read_head()
    asked = recorder.wait(number)
    assert asked.head.all("x-secret") == asked.head.all("te") == []
    assert asked.head.all("x-other") == ["2"]
    client.close()


@pytest.mark.parametrize("pace", [0.5, 1.0, 9.9])
async def test_a_head_that_comes_byte_by_byte(
    pace: float, recorder: Recorder, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    """408 by the deadline, which is the whole head's: bytes that keep coming do not move it."""
    ours, theirs = socket_pair(None)
    began = trio.current_time()
    nursery.start_soon(serve, relay_to(recorder.port), ours)
    answer, answered = b"", 0.0
    for byte in head():
        await theirs.send(bytes([byte]))
        with trio.move_on_after(pace):
            answer = await theirs.recv(1 << 16)
            answered = trio.current_time()
            break
    assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert answered - began == pytest.approx(HANDSHAKE)
    assert await theirs.recv(1 << 16) == b""
    theirs.close()
