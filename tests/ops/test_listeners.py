"""Listening: all or nothing, errors that name the cure, and a full machine that recovers."""

from __future__ import annotations

import errno
import logging
import os
import socket
from pathlib import Path

import pytest
import trio
import trio.testing

from wsgate.ops import listeners
from wsgate.ops.listeners import ListenError, accept_forever, bound_address, close_listeners, open_listeners
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
    def refuse(bind: Address) -> socket.socket:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(listeners, "_open", refuse)
    with pytest.raises(ListenError, match=words) as caught:
        listen(ANYWHERE)
    assert "\n" not in str(caught.value)


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
    """A program that is busy, not one that is gone: its file stays."""
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


@pytest.mark.parametrize("kind", ["tcp", "tcp6", "unix"])
async def test_clients_are_served_under_their_names(kind: str, tmp_path: Path, nursery: trio.Nursery) -> None:
    binds: dict[str, Address] = {
        "tcp": ANYWHERE,
        "tcp6": TcpAddress("::", 0),
        "unix": UnixAddress(str(tmp_path / "s")),
    }
    bind = binds[kind]
    (listener,) = listen(bind)
    served = trio.Event()
    names: list[str] = []

    async def serve(sock: socket.socket, client: str) -> None:
        with sock:
            assert sock.getblocking() is False
        names.append(client)
        served.set()

    nursery.start_soon(accept_forever, listener, serve, nursery)
    client = socket.socket(socket.AF_UNIX if kind == "unix" else socket.AF_INET)
    with client:
        where = bind.path if isinstance(bind, UnixAddress) else ("127.0.0.1", listener.getsockname()[1])
        client.connect(where)
        expected = str(bind) if kind == "unix" else f"127.0.0.1:{client.getsockname()[1]}"
        with trio.fail_after(5):
            await served.wait()
    assert names == [expected]
    nursery.cancel_scope.cancel()
    close_listeners([listener])


async def test_a_storm_is_taken_in_turns(nursery: trio.Nursery) -> None:
    """More than one turn takes; between two of them the rest of the process runs."""
    (listener,) = listen(ANYWHERE)
    clients = [socket.create_connection(listener.getsockname()) for _ in range(150)]
    served: list[str] = []
    all_served = trio.Event()
    most = 0

    async def serve(sock: socket.socket, client: str) -> None:
        nonlocal most
        sock.close()
        served.append(client)
        most = max(most, len(nursery.child_tasks))
        if len(served) == len(clients):
            all_served.set()

    nursery.start_soon(accept_forever, listener, serve, nursery)
    with trio.fail_after(5):
        await all_served.wait()
    assert sorted(served) == sorted("{}:{}".format(*client.getsockname()) for client in clients)
    assert most < len(clients)
    nursery.cancel_scope.cancel()
    for sock in (*clients, listener):
        sock.close()


class Full(socket.socket):
    """A listener on a machine that has no descriptor left, until it has."""

    failures: list[int]

    def accept(self) -> tuple[socket.socket, object]:
        if self.failures:
            number = self.failures.pop(0)
            raise OSError(number, os.strerror(number))
        return super().accept()


async def test_out_of_descriptors_it_pauses_says_so_once_and_goes_on(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "wsgate")
    listener = Full(socket.AF_INET)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    listener.setblocking(False)
    listener.failures = [errno.ECONNABORTED, errno.EMFILE, errno.EMFILE, errno.ENFILE]
    served = trio.Event()

    async def serve(sock: socket.socket, client: str) -> None:
        sock.close()
        served.set()

    nursery.start_soon(accept_forever, listener, serve, nursery)
    with socket.create_connection(listener.getsockname()):
        await served.wait()
        await trio.testing.wait_all_tasks_blocked()
    assert trio.current_time() >= 0.3  # a pause for each of the three
    assert [record.event for record in caplog.records] == ["out of resources", "accepting again"]  # type: ignore[attr-defined]
    nursery.cancel_scope.cancel()
    listener.close()


async def test_an_error_that_nobody_knows_is_loud() -> None:
    listener = Full(socket.AF_INET)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    listener.setblocking(False)
    listener.failures = [errno.EBADF]

    async def serve(sock: socket.socket, client: str) -> None:
        raise AssertionError("nobody connected")

    with socket.create_connection(listener.getsockname()), listener:
        async with trio.open_nursery() as nursery:
            with pytest.raises(OSError, match=os.strerror(errno.EBADF)):
                await accept_forever(listener, serve, nursery)
