"""One side of a session: its connection, the bytes that wait to be written, and its close.

A leg does not know the other leg. The flow that starts at this leg (``input_flow``) reads it until its input is over.
The leg itself writes what the flow that ends here (``output_flow``) gives it, in four steps: it sends at once what the
socket accepts, keeps the rest in ``pending``, sends on when the socket is writable, and lets the flow read again.
``pending`` holds at most one read, because the flow pauses until it is empty.

The two kinds are in ``websocket_leg`` and ``tcp_leg``.
"""

from __future__ import annotations

import fcntl
import select
import socket
import struct
import termios
from types import BuiltinMethodType
from typing import TYPE_CHECKING, Protocol

import trio

from wsgate.net.tcp_info import is_acknowledging
from wsgate.net.transport import BLOCKED, Transport
from wsgate.relay.fast_path import LegFields
from wsgate.relay.poller import BUFFERED, READABLE, WRITABLE
from wsgate.relay.states import (
    BROKEN,
    CLOSING,
    INPUT_EOF,
    INPUT_OPEN,
    INPUT_OVER,
    OPEN,
    SEALED,
    SHUT,
    Input,
    Output,
    advance,
)
from wsgate.wire.close import Close

if TYPE_CHECKING:
    from collections.abc import Callable

    from wsgate.relay.closing import Side
    from wsgate.relay.pump import Pump

_CLOSE = 256  # bytes: over 131 of a Close and 54 of TLS around it, and 31 of the end of TLS
_ENDED: int = getattr(select, "POLLRDHUP", 0)  # only Linux has it; poll(2) reports a reset without being asked


class Owner(Protocol):
    """The session of a leg."""

    def progressed(self) -> None:
        """The output or the input of a leg has reached its end."""
        ...

    def crash(self, error: Exception) -> None:
        """An exception was raised while this leg was served: a bug of ours."""
        ...


class InputFlow(Protocol):
    """The flow that starts at this leg: it reads what the peer sends."""

    def reader(self) -> Callable[[], None]:
        """Returns what is to be called when the socket is readable, from now on."""
        ...

    def count(self) -> None:
        """So much has passed as was due."""
        ...


class OutputFlow(Protocol):
    """The flow that ends at this leg: it gives the bytes to write."""

    @property
    def ended(self) -> bool:
        """Whether it gives no more."""
        ...

    def at_boundary(self) -> bool:
        """Whether the bytes that this leg has got so far end between two frames."""
        ...

    def pause(self) -> None:
        """This leg accepts no more."""
        ...

    def resume(self) -> None:
        """This leg accepts bytes again."""
        ...


class Leg(LegFields):
    """The common part of both kinds of leg. The leg owns ``transport`` from now on.

    input, output: the state of each direction; changed only by the steps of ``states``
    reader: called when the socket is readable; only ``choose_reader`` changes it
    reading: whether the socket is read now
    interest: the events of the socket that are wanted now
    drains: as the transport's
    pending: bytes that the socket has not accepted yet
    waiting_frames: own frames that wait for a frame boundary, by opcode
    last_read: when the last bytes came or reading resumed (trio seconds)
    stalled_since: since when the peer has accepted nothing, while bytes are pending (trio seconds)
    stalls: how often the peer has accepted no more
    stalled: seconds for which bytes were pending, as far as that is over
    received_close: the Close that the peer has sent
    released: the connection is closed
    close_code, close_reason: of the first Close on this leg, in either direction
    """

    __slots__ = (
        "_pending_since",
        "close_code",
        "close_reason",
        "fd",
        "input",
        "input_flow",
        "output_flow",
        "owner",
        "pump",
        "reading",
        "received_close",
        "released",
        "send",
        "side",
        "stalled",
        "stalled_since",
        "stalls",
        "transport",
    )

    owner: Owner
    input_flow: InputFlow
    output_flow: OutputFlow

    def __init__(self, pump: Pump, transport: Transport, side: Side) -> None:
        self.pump = pump
        self.transport = transport
        self.side = side
        self.fd = transport.fileno()
        self.send = transport.send
        self.pending = None
        self.waiting_frames = None
        self.last_read = 0.0  # until the session begins
        self.stalled_since = 0.0
        self.stalls = 0
        self.stalled = 0.0
        self._pending_since = 0.0
        self.interest = 0
        self.drains = transport.drains
        self.reading = False
        self.input: Input = INPUT_OPEN
        self.output: Output = OPEN
        self.released = False
        self.received_close: Close | None = None
        self.close_code: int | None = None
        self.close_reason = b""

    # -- reading -------------------------------------------------------------------------------------------------------

    def set_reading(self, wanted: bool) -> None:
        """Starts or stops reading the socket."""
        wanted = wanted and self.input is not INPUT_EOF
        if wanted is not self.reading:
            if wanted:
                self.last_read = trio.current_time()  # the time without reading does not count as the peer's silence
            self.reading = wanted
            self._update_interest()
        if wanted:
            self.after_read()

    def after_read(self) -> None:
        """Called after each read: asks the pump to serve this leg again if the transport holds more bytes, which raise
        no event. A write that the read needed is done now."""
        if self.transport.more:
            self.pump.serve_again(self)
        if self.interest & WRITABLE:
            self._update_interest()

    def blocked(self) -> None:
        """A read found nothing. TLS may have to write first."""
        self._update_interest()

    def handle(self, ready: int) -> None:
        """Handles every readiness but plain "readable". Errors and hang-ups show in the read or the write."""
        if self.pending is not None and ready & ~(READABLE | BUFFERED):
            self._send_on()
        if self.reading and not self.released and (ready & ~WRITABLE or self.transport.wants_write):
            self.reader()

    def choose_reader(self) -> None:
        """Sets ``reader`` again after a change of the input's state or of the flow."""
        if self.input is INPUT_OPEN:
            self.reader = self.input_flow.reader()
            if self.drains and self.interest:
                self._update_interest()
        else:
            self.reader = self._discard

    def end_input(self) -> None:
        """Discards what comes from now on. Reading goes on, to notice the end of the connection."""
        if self.input is INPUT_OPEN:
            self.input = advance(self.input, INPUT_OVER)
            self.choose_reader()
        self.set_reading(True)

    def end_of_file(self) -> None:
        """Nothing more can be read."""
        if self.input is not INPUT_EOF:
            self.input = advance(self.input, INPUT_EOF)
        self.set_reading(False)

    def _discard(self) -> None:
        try:
            if self.transport.recv_into(self.pump.read_area):
                self.after_read()
                return
        except BLOCKED:
            self.blocked()
            return
        except OSError:
            self.abandon()
        self.end_of_file()
        self.owner.progressed()

    # -- writing -------------------------------------------------------------------------------------------------------

    def write(self, data: memoryview | bytes | bytearray) -> None:
        """Sends ``data`` and keeps the bytes that the socket does not accept. Does nothing after a Close."""
        if self.output is not OPEN and self.output is not CLOSING:
            return
        if self.pending is not None:
            self.pending += data
            return
        send = self.send  # a local name, because a call through a slot costs more in CPython
        try:
            sent = send(data)
        except BLOCKED:
            sent = 0
        except OSError:
            self._break()
            return
        if sent < len(data):
            self.pending = bytearray(data[sent:])
            self.stalls += 1
            self._pending_since = self.stalled_since = trio.current_time()
            self._update_interest()
            self.output_flow.pause()

    def _send_on(self) -> None:
        assert self.pending is not None
        try:
            sent = self.send(self.pending)
        except BLOCKED:
            return
        except OSError:
            self._break()
            return
        if sent < len(self.pending):
            del self.pending[:sent]
            self.stalled_since = trio.current_time()
            return
        self._end_stall()
        self._update_interest()
        self.send_waiting()
        if self.pending is None:
            self.output_flow.resume()
            if self.output is SEALED:
                self.owner.progressed()

    def retry_pending(self) -> bool:
        """Tries to send the pending bytes. Returns whether the peer accepted some of them.

        The kernel reports a socket as writable only when a third of its buffer is free (tcp(7)). A slow peer may need
        long for that although it accepts bytes all the time.
        """
        before = self.stalled_since
        self._send_on()
        return self.pending is None or self.stalled_since != before

    def _end_stall(self) -> None:
        self.pending = None
        self.stalled += trio.current_time() - self._pending_since

    def _break(self) -> None:
        """A write failed. The end of the peer's input will tell the cause."""
        self.abandon()
        self.owner.progressed()

    def abandon(self) -> None:
        """Writes nothing more and drops what is pending. The flow to this leg must not wait for it any longer."""
        if self.output is BROKEN:
            return
        self.output = advance(self.output, BROKEN)
        self.waiting_frames = None
        if self.pending is not None:
            self._end_stall()
            self._update_interest()
        self.output_flow.resume()

    def send_waiting(self) -> None:
        """Sends our own frames that are waiting, if a frame boundary has been reached."""

    def is_delivering(self, now: float, within: float) -> bool:
        """Whether the peer still accepts what was written: whether it accepted bytes in the last ``within`` seconds.

        now: trio seconds
        """
        if self.pending is not None and now < self.stalled_since + within:
            return True
        return not self.released and is_acknowledging(self.transport, within)

    def has_unread(self) -> bool:
        """Whether the peer has sent bytes that the pump has not read yet."""
        look = select.poll()
        look.register(self.fd, select.POLLIN)
        return self.transport.more or bool(look.poll(0))

    def has_left(self) -> bool:
        """Whether the peer has left while it is not read: its connection is reset, or ended with a Close unread at
        most."""
        look = select.poll()
        look.register(self.fd, _ENDED)
        ended = look.poll(0)
        if not ended or ended[0][1] & (select.POLLERR | select.POLLHUP):
            return bool(ended)
        (unread,) = struct.unpack("i", fcntl.ioctl(self.fd, termios.FIONREAD, bytes(struct.calcsize("i"))))
        return unread <= _CLOSE and not self.transport.more

    @property
    def output_over(self) -> bool:
        """Whether the kernel has accepted all output, and no more will follow."""
        return self.pending is None and self.output not in (OPEN, CLOSING)

    @property
    def has_sent_all(self) -> bool:
        """Nothing is read or written any more but the end of TCP, if that."""
        return self.released or (self.input is not INPUT_OPEN and self.output_over)

    # -- the end -------------------------------------------------------------------------------------------------------

    def close(self, close: Close) -> None:
        """Ends the output, after all bytes that were given to this leg. Later calls do nothing."""
        raise NotImplementedError

    def request_close(self, close: Close) -> None:
        """Asks the peer to end the session, if its protocol has a message for that."""
        raise NotImplementedError

    def finish(self) -> bool:
        """Does the next steps of closing. Returns True when nothing is left to wait for."""
        raise NotImplementedError

    def release(self) -> None:
        """Closes the connection."""
        if not self.released:
            self.abandon()
            self.released = True
            self.end_of_file()
            self.pump.remove(self)
            self.transport.close()

    def drop_references(self) -> None:
        """Deletes the references to session and flows: they refer to each other, and cycles need the garbage collector.

        Thousands of sessions that end would otherwise cause full collections, which stop the whole process.
        """
        del self.owner, self.reader, self.input_flow, self.output_flow

    def _shut_down(self) -> None:
        """Sends FIN once, after all bytes that were written."""
        if self.output is not SEALED:
            return
        try:
            # A peer that has sent its Close sends nothing behind it (RFC 6455 §5.5.1)
            if self.received_close is None:
                self.transport.shutdown(socket.SHUT_WR)
            else:
                self.transport.shutdown_unread(socket.SHUT_WR)
        except OSError:  # the connection was reset already
            self.output = advance(self.output, BROKEN)
        else:
            self.output = advance(self.output, SHUT)

    def _update_interest(self) -> None:
        if self.released:
            return
        interest = READABLE if self.reading else 0
        if self.pending is not None or (self.reading and self.transport.wants_write):
            interest |= WRITABLE
        elif interest and self.drains and (self.input is not INPUT_OPEN or isinstance(self.reader, BuiltinMethodType)):
            # Nearly every turn in C takes all there is; what comes after the last word hardly ever is more than the end
            interest |= self.pump.edge
        self.pump.watch(self, interest)
