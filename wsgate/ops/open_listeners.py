"""The open listeners of a process.

A listener keeps its socket and the connections in its queue while the settings have its address. Its other settings may
change, for connections that are accepted afterwards.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import trio

from wsgate.disk.threads import in_thread, thread_limiter
from wsgate.events.emit import emit
from wsgate.gate.connection import serve
from wsgate.gate.gateway import Gateway
from wsgate.net.binds import bound_address
from wsgate.ops.accept import Serve, accept_forever, accept_waiting
from wsgate.ops.descriptors import DescriptorLimit
from wsgate.ops.listeners import close_listeners, has_file
from wsgate.settings.model import Address, Listener
from wsgate.site.listener import LiveListener

DISK_TIME = 2.0  # seconds that the end of a listener waits for the disk of its file

ListenerOpener = Callable[[Sequence[Listener]], list[socket.socket]]


@dataclass(slots=True, eq=False)
class OpenListener:
    """An open listener. ``live`` is for new connections; a connection keeps the one with which it was accepted."""

    sock: socket.socket
    live: LiveListener
    removed: bool = False
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)

    @property
    def address(self) -> Address:
        """The address on which it listens, with the real port."""
        return bound_address(self.sock)


class OpenListeners:
    """Every open listener of the process.

    connections: the nursery of the connections
    accepting: the nursery of the tasks that accept them
    """

    def __init__(self, gateway: Gateway, connections: trio.Nursery, accepting: trio.Nursery) -> None:
        self._gateway = gateway
        self._connections = connections
        self._accepting = accepting
        self._room = DescriptorLimit(gateway)
        self._open: list[OpenListener] = []

    def __iter__(self) -> Iterator[OpenListener]:
        return iter(self._open)

    def open(self, sock: socket.socket, live: LiveListener) -> OpenListener:
        """Starts to accept connections."""
        opened = OpenListener(sock, live)
        self._open.append(opened)
        self._accepting.start_soon(self._accept, opened)
        return opened

    def change(self, opened: OpenListener, live: LiveListener) -> None:
        """Changes the settings of a listener, whose address stays the same."""
        opened.live.closed = True
        opened.live = live

    def close(self, opened: OpenListener) -> None:
        """Accepts the connections in the queue, then closes the listener and logs "listener removed"."""
        self._open.remove(opened)
        opened.live.closed = True
        opened.removed = True
        opened.scope.cancel()

    async def _accept(self, opened: OpenListener) -> None:
        serve_there = self._server(opened)
        try:
            with opened.scope:
                await accept_forever(
                    opened.sock, serve_there, self._connections, self._gateway.handshake_limiter, self._room
                )
        finally:
            address = opened.address
            accept_waiting(opened.sock, serve_there, self._connections, self._room)
            await close_in_thread(opened.sock)
            if opened.removed:  # logged only now, because it was still open before
                emit(logging.INFO, "listener removed", address=str(address))

    def _server(self, opened: OpenListener) -> Serve:
        left = self._room.leave  # one for all: each open session keeps it
        return lambda sock, peer: serve(self._gateway, opened.live, sock, peer, left)


async def close_in_thread(sock: socket.socket) -> None:
    """Closes a listening socket. A thread removes a Unix socket's file; if its disk hangs, the file stays."""
    if not has_file(sock):
        close_listeners([sock])
        return
    limiter = thread_limiter("listeners", os.path.dirname(sock.getsockname()), 1)
    with trio.CancelScope(shield=True), contextlib.suppress(trio.TooSlowError):
        await in_thread(limiter, DISK_TIME, partial(close_listeners, [sock]), lambda _: sock.close())


class Opening:
    """Opens listeners in a thread that may be abandoned; its listeners are closed then."""

    def __init__(self, open_more: ListenerOpener) -> None:
        self._open_more = open_more
        self._lock = threading.Lock()
        self._given_up = False
        self._sockets: list[socket.socket] = []

    def open(self, listeners: Sequence[Listener]) -> None:
        sockets = self._open_more(listeners)
        with self._lock:  # never held while the disk of a Unix socket's file may hang
            given_up = self._given_up
            if not given_up:
                self._sockets = sockets
        if given_up:
            close_listeners(sockets)

    def take(self) -> list[socket.socket]:
        sockets, self._sockets = self._sockets, []
        return sockets

    async def give_up(self) -> None:
        """Closes the listeners that were not taken."""
        with self._lock:
            self._given_up = True
            sockets = self.take()
        for sock in sockets:
            await close_in_thread(sock)
