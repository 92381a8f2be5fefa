"""The process of the admin listener beside workers: their parent runs no trio, and serves no connection.

The parent opens the listener's socket and keeps it, so connections wait in its queue while a process that has died is
replaced. The process ends when its parent closes the channel, or dies.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import signal
import socket
import time
from collections.abc import Callable

import trio

from wsgate.events.emit import emit
from wsgate.net.binds import bound_address
from wsgate.ops.admin.server import AdminServer
from wsgate.ops.inherited import InheritedSockets
from wsgate.ops.listeners import BlockingCall, close_listeners, open_listeners
from wsgate.ops.processes import fork
from wsgate.ops.worker import Backoff
from wsgate.settings.model import Admin, Listener

END_TIME = 1.0  # seconds for the process to end after its channel was closed

# Runs the process until its channel ends; returns its exit status
AdminMain = Callable[[socket.socket, socket.socket], int]


def open_admin_listener(admin: Admin, inherited: InheritedSockets | None = None) -> socket.socket:
    """Opens the listener, or takes the inherited one, and logs its address. Raises ``ListenError`` when that fails."""
    (sock,) = open_listeners([Listener(bind=admin.bind, mode=admin.mode)], inherited or InheritedSockets())
    emit(logging.INFO, "admin listening", address=str(bound_address(sock)))
    return sock


async def serve_until_end(server: AdminServer, listener: socket.socket, channel: socket.socket) -> int:
    """Serves until the parent closes its end of the channel. Returns the exit status."""
    channel.setblocking(False)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.run, listener)
        await trio.lowlevel.wait_readable(channel)  # nothing is ever sent
        nursery.cancel_scope.cancel()
    return 0


class AdminProcess:
    """Starts the process, replaces it if it dies, and ends it. For the parent.

    listener: its socket, which this object closes
    main: what the process runs: it gets the listener and the channel
    """

    def __init__(self, listener: socket.socket, main: AdminMain) -> None:
        self._listener = listener
        self._main = main
        self._backoff = Backoff()
        self._pid = 0
        self._began = 0.0
        self._start_at = 0.0
        self._channel: socket.socket | None = None

    def act(self, now: float, close_in_child: Callable[[], None]) -> None:
        """Starts the process if it does not run and its time has come.

        close_in_child: closes in the child what else belongs to the parent
        """
        if self._pid or now < self._start_at:
            return
        self._began = now

        def be_admin(channel: socket.socket) -> int:
            return self._main(self._listener, channel)

        try:
            self._pid, self._channel = fork(be_admin, prepare=close_in_child)
        except OSError as error:
            self._replace_later(now, "admin not started", error=error.strerror)

    def find_dead(self, now: float) -> None:
        """Notices the death of the process."""
        if self._pid and os.waitpid(self._pid, os.WNOHANG)[0]:
            pid, self._pid = self._pid, 0
            self._close_channel()
            self._replace_later(now, "admin died", pid=pid)

    @property
    def due(self) -> float:
        """When to call ``act`` next (``time.monotonic``)."""
        return math.inf if self._pid else self._start_at

    def close_in_child(self) -> None:
        """Closes in any other child what belongs to this one. The file of a Unix socket stays."""
        self._close_channel()
        self._listener.close()

    def close(self, call_blocking: BlockingCall) -> None:
        """Ends the process, and closes the listener.

        call_blocking: calls what may wait for a disk
        """
        self._close_channel()
        deadline = time.monotonic() + END_TIME
        while self._pid:
            with contextlib.suppress(ChildProcessError):
                if not os.waitpid(self._pid, os.WNOHANG)[0]:
                    if time.monotonic() < deadline:
                        time.sleep(0.005)
                        continue
                    os.kill(self._pid, signal.SIGKILL)
                    os.waitpid(self._pid, 0)
            self._pid = 0
        close_listeners([self._listener], call_blocking)

    def _replace_later(self, now: float, event: str, **fields: object) -> None:
        pause = self._backoff.pause(now - self._began)
        self._start_at = now + pause
        emit(logging.ERROR, event, **fields, replaced_in=pause)

    def _close_channel(self) -> None:
        if self._channel is not None:
            self._channel.close()
            self._channel = None
