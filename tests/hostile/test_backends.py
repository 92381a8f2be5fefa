"""Backends that mean harm or are broken: 502 or 504 before the upgrade, 1011 after it, and the reason in the log."""

from __future__ import annotations

import functools
import socket
from collections.abc import Callable, Iterator

import pytest
import trio
from trio.testing import MockClock

from tests.log import Log
from tests.peers.frames import (
    BINARY,
    CONTINUATION,
    PING,
    TEXT,
    Frame,
    close_code,
    close_frame,
    header,
    parse_all,
)
from tests.peers.heads import KEY, Head, accept_for, accept_value, request
from tests.peers.sockets import reset
from tests.peers.threads import Client, Recorder

from ..e2e.gateway import relay
from ..e2e.gateway_process import GatewayProcess, running
from ..relay.joined import socket_pair
from .gateways import HANDSHAKE, relay_to, serve

Answer = Callable[[bytes], bytes]

UPGRADE_FIELDS = b"Upgrade: websocket\r\nConnection: Upgrade\r\n"


def with_fields(*fields: bytes) -> Answer:
    """The right 101, and these fields."""
    return lambda head: accept_for(head)[:-2] + b"".join(field + b"\r\n" for field in fields) + b"\r\n"


def changed(old: bytes, new: bytes) -> Answer:
    """The right 101, but for one thing."""

    def answer(head: bytes) -> bytes:
        right = accept_for(head)
        assert old in right
        return right.replace(old, new)

    return answer


def with_accept(value: Callable[[str, str], str]) -> Answer:
    """A 101 with another Accept: made of the right one and the key that was sent."""

    def answer(head: bytes) -> bytes:
        right = accept_for(head)
        asked = Head.parse(head).key
        return right.replace(accept_value(asked).encode(), value(accept_value(asked), asked).encode())

    return answer


TOO_LARGE = "more than 16384 bytes: raise limits.head"

# A backend's answer, and the text about it in the log
BROKEN: dict[str, tuple[Answer, str]] = {
    "no Accept": (
        lambda head: b"HTTP/1.1 101 Switching Protocols\r\n" + UPGRADE_FIELDS + b"\r\n",
        "Sec-WebSocket-Accept",
    ),
    "the Accept of the client's key": (
        with_accept(lambda right, key: accept_value(KEY)),
        "Sec-WebSocket-Accept",
    ),
    "the key as Accept": (with_accept(lambda right, key: key), "Sec-WebSocket-Accept"),
    "an empty Accept": (with_accept(lambda right, key: ""), "Sec-WebSocket-Accept"),
    "more than the Accept": (with_accept(lambda right, key: f"{right}, {right}"), "Sec-WebSocket-Accept"),
    "the Accept in small letters": (with_accept(lambda right, key: right.lower()), "Sec-WebSocket-Accept"),
    "an empty Accept, and a frame behind it": (
        lambda head: with_accept(lambda right, key: "")(head) + Frame(TEXT, b"never to be seen").encode(None),
        "Sec-WebSocket-Accept",
    ),
    "two Accepts": (with_fields(b"Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA="), "Sec-WebSocket-Accept"),
    "no Upgrade": (changed(b"Upgrade: websocket\r\n", b""), "Upgrade"),
    "no Connection": (changed(b"Connection: Upgrade\r\n", b""), "Upgrade"),
    "another Upgrade": (changed(b"Upgrade: websocket", b"Upgrade: h2c"), "Upgrade"),
    "a subprotocol nobody offered": (with_fields(b"Sec-WebSocket-Protocol: chat.v3"), "subprotocol"),
    "a subprotocol in other letters": (with_fields(b"Sec-WebSocket-Protocol: CHAT.V1"), "subprotocol"),
    "two subprotocols": (with_fields(b"Sec-WebSocket-Protocol: chat.v1, chat.v2"), "subprotocol"),
    "two subprotocols on two lines": (
        with_fields(b"Sec-WebSocket-Protocol: chat.v1", b"Sec-WebSocket-Protocol: chat.v2"),
        "subprotocol",
    ),
    "an extension nobody offered": (with_fields(b"Sec-WebSocket-Extensions: x-foo"), "extension"),
    "compression with what nobody offered": (
        with_fields(b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=10"),
        "extension",
    ),
    "compression twice": (
        with_fields(b"Sec-WebSocket-Extensions: permessage-deflate, permessage-deflate"),
        "more than one extension",
    ),
    "an extension list that is none": (with_fields(b"Sec-WebSocket-Extensions: ;"), "Extensions"),
    "another protocol": (lambda head: b"220 mail.test ESMTP\r\n\r\n", "malformed answer"),
    "a status that is no number": (lambda head: b"HTTP/1.1 OK\r\n\r\n", "malformed answer"),
    "a status of two digits": (lambda head: b"HTTP/1.1 10 Switching\r\n\r\n", "malformed answer"),
    "a space in a field's name": (with_fields(b"X Y: a"), "malformed answer: illegal header line: 'X Y:…'"),
    "a blank in front": (lambda head: b" " + accept_for(head), "malformed answer: it begins with"),
    "NUL in a value": (with_fields(b"X-Y: a\0b"), "malformed answer"),
    "CR in a value": (with_fields(b"X-Y: a\rSet-Cookie: b"), "malformed answer"),
    "a head of 1 MiB": (with_fields(b"X-Y: " + b"x" * (1 << 20)), TOO_LARGE),
    "a head of 1 MiB in small fields": (
        with_fields(*[b"X: y"] * (175 << 10)),
        TOO_LARGE,
    ),
    "a head without an end": (
        lambda head: b"HTTP/1.1 101 Switching Protocols\r\nX: " + b"x" * (1 << 20),
        TOO_LARGE,
    ),
}

# What is odd about a 101, and good all the same
GOOD: dict[str, Answer] = {
    "a space before a colon": changed(b"Upgrade: ", b"Upgrade : "),
    "an empty line in front": lambda head: b"\r\n" + accept_for(head),
    "a tab before another": with_fields(b"X-Y\t: a"),
    "an empty subprotocol": with_fields(b"Sec-WebSocket-Protocol: "),
    "12 KB of cookies": with_fields(*[b"Set-Cookie: a=" + b"x" * 4000] * 3),
}

OFFERS = {"Sec-WebSocket-Protocol": "chat.v1, chat.v2", "Sec-WebSocket-Extensions": "permessage-deflate"}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, recorder: Recorder) -> Iterator[GatewayProcess]:
    # the recorder answers no Close
    defaults = {"timeouts": {"close": "50ms"}, "limits": {"message": "16MiB"}}
    with running(
        tmp_path_factory.mktemp("backends"), relay(recorder.port), defaults=defaults, log={"flood": "off"}
    ) as gateway:
        yield gateway


@pytest.mark.parametrize("name", BROKEN)
def test_an_answer_that_is_no_upgrade(gateway: GatewayProcess, recorder: Recorder, name: str) -> None:
    """502; the log says what was wrong and which backend sent it, the client learns neither."""
    recorder.answer, reason = BROKEN[name]
    recorder.leave = None
    number = len(recorder.connections)
    client = Client(gateway.port)
    client.send(request(headers=OFFERS))
    answer = client.read_all()
    client.close()
    assert answer.startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
    assert answer.endswith(b"\r\n\r\n502 the backend did not accept the upgrade\n")
    line = gateway.wait_line("refused", client=client.address)
    assert (line["status"], line["route"]) == (502, "relay")
    assert f"ws://127.0.0.1:{recorder.port}" in line["detail"]
    assert reason in line["detail"]
    assert len(line["detail"]) < 300
    assert recorder.wait(number).ended.wait(5)  # the gateway does not keep what it cannot use


@pytest.mark.parametrize("name", GOOD)
def test_an_answer_that_is_odd(gateway: GatewayProcess, recorder: Recorder, name: str) -> None:
    recorder.answer = GOOD[name]
    recorder.leave = None
    client = Client(gateway.port)
    client.send(request(headers=OFFERS))
    assert client.read_head().status == 101
    client.close()


@pytest.mark.parametrize("leave", [socket.socket.close, reset], ids=["end", "reset"])
def test_an_early_end_at_every_byte_of_the_head(
    gateway: GatewayProcess, recorder: Recorder, leave: Callable[[socket.socket], None]
) -> None:
    size = len(accept_for(request().replace(b"sec-", b"Sec-")))
    recorder.leave = leave
    addresses = []
    for sent in range(size):
        recorder.answer = functools.partial(lambda head, sent: accept_for(head)[:sent], sent=sent)
        client = Client(gateway.port)
        client.send(request())
        answer = client.read_all()
        client.close()
        assert answer.startswith(b"HTTP/1.1 502 Bad Gateway\r\n"), sent
        addresses.append(client.address)
    for sent, address in enumerate(addresses):  # only now: a line takes a moment to the file
        line = gateway.wait_line("refused", client=address)
        assert f"ws://127.0.0.1:{recorder.port}" in line["detail"]
        assert "ended" in line["detail"] or "the connection was lost" in line["detail"], line
        assert (f"; if it speaks TLS, write wss://127.0.0.1:{recorder.port} in to" in line["detail"]) is (sent == 0), (
            line
        )


# Behind a valid 101: what the backend sends, and the rule that the log names
JUNK: dict[str, tuple[bytes, str]] = {
    "a second response": (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "reserved"),
    "zeroes": (bytes(100), "continuation frame outside a message"),
    "a masked frame": (Frame(TEXT, b"hello").encode(b"\1\2\3\4"), "server frame is masked"),
    "a masked ping": (Frame(PING).encode(bytes(4)), "server frame is masked"),
    "RSV1 without compression": (Frame(BINARY, b"x", rsv=4).encode(None), "reserved bits"),
    "a continuation of nothing": (Frame(CONTINUATION, b"x").encode(None), "continuation frame outside a message"),
    "bad text": (Frame(TEXT, b"\xff").encode(None), "text is not UTF-8"),
    "close code 1005": (close_frame(1005).encode(None), "close code 1005 may not be sent"),
    "close code 1006": (close_frame(1006).encode(None), "close code 1006 may not be sent"),
    "close code 1015": (close_frame(1015).encode(None), "close code 1015 may not be sent"),
    "a ping of 126 bytes": (Frame(PING, bytes(126)).encode(None), "more than 125 bytes"),
    "a message over the limit": (header(BINARY, 1 << 40), "over the limit"),
    "2^63 bytes": (header(BINARY, 1 << 63), "2^63"),
}


@pytest.mark.parametrize("name", JUNK)
def test_junk_behind_the_101(gateway: GatewayProcess, recorder: Recorder, name: str) -> None:
    junk, rule = JUNK[name]
    recorder.answer = lambda head: accept_for(head) + junk
    recorder.leave = None
    client = Client(gateway.port)
    client.send(request())
    assert client.read_head().status == 101
    told = client.read_all()
    client.close()
    assert [close_code(parsed.frame) for parsed in parse_all(told)] == [1011]
    line = gateway.wait_line("session", client=client.address)
    reason = "too_big" if line["backend_code"] == 1009 else "fault"
    assert (line["ended_by"], line["reason"], line["client_code"]) == ("backend", reason, 1011)
    assert line["backend_code"] in (1002, 1007, 1009)
    assert rule in line["detail"]


def test_a_refusal_that_does_not_end(gateway: GatewayProcess, recorder: Recorder) -> None:
    """The first 64 KiB of it are passed on, and the backend's connection ends."""
    recorder.answer = lambda head: (
        b"HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n" + b"ff\r\n%b\r\n" % (b"x" * 255) * 4000
    )
    number = len(recorder.connections)
    recorder.leave = None
    client = Client(gateway.port)
    client.send(request())
    answer = client.read_all()
    client.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 403 Forbidden\r\n")
    assert body == b"x" * (64 << 10)
    assert recorder.wait(number).ended.wait(5)


# -- slow ones, in virtual time ----------------------------------------------------------------------------------------


async def drip(listener: trio.SocketListener, data: Callable[[bytes], bytes], pace: float) -> None:
    """A backend that answers one byte at a time."""
    stream = await listener.accept()
    async with stream:
        head = b""
        while b"\r\n\r\n" not in head:
            head += await stream.receive_some()
        try:
            for byte in data(head):
                await stream.send_all(bytes([byte]))
                await trio.sleep(pace)
            await trio.sleep_forever()
        except trio.BrokenResourceError:
            pass  # the gateway has had enough


SLOW: dict[str, Answer] = {
    "the right 101": accept_for,
    "no byte at all": lambda head: b"",
    "a refusal's head": lambda head: b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n",
    "hints without an end": lambda head: b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1000,
}


@pytest.mark.parametrize("name", SLOW)
async def test_an_answer_that_comes_byte_by_byte(
    name: str, autojump_clock: MockClock, nursery: trio.Nursery, log: Log
) -> None:
    """504 at the deadline for the whole answer; the log names the backend."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    nursery.start_soon(drip, listener, SLOW[name], 1.0)
    ours, theirs = socket_pair(None)
    began = trio.current_time()
    nursery.start_soon(serve, relay_to(listener.socket.getsockname()[1]), ours)
    await theirs.send(request())
    answer = await theirs.recv(1 << 16)
    assert answer.startswith(b"HTTP/1.1 504 Gateway Timeout\r\n")
    assert trio.current_time() - began == pytest.approx(HANDSHAKE)
    url = f"ws://127.0.0.1:{listener.socket.getsockname()[1]}"
    assert log.one("refused")["detail"] == f"{url} did not answer the upgrade within {HANDSHAKE:g} s"
    theirs.close()
    await listener.aclose()
    nursery.cancel_scope.cancel()


# What comes of a refusal behind its first line, and what of that is its body
STALLED: dict[str, tuple[bytes, bytes]] = {
    "nothing of its body": (b"Content-Length: 5\r\n\r\n", b""),
    "a part of its body": (b"Content-Length: 5\r\n\r\nno", b"no"),
    "a part of a chunk": (b"Transfer-Encoding: chunked\r\n\r\n2\r\nno\r\n5\r\nth", b"noth"),
    "a body until an end that does not come": (b"\r\nno", b"no"),
}


@pytest.mark.parametrize("pace", [0.0, 0.2])
@pytest.mark.parametrize("name", STALLED)
async def test_a_refusal_whose_body_stalls(
    name: str,
    pace: float,
    autojump_clock: MockClock,
    nursery: trio.Nursery,
    log: Log,
) -> None:
    """Its status is known: by the deadline it is passed on, with the part of its body that has come."""
    behind, body = STALLED[name]
    data = b"HTTP/1.1 401 Unauthorized\r\n" + behind
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    nursery.start_soon(drip, listener, lambda head: data, pace * HANDSHAKE / len(data))
    ours, theirs = socket_pair(None)
    began = trio.current_time()
    nursery.start_soon(serve, relay_to(listener.socket.getsockname()[1]), ours)
    await theirs.send(request())
    answer = await theirs.recv(1 << 16)
    assert trio.current_time() - began == pytest.approx(HANDSHAKE)
    head, _, passed = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 401 Unauthorized\r\n")
    fields = Head.parse(head)
    assert (fields.one("Content-Length"), fields.all("Transfer-Encoding")) == (str(len(body)), [])
    assert passed == body
    assert await theirs.recv(1) == b""
    said = log.one("refused")
    assert (said["status"], said["reason"]) == (401, "refused by the backend")
    port = listener.socket.getsockname()[1]
    assert said["detail"] == f"ws://127.0.0.1:{port} answered 401, its body stalled after {len(body)} bytes"
    theirs.close()
    await listener.aclose()
    nursery.cancel_scope.cancel()
