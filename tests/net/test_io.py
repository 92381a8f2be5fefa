from __future__ import annotations

import os
import socket
import ssl
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from tests.limits import no_descriptors
from tests.peers import sockets
from tests.peers.sockets import reset
from tests.relay.joined import tls_pair
from wsgate.net.io import (
    READ_SIZE,
    end_gracefully,
    is_reset,
    local_address,
    receive,
    reset_at_close,
    send_all,
    set_nodelay,
    wait_until_left,
)
from wsgate.net.plain import PlainTransport, take_over
from wsgate.settings.model import TcpAddress, UnixAddress


def pair() -> tuple[PlainTransport, PlainTransport]:
    ours, theirs = socket.socketpair()
    return take_over(ours), take_over(theirs)


def tcp_pair() -> tuple[PlainTransport, PlainTransport]:
    ours, theirs = sockets.tcp_pair()
    return take_over(ours), take_over(theirs)


async def test_receive_waits_for_bytes() -> None:
    ours, theirs = pair()
    with ours, theirs:
        async with trio.open_nursery() as nursery:

            async def read() -> None:
                assert await receive(ours) == b"hello"
                nursery.cancel_scope.cancel()

            nursery.start_soon(read)
            await trio.testing.wait_all_tasks_blocked()
            theirs.send(b"hello")
            await trio.sleep_forever()


async def test_receive_takes_a_head_at_once() -> None:
    ours, theirs = pair()
    with ours, theirs:
        theirs.send(b"x" * READ_SIZE + b"more")
        assert await receive(ours) == b"x" * READ_SIZE
        assert await receive(ours) == b"more"


async def test_receive_of_tls_that_must_write_first_waits_until_it_can(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = tls_pair(None, ssl.TLSVersion.TLSv1_3, server_side=True)
    real, waits = ours.read, 0

    def read(*size_and_room: Any) -> Any:
        """As OpenSSL does where the answer to a key update finds the kernel full."""
        if not waits:
            raise ssl.SSLWantWriteError
        return real(*size_and_room)

    async def wait_writable(transport: object) -> None:
        nonlocal waits
        assert transport is ours
        waits += 1

    monkeypatch.setattr(trio.lowlevel, "wait_writable", wait_writable)
    monkeypatch.setattr(ours, "read", read)
    theirs.ssl.send(b"hello")
    with ours.connection, theirs.ssl:
        assert await receive(ours) == b"hello"
    assert waits == 1


async def test_a_peer_that_is_gone_is_an_empty_read() -> None:
    ours, theirs = pair()
    with ours:
        theirs.close()
        assert await receive(ours) == b""
        assert await receive(ours) == b""
    ours, theirs = tcp_pair()
    with ours:
        reset(theirs)
        assert await receive(ours) == b""


async def test_send_all_sends_all() -> None:
    """As fast as the peer reads, and no byte is lost or doubled on the way."""
    ours, theirs = pair()
    data = os.urandom(3 << 20)
    received = bytearray()
    with ours, theirs:
        async with trio.open_nursery() as nursery:

            async def write() -> None:
                assert await send_all(ours, data)
                ours.shutdown(socket.SHUT_WR)

            nursery.start_soon(write)
            while piece := await receive(theirs):
                received += piece
    assert received == data


async def test_send_all_of_nothing() -> None:
    ours, theirs = pair()
    with ours, theirs:
        assert await send_all(ours, b"")


@pytest.mark.parametrize("when", ["before", "while it waits"])
async def test_send_all_to_a_peer_that_is_gone(when: str) -> None:
    ours, theirs = pair()
    with ours:
        if when == "before":
            theirs.close()
        async with trio.open_nursery() as nursery:

            async def write() -> None:
                assert not await send_all(ours, bytes(10 << 20))

            nursery.start_soon(write)
            await trio.testing.wait_all_tasks_blocked()
            theirs.close()


async def test_a_reset_is_known_before_all_is_read() -> None:
    ours, theirs = tcp_pair()
    theirs.send(b"asked")
    assert not is_reset(ours)
    reset(theirs.connection)
    assert is_reset(ours)
    assert await receive(ours) == b"asked"
    ours.close()


async def test_an_end_is_no_reset() -> None:
    """A peer that has sent everything may still be waiting for the answer."""
    ours, theirs = tcp_pair()
    theirs.shutdown(socket.SHUT_WR)
    assert await receive(ours) == b""
    assert not is_reset(ours)
    ours.close()
    theirs.close()


async def test_a_polite_end_loses_no_answer() -> None:
    """The peer reads all that was sent to it, also if it was still sending itself; then both ends are closed."""
    ours, theirs = tcp_pair()
    with ours, theirs:
        assert await send_all(ours, b"the answer")
        theirs.send(b"GET /smuggled HTTP/1.1\r\n\r\n")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(end_gracefully, ours)
            assert await receive(theirs) == b"the answer"
            assert await receive(theirs) == b""
            theirs.send(b"and more")
            theirs.shutdown(socket.SHUT_WR)


async def test_a_polite_end_of_a_peer_that_talks_on() -> None:
    """A flood is no reason to stay: every read is a checkpoint."""
    ours, theirs = pair()
    with ours, theirs:
        with trio.CancelScope() as scope:
            theirs.send(b"x" * 100_000)
            scope.cancel()
            await end_gracefully(ours)
        assert scope.cancelled_caught


async def test_a_polite_end_after_the_connections_end() -> None:
    ours, theirs = tcp_pair()
    with ours:
        reset(theirs)
        await end_gracefully(ours)


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_nodelay_where_there_is_tcp(family: socket.AddressFamily) -> None:
    with socket.socket(family) as sock:
        assert not sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        set_nodelay(sock)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_nodelay_where_there_is_none() -> None:
    ours, theirs = pair()
    with ours, theirs:
        set_nodelay(ours)


async def test_where_a_peer_has_connected_to(tmp_path: Path) -> None:
    ours, theirs = tcp_pair()
    with ours, theirs:
        assert local_address(ours) == TcpAddress(*theirs.getpeername())
    path = str(tmp_path / "s.sock")
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
        listener.bind(path)
        listener.listen()
        client.connect(path)
        with take_over(listener.accept()[0]) as accepted:
            assert local_address(accepted) == UnixAddress(path)
            with take_over(client) as peer:
                assert local_address(peer) == UnixAddress("")
    with PlainTransport(socket.AF_UNIX) as abstract:
        abstract.bind(b"\0wsgate test \xff")
        assert local_address(abstract) == UnixAddress("\0wsgate test \udcff")


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
async def test_where_a_peer_has_connected_to_by_ipv6() -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as listener:
        port = listener.getsockname()[1]
        with take_over(listener) as transport:
            assert local_address(transport) == TcpAddress("::1", port)


async def test_a_close_that_is_a_reset() -> None:
    """The peer cannot take it for the regular end of what was sent."""
    ours, theirs = tcp_pair()
    with theirs:
        reset_at_close(ours)
        ours.close()
        await trio.lowlevel.wait_readable(theirs)
        with pytest.raises(ConnectionResetError):
            theirs.recv(1)


async def test_no_more_is_received_than_was_asked_for() -> None:
    ours, theirs = pair()
    with ours, theirs:
        theirs.send(b"hello")
        assert await receive(ours, 2) == b"he"


@pytest.mark.parametrize("ending", ["end", "reset", "half"])
@pytest.mark.parametrize("has_sent", [False, True])
async def test_a_peer_that_leaves(ending: str, has_sent: bool) -> None:
    """Also one whose bytes nobody reads; these alone are no end."""
    ours, theirs = tcp_pair()
    with ours, theirs:
        if has_sent:
            theirs.send(b"more")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait_until_left, ours)
            await trio.testing.wait_all_tasks_blocked()
            assert nursery.child_tasks
            if ending == "half":
                theirs.shutdown(socket.SHUT_WR)
            elif ending == "reset":
                reset(theirs.connection)
            else:
                theirs.close()
        if has_sent and ending != "reset":
            assert ours.recv(10) == b"more"


@pytest.mark.parametrize("lacks", ["epoll", "a descriptor"])
async def test_without_epoll_a_peer_stays(monkeypatch: pytest.MonkeyPatch, lacks: str) -> None:
    if lacks == "epoll":
        monkeypatch.delattr("select.epoll", raising=False)
    ours, theirs = pair()
    with ours, theirs:
        theirs.close()
        async with trio.open_nursery() as nursery:
            with no_descriptors() if lacks == "a descriptor" else nullcontext():
                nursery.start_soon(wait_until_left, ours)
                await trio.testing.wait_all_tasks_blocked()
            assert nursery.child_tasks
            nursery.cancel_scope.cancel()
