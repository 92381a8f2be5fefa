"""Accepting, with the errors that accept(2) can have, and where descriptors are short."""

from __future__ import annotations

import errno
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from tests.gate.conftest import gateway_of
from tests.log import Log
from wsgate.gate.handshake_limiter import HandshakeLimiter
from wsgate.gate.silent_connections import SilentConnections
from wsgate.ops import accept
from wsgate.ops.accept import accept_forever, accept_waiting
from wsgate.ops.descriptors import DescriptorLimit
from wsgate.ops.listeners import close_listeners, open_listeners
from wsgate.settings.model import Address, Listener, TcpAddress, UnixAddress

ANYWHERE = TcpAddress("127.0.0.1", 0)


class Served:
    """Serves connections: ends each, and keeps its client's address."""

    def __init__(self) -> None:
        self.clients: list[str] = []
        self._first = trio.Event()

    async def __call__(self, sock: socket.socket, client: Address) -> None:
        assert sock.getblocking() is False
        sock.close()
        self.clients.append(str(client))
        self._first.set()

    async def somebody(self) -> None:
        """Wait for the first."""
        with trio.fail_after(5):
            await self._first.wait()


def listen(*binds: Address) -> list[socket.socket]:
    return open_listeners([Listener(bind=bind) for bind in binds])


@pytest.mark.parametrize("kind", ["tcp", "tcp6", "unix"])
async def test_clients_are_served_under_their_names(kind: str, tmp_path: Path, nursery: trio.Nursery) -> None:
    binds: dict[str, Address] = {
        "tcp": ANYWHERE,
        "tcp6": TcpAddress("::", 0),
        "unix": UnixAddress(str(tmp_path / "s")),
    }
    bind = binds[kind]
    (listener,) = listen(bind)
    served = Served()
    nursery.start_soon(accept_forever, listener, served, nursery, HandshakeLimiter(64))
    client = socket.socket(socket.AF_UNIX if kind == "unix" else socket.AF_INET)
    with client:
        where = bind.path if isinstance(bind, UnixAddress) else ("127.0.0.1", listener.getsockname()[1])
        client.connect(where)
        expected = str(bind) if kind == "unix" else f"127.0.0.1:{client.getsockname()[1]}"
        await served.somebody()
    assert served.clients == [expected]
    nursery.cancel_scope.cancel()
    close_listeners([listener])


async def test_a_storm_is_taken_in_turns(nursery: trio.Nursery) -> None:
    """More than the limit of one iteration; other tasks run in between."""
    (listener,) = listen(ANYWHERE)
    clients = [socket.create_connection(listener.getsockname()) for _ in range(150)]
    served: list[str] = []
    all_served = trio.Event()
    most = 0

    async def serve(sock: socket.socket, client: Address) -> None:
        nonlocal most
        sock.close()
        served.append(str(client))
        most = max(most, len(nursery.child_tasks))
        if len(served) == len(clients):
            all_served.set()

    nursery.start_soon(accept_forever, listener, serve, nursery, HandshakeLimiter(64))
    with trio.fail_after(5):
        await all_served.wait()
    assert sorted(served) == sorted("{}:{}".format(*client.getsockname()) for client in clients)
    assert most < len(clients)
    nursery.cancel_scope.cancel()
    for sock in (*clients, listener):
        sock.close()


async def test_while_handshakes_stand_in_line_nobody_is_accepted(nursery: trio.Nursery) -> None:
    """They wait in the kernel's queue."""
    (listener,) = listen(ANYWHERE)
    turns = HandshakeLimiter(4)
    served: list[str] = []
    most = 0

    async def serve(sock: socket.socket, client: Address) -> None:
        nonlocal most
        with sock:
            for _ in range(3):  # more work than the limit
                await turns.take()
                most = max(most, len(nursery.child_tasks))
        served.append(str(client))

    clients = [socket.create_connection(listener.getsockname()) for _ in range(100)]
    nursery.start_soon(accept_forever, listener, serve, nursery, turns)
    with trio.fail_after(5):
        while len(served) < len(clients):
            await trio.lowlevel.checkpoint()
    assert most < 20
    nursery.cancel_scope.cancel()
    for sock in (*clients, listener):
        sock.close()


class Full(socket.socket):
    """A listener on a machine that has no descriptor left, until it has."""

    failures: list[int]

    def _accept(self) -> tuple[int, object]:
        if self.failures:
            number = self.failures.pop(0)
            raise OSError(number, os.strerror(number))
        return super()._accept()  # type: ignore[misc, no-any-return]


async def test_out_of_descriptors_it_pauses_says_so_once_and_goes_on(
    autojump_clock: MockClock, nursery: trio.Nursery, log: Log
) -> None:
    listener = failing(errno.ECONNABORTED, errno.EMFILE, errno.EMFILE, errno.ENFILE)
    served = Served()
    nursery.start_soon(accept_forever, listener, served, nursery, HandshakeLimiter(64))
    with socket.create_connection(listener.getsockname()):
        await served.somebody()
        await trio.testing.wait_all_tasks_blocked()
    assert trio.current_time() >= 0.3  # a pause for each of the three
    assert log.events() == ["out of resources", "accepting again"]
    nursery.cancel_scope.cancel()
    listener.close()


def failing(*failures: int) -> Full:
    listener = Full(socket.AF_INET)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    listener.setblocking(False)
    listener.failures = list(failures)
    return listener


# accept(2): "Linux accept() passes already-pending network errors on the new socket as an error code"
LOST = ("ENETDOWN", "EPROTO", "ENOPROTOOPT", "EHOSTDOWN", "ENONET", "EHOSTUNREACH", "EOPNOTSUPP", "ENETUNREACH")


@pytest.mark.parametrize("name", [*LOST, "ECONNABORTED", "EPERM", "ECONNRESET", "ETIMEDOUT"])
async def test_an_error_of_one_connection_is_nothing_to_the_next(name: str, nursery: trio.Nursery, log: Log) -> None:
    served = Served()
    with failing(getattr(errno, name)) as listener, socket.create_connection(listener.getsockname()):
        nursery.start_soon(accept_forever, listener, served, nursery, HandshakeLimiter(64))
        await served.somebody()
        nursery.cancel_scope.cancel()
    assert log.records == []


async def test_errors_without_end_do_not_spin(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    served = Served()
    with failing(*[errno.EOPNOTSUPP] * 40) as listener, socket.create_connection(listener.getsockname()):
        nursery.start_soon(accept_forever, listener, served, nursery, HandshakeLimiter(4))
        await served.somebody()
        nursery.cancel_scope.cancel()
    assert trio.current_time() == pytest.approx(1.0)


async def test_an_error_that_nobody_knows_is_loud_and_it_goes_on(
    autojump_clock: MockClock,
    nursery: trio.Nursery,
    log: Log,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(accept, "_SAY_AGAIN", 1.95)
    served = Served()
    with failing(*[errno.EXDEV] * 25) as listener, socket.create_connection(listener.getsockname()):
        nursery.start_soon(accept_forever, listener, served, nursery, HandshakeLimiter(64))
        await served.somebody()
        nursery.cancel_scope.cancel()
        address = "{}:{}".format(*listener.getsockname())
    lines = log.all("accept failed")
    assert all(record.levelno == logging.ERROR for record in log.records)
    assert [line["times"] for line in lines] == [1, 20]  # at once, then once in a while with all of them
    assert lines[0]["listener"] == address
    assert lines[0]["error"].startswith("EXDEV: ")


async def test_who_waits_when_a_listener_is_closed_is_taken_past_errors(nursery: trio.Nursery) -> None:
    served = Served()
    with failing(errno.ECONNABORTED, errno.ENOPROTOOPT) as listener:
        clients = [socket.create_connection(listener.getsockname()) for _ in range(2)]
        accept_waiting(listener, served, nursery)
        await trio.testing.wait_all_tasks_blocked()
        for client in clients:
            client.close()
    assert len(served.clients) == 2


# -- room --------------------------------------------------------------------------------------------------------------

LIMIT = 100  # of which 8 are the reserve


class Case:
    """A listener of a process that has ``LIMIT`` descriptors, with silent clients in its queue."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.gateway = gateway_of()
        (self.listener,) = listen(ANYWHERE)
        self.others = 10  # descriptors that are no client's
        self.inside: list[trio.CancelScope] = []
        self.room = DescriptorLimit(self.gateway, lambda: LIMIT, lambda: self.others + self.room.connections)
        self.clients: list[socket.socket] = []
        nursery.start_soon(accept_forever, self.listener, self.serve, nursery, HandshakeLimiter(64), self.room)

    def connect(self, count: int) -> None:
        self.clients += [socket.create_connection(self.listener.getsockname()) for _ in range(count)]

    async def serve(self, sock: socket.socket, client: Address) -> None:
        with sock, trio.CancelScope() as scope, self.gateway.silent.waiting(scope, None):
            self.inside.append(scope)
            try:
                await trio.sleep_forever()
            finally:
                self.inside.remove(scope)
                self.room.leave()

    def close(self) -> None:
        for sock in (*self.clients, self.listener):
            sock.close()


@pytest.fixture
def case(nursery: trio.Nursery, log: Log) -> Iterator[Case]:
    with closing(Case(nursery)) as opened:
        yield opened
        nursery.cancel_scope.cancel()


async def test_no_more_are_accepted_than_can_be_led_on(case: Case, autojump_clock: MockClock, log: Log) -> None:
    case.connect(60)
    await trio.sleep(0.2)
    # each may need two more; 10 + 3 * 27 + 3 is the last that fits below 100 - 8
    assert len(case.inside) == 27
    assert log.events() == ["out of resources"]
    assert log.one("out of resources")["descriptors"] == "37 of 100"

    # two of them end, and two waiting connections are accepted at once
    for scope in case.inside[:2]:
        scope.cancel()
    await trio.testing.wait_all_tasks_blocked()
    assert len(case.inside) == 27


async def test_who_says_nothing_makes_room_the_oldest_first(case: Case, autojump_clock: MockClock, log: Log) -> None:
    case.connect(27)
    await trio.sleep(10)
    assert len(case.inside) == 27  # no waiting connection takes their places
    assert log.events() == []
    oldest = case.inside[0]
    case.connect(1)
    await trio.sleep(0.05)
    assert oldest not in case.inside
    case.connect(300)
    await trio.sleep(10)
    assert case.room.ended >= 270
    assert len(case.inside) <= 27
    assert log.events() == ["out of resources", "accepting again"]


async def test_who_has_just_come_is_given_the_time_to_say_something(case: Case, autojump_clock: MockClock) -> None:
    case.connect(40)
    await trio.sleep(0.2)
    assert case.room.ended == 0
    await trio.sleep(0.3)
    assert case.room.ended > 0


async def test_sessions_stay_whoever_waits(case: Case, autojump_clock: MockClock) -> None:
    case.connect(27)
    await trio.sleep(1)
    case.gateway.silent = SilentConnections()  # they have sent their requests
    before = list(case.inside)
    case.connect(5)
    await trio.sleep(5)
    assert case.inside == before


async def test_where_the_others_take_all_a_few_are_still_accepted(case: Case, autojump_clock: MockClock) -> None:
    """It is better to serve connections one after the other than none."""
    case.others = LIMIT
    case.connect(40)
    await trio.sleep(0.1)
    assert len(case.inside) == LIMIT // 2 // 3 + 1


@pytest.mark.parametrize(
    ("host", "client"),
    [("::ffff:192.0.2.1", "192.0.2.1"), ("::ffff:0:c000:201", "::ffff:0:c000:201"), ("2001:db8::1", "2001:db8::1")],
)
def test_an_address_as_a_dual_stack_socket_has_it(host: str, client: str) -> None:
    with socket.socket(socket.AF_INET6) as listener:
        assert accept._peer(listener, (host, 5, 0, 0)) == TcpAddress(client, 5)
