from __future__ import annotations

import socket

import pytest

from wsgate.net.plain import PlainTransport, take_over
from wsgate.net.transport import BLOCKED, Transport


def test_take_over_keeps_the_connection_non_blocking() -> None:
    ours, theirs = socket.socketpair()
    fd = ours.fileno()
    with theirs, take_over(ours) as taken:
        transport: Transport = taken
        assert (transport.fileno(), transport.read_end, transport.write_end) == (fd, fd, fd)
        assert transport.connection is taken
        assert ours.fileno() == -1
        with pytest.raises(BLOCKED):
            transport.recv(1)
        assert transport.send(b"hello") == 5
        assert theirs.recv(10) == b"hello"


def test_it_has_no_bytes_that_raise_no_event() -> None:
    with PlainTransport() as transport:
        assert (transport.tls_record, transport.more, transport.wants_write, transport.secure) == (
            0,
            False,
            False,
            False,
        )
