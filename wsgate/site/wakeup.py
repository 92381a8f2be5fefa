"""Wakes a task of another process, and says why."""

from __future__ import annotations

import contextlib
import enum
import os

_BITS = 24  # of a reason's count, in the number of an eventfd(2)


class Reason(enum.Flag):
    """Why a worker is woken.

    PLACE: there is a place at a backend
    LEFT: there is one, and those who have waited longer may not have it
    EJECTION: another worker has ejected a backend, or has ended that
    """

    PLACE = enum.auto()
    LEFT = enum.auto()
    EJECTION = enum.auto()


_ONE = {reason: 1 << (_BITS * index) for index, reason in enumerate(Reason)}


class Wakeup:
    """Wakes a task of a worker, from every process; forked children share it. ``fd``: readable when it should wake."""

    def __init__(self) -> None:
        self.fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def wake(self, reason: Reason) -> None:
        """Wakes it for one reason."""
        with contextlib.suppress(BlockingIOError):  # it has been woken often enough
            os.eventfd_write(self.fd, _ONE[reason])

    def take(self) -> Reason:
        """Returns all reasons since the last call."""
        try:
            number = os.eventfd_read(self.fd)
        except BlockingIOError:
            return Reason(0)
        found = Reason(0)
        for index, reason in enumerate(Reason):
            if number >> (_BITS * index) & ((1 << _BITS) - 1):
                found |= reason
        return found

    def __del__(self) -> None:
        os.close(self.fd)
