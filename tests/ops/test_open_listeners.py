"""Listeners that open, change and close while connections come in by them."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from tests.peers.heads import Head, plain_request
from tests.peers.stream import Peer
from wsgate.gate.gateway import Gateway
from wsgate.ops.listeners import open_listeners
from wsgate.ops.open_listeners import OpenListener, OpenListeners
from wsgate.settings.model import Files, Listener, Route, Settings, TcpAddress, UnixAddress
from wsgate.site.build import build
from wsgate.site.listener import LiveListener

LISTENER = Listener(bind=TcpAddress("127.0.0.1", 0))
SETTINGS = Settings(listeners=(), routes=(Route(name="files", action=Files(root="/")),))


@pytest.fixture
async def listeners(nursery: trio.Nursery) -> OpenListeners:
    return OpenListeners(Gateway(build(SETTINGS)), nursery, nursery)


Open = Callable[..., OpenListener]


@pytest.fixture
async def open_one(listeners: OpenListeners) -> AsyncIterator[Open]:
    def open_one(listener: Listener = LISTENER) -> OpenListener:
        (sock,) = open_listeners([listener])
        return listeners.open(sock, LiveListener(listener))

    yield open_one
    for opened in list(listeners):
        listeners.close(opened)


def connect(opened: OpenListener) -> socket.socket:
    """Connects without letting another task run: the connection waits in the kernel's queue."""
    address = opened.address
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


async def test_an_open_door(listeners: OpenListeners, open_one: Open) -> None:
    first, second = open_one(), open_one()
    assert list(listeners) == [first, second]
    for opened in listeners:
        client = peer(connect(opened))
        assert (await ask(client)).one("Connection") is None
        await ask(client)  # the connection is kept
        await client.vanish()


async def test_who_came_in_before_a_change_asks_once_more(listeners: OpenListeners, open_one: Open) -> None:
    opened = open_one()
    early = peer(connect(opened))
    await ask(early)
    before = opened.live
    changed = LiveListener(replace(LISTENER, backlog=1))
    listeners.change(opened, changed)
    assert (before.closed, changed.closed) == (True, False)
    assert opened.live is changed
    late = peer(connect(opened))
    for _ in range(2):
        assert (await ask(late)).one("Connection") is None
    assert (await ask(early)).one("Connection") == "close"
    await early.read_end()
    for client in (early, late):
        await client.vanish()


async def test_a_closed_door_is_shut_behind_those_who_had_come(listeners: OpenListeners, open_one: Open) -> None:
    opened, other = open_one(), open_one()
    address = opened.address
    assert isinstance(address, TcpAddress)
    kept = peer(connect(opened))
    await ask(kept)
    waiting = peer(connect(opened))
    listeners.close(opened)
    assert list(listeners) == [other]
    for client in (kept, waiting):
        assert (await ask(client)).one("Connection") == "close"
        await client.read_end()
        await client.vanish()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((address.host, address.port))


async def test_a_unix_sockets_file_goes_with_its_door(listeners: OpenListeners, open_one: Open, tmp_path: Path) -> None:
    path = f"{tmp_path}/s"
    opened = open_one(Listener(bind=UnixAddress(path)))
    client = socket.socket(socket.AF_UNIX)
    client.connect(path)
    listeners.close(opened)
    asking = peer(client)
    await ask(asking)
    with trio.fail_after(30):
        while opened.sock.fileno() >= 0:  # noqa: ASYNC110 - the thread that removes the file tells nobody
            await trio.sleep(0.001)
    with pytest.raises(FileNotFoundError), socket.socket(socket.AF_UNIX) as late:
        late.connect(path)
    await asking.vanish()
