"""Listening: all or nothing, errors that name the cure, and a full machine that recovers."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import struct
from pathlib import Path

import pytest

from tests.peers.sockets import free_port
from wsgate.net.binds import bound_address
from wsgate.ops import listeners
from wsgate.ops.listeners import (
    ListenError,
    close_listeners,
    open_listeners,
    open_reserved,
    reserve_listeners,
)
from wsgate.settings.model import Address, Listener, TcpAddress, UnixAddress


def listen(*binds: Address) -> list[socket.socket]:
    return open_listeners([Listener(bind=bind) for bind in binds])


ANYWHERE = TcpAddress("127.0.0.1", 0)


def test_port_0_is_told_as_the_port_it_became() -> None:
    (sock,) = listen(ANYWHERE)
    with sock:
        address = bound_address(sock)
        assert isinstance(address, TcpAddress)
        assert address.port
        socket.create_connection((address.host, address.port)).close()


@pytest.mark.parametrize(("host", "reach"), [("::1", ["::1"]), ("::", ["::1", "127.0.0.1"])])
def test_ipv6_and_both(host: str, reach: list[str]) -> None:
    (sock,) = listen(TcpAddress(host, 0))
    with sock:
        port = sock.getsockname()[1]
        for address in reach:
            socket.create_connection((address, port)).close()


def test_a_name_of_an_ipv6_address_takes_ipv6_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(host: str, port: int, **more: object) -> list[object]:
        assert host == "six.test"
        return [(socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("::1", port, 0, 0))]

    with monkeypatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", resolve)
        (sock,) = listen(TcpAddress("six.test", 0))
    with sock:
        assert sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
        socket.create_connection(("::1", sock.getsockname()[1])).close()


def test_a_taken_port_closes_what_was_opened_before_it(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ListenError, match=f"cannot listen on 127.0.0.1:{port}: the address is in use"):
            listen(UnixAddress(str(path)), TcpAddress("127.0.0.1", port))
    assert not path.exists()


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EADDRINUSE, "is in use"),
        (errno.EACCES, "CAP_NET_BIND_SERVICE"),
        (errno.EADDRNOTAVAIL, "no such address"),
        (errno.ENOTDIR, os.strerror(errno.ENOTDIR)),
    ],
)
def test_every_failure_is_one_line(number: int, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(listener: Listener, *where: object) -> socket.socket:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(listeners, "_bind", refuse)
    with pytest.raises(ListenError, match=words) as caught:
        listen(ANYWHERE)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EACCES, "not permitted: let the user that runs wsgate write to the directory 'DIRECTORY';"),
        (errno.EROFS, "the file system of the directory 'DIRECTORY' is read-only: mount a volume there"),
    ],
)
def test_a_unix_socket_that_cannot_be_made(
    number: int, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> tuple[int, int]:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(listeners, "_bind_file", refuse)
    with pytest.raises(ListenError) as caught:
        listen(UnixAddress(str(tmp_path / "s")))
    words = words.replace("DIRECTORY", str(tmp_path))
    assert str(caught.value).startswith(f"cannot listen on unix:{tmp_path}/s: {words}")


def test_a_unix_socket_without_its_directory(tmp_path: Path) -> None:
    none = tmp_path / "none"
    with pytest.raises(ListenError, match=f"the directory '{none}' does not exist: make it"):
        listen(UnixAddress(str(none / "s")))
    none.touch()
    with pytest.raises(ListenError, match=f"the directory '{none}' is none: name another one"):
        listen(UnixAddress(str(none / "s")))


def test_an_unknown_name_says_so() -> None:
    with pytest.raises(ListenError, match="cannot listen on no-such-host"):
        listen(TcpAddress("no-such-host.invalid", 1))


def test_a_stale_socket_file_is_replaced_a_live_one_is_not(tmp_path: Path) -> None:
    bind = UnixAddress(str(tmp_path / "gateway.sock"))
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(bind.path)
    (sock,) = listen(bind)
    with pytest.raises(ListenError, match="in use"):
        listen(bind)
    assert bound_address(sock) == bind
    close_listeners([sock])
    assert not os.path.exists(bind.path)


def test_a_live_socket_whose_backlog_is_full_is_alive(tmp_path: Path) -> None:
    """Its program is busy, but alive: its file stays."""
    path = str(tmp_path / "busy.sock")
    with socket.socket(socket.AF_UNIX) as busy, socket.socket(socket.AF_UNIX) as first:
        busy.bind(path)
        busy.listen(0)
        first.connect(path)
        with pytest.raises(ListenError, match="in use"):
            listen(UnixAddress(path))
        assert os.path.exists(path)


def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_text("data")
    with pytest.raises(ListenError, match="no socket"):
        listen(UnixAddress(str(path)))
    assert path.read_text() == "data"


def test_a_socket_file_that_went_by_itself_is_no_error(tmp_path: Path) -> None:
    path = tmp_path / "s"
    (sock,) = listen(UnixAddress(str(path)))
    path.unlink()
    close_listeners([sock])


def test_a_socket_file_that_became_anothers_is_left_alone(tmp_path: Path) -> None:
    """Another process has removed our file and listens there now."""
    path = tmp_path / "s"
    (sock,) = listen(UnixAddress(str(path)))
    path.unlink()
    (other,) = listen(UnixAddress(str(path)))
    close_listeners([sock])
    assert path.exists()
    close_listeners([other])
    assert not path.exists()


@pytest.mark.parametrize("mode", [0o600, 0o660, 0o666])
def test_a_sockets_mode_is_no_matter_of_the_umask(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "s"
    before = os.umask(0o077)
    try:
        (sock,) = open_listeners([Listener(bind=UnixAddress(str(path)), mode=mode)])
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == mode
    close_listeners([sock])


def test_a_socket_without_its_mode_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str, mode: int) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "chmod", refuse)
    with pytest.raises(ListenError, match="Operation not permitted"):
        open_listeners([Listener(bind=UnixAddress(str(tmp_path / "s")), mode=0o600)])
    assert list(tmp_path.iterdir()) == []


def test_nobody_connects_before_the_mode_is_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(tmp_path / "s")
    really = os.chmod
    refused: list[OSError] = []

    def chmod(where: str, mode: int) -> None:
        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(path)
            except OSError as error:
                refused.append(error)
        really(where, mode)

    monkeypatch.setattr(os, "chmod", chmod)
    (sock,) = open_listeners([Listener(bind=UnixAddress(path), mode=0o600)])
    assert [error.errno for error in refused] == [errno.ECONNREFUSED]
    close_listeners([sock])


def test_a_directory_is_one_gateways_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two that find the same stale socket, the second must not remove what the first has just opened."""
    path = tmp_path / "s"
    really = listeners._remove_stale

    def remove_stale(path: str) -> None:
        descriptor = os.open(tmp_path, os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(descriptor)
        really(path)

    monkeypatch.setattr(listeners, "_remove_stale", remove_stale)
    close_listeners(listen(UnixAddress(str(path))))


@pytest.mark.parametrize("obstacle", ["locked", "unreadable"])
def test_a_directory_that_cannot_be_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, obstacle: str) -> None:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    if obstacle == "locked":
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        monkeypatch.setattr(listeners, "_LOCK_TRIES", 2)
    else:  # root can read everything

        def refuse(*_: object) -> int:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

        monkeypatch.setattr(os, "open", refuse)
    close_listeners(listen(UnixAddress(str(tmp_path / "s"))))
    os.close(descriptor)


@pytest.mark.parametrize("backlog", [7, 300])
def test_the_backlog(backlog: int) -> None:
    (sock,) = open_listeners([Listener(bind=ANYWHERE, backlog=backlog)])
    with sock:
        information = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 32)
        # tcpi_sacked; of a listening socket it is the backlog (Linux, tcp_get_info)
        assert struct.unpack_from("I", information, 28) == (backlog,)


@pytest.mark.parametrize("order", [("0.0.0.0", "::"), ("::", "0.0.0.0")])
def test_both_and_ipv4_on_one_port(order: tuple[str, str]) -> None:
    """What nginx's configurations have, where [::] is IPv6 alone."""
    port = free_port()
    with pytest.raises(ListenError, match=rf"\[::\]:{port} takes IPv4 too; remove the listener on 0.0.0.0:{port}"):
        listen(*(TcpAddress(host, port) for host in order))


def test_two_that_overlap_are_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where only looking a name up shows it, too."""
    really = socket.getaddrinfo

    def look_up(host: str, *arguments: object, **more: object) -> object:
        return really("127.0.0.1" if host == "a.test" else host, *arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    port = free_port()
    words = f"has 0.0.0.0:{port}, which takes 127.0.0.1:{port} too; remove one of them"
    for host in ("127.0.0.1", "a.test"):
        with pytest.raises(ListenError, match=f"cannot listen on {host}:{port}: another listener .* {words}"):
            listen(TcpAddress("0.0.0.0", port), TcpAddress(host, port))


def test_who_has_the_address_is_named() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as sock,
        pytest.raises(ListenError, match="the address is in use by this gateway itself; stop that, or choose another"),
    ):
        listen(TcpAddress("127.0.0.1", sock.getsockname()[1]))


@pytest.mark.parametrize(("number", "status"), [(errno.EACCES, os.EX_NOPERM), (errno.EADDRINUSE, 1)])
def test_the_exit_status_of_a_failure(number: int, status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(listener: Listener, *where: object) -> socket.socket:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(listeners, "_bind", refuse)
    with pytest.raises(ListenError) as caught:
        listen(ANYWHERE)
    assert caught.value.status == status


@pytest.mark.parametrize("bind", ["tcp", "unix"])
def test_what_is_reserved_and_gone(bind: str, tmp_path: Path) -> None:
    """The message of a worker that cannot listen on a reserved address says why."""
    listener = Listener(bind=ANYWHERE if bind == "tcp" else UnixAddress(str(tmp_path / "s")))
    (reserved,) = reserve_listeners([listener])
    close_listeners([reserved])
    with pytest.raises(ListenError, match="Bad file descriptor"):
        open_reserved(listener, reserved)
