"""The pump's own readiness set, and how trio waits for it.

An epoll descriptor is itself pollable, so one ``wait_readable`` on it stands for every established session, and serving
them costs neither a scheduler step nor an ``epoll_ctl`` per read. Where there is no epoll the same interface is kept up
by ``poll()`` in a thread: slower, but the same pump.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
from typing import Protocol

import trio

READABLE = 0x1  # EPOLLIN and POLLIN; epoll(7) and poll(2) agree on these numbers
WRITABLE = 0x4  # EPOLLOUT and POLLOUT
INSIDE = 1 << 20  # not the kernel's: there is something to read in TLS's own buffer; no number of poll(2)'s

_MAX_EVENTS = 64  # per round, so that a round is short; what is left is reported first in the next (epoll(7))


class Poller(Protocol):
    """A set of descriptors, each with the events that are wanted of it.

    polls_anywhere: ``poll`` may be called while a ``wait`` is under way
    """

    polls_anywhere: bool

    def register(self, fd: int, interest: int) -> None: ...

    def modify(self, fd: int, interest: int) -> None: ...

    def unregister(self, fd: int) -> None: ...

    def poll(self) -> list[tuple[int, int]]:
        """What is ready now; does not wait."""
        ...

    async def wait(self) -> None:
        """Wait until ``poll`` would give something. A checkpoint."""
        ...

    def wake(self) -> None:
        """End a ``wait`` that is under way."""
        ...

    def close(self) -> None: ...


class EpollPoller:
    """Level-triggered epoll: what is not read in this round is reported in the next."""

    polls_anywhere = True

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._alarm = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._epoll.register(self._alarm, READABLE | select.EPOLLET)  # an event for each write, and no read for any
        self.register = self._epoll.register
        self.modify = self._epoll.modify
        self.unregister = self._epoll.unregister
        self._poll = self._epoll.poll

    def poll(self) -> list[tuple[int, int]]:
        return self._poll(0, _MAX_EVENTS)

    async def wait(self) -> None:
        await trio.lowlevel.wait_readable(self._epoll.fileno())

    def wake(self) -> None:
        os.eventfd_write(self._alarm, 1)

    def close(self) -> None:
        trio.lowlevel.notify_closing(self._epoll.fileno())
        self._epoll.close()
        os.close(self._alarm)


class ThreadPoller:
    """``poll()`` in a worker thread, woken through a socket pair when the set changes."""

    polls_anywhere = False  # poll objects serve one caller at a time

    def __init__(self) -> None:
        self._poll = select.poll()
        self._wake_out, self._wake_in = socket.socketpair()
        for end in (self._wake_in, self._wake_out):
            end.setblocking(False)
        self._poll.register(self._wake_out, READABLE)

    def register(self, fd: int, interest: int) -> None:
        self._poll.register(fd, interest)
        self.wake()

    def modify(self, fd: int, interest: int) -> None:
        self._poll.modify(fd, interest)
        self.wake()

    def unregister(self, fd: int) -> None:
        self._poll.unregister(fd)
        self.wake()

    def poll(self) -> list[tuple[int, int]]:
        self._clear()
        return [ready for ready in self._poll.poll(0) if ready[0] != self._wake_out.fileno()]

    async def wait(self) -> None:
        try:
            # a cancelled wait leaves its thread behind, which the wake-up then ends
            await trio.to_thread.run_sync(self._poll.poll, abandon_on_cancel=True)
        except trio.Cancelled:
            self.wake()
            raise

    def close(self) -> None:
        self.wake()
        self._wake_in.close()  # its end of file keeps an abandoned thread's poll() from waiting on
        self._wake_out.close()

    def wake(self) -> None:
        # full: as many wake-ups are waiting already as the socket holds
        with contextlib.suppress(BlockingIOError):
            self._wake_in.send(b"\0")

    def _clear(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._wake_out.recv(4096):
                pass


def make_poller() -> Poller:
    return EpollPoller() if hasattr(select, "epoll") else ThreadPoller()
