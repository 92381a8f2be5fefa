"""The demo's two backends, each asked directly, as the gateway would."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import trio
import trio.testing

from tests.peers.frames import BINARY, CONTINUATION, MASK, PING, PONG, TEXT, Frame, close_frame
from tests.peers.heads import plain_request, request
from tests.peers.stream import Peer
from wsgate.demo.services import serve_echo, serve_lines
from wsgate.wire.handshake import accept_value

DEADLINE = 30.0  # seconds; the slowest test takes less than one

Connect = Callable[[], Awaitable[Peer]]


async def serving(service: Callable[[socket.socket], Awaitable[None]]) -> AsyncIterator[Connect]:
    peers: list[Peer] = []
    listener = socket.create_server(("127.0.0.1", 0))

    async def connect() -> Peer:
        peers.append(Peer(await trio.open_tcp_stream(*listener.getsockname()), mask=MASK))
        return peers[-1]

    async def watch() -> None:
        await trio.sleep(DEADLINE)
        raise TimeoutError(f"the test has not ended within {DEADLINE:g} s")

    async with trio.open_nursery() as nursery:
        with listener:
            nursery.start_soon(watch)
            nursery.start_soon(service, listener)
            yield connect
            nursery.cancel_scope.cancel()
    for peer in peers:
        await peer.stream.aclose()


@pytest.fixture
async def echo() -> AsyncIterator[Connect]:
    async for connect in serving(serve_echo):
        yield connect


@pytest.fixture
async def lines() -> AsyncIterator[Connect]:
    async for connect in serving(serve_lines):
        yield connect


async def upgraded(echo: Connect) -> Peer:
    peer = await echo()
    await peer.upgrade()
    return peer


# -- the WebSocket echo ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [plain_request(), request(headers={"Sec-WebSocket-Version": "8"}), b"nonsense\r\n\r\n"],
    ids=["plain", "old", "none"],
)
async def test_whoever_asks_for_something_else(echo: Connect, data: bytes) -> None:
    peer = await echo()
    await peer.write(data)
    head = await peer.read_head()
    assert (head.status, head.one("Upgrade")) == (426, "websocket")
    assert await peer.read_body() == b"WebSocket only\n"
    await peer.read_end()


@pytest.mark.parametrize(("offer", "chosen"), [(None, None), ("chat", None), ("chat, echo.v1", "echo.v1")])
async def test_the_upgrade(echo: Connect, offer: str | None, chosen: str | None) -> None:
    peer = await echo()
    head = await peer.upgrade(
        headers={"Sec-WebSocket-Protocol": offer, "Sec-WebSocket-Key": "A1EEou7Nnq6+BBZoAZqWlg=="}
    )
    assert head.one("Sec-WebSocket-Accept") == accept_value(b"A1EEou7Nnq6+BBZoAZqWlg==").decode()
    assert head.one("Sec-WebSocket-Protocol") == chosen
    assert head.one("Sec-WebSocket-Extensions") is None


async def test_an_upgrade_in_pieces_with_a_frame_behind_it(echo: Connect) -> None:
    peer = await echo()
    data = request() + Frame(TEXT, b"early").encode(MASK)
    for at in range(0, len(data), 50):
        await peer.write(data[at : at + 50])
        await trio.testing.wait_all_tasks_blocked()
    assert (await peer.read_head()).status == 101
    assert await peer.receive() == Frame(TEXT, b"early")


@pytest.mark.parametrize(
    "sent", [b"", b"GET / HT", request() + b"\x81", request() + Frame(TEXT, b"half").encode(MASK)[:-1]]
)
async def test_a_client_that_goes_harms_nobody(echo: Connect, sent: bytes) -> None:
    peer = await echo()
    await peer.write(sent)
    await peer.stream.send_eof()
    await peer.read_all()  # were it closed with an answer unread, that would be a reset
    await peer.vanish()
    reset = await echo()
    await reset.write(sent)
    await reset.reset()
    other = await upgraded(echo)
    await other.send(Frame(TEXT, b"still there"))
    assert await other.receive() == Frame(TEXT, b"still there")


FRAMES = [
    Frame(TEXT, b"hello"),
    Frame(TEXT),
    Frame(BINARY, b"\x00\xff"),
    Frame(BINARY, b"x" * 125),
    Frame(BINARY, b"x" * 126),
    Frame(BINARY, b"x" * 65535),
    Frame(BINARY, b"x" * 65536),
    Frame(TEXT, b"frag", fin=False),
    Frame(CONTINUATION, b"ment", fin=False),
    Frame(CONTINUATION),
]


async def test_every_frame_comes_back_as_it_was(echo: Connect) -> None:
    peer = await upgraded(echo)
    for frame in FRAMES:
        await peer.send(frame)
        assert await peer.receive() == frame
    await peer.send(*FRAMES)
    assert [await peer.receive() for _ in FRAMES] == FRAMES


async def test_pings_are_answered_and_pongs_are_not(echo: Connect) -> None:
    peer = await upgraded(echo)
    await peer.send(Frame(PONG, b"unasked"), Frame(PING, b"?"), Frame(TEXT, b"x"))
    assert [await peer.receive(), await peer.receive()] == [Frame(PONG, b"?"), Frame(TEXT, b"x")]


@pytest.mark.parametrize("close", [close_frame(), close_frame(1000), close_frame(4000, "bye")])
async def test_a_close_is_answered_and_then_it_is_over(echo: Connect, close: Frame) -> None:
    peer = await upgraded(echo)
    await peer.send(close)
    assert await peer.receive() == close
    await peer.read_end()


@pytest.mark.parametrize(
    ("command", "code", "reason"),
    [(b"close 1000", 1000, ""), (b"close 4000 had enough", 4000, "had enough"), ("close 1011 é".encode(), 1011, "é")],
)
async def test_close_on_command(echo: Connect, command: bytes, code: int, reason: str) -> None:
    """The client's Close is the answer to it: nothing follows but the end (RFC 6455 §5.5.1)."""
    peer = await upgraded(echo)
    await peer.send(Frame(TEXT, command))
    assert await peer.receive_close() == (code, reason)
    await peer.send(close_frame(code))
    await peer.read_end()


async def test_drop_on_command(echo: Connect) -> None:
    peer = await upgraded(echo)
    await peer.send(Frame(TEXT, b"drop"))
    await peer.read_end()


@pytest.mark.parametrize(
    "frame",
    [
        Frame(BINARY, b"drop"),
        Frame(TEXT, b"drop "),
        Frame(TEXT, b"drop", fin=False),
        Frame(BINARY, b"close 1000"),
        Frame(TEXT, b"close 10"),
        Frame(TEXT, b"close 1000 " + b"x" * 124),
        Frame(TEXT, b"close 1000 a\nb"),
    ],
)
async def test_what_is_no_command(echo: Connect, frame: Frame) -> None:
    peer = await upgraded(echo)
    await peer.send(frame)
    assert await peer.receive() == frame


# -- the line echo -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", [b"hello\n", b"\n", b"a\nb\n\nc\n", b"with return\r\n", b"\xff\x00\n", b"quitter\n", b"x" * 200_000 + b"\n"]
)
async def test_every_line_comes_back(lines: Connect, text: bytes) -> None:
    peer = await lines()
    await peer.write(text)
    assert await peer.read(len(text)) == text


async def test_a_line_is_echoed_when_it_is_whole(lines: Connect) -> None:
    peer = await lines()
    for piece in (b"a", b"b", b"c\nd", b"\nrest"):
        await peer.write(piece)
        await trio.testing.wait_all_tasks_blocked()
    assert await peer.read(6) == b"abc\nd\n"
    await peer.stream.send_eof()
    await peer.read_end()  # the rest was no line


@pytest.mark.parametrize("before", [b"", b"one\ntwo\n"])
@pytest.mark.parametrize("word", [b"quit\n", b" quit \r\n"])
async def test_quit(lines: Connect, before: bytes, word: bytes) -> None:
    """Bytes in front of it come back first, in every cutting; bytes behind it do not."""
    peer = await lines()
    await peer.write(before + word + b"three\n")
    assert await peer.read(len(before)) == before
    await peer.read_end()


async def test_reset(lines: Connect) -> None:
    peer = await lines()
    await peer.write(b"reset\n")
    with pytest.raises(trio.BrokenResourceError):
        await peer.read_end()


async def test_a_line_without_an_end(lines: Connect) -> None:
    """It is not kept for ever: the connection ends."""
    peer = await lines()
    with pytest.raises(trio.BrokenResourceError):
        await peer.write(b"x" * (64 << 20))


async def test_a_client_that_resets(lines: Connect) -> None:
    peer = await lines()
    await peer.write(b"hello\n" * 10_000)
    await peer.reset()
    other = await lines()
    await other.write(b"still there\n")
    assert await other.read(12) == b"still there\n"
