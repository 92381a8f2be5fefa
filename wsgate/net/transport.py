"""A connection that a leg reads and writes, plain or with TLS. No code above ``net`` asks which."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Protocol

ReadEnd = int | Callable[[int, memoryview], int]  # a descriptor, or a function (length, room) that reads one TLS record
WriteEnd = int | Callable[[memoryview], int]  # a descriptor, or a function that writes one TLS record

BLOCKED = (BlockingIOError, InterruptedError)


class Transport(Protocol):
    """A connection that does not block, with the interface of ``socket.socket``."""

    @property
    def connection(self) -> socket.socket:
        """The underlying socket, for its options and its addresses."""

    @property
    def secure(self) -> bool:
        """Whether the connection is encrypted."""

    @property
    def tls_record(self) -> int:
        """For TLS, the most bytes of one TLS record, which is the most that ``read_end`` reads at once; else 0."""

    @property
    def drains(self) -> bool:
        """Whether a read of fewer bytes than asked has taken all that had come, if nothing urgent was among it."""

    @property
    def more(self) -> bool:
        """Whether TLS holds bytes after the last read; they raise no event of the descriptor."""

    @property
    def wants_write(self) -> bool:
        """Whether the last read waits until the descriptor is writable."""

    @property
    def read_end(self) -> ReadEnd:
        """What the fast path reads."""

    @property
    def write_end(self) -> WriteEnd:
        """What the fast path writes."""

    def fileno(self) -> int:
        """Returns its descriptor."""

    def recv_into(self, room: memoryview, /) -> int:
        """Reads once, at most ``len(room)`` bytes.

        Returns the number of bytes, 0 at the end. Raises ``BLOCKED`` when nothing has come, another ``OSError`` when
        the connection is lost.
        """

    def look_for_more(self) -> None:
        """Sets ``more`` after a read by ``read_end``."""

    def recv(self, size: int, /) -> bytes:
        """Like ``recv_into``, but returns the bytes; ``b""`` at the end."""

    def send(self, data: memoryview | bytes | bytearray, /) -> int:
        """Returns how many bytes were accepted.

        Raises ``BLOCKED`` when none can be accepted now, another ``OSError`` when the connection is lost.
        """

    def shutdown(self, how: int, /) -> None:
        """Ends the output; reading goes on. ``how`` is ``socket.SHUT_WR``. Raises ``OSError`` when the connection is
        lost."""

    def shutdown_unread(self, how: int, /) -> None:
        """Like ``shutdown``, and cheaper over TLS, if the peer has sent its last word: what it still sends may be lost.
        Its end can still be read."""

    def close(self) -> None:
        """Closes the descriptor."""
