"""Listeners that open, change and close while connections come in by them."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from tests.e2e.peers import Head, Peer, plain_request
from wsgate.gate.gateway import Entrance, Gateway
from wsgate.ops.listeners import open_listeners
from wsgate.ops.open_listeners import OpenListener, OpenListeners
from wsgate.settings.model import Files, Listener, Route, Settings, TcpAddress, UnixAddress

LISTENER = Listener(bind=TcpAddress("127.0.0.1", 0))
SETTINGS = Settings(listeners=(), routes=(Route(name="files", action=Files(root="/nonexistent")),))


@pytest.fixture
async def doors(nursery: trio.Nursery) -> OpenListeners:
    return OpenListeners(Gateway(SETTINGS), nursery, nursery)


Open = Callable[..., OpenListener]


@pytest.fixture
async def open_door(doors: OpenListeners) -> AsyncIterator[Open]:
    def open_door(listener: Listener = LISTENER) -> OpenListener:
        (sock,) = open_listeners([listener])
        return doors.open(sock, Entrance(listener))

    yield open_door
    for door in list(doors):
        doors.close(door)


def connect(door: OpenListener) -> socket.socket:
    """Without giving anybody a turn: the connection waits in the kernel's queue."""
    address = door.address
    assert isinstance(address, TcpAddress)
    return socket.create_connection((address.host, address.port))


def peer(sock: socket.socket) -> Peer:
    sock.setblocking(False)
    return Peer(trio.SocketStream(trio.socket.from_stdlib_socket(sock)), mask=None)


async def ask(client: Peer) -> Head:
    """Ask for a file that does not exist; the head of the answer."""
    await client.write(plain_request())
    head = await client.read_head()
    assert head.status == 404
    await client.read_body()
    return head


async def test_an_open_door(doors: OpenListeners, open_door: Open) -> None:
    first, second = open_door(), open_door()
    assert list(doors) == [first, second]
    assert doors.entrances == [first.entrance, second.entrance]
    for door in doors:
        client = peer(connect(door))
        assert (await ask(client)).one("Connection") is None
        await ask(client)  # the connection is kept
        await client.vanish()


async def test_who_came_in_before_a_change_asks_once_more(doors: OpenListeners, open_door: Open) -> None:
    door = open_door()
    early = peer(connect(door))
    await ask(early)
    before, entrances = door.entrance, doors.entrances
    changed = Entrance(replace(LISTENER, backlog=1))
    doors.change(door, changed)
    assert (before.closed, changed.closed) == (True, False)
    assert doors.entrances is entrances
    assert entrances == [changed]
    late = peer(connect(door))
    for _ in range(2):
        assert (await ask(late)).one("Connection") is None
    assert (await ask(early)).one("Connection") == "close"
    await early.read_end()
    for client in (early, late):
        await client.vanish()


async def test_a_closed_door_is_shut_behind_those_who_had_come(doors: OpenListeners, open_door: Open) -> None:
    door, other = open_door(), open_door()
    address = door.address
    assert isinstance(address, TcpAddress)
    kept = peer(connect(door))
    await ask(kept)
    waiting = peer(connect(door))
    doors.close(door)
    assert list(doors) == [other]
    assert doors.entrances == [other.entrance]
    for client in (kept, waiting):
        assert (await ask(client)).one("Connection") == "close"
        await client.read_end()
        await client.vanish()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((address.host, address.port))


async def test_a_unix_sockets_file_goes_with_its_door(doors: OpenListeners, open_door: Open, tmp_path: Path) -> None:
    path = f"{tmp_path}/s"
    door = open_door(Listener(bind=UnixAddress(path)))
    client = socket.socket(socket.AF_UNIX)
    client.connect(path)
    doors.close(door)
    asking = peer(client)
    await ask(asking)
    with trio.fail_after(30):
        while door.sock.fileno() >= 0:  # noqa: ASYNC110 - the thread that removes the file tells nobody
            await trio.sleep(0.001)
    with pytest.raises(FileNotFoundError), socket.socket(socket.AF_UNIX) as late:
        late.connect(path)
    await asking.vanish()
