"""What a leg reads and writes. Above ``net`` nobody asks what kind it is."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Protocol

ReadEnd = int | Callable[[int, memoryview], int]  # a descriptor; or what reads (length, room), a record at most
WriteEnd = int | Callable[[memoryview], int]  # a descriptor; or what writes, a record at most

BLOCKED = (BlockingIOError, InterruptedError)


class Transport(Protocol):
    """A connection that does not block, with the manners of ``socket.socket``."""

    @property
    def connection(self) -> socket.socket:
        """The socket underneath, for its options and its addresses."""

    @property
    def secure(self) -> bool:
        """Whether nobody on the way can read what passes."""

    @property
    def record(self) -> int:
        """The most bytes that ``read_end`` gives at once, where it reads records and may hold bytes of one that raise
        no event; 0 where it does not."""

    @property
    def more(self) -> bool:
        """Whether it holds such bytes after the last read."""

    @property
    def wants_write(self) -> bool:
        """Whether the last read waits until the descriptor is writable."""

    @property
    def read_end(self) -> ReadEnd:
        """What the compiled call reads."""

    @property
    def write_end(self) -> WriteEnd:
        """What the compiled call writes to."""

    def fileno(self) -> int:
        """Its descriptor."""

    def recv_into(self, room: memoryview, /) -> int:
        """Read once, at most ``len(room)`` bytes; 0 at the end. Raises ``BLOCKED`` where nothing is there, or
        ``OSError``."""

    def recv(self, size: int, /) -> bytes:
        """As ``recv_into``; ``b""`` at the end."""

    def send(self, data: memoryview | bytes | bytearray, /) -> int:
        """How many bytes were taken. Raises ``BLOCKED`` where none is taken now, or ``OSError``."""

    def shutdown(self, how: int, /) -> None:
        """Send the end; reading goes on. ``how`` is ``socket.SHUT_WR``. Raises ``OSError``."""

    def close(self) -> None:
        """Give the descriptor back."""
