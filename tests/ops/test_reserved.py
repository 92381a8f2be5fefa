"""Addresses that workers share: one reservation, a socket for each worker, and no other process."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from wsgate.ops.listeners import ListenError, close_listeners, open_listeners
from wsgate.ops.reserved import Inheritance, Reservation, Reservations
from wsgate.settings.model import Address, Listener, TcpAddress, UnixAddress

T = TypeVar("T")

ANYWHERE = Listener(bind=TcpAddress("127.0.0.1", 0))


def worker_of(reserved: Reservations) -> Inheritance:
    """Returns a forked worker's inheritance; here the parent stays in the same process."""
    return Inheritance(copies(reserved._held))


def copies(reservations: list[Reservation]) -> list[Reservation]:
    return [Reservation(held.bind, socket.socket(fileno=os.dup(held.sock.fileno()))) for held in reservations]


def port(address: Address) -> int:
    assert isinstance(address, TcpAddress)
    return address.port


def accepted(listeners: list[socket.socket]) -> list[int]:
    """How many connections wait at each."""
    counts = []
    for listener in listeners:
        count = 0
        while True:
            try:
                listener.accept()[0].close()
            except BlockingIOError:
                break
            count += 1
        counts.append(count)
    return counts


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "::"])
def test_every_worker_gets_its_share_and_the_parent_none(host: str) -> None:
    listener = Listener(bind=TcpAddress(host, 0))
    reserved = Reservations([listener])
    (address,) = reserved.addresses
    sockets = [worker_of(reserved).open([listener])[0] for _ in range(3)]
    assert {sock.getsockname()[1] for sock in sockets} == {port(address)}
    to = "::1" if host == "::1" else "127.0.0.1"
    clients = [socket.create_connection((to, port(address))) for _ in range(120)]
    shares = accepted(sockets)
    assert sum(shares) == len(clients)
    assert min(shares) > 0  # one in 3 * (2/3)**120 has it otherwise
    close_listeners([*clients, *sockets])
    reserved.close()


def test_a_dead_workers_share_goes_to_the_others() -> None:
    reserved = Reservations([ANYWHERE])
    (one,), (other,) = worker_of(reserved).open([ANYWHERE]), worker_of(reserved).open([ANYWHERE])
    one.close()
    clients = [socket.create_connection(other.getsockname()) for _ in range(40)]
    assert accepted([other]) == [40]
    close_listeners([*clients, other])
    reserved.close()


@pytest.mark.parametrize("listening", [False, True])
def test_nobody_comes_in_beside_the_workers(listening: bool) -> None:
    """Also not another gateway with workers of the same user, whose sockets have SO_REUSEPORT too."""
    reserved = Reservations([ANYWHERE])
    sockets = worker_of(reserved).open([ANYWHERE]) if listening else []
    taken = Listener(bind=reserved.addresses[0])
    with pytest.raises(ListenError, match="the address is in use"):
        Reservations([taken])
    with pytest.raises(ListenError, match="the address is in use"):
        open_listeners([taken])
    close_listeners(sockets)
    reserved.close()
    close_listeners(open_listeners([taken]))


def test_an_address_of_another_program_is_not_shared() -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(ListenError, match="the address is in use"):
            Reservations([Listener(bind=TcpAddress(*other.getsockname()))])


def test_connections_of_the_gateway_before_are_no_obstacle() -> None:
    """It was stopped; what it had accepted still ends."""
    before = Reservations([ANYWHERE])
    (listener,) = worker_of(before).open([ANYWHERE])
    client = socket.create_connection(listener.getsockname())
    session, _ = listener.accept()
    again = Listener(bind=before.addresses[0])
    close_listeners([listener])
    before.close()
    reserved = Reservations([again])
    close_listeners(worker_of(reserved).open([again]))
    reserved.close()
    for sock in (client, session):
        sock.close()


def test_a_unix_socket_is_one_for_all_and_its_file_the_parents(tmp_path: Path) -> None:
    listener = Listener(bind=UnixAddress(str(tmp_path / "s")), mode=0o600)
    reserved = Reservations([listener])
    (one,), (other,) = worker_of(reserved).open([listener]), worker_of(reserved).open([listener])
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(tmp_path / "s"))
        assert accepted([one, other]) == [1, 0]
    close_listeners([one, other])  # workers that end
    assert (tmp_path / "s").is_socket()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(tmp_path / "s"))  # the next worker's
    reserved.close()
    assert not (tmp_path / "s").exists()


def test_a_change_keeps_what_stays(tmp_path: Path) -> None:
    stays, goes, comes = (Listener(bind=UnixAddress(str(tmp_path / name))) for name in ("stays", "goes", "comes"))
    reserved = Reservations([stays, goes])
    (new,) = reserved.change([comes, stays])
    assert new.bind == comes.bind
    assert reserved.addresses == [comes.bind, stays.bind]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["comes", "stays"]
    reserved.close()


def test_a_change_that_cannot_be_made_changes_nothing(tmp_path: Path) -> None:
    stays = Listener(bind=UnixAddress(str(tmp_path / "stays")))
    reserved = Reservations([stays])
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = Listener(bind=TcpAddress(*other.getsockname()))
        with pytest.raises(ListenError, match="in use"):
            reserved.change([Listener(bind=UnixAddress(str(tmp_path / "new"))), taken])
    assert reserved.addresses == [stays.bind]
    assert [path.name for path in tmp_path.iterdir()] == ["stays"]
    reserved.close()


def test_port_0_twice_is_two_ports() -> None:
    reserved = Reservations([ANYWHERE, ANYWHERE])
    sockets = worker_of(reserved).open([ANYWHERE, ANYWHERE])
    assert [sock.getsockname()[1] for sock in sockets] == [port(address) for address in reserved.addresses]
    assert len(set(reserved.addresses)) == 2
    close_listeners(sockets)
    reserved.close()


def test_a_worker_takes_what_its_parent_adds() -> None:
    reserved = Reservations([ANYWHERE])
    worker = worker_of(reserved)
    sockets = worker.open([ANYWHERE])
    added = Listener(bind=TcpAddress("::1", 0))
    worker.change([ANYWHERE, added], copies(reserved.change([ANYWHERE, added])))
    sockets += worker.open([added])
    assert [sock.getsockname()[1] for sock in sockets] == [port(address) for address in reserved.addresses]
    close_listeners(sockets)
    reserved.close()


def test_what_was_given_up_before_the_worker_came_to_it() -> None:
    """Two reloads in a row: the worker is at the first when the second has taken back what it added."""
    reserved = Reservations([])
    worker = Inheritance([])
    worker.change([ANYWHERE], copies(reserved.change([ANYWHERE])))
    reserved.change([])
    worker.change([], [])
    with pytest.raises(ListenError, match="no longer wanted"):
        worker.open([ANYWHERE])
    again = copies(reserved.change([ANYWHERE]))
    worker.change([ANYWHERE], again)
    (sock,) = worker.open([ANYWHERE])
    assert sock.getsockname()[1] == port(reserved.addresses[0])
    sock.close()
    reserved.close()


def test_a_worker_that_fails_can_try_again(tmp_path: Path) -> None:
    path = Listener(bind=UnixAddress(str(tmp_path / "s")))
    unknown = Listener(bind=TcpAddress("127.0.0.1", 1))
    reserved = Reservations([path, ANYWHERE])
    worker = worker_of(reserved)
    with pytest.raises(ListenError):
        worker.open([path, ANYWHERE, unknown])
    sockets = worker.open([path, ANYWHERE])
    assert len(sockets) == 2
    close_listeners(sockets)
    reserved.close()


def test_a_child_that_is_no_worker_forgets_them(tmp_path: Path) -> None:
    """The child may hang, and must not keep the address in use; the parent removes a socket's file."""
    path = tmp_path / "s"
    reserved = Reservations([Listener(bind=UnixAddress(str(path))), Listener(bind=TcpAddress("127.0.0.1", 0))])
    pid = os.fork()
    if not pid:
        reserved.close_in_child()
        os._exit(len(reserved.addresses))
    assert os.waitpid(pid, 0)[1] == 0
    assert path.exists()
    reserved.close()
    assert not path.exists()


def test_a_disk_of_a_unix_socket_that_hangs(tmp_path: Path) -> None:
    """It is looked at elsewhere, and given up there: what is held stays, and can be given up, too."""
    hangs = False

    def elsewhere(work: Callable[[], T], /) -> T:
        if hangs:
            raise TimeoutError("it did not answer within 2 s")
        return work()

    held = Listener(bind=UnixAddress(str(tmp_path / "held")))
    reserved = Reservations([held], elsewhere)
    hangs = True
    with pytest.raises(ListenError, match="the disk of its file hangs: it did not answer within 2 s"):
        reserved.change([held, Listener(bind=UnixAddress(str(tmp_path / "new")))])
    assert reserved.addresses == [held.bind]
    reserved.close()
    assert [path.name for path in tmp_path.iterdir()] == ["held"]
