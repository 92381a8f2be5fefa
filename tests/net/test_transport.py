"""One contract, held by each kind of transport."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable

import pytest
import trio

from tests.relay.joined import TlsEnd, socket_pair, tls_pair
from wsgate.net.transport import BLOCKED, Transport

Pair = tuple[Transport, "trio.socket.SocketType | TlsEnd"]


def tls(buffer: int | None) -> Pair:
    return tls_pair(buffer, ssl.TLSVersion.TLSv1_3, server_side=True)


@pytest.fixture(params=[socket_pair, tls], ids=["plain", "tls"])
def pair(request: pytest.FixtureRequest) -> Pair:
    make: Callable[[int | None], Pair] = request.param
    return make(None)


async def test_both_kinds_keep_the_contract(pair: Pair) -> None:
    ours, theirs = pair
    try:
        room = memoryview(bytearray(100))
        with pytest.raises(BLOCKED):
            ours.recv_into(room)
        assert ours.send(b"question") == 8
        assert await theirs.recv(100) == b"question"
        await theirs.send(b"answer")
        await trio.lowlevel.wait_readable(ours.fileno())
        assert ours.recv_into(room) == 6
        assert (ours.more, ours.wants_write) == (False, False)
        ours.shutdown(socket.SHUT_WR)
        assert await theirs.recv(100) == b""
        await theirs.send(b"behind our end")
        await trio.lowlevel.wait_readable(ours.fileno())
        assert ours.recv(100) == b"behind our end"
        theirs.shutdown(socket.SHUT_WR)
        await trio.lowlevel.wait_readable(ours.fileno())
        assert ours.recv(100) == b""
        assert ours.connection.fileno() == ours.fileno()
    finally:
        ours.close()
        theirs.close()


async def test_after_the_last_word_of_the_peer(pair: Pair) -> None:
    """What comes behind it may be lost, but not the end."""
    ours, theirs = pair
    try:
        ours.send(b"goodbye")
        ours.shutdown_unread(socket.SHUT_WR)
        assert await theirs.recv(100) == b"goodbye"
        assert await theirs.recv(100) == b""
        with pytest.raises(BLOCKED):
            ours.recv(100)
        theirs.shutdown(socket.SHUT_WR)
        await trio.lowlevel.wait_readable(ours.fileno())
        assert ours.recv(100) == b""
    finally:
        ours.close()
        theirs.close()


async def test_both_have_said_their_last_word(pair: Pair) -> None:
    ours, theirs = pair
    try:
        theirs.shutdown(socket.SHUT_WR)
        await trio.lowlevel.wait_readable(ours.fileno())
        ours.shutdown_unread(socket.SHUT_WR)
        assert ours.recv(100) == b""
    finally:
        ours.close()
        theirs.close()


async def test_what_holds_bytes_back_says_how_many(pair: Pair) -> None:
    """The compiled call reads a descriptor, or else a record at a time."""
    ours, theirs = pair
    try:
        assert bool(ours.tls_record) is callable(ours.read_end) is callable(ours.write_end) is ours.secure
    finally:
        ours.close()
        theirs.close()
