from __future__ import annotations

import socket

import pytest

from tests.peers.sockets import tcp_pair
from wsgate.net.cork import hold_back, let_go


def test_two_writes_leave_together() -> None:
    ours, theirs = tcp_pair()
    with ours, theirs:
        hold_back(ours)
        ours.send(b"one ")
        with pytest.raises(BlockingIOError):
            theirs.recv(100)
        ours.send(b"two")
        let_go(ours)
        assert theirs.recv(100) == b"one two"
        ours.send(b"three")
        assert theirs.recv(100) == b"three"


def test_the_end_lets_go() -> None:
    ours, theirs = tcp_pair()
    with ours, theirs:
        hold_back(ours)
        ours.send(b"the last word")
        ours.shutdown(socket.SHUT_WR)
        assert theirs.recv(100) == b"the last word"
        assert theirs.recv(100) == b""


def test_where_there_is_no_tcp() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        hold_back(ours)
        ours.send(b"at once")
        assert theirs.recv(100) == b"at once"
        let_go(ours)
