"""Wakes a task of another process."""

from __future__ import annotations

import contextlib
import os

_PLACE, _LEFT = 1, 1 << 32  # added to the number of an eventfd(2)


class Wakeup:
    """Wakes a task of a worker, from every process; forked children share it. ``fd``: readable when it should wake."""

    def __init__(self) -> None:
        self.fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def wake(self, *, is_left: bool = False) -> None:
        """Wakes it: there is a place. ``is_left``: those who have waited longer may not have it."""
        with contextlib.suppress(BlockingIOError):  # it has been woken often enough
            os.eventfd_write(self.fd, _LEFT if is_left else _PLACE)

    def take(self) -> bool:
        """Returns whether a place was left by those who have waited longer, and waits for the next one."""
        try:
            return os.eventfd_read(self.fd) >= _LEFT
        except BlockingIOError:
            return False

    def __del__(self) -> None:
        os.close(self.fd)
