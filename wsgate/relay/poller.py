"""The pump's own readiness set, and how trio waits for it.

An epoll descriptor is itself pollable, so one ``wait_readable`` on it waits for all established sessions. Serving them
needs no scheduler step and no ``epoll_ctl`` per read. Without epoll, ``poll()`` in a thread offers the same interface:
slower, but for the same pump.
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
BUFFERED = 1 << 20  # not of the kernel: there are bytes to read in TLS's own buffer; poll(2) does not use this number
# With READABLE: an event only when something comes, not for as long as it is there. Who takes less asks for another, by
# ``modify``. An event also tells the end of the peer, and urgent data, at which a read stops short.
EDGE: int = select.EPOLLET | select.EPOLLRDHUP | select.EPOLLPRI if hasattr(select, "epoll") else 0

_MAX_EVENTS = 64  # per round, so that a round is short; the next round reports the rest first (epoll(7))


class Poller(Protocol):
    """A set of descriptors, each with the events that are wanted.

    polls_during_wait: whether ``poll`` may be called during a ``wait``
    epoll: the descriptor of the epoll set, for rounds in C; ``None`` if the set is another one
    """

    polls_during_wait: bool
    epoll: int | None

    def register(self, fd: int, interest: int) -> None: ...

    def modify(self, fd: int, interest: int) -> None: ...

    def unregister(self, fd: int) -> None: ...

    def poll(self) -> list[tuple[int, int]]:
        """Returns descriptors that are ready now, with their events. Does not wait."""
        ...

    async def wait(self) -> None:
        """Waits until a descriptor is ready. A checkpoint."""
        ...

    def wake(self) -> None:
        """Ends the current ``wait``."""
        ...

    def close(self) -> None: ...


class EpollPoller:
    """epoll, level-triggered: bytes that are not read in this round are reported in the next; not so with ``EDGE``."""

    polls_during_wait = True

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self.epoll: int | None = self._epoll.fileno()
        self._wakeup = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._epoll.register(self._wakeup, READABLE | select.EPOLLET)  # an event for each write, without reading it
        self.register = self._epoll.register
        self.modify = self._epoll.modify
        self.unregister = self._epoll.unregister
        self._poll = self._epoll.poll

    def poll(self) -> list[tuple[int, int]]:
        return self._poll(0, _MAX_EVENTS)

    async def wait(self) -> None:
        await trio.lowlevel.wait_readable(self._epoll.fileno())

    def wake(self) -> None:
        os.eventfd_write(self._wakeup, 1)

    def close(self) -> None:
        trio.lowlevel.notify_closing(self._epoll.fileno())
        self._epoll.close()
        os.close(self._wakeup)
        self._wakeup = -1

    def __del__(self) -> None:
        """Of a pump that never ran; Python closes the epoll set itself."""
        if self._wakeup >= 0:
            os.close(self._wakeup)


class ThreadPoller:
    """``poll()`` in a thread, woken through a socket pair when the set changes."""

    polls_during_wait = False  # a poll object allows one caller at a time
    epoll: int | None = None

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
            # a cancelled wait abandons its thread, and the wake-up ends it
            await trio.to_thread.run_sync(self._poll.poll, abandon_on_cancel=True)
        except trio.Cancelled:
            self.wake()
            raise

    def close(self) -> None:
        self.wake()
        self._wake_in.close()  # its end of file ends the poll() of an abandoned thread
        self._wake_out.close()

    def wake(self) -> None:
        # if it is full, enough wake-ups are waiting already
        with contextlib.suppress(BlockingIOError):
            self._wake_in.send(b"\0")

    def _clear(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._wake_out.recv(4096):
                pass


def make_poller() -> Poller:
    return EpollPoller() if hasattr(select, "epoll") else ThreadPoller()
