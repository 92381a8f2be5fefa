"""An established TLS connection with the interface of a plain socket, so that legs and flows need no special cases.

Theory of operation
-------------------
It uses OpenSSL's connection on the socket itself, without memory BIOs and without a copy, and without the
``ssl.SSLSocket`` that would stand between the two and take a kilobyte. The differences from a plain socket are handled
here:

- A TLS record holds at most 16 KiB, and one call of OpenSSL handles one record. ``recv_into`` reads on while full
  records come, so that a stream fills the buffer before it is walked and sent. ``send`` writes until the kernel accepts
  no more.
- If the end of the buffer cuts a record, OpenSSL keeps the rest, which raises no event of the descriptor: ``more``
  reports it.
- A read may have to write first (the answer to a TLS 1.3 key update): ``wants_write`` asks for that event.
- Bytes that were not accepted must be offered again unchanged (SSL_write(3)). A leg's pending bytes only grow at
  their end.
- An end without close_notify is an error, because an attacker on the network can forge a FIN (RFC 8446 §6.1).
- OpenSSL's ``shutdown`` sends close_notify and then reads, so it would discard what the peer still sends. TLS allows
  half-closed connections as TCP does. So close_notify is made while the descriptor refers to another socket.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import ssl
from collections.abc import Callable
from typing import Any

from wsgate.net.cork import hold_back, let_go

TLS_RECORD = 16 << 10  # bytes of payload in the largest record (RFC 8446 §5.1)
_ALERT = 1 << 10  # bytes; a close_notify takes 31 at most

_WANTS = (ssl.SSLWantReadError, ssl.SSLWantWriteError)


class TlsTransport:
    """A ``Transport`` over TLS. It begins with its handshake, see ``handshake``.

    sock: non-blocking; the transport owns it from now on

    Raises ``OSError`` when the peer is gone, ``ValueError`` when the name cannot be one of a server.
    """

    __slots__ = ("__weakref__", "_error", "connection", "more", "read", "tls", "wants_write", "write")

    secure = True
    tls_record = TLS_RECORD
    drains = False  # a read takes one record

    def __init__(self, sock: socket.socket, context: ssl.SSLContext, server_hostname: str | None = None) -> None:
        self.connection = sock
        is_server = server_hostname is None
        name = None if server_hostname is None else server_hostname.encode("idna").decode("ascii")
        # What ``SSLContext.wrap_socket`` itself is made of. OpenSSL's connection: it reads and writes the socket
        self.tls: Any = context._wrap_socket(sock, is_server, name, owner=self)  # type: ignore[attr-defined]
        self.read: Callable[..., Any] = self.tls.read  # (length, room) to the number of bytes; (length) to the bytes
        self.write: Callable[[memoryview | bytes | bytearray], int] = self.tls.write
        self._error: OSError | None = None
        self.more = False
        self.wants_write = False

    @property
    def context(self) -> ssl.SSLContext:
        """The context of the connection, which a callback for SNI changes."""
        found: ssl.SSLContext = self.tls.context
        return found

    @context.setter
    def context(self, context: ssl.SSLContext) -> None:
        self.tls.context = context

    def hold_back(self) -> None:
        """Keeps what is written now in the kernel until the first ``send``, but for 0.2 seconds at most."""
        hold_back(self.connection)
        self.write = self._write_and_let_go

    def let_go(self) -> None:
        """Sends what was held back."""
        let_go(self.connection)
        self.write = self.tls.write

    def _write_and_let_go(self, data: memoryview | bytes | bytearray) -> int:
        try:
            sent: int = self.tls.write(data)
        finally:
            self.let_go()
        return sent

    @property
    def read_end(self) -> Callable[[int, memoryview], int]:
        return self.read

    @property
    def write_end(self) -> Callable[[memoryview], int]:
        write: Callable[[memoryview], int] = self.tls.write  # a leg is made before the first answer is sent
        return write

    def fileno(self) -> int:
        return self.connection.fileno()

    def recv_into(self, room: memoryview) -> int:
        """Like ``socket.recv_into``. Returns 0 after close_notify. Raises ``BlockingIOError`` when nothing has come."""
        if self._error is not None:
            raise self._error
        self.wants_write = False
        size = last = self._read(room)
        while last == TLS_RECORD and size < len(room):
            try:
                last = self._read(room[size:])
            except BlockingIOError:
                break
            except OSError as error:  # raised by the next read: the bytes so far are valid
                self._error = error
                break
            size += last
        self.more = self._error is not None or (size == len(room) and self.tls.pending() > 0)
        return size

    def look_for_more(self) -> None:
        """Sets ``more`` after a read by ``read_end``, which does not."""
        self.more = self._error is not None or self.tls.pending() > 0

    def recv(self, size: int) -> bytes:
        """Like ``socket.recv``."""
        if size <= TLS_RECORD and self._error is None:  # one record at most, without a buffer of our own
            self.wants_write = False
            try:
                data: bytes = self.read(size)
            except ssl.SSLError as error:
                self._raise_as_socket(error)
                return b""
            self.more = len(data) == size and self.tls.pending() > 0
            return data
        room = bytearray(size)
        with memoryview(room) as view:
            return bytes(view[: self.recv_into(view)])

    def _read(self, room: memoryview) -> int:
        try:
            size: int = self.read(len(room), room)
        except ssl.SSLError as error:
            self._raise_as_socket(error)
            return 0
        return size

    def _raise_as_socket(self, error: ssl.SSLError) -> None:
        """Raises the error of a read as a plain socket raises it. Returns at the regular end."""
        if isinstance(error, ssl.SSLWantReadError):
            raise BlockingIOError from None
        if isinstance(error, ssl.SSLWantWriteError):
            self.wants_write = True
            raise BlockingIOError from None
        if isinstance(error, ssl.SSLZeroReturnError):  # the peer's close_notify after ours
            return
        if is_cut(error):
            raise ConnectionAbortedError(errno.ECONNABORTED, "TLS ended without close_notify") from None
        raise error

    def send(self, data: memoryview | bytes | bytearray) -> int:
        """Like ``socket.send``, by whole TLS records: OpenSSL writes a record completely, or it must be written
        again."""
        sent, size = 0, len(data)
        try:
            write = self.write
            if size <= TLS_RECORD:
                return write(data)
            with memoryview(data) as view:
                while sent < size:
                    sent += write(view[sent : sent + TLS_RECORD])
        except _WANTS:
            if not sent:
                raise BlockingIOError from None
        return sent

    def shutdown(self, how: int) -> None:
        """Sends close_notify, then FIN. Reading goes on. ``how`` is ``socket.SHUT_WR``."""
        with contextlib.suppress(OSError):  # if it fails, a FIN without close_notify tells the peer of the loss
            self._send_close_notify()
        self.connection.shutdown(how)

    def shutdown_unread(self, how: int) -> None:
        """Like ``shutdown``, but what the peer still sends may be lost: OpenSSL reads while it sends close_notify."""
        with contextlib.suppress(OSError):  # nearly always: the peer's own close_notify has not come yet
            self.tls.shutdown()
        self.connection.shutdown(how)

    def _send_close_notify(self) -> None:
        fd = self.connection.fileno()
        aside = os.dup(fd)  # keeps the connection and its place in the poller while ``fd`` is another socket
        try:
            ours, theirs = socket.socketpair()
            with ours, theirs:
                ours.setblocking(False)
                os.dup2(ours.fileno(), fd, inheritable=False)
                try:
                    with contextlib.suppress(*_WANTS):
                        self.tls.shutdown()
                finally:
                    os.dup2(aside, fd, inheritable=False)
                alert = theirs.recv(_ALERT, socket.MSG_DONTWAIT)
            self.connection.send(alert)
        finally:
            os.close(aside)

    def close(self) -> None:
        self.write = self.tls.write  # no cycle of references stays
        self.connection.close()


def is_cut(error: ssl.SSLError) -> bool:
    """Whether the connection ended without close_notify.

    OpenSSL 3 gives a reason, from which newer Pythons make an ``SSLEOFError``, and Python 3.11.2 (Debian 12) a plain
    ``SSLError``. OpenSSL 1.1.1 gives no reason.
    """
    return isinstance(error, ssl.SSLEOFError) or getattr(error, "reason", None) == "UNEXPECTED_EOF_WHILE_READING"
