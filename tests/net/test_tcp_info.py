"""Real connections on loopback: what the kernel reports, and the timeouts that are set."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterator

import pytest

from tests.relay.joined import socket_pair, tls_pair
from wsgate.net.plain import PlainTransport, take_over
from wsgate.net.tcp_info import is_acknowledging, limit_unacknowledged, unacknowledged, watch_for_silence

PATIENCE = 20_000  # rounds of looking until the kernel has done what it does in microseconds


@pytest.fixture
def pair() -> Iterator[tuple[PlainTransport, socket.socket]]:
    ours, theirs = socket_pair(4096)
    with ours, socket.socket(fileno=theirs.detach()) as peer:
        peer.setblocking(False)
        yield ours, peer


def fill(sock: socket.socket) -> None:
    with contextlib.suppress(BlockingIOError):
        while sock.send(bytes(1 << 16)):
            pass


def test_nothing_is_unacknowledged_where_the_kernel_does_not_say() -> None:
    with take_over(socket.create_server(("127.0.0.1", 0))) as ours:  # EINVAL: it listens (tcp(7))
        assert unacknowledged(ours) == 0


def test_a_peer_that_has_everything_is_not_acknowledging_but_silent(
    pair: tuple[PlainTransport, socket.socket],
) -> None:
    ours, peer = pair
    ours.send(b"all of it")
    assert peer.recv(100) == b"all of it"
    assert any(not is_acknowledging(ours, 60) for _ in range(PATIENCE))  # its acknowledgement may take 40 ms


def test_is_acknowledging_while_peer_reads_and_not_long_after(
    pair: tuple[PlainTransport, socket.socket],
) -> None:
    ours, peer = pair
    fill(ours)
    peer.recv(2000)
    assert is_acknowledging(ours, 60)
    assert not is_acknowledging(ours, 0)


def test_it_works_on_tls() -> None:
    ours, theirs = tls_pair(4096, ssl.TLSVersion.TLSv1_3, server_side=True)
    with contextlib.suppress(BlockingIOError):
        while ours.send(bytes(1 << 16)):
            pass
    assert is_acknowledging(ours, 60)
    watch_for_silence(ours, 20, 20)
    assert ours.connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    limit_unacknowledged(ours, 60)
    assert ours.connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 60_000
    ours.close()
    theirs.close()


def test_what_is_not_acknowledged_gets_less_as_the_peer_takes_it(pair: tuple[PlainTransport, socket.socket]) -> None:
    ours, peer = pair
    fill(ours)
    before = unacknowledged(ours)
    assert before > 0
    with contextlib.suppress(BlockingIOError):
        while True:
            peer.recv(1 << 16)
    assert any(unacknowledged(ours) < before for _ in range(PATIENCE))
    ours.close()
    with take_over(peer) as transport:
        assert unacknowledged(transport) == 0


def test_unix_sockets_have_none_of_it() -> None:
    plain, other = socket.socketpair()
    with take_over(plain) as one, other:
        fill(one)
        assert not is_acknowledging(one, 60)
        watch_for_silence(one, 20, 20)
        limit_unacknowledged(one, 60)
        assert one.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 0


@pytest.mark.parametrize(
    ("interval", "timeout", "expected"),
    [(20, 20, (20, 7, 3)), (0.1, 0.1, (1, 1, 3)), (1e6, 1e6, (32767, 32767, 3))],
)
def test_keepalive_follows_the_heartbeat(
    pair: tuple[PlainTransport, socket.socket], interval: float, timeout: float, expected: tuple[int, int, int]
) -> None:
    ours, _ = pair
    watch_for_silence(ours, interval, timeout)
    assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    options = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
    assert tuple(ours.getsockopt(socket.IPPROTO_TCP, option) for option in options) == expected


def test_unacknowledged_data_has_a_limit(pair: tuple[PlainTransport, socket.socket]) -> None:
    ours, _ = pair
    limit_unacknowledged(ours, 1.5)
    assert ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 1500
