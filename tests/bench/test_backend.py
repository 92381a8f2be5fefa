"""The echo backend, seen by a WebSocket library that is not ours."""

from __future__ import annotations

import http.client
import socket

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.sync.client import connect

pytestmark = pytest.mark.needs("gcc")

# around every border of the length's three forms (RFC 6455 §5.2), and more than one read holds
SIZES = [0, 1, 125, 126, 65535, 65536, (1 << 20) + 3]


@pytest.mark.parametrize("size", SIZES)
def test_echo_gives_back_what_it_got(roles: dict[str, int], size: int) -> None:
    message = bytes(range(256)) * (size // 256) + bytes(range(size % 256))
    with connect(f"ws://127.0.0.1:{roles['ws']}/echo", max_size=None, compression=None) as client:
        for _ in range(3):
            client.send(message)
        assert [client.recv() for _ in range(3)] == [message] * 3
        client.send("größe" * 40)
        assert client.recv() == "größe" * 40


@pytest.mark.parametrize("alone", [False, True])
def test_compressed_messages_come_back_as_they_were(roles: dict[str, int], alone: bool) -> None:
    offers = [ClientPerMessageDeflateFactory(server_no_context_takeover=alone)]
    with connect(f"ws://127.0.0.1:{roles['ws']}/echo", compression=None, extensions=offers) as client:
        for message in ("größe" * 4000, "größe" * 4000, bytes(70_000)):
            client.send(message)
            assert client.recv() == message
        assert client.response is not None
        answer = client.response.headers["Sec-WebSocket-Extensions"]
        assert answer.startswith("permessage-deflate")
        assert ("server_no_context_takeover" in answer) is alone


def test_echo_keeps_fragments_and_answers_pings_and_close(roles: dict[str, int]) -> None:
    with connect(f"ws://127.0.0.1:{roles['ws']}/echo", compression=None) as client:
        client.send(["one ", "and ", "two"])
        answered = client.ping(b"here?")
        assert list(client.recv_streaming()) == ["one ", "and ", "two", ""]
        assert answered.wait(10)
        client.close(4321, "enough")
        with pytest.raises(ConnectionClosed) as ended:
            client.recv()
    assert ended.value.rcvd is not None
    assert (ended.value.rcvd.code, ended.value.rcvd.reason) == (4321, "enough")


def test_a_header_that_comes_byte_by_byte_is_a_header(roles: dict[str, int]) -> None:
    masked = b"\x82\xfe\x00\x80" + b"\x01\x02\x03\x04" + bytes(128)
    with connect(f"ws://127.0.0.1:{roles['ws']}/echo", compression=None) as client:
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for i in range(len(masked)):
            client.socket.send(masked[i : i + 1])
        assert client.recv() == b"\x01\x02\x03\x04" * 32


def test_a_source_sends_messages_of_the_size_that_the_path_says(roles: dict[str, int]) -> None:
    with connect(f"ws://127.0.0.1:{roles['ws']}/source/1000", compression=None, close_timeout=0) as client:
        assert [len(client.recv()) for _ in range(2000)] == [1000] * 2000


def test_requests_without_an_upgrade_are_answered_on_one_connection(roles: dict[str, int]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", roles["ws"], timeout=10)
    for size in (0, 64, 65536):
        connection.request("GET", f"/body/{size}")
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (200, b"a" * size)
    connection.close()


def test_tcp_roles(roles: dict[str, int]) -> None:
    echo = socket.create_connection(("127.0.0.1", roles["tcp-echo"]), timeout=10)
    with echo, echo.makefile("rb") as received:
        echo.sendall(b"bytes")
        assert received.read(5) == b"bytes"
    source = socket.create_connection(("127.0.0.1", roles["tcp-source"]), timeout=10)
    with source, source.makefile("rb") as received:
        assert len(received.read(100_000)) == 100_000
    with socket.create_connection(("127.0.0.1", roles["tcp-sink"]), timeout=10) as sink:
        sink.sendall(bytes(10 << 20))  # more than both ends' buffers hold
