"""Sockets of the service manager: which listener gets which, and what is said of those that are of no use."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.log import Log
from wsgate.net.binds import bound_address
from wsgate.ops import inherited
from wsgate.ops.inherited import InheritedSockets, InheritError, inherit_sockets, is_listening, log_unused
from wsgate.ops.listeners import ListenError, close_listeners, open_listeners
from wsgate.ops.reserved import Inheritance, Reservation, Reservations
from wsgate.settings.model import Listener, TcpAddress, UnixAddress


@pytest.fixture
def opened() -> Iterator[socket.socket]:
    """What the service manager has opened."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock


def environment(**others: str) -> dict[str, str]:
    return {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1", "LISTEN_FDNAMES": "web", **others}


def passed(sock: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    """The socket's descriptor is the first that is passed, with a copy: its owner closes its own."""
    monkeypatch.setattr(inherited, "_FIRST", os.dup(sock.fileno()))


def test_a_listener_takes_over_the_socket_with_its_address(
    opened: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed(opened, monkeypatch)
    variables = environment(OTHER="stays")
    sockets = inherit_sockets(variables)
    assert variables == {"OTHER": "stays"}  # what the gateway starts is not to take them for its own
    address = bound_address(opened)
    assert sockets.addresses == sockets.unused == [address]
    with socket.create_connection(opened.getsockname()):  # waits in the queue
        for _ in range(2):  # as a reload that removes the listener, and one that adds it again
            (sock,) = open_listeners([Listener(bind=address)], sockets)
            assert not sock.get_inheritable()
            close_listeners([sock])
        assert sockets.unused == []
        (sock,) = open_listeners([Listener(bind=address)], sockets)
        sock.accept()[0].close()
        close_listeners([sock])
    sockets.close()


@pytest.mark.parametrize(
    "variables",
    [{}, {"LISTEN_PID": "1", "LISTEN_FDS": "1"}, {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "many"}],
)
def test_what_is_for_another_process_is_not_taken(variables: dict[str, str]) -> None:
    assert inherit_sockets(variables).addresses == []


def test_a_unix_socket_keeps_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "web.sock"
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(str(path))
        opened.listen()
        passed(opened, monkeypatch)
        sockets = inherit_sockets(environment())
        (sock,) = open_listeners([Listener(bind=UnixAddress(str(path)))], sockets)
        close_listeners([sock])
        sockets.close()
    assert path.is_socket()


def test_workers_share_its_queue(opened: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    passed(opened, monkeypatch)
    sockets = inherit_sockets(environment())
    listener = Listener(bind=bound_address(opened))
    reserved = Reservations([listener], inherited=sockets)
    (held,) = reserved._held
    copy = Reservation(held.bind, held.sock.dup())  # as a fork copies it
    (sock,) = Inheritance([copy]).open([listener])
    assert is_listening(sock)
    with socket.create_connection(opened.getsockname()):
        sock.accept()[0].close()
    close_listeners([sock])
    reserved.close()
    sockets.close()


def test_an_address_that_overlaps_is_named(opened: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    passed(opened, monkeypatch)
    sockets = inherit_sockets(environment())
    port = opened.getsockname()[1]
    with pytest.raises(ListenError, match=rf"the service manager has opened 127\.0\.0\.1:{port}; make both the same"):
        open_listeners([Listener(bind=TcpAddress("0.0.0.0", port))], sockets)
    sockets.close()


def test_a_socket_that_nobody_takes_is_named(opened: socket.socket, log: Log) -> None:
    log_unused(InheritedSockets([opened]))
    assert log.one("socket not used")["address"] == f"127.0.0.1:{opened.getsockname()[1]}"


def test_what_cannot_be_a_listener_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pair = socket.socketpair()
    abstract = socket.socket(socket.AF_UNIX)
    abstract.bind(b"\0wsgate-%d" % os.getpid())
    abstract.listen()
    with pair[0], pair[1], abstract, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        for sock, why in (
            (pair[0], r"descriptor \d+ \(web\), which is no listening stream socket: use ListenStream="),
            (datagrams, "which is no listening stream socket"),
            (abstract, "an abstract Unix socket: give ListenStream= a path"),
        ):
            passed(sock, monkeypatch)
            with pytest.raises(InheritError, match=why):
                inherit_sockets(environment())
    (tmp_path / "file").write_text("")
    descriptor = os.open(tmp_path / "file", os.O_RDONLY)
    monkeypatch.setattr(inherited, "_FIRST", descriptor)
    with pytest.raises(InheritError, match=r"descriptor \d+ \(unnamed\), which is no socket"):
        inherit_sockets(environment(LISTEN_FDNAMES=""))
    os.close(descriptor)
