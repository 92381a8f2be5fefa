from __future__ import annotations

import fcntl
import ipaddress
import os
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from tests.descriptors import descriptors
from wsgate.net import dial as dial_module
from wsgate.net.dial import DialError, dial, socket_address
from wsgate.net.happy_eyeballs import SocketAddress, connect_to
from wsgate.net.plain import PlainTransport
from wsgate.net.target_rules import Rules
from wsgate.net.transport import Transport
from wsgate.settings.model import Address, Target, TargetRule, TcpAddress, UnixAddress

TIMEOUT = 5.0

needs_ipv6 = pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")


def address_of(listener: socket.socket) -> TcpAddress:
    host, port = listener.getsockname()[:2]
    return TcpAddress(host, port)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


@pytest.fixture
def refusing() -> TcpAddress:
    """Returns an address on which no program listens."""
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
    before = descriptors()
    yield
    assert descriptors() == before


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


async def connect(address: Address) -> Transport:
    return await dial(Target(address), TIMEOUT)


def check(sock: Transport, listener: socket.socket) -> None:
    """Checks that a connection is plain, non-blocking, not inherited by children, and to the right address."""
    assert isinstance(sock, PlainTransport)
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
    """It is looked up nowhere."""
    resolve()
    check(await connect(address_of(listener)), listener)


@needs_ipv6
async def test_a_literal_address_of_ipv6() -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as listener:
        check(await connect(address_of(listener)), listener)


@pytest.mark.parametrize(
    ("address", "found"),
    [
        (TcpAddress("192.0.2.1", 80), (socket.AF_INET, ("192.0.2.1", 80))),
        (TcpAddress("2001:db8::1", 80), (socket.AF_INET6, ("2001:db8::1", 80))),
        (UnixAddress("/run/s"), (socket.AF_UNIX, "/run/s")),
        (UnixAddress("/run/s", beneath="/run"), None),  # its path is checked first
        (TcpAddress("fe80::1%lo", 80), None),  # the system knows the number of its interface
        (TcpAddress("example.com", 80), None),
    ],
    ids=str,
)
def test_what_needs_no_lookup(address: Address, found: SocketAddress | None) -> None:
    assert socket_address(address) == found


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
    """Happy eyeballs (RFC 8305): the next address is tried."""
    port = address_of(listener).port
    resolve(service=[TcpAddress("127.0.0.2", port), TcpAddress("127.0.0.1", port)])
    check(await connect(TcpAddress("service", port)), listener)


async def failure(address: Address, within: float = TIMEOUT) -> DialError:
    with no_descriptor_leaks(), pytest.raises(DialError) as caught:
        await dial(Target(address), within)
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
    """The kernel refuses at once: an error like another, and no time passes."""
    path = str(tmp_path / "s.sock")
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as first:
        listener.bind(path)
        listener.listen(0)
        first.connect(path)
        error = await failure(UnixAddress(path))
    assert str(error) == f"cannot connect to unix:{path}: Resource temporarily unavailable"
    assert error.status == 502


async def test_no_answer_by_the_deadline(silent: TcpAddress, autojump_clock: MockClock) -> None:
    began = trio.current_time()
    error = await failure(silent, 2.5)
    assert trio.current_time() - began == 2.5
    assert str(error) == f"{silent} did not answer within 2.5 s"
    assert error.status == 504


async def test_no_answer_from_a_name(silent: TcpAddress, autojump_clock: MockClock) -> None:
    resolve(service=[silent])
    began = trio.current_time()
    error = await failure(TcpAddress("service", silent.port))
    assert trio.current_time() - began == TIMEOUT
    assert error.status == 504


async def test_cancelled_while_it_waits(silent: TcpAddress) -> None:
    with no_descriptor_leaks():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(dial, Target(silent), TIMEOUT)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()


# -- what may be reached -----------------------------------------------------------------------------------------------


def only(*networks: str, deny: Sequence[str] = ()) -> Rules:
    allowed, denied = ([TargetRule(ipaddress.ip_network(text)) for text in texts] for texts in (networks, deny))
    return Rules(allowed, denied, needs_allow=True)


def nobody_has_come(listener: socket.socket) -> bool:
    listener.setblocking(False)
    try:
        listener.accept()[0].close()
    except BlockingIOError:
        return True
    return False


async def refusal(address: Address, rules: Rules) -> str:
    with no_descriptor_leaks(), pytest.raises(DialError) as caught:
        await dial(Target(address), TIMEOUT, rules=rules)
    assert caught.value.status == 403
    return str(caught.value)


async def test_an_address_that_is_allowed(listener: socket.socket) -> None:
    sock = await dial(Target(address_of(listener)), TIMEOUT, rules=only("127.0.0.1"))
    check(sock, listener)


async def test_an_address_that_is_not_allowed(listener: socket.socket) -> None:
    address = address_of(listener)
    assert await refusal(address, only("127.0.0.2")) == f"{address} is not allowed on this route"
    assert nobody_has_come(listener)


async def test_a_name_whose_address_is_not_allowed(listener: socket.socket) -> None:
    port = address_of(listener).port
    resolve(service=[TcpAddress("127.0.0.1", port)])
    said = await refusal(TcpAddress("service", port), only("127.0.0.2"))
    assert said == f"service:{port} (that is 127.0.0.1) is not allowed on this route"
    assert nobody_has_come(listener)


async def test_a_name_of_the_metadata_service() -> None:
    resolve(service=[TcpAddress("169.254.169.254", 80)])
    assert await refusal(TcpAddress("service", 80), Rules([TargetRule("service")], [], needs_allow=True)) == (
        "service:80 (that is 169.254.169.254) is not allowed on this route; link-local, metadata, unspecified and "
        "multicast addresses need an allow rule of their own"
    )


async def test_only_the_addresses_that_are_allowed_are_dialled() -> None:
    with socket.create_server(("127.0.0.2", 0)) as forbidden:
        port = address_of(forbidden).port
        with socket.create_server(("127.0.0.1", port)) as listener:
            resolve(service=[TcpAddress("127.0.0.2", port), TcpAddress("127.0.0.1", port)])
            sock = await dial(Target(TcpAddress("service", port)), TIMEOUT, rules=only("127.0.0.1"))
            check(sock, listener)
            assert nobody_has_come(forbidden)


class Rebinding(Names):
    """A name with a new address for each lookup."""

    def __init__(self, *answers: TcpAddress) -> None:
        super().__init__({})
        self.answers = list(answers)

    async def getaddrinfo(self, host: bytes | str | None, port: Any, *rest: Any) -> list[Any]:
        self._names = {"service": [self.answers.pop(0)]}
        return await super().getaddrinfo(host, port, *rest)


async def test_a_name_that_means_something_else_a_moment_later() -> None:
    """What was checked is what is dialled (DNS rebinding)."""
    with socket.create_server(("127.0.0.2", 0)) as allowed:
        port = address_of(allowed).port
        with socket.create_server(("127.0.0.1", port)) as forbidden:
            names = Rebinding(TcpAddress("127.0.0.2", port), TcpAddress("127.0.0.1", port))
            trio.socket.set_custom_hostname_resolver(names)
            sock = await dial(Target(TcpAddress("service", port)), TIMEOUT, rules=only("127.0.0.2"))
            check(sock, allowed)
            assert nobody_has_come(forbidden)
            assert len(names.answers) == 1
            await refusal(TcpAddress("service", port), only("127.0.0.2"))
            assert nobody_has_come(forbidden)


async def test_a_name_that_cannot_be_allowed_is_not_looked_up() -> None:
    """Clients must not make us resolve arbitrary names."""
    names = Rebinding()
    trio.socket.set_custom_hostname_resolver(names)
    rules = Rules(
        [TargetRule("*.example.com"), TargetRule(ipaddress.ip_network("10.0.0.0/8"), 22, 22)], [], needs_allow=True
    )
    assert await refusal(TcpAddress("stranger.test", 80), rules) == "stranger.test:80 is not allowed on this route"


@pytest.mark.parametrize("host", ["127.1", "0x7f.1", "2130706433", "0177.0.0.1", "127.0.0.1"])
async def test_numbers_are_judged_by_what_they_mean(listener: socket.socket, host: str) -> None:
    """inet_aton(3), and so the resolver, takes all of these."""
    address = TcpAddress(host, address_of(listener).port)
    anything = Rules([TargetRule(None)], [TargetRule(ipaddress.ip_network("127.0.0.0/8"))], needs_allow=True)
    await refusal(address, anything)
    assert nobody_has_come(listener)
    sock = await dial(Target(address), TIMEOUT, rules=only("127.0.0.0/8"))
    listener.setblocking(True)
    check(sock, listener)


@needs_ipv6
async def test_ipv4_in_ipv6s_clothes(listener: socket.socket) -> None:
    address = TcpAddress("::ffff:127.0.0.1", address_of(listener).port)
    await refusal(address, only("::/0", "0.0.0.0/0", deny=["127.0.0.0/8"]))
    await refusal(address, only("::/0"))
    assert nobody_has_come(listener)
    sock = await dial(Target(address), TIMEOUT, rules=only("127.0.0.1"))
    listener.setblocking(True)
    check(sock, listener)


@needs_ipv6
async def test_zones_are_the_operators() -> None:
    """RFC 4007 §11: they are names of this machine's interfaces. 1 is loopback's."""
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as listener:
        address = TcpAddress("::1%1", address_of(listener).port)
        check(await connect(address), listener)
        await refusal(address, only("::1"))
        assert nobody_has_come(listener)


async def test_unix_sockets_have_rules_of_their_own(tmp_path: Path) -> None:
    path = str(tmp_path / "s.sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        rules = Rules([TargetRule(None)], [], needs_allow=True)
        assert await refusal(UnixAddress(path), rules) == f"unix:{path} is not allowed on this route"
        assert nobody_has_come(listener)
        rules = Rules([TargetRule(UnixAddress(f"{tmp_path}/"))], [], needs_allow=True)
        sock = await dial(Target(UnixAddress(path)), TIMEOUT, rules=rules)
        check(sock, listener)


@pytest.mark.parametrize(
    "host", ["bücher.example", "localhost\0.example", "127.0.0.1 .example", "１27.0.0.1", "a。example", "", "[::1]"]
)
async def test_what_is_no_name(host: str) -> None:
    """Nothing is made of it: the resolver would look up another name than the one that was checked."""
    error = await failure(TcpAddress(host, 80))
    assert str(error) == f"cannot connect to {TcpAddress(host, 80)}: this is not a host name"
    assert error.status == 502


# -- the greeting ------------------------------------------------------------------------------------------------------


async def test_the_greeting_comes_first(listener: socket.socket, tmp_path: Path) -> None:
    path = str(tmp_path / "s.sock")
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(path)
        unix.listen()
        for service, address in ((listener, address_of(listener)), (unix, UnixAddress(path))):
            sock = await dial(Target(address), TIMEOUT, greeting=b"PROXY UNKNOWN\r\n")
            sock.send(b"hello")
            sock.close()
            with service.accept()[0] as other, other.makefile("rb") as file:
                assert file.read() == b"PROXY UNKNOWN\r\nhello"


async def test_a_connection_that_is_lost_before_the_greeting(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = socket.socketpair()
    theirs.close()

    async def connect_to_any(addresses: object) -> socket.socket:
        await trio.lowlevel.checkpoint()
        return ours

    monkeypatch.setattr(dial_module, "connect_to_any", connect_to_any)
    with pytest.raises(DialError) as caught:
        await dial(Target(TcpAddress("127.0.0.1", 80)), TIMEOUT, greeting=b"PROXY UNKNOWN\r\n")
    assert str(caught.value) == "cannot connect to 127.0.0.1:80: Connection reset by peer"
    assert ours.fileno() == -1


async def test_the_socket_that_was_checked_is_dialled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between check and connection, a local user replaces the socket by a link."""
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "desk"
    with socket.socket(socket.AF_UNIX) as inside, socket.socket(socket.AF_UNIX) as outside:
        for sock, where in ((inside, path), (outside, tmp_path / "secret")):
            sock.bind(str(where))
            sock.listen()
            sock.setblocking(False)

        async def swapped(family: socket.AddressFamily, where: str) -> PlainTransport:
            path.rename(tmp_path / "in" / "away")
            path.symlink_to(tmp_path / "secret")
            return await connect_to(family, where)

        monkeypatch.setattr(dial_module, "connect_to", swapped)
        connection = await dial(Target(UnixAddress(str(path), beneath=str(tmp_path / "in"))), 5)
        connection.close()
        inside.accept()[0].close()
        with pytest.raises(BlockingIOError):
            outside.accept()


@pytest.mark.parametrize("rules", [None, Rules((TargetRule(UnixAddress("/")),), (), needs_allow=True)])
async def test_a_socket_that_has_to_lie_beneath_a_directory(tmp_path: Path, rules: Rules | None) -> None:
    (tmp_path / "in").mkdir()
    with socket.socket(socket.AF_UNIX) as outside:
        outside.bind(str(tmp_path / "secret"))
        outside.listen()
        (tmp_path / "in" / "desk").symlink_to("../secret")
        (tmp_path / "in" / "up").symlink_to("..")
        before = descriptors()
        for name in ("desk", "up/secret"):
            address = UnixAddress(str(tmp_path / "in" / name), beneath=str(tmp_path / "in"))
            with pytest.raises(DialError, match="is not allowed on this route"):
                await dial(Target(address), 5, rules=rules)
        gone = UnixAddress(str(tmp_path / "in" / "gone"), beneath=str(tmp_path / "in"))
        with pytest.raises(DialError, match="No such file"):
            await dial(Target(gone), 5, rules=rules)
        assert descriptors() == before


async def test_one_address_of_a_name(listener: socket.socket, refusing: TcpAddress) -> None:
    """The name is not looked up, and the log names both."""
    port = address_of(listener).port
    at = (socket.AF_INET, ("127.0.0.1", port))
    check(await dial(Target(TcpAddress("no.such.name", 1)), TIMEOUT, at=at), listener)
    with pytest.raises(DialError) as caught:
        await dial(Target(TcpAddress("app", 80)), TIMEOUT, at=(socket.AF_INET, (refusing.host, refusing.port)))
    assert str(caught.value) == "cannot connect to app:80 (127.0.0.1): Connection refused"


async def test_the_addresses_of_a_name() -> None:
    app = TcpAddress("app", 80)
    resolve(app=[TcpAddress("10.0.0.7", 80), TcpAddress("2001:db8::7", 80)])
    assert await dial_module.resolve(app) == [
        (socket.AF_INET, ("10.0.0.7", 80)),
        (socket.AF_INET6, ("2001:db8::7", 80)),
    ]


@pytest.mark.parametrize("is_allowed", [True, False])
async def test_a_socket_that_is_found_too_late_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_allowed: bool
) -> None:
    """Its disk hangs while it is looked at, and nobody waits for it any more."""
    looked, go_on, closed = trio.Event(), threading.Event(), trio.Event()
    token = trio.lowlevel.current_trio_token()
    close = dial_module._close

    def is_beneath(where: str, directory: str) -> bool:
        token.run_sync_soon(looked.set)
        return go_on.wait(10) and is_allowed

    def noted(fd: int | None) -> None:
        close(fd)
        token.run_sync_soon(closed.set)

    monkeypatch.setattr(dial_module, "is_beneath", is_beneath)
    monkeypatch.setattr(dial_module, "_close", noted)
    with socket.socket(socket.AF_UNIX) as listener, no_descriptor_leaks(), trio.fail_after(10):
        listener.bind(str(tmp_path / "desk"))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(dial, Target(UnixAddress(str(tmp_path / "desk"), beneath=str(tmp_path))), 5)
            await looked.wait()
            nursery.cancel_scope.cancel()
        go_on.set()
        await closed.wait()
