from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from wsgate.gate.dial import DialError, dial
from wsgate.relay.tls import PeerSocket
from wsgate.settings.model import Address, Target, TcpAddress, UnixAddress

TIMEOUT = 5.0


def address_of(listener: socket.socket) -> TcpAddress:
    host, port = listener.getsockname()[:2]
    return TcpAddress(host, port)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


@pytest.fixture
def refusing() -> TcpAddress:
    """An address that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return address_of(listener)


@pytest.fixture
def silent() -> Iterator[TcpAddress]:
    """An address that never answers: its backlog is full, so the kernel drops what else comes."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        with socket.create_connection(listener.getsockname()):
            yield address_of(listener)


@contextmanager
def no_descriptor_leaks() -> Iterator[None]:
    before = set(os.listdir("/proc/self/fd"))
    yield
    assert set(os.listdir("/proc/self/fd")) <= before  # garbage of other tests may have gone meanwhile


class Names(trio.abc.HostnameResolver):
    """A resolver for the time of a test: names and their addresses, in order. What it does not know does not exist."""

    def __init__(self, names: Mapping[str, list[TcpAddress]]) -> None:
        self._names = names

    async def getaddrinfo(self, host: bytes | str | None, port: Any, *rest: Any) -> list[Any]:
        name = host.decode() if isinstance(host, bytes) else host or ""
        if name not in self._names:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [
            (
                socket.AF_INET6 if ":" in at.host else socket.AF_INET,
                socket.SOCK_STREAM,
                socket.IPPROTO_TCP,
                "",
                (at.host, at.port),
            )
            for at in self._names[name]
        ]

    async def getnameinfo(self, sockaddr: Any, flags: int) -> Any:
        raise NotImplementedError


def resolve(**names: list[TcpAddress]) -> None:
    trio.socket.set_custom_hostname_resolver(Names(names))  # for this run of trio alone


def plain(*addresses: Address) -> list[Target]:
    return [Target(address) for address in addresses]


async def connect(address: Address) -> PeerSocket:
    sock, place = await dial(plain(address), TIMEOUT)
    assert place == 0
    return sock


def check(sock: PeerSocket, listener: socket.socket) -> None:
    """A connection as the gateway needs it: plain, non-blocking, inherited by nobody, and to the right place."""
    assert isinstance(sock, socket.socket)
    assert type(sock) is socket.socket
    assert not os.get_blocking(sock.fileno())
    assert not sock.getblocking()
    assert fcntl.fcntl(sock, fcntl.F_GETFD) & fcntl.FD_CLOEXEC
    other, _ = listener.accept()
    with sock, other:
        if listener.family is not socket.AF_UNIX:
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        sock.send(b"hello")
        assert other.recv(10) == b"hello"
        with pytest.raises(BlockingIOError):
            sock.recv(1)


async def test_a_literal_address(listener: socket.socket) -> None:
    check(await connect(address_of(listener)), listener)


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
async def test_a_literal_address_of_ipv6() -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as listener:
        check(await connect(address_of(listener)), listener)


async def test_a_unix_socket(tmp_path: Path) -> None:
    path = str(tmp_path / "s.sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        check(await connect(UnixAddress(path)), listener)


async def test_a_name(listener: socket.socket) -> None:
    """Through the system's own resolver."""
    check(await connect(TcpAddress("localhost", address_of(listener).port)), listener)


async def test_a_name_with_an_address_that_refuses(listener: socket.socket) -> None:
    """Happy eyeballs (RFC 8305): the next address has its turn."""
    port = address_of(listener).port
    resolve(service=[TcpAddress("127.0.0.2", port), TcpAddress("127.0.0.1", port)])
    check(await connect(TcpAddress("service", port)), listener)


async def failure(address: Address, within: float = TIMEOUT) -> DialError:
    with no_descriptor_leaks(), pytest.raises(DialError) as caught:
        await dial(plain(address), within)
    return caught.value


async def test_nobody_listens(refusing: TcpAddress) -> None:
    error = await failure(refusing)
    assert str(error) == f"cannot connect to {refusing}: Connection refused"
    assert error.status == 502


async def test_nobody_listens_at_any_address_of_a_name(refusing: TcpAddress) -> None:
    """One reason, not one for every address."""
    resolve(service=[TcpAddress(f"127.0.0.{last}", refusing.port) for last in (1, 2, 3)])
    error = await failure(TcpAddress("service", refusing.port))
    assert str(error) == f"cannot connect to service:{refusing.port}: Connection refused"


async def test_a_name_that_does_not_exist() -> None:
    resolve()
    error = await failure(TcpAddress("nowhere", 80))
    assert str(error) == "cannot connect to nowhere:80: Name or service not known"
    assert error.status == 502


async def test_unix_sockets_that_cannot_be_connected_to(tmp_path: Path) -> None:
    missing, stale, long = tmp_path / "missing", tmp_path / "stale", tmp_path / ("x" * 120)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(stale))
    for path, reason in [
        (missing, "No such file or directory"),
        (stale, "Connection refused"),
        (long, "AF_UNIX path too long"),
    ]:
        error = await failure(UnixAddress(str(path)))
        assert str(error) == f"cannot connect to unix:{path}: {reason}"
        assert error.status == 502


async def test_a_unix_socket_whose_backlog_is_full(tmp_path: Path) -> None:
    """The kernel lets nobody wait there: an answer like another, and no time goes by."""
    path = str(tmp_path / "s.sock")
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as first:
        listener.bind(path)
        listener.listen(0)
        first.connect(path)
        error = await failure(UnixAddress(path))
    assert str(error) == f"cannot connect to unix:{path}: Resource temporarily unavailable"
    assert error.status == 502


async def test_no_answer_by_the_deadline(silent: TcpAddress, autojump_clock: trio.testing.MockClock) -> None:
    began = trio.current_time()
    error = await failure(silent, 2.5)
    assert trio.current_time() - began == 2.5
    assert str(error) == f"{silent} did not answer within 2.5 s"
    assert error.status == 504


async def test_no_answer_from_a_name(silent: TcpAddress, autojump_clock: trio.testing.MockClock) -> None:
    resolve(service=[silent])
    began = trio.current_time()
    error = await failure(TcpAddress("service", silent.port))
    assert trio.current_time() - began == TIMEOUT
    assert error.status == 504


async def test_cancelled_while_it_waits(silent: TcpAddress) -> None:
    with no_descriptor_leaks():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(dial, plain(silent), TIMEOUT)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()


async def test_the_first_backend_that_takes_it(listener: socket.socket, refusing: TcpAddress) -> None:
    sock, place = await dial(plain(refusing, refusing, address_of(listener), refusing), TIMEOUT)
    assert place == 2
    check(sock, listener)
    sock, place = await dial(plain(address_of(listener), refusing), TIMEOUT)
    assert place == 0
    check(sock, listener)


async def test_every_backend_has_its_own_time(
    listener: socket.socket, silent: TcpAddress, autojump_clock: trio.testing.MockClock
) -> None:
    began = trio.current_time()
    sock, place = await dial(plain(silent, silent, address_of(listener)), TIMEOUT)
    assert (place, trio.current_time() - began) == (2, 2 * TIMEOUT)
    check(sock, listener)


async def test_no_backend_takes_it(
    silent: TcpAddress, refusing: TcpAddress, autojump_clock: trio.testing.MockClock
) -> None:
    """The last one's words are the answer."""
    with pytest.raises(DialError) as caught:
        await dial(plain(refusing, silent), TIMEOUT)
    assert caught.value.status == 504
    with pytest.raises(DialError) as caught:
        await dial(plain(silent, refusing), TIMEOUT)
    assert caught.value.status == 502
    assert str(refusing) in str(caught.value)


async def test_no_backend_at_all() -> None:
    """The settings always name one: this is our own misuse."""
    with pytest.raises(ValueError, match="no address"):
        await dial([], TIMEOUT)
