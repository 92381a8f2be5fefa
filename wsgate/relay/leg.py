"""One side of a session: its socket, what waits to be written to it, and how it is told the end.

A leg never sees the other leg. Reading it is a flow's work (``reader``); writing is done here, in four steps that every
byte takes: send at once what the socket takes, keep the rest in ``pending`` (at most what one read gave, because the
flow that feeds this leg stops reading until it is gone), send on when the socket is writable, let the flow read again.

Frames of the gateway's own (Close, Ping, Pong) may stand only between frames. While the feeding flow is inside one they
wait in ``waiting``, at most one of each kind: a newer Pong takes the place of an older one (RFC 6455 §5.5.3 allows it),
so a flood of pings at a leg that does not read costs nothing.
"""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Protocol

from wsgate.relay.poller import READABLE, WRITABLE
from wsgate.wire.close import Close, CloseCode
from wsgate.wire.frames import Opcode, encode_frame

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wsgate.relay.closing import Side
    from wsgate.relay.flow import Flow
    from wsgate.relay.pump import Pump

BLOCKED = (BlockingIOError, InterruptedError)


class Keeper(Protocol):
    """Whoever joined this leg to another."""

    def progressed(self) -> None:
        """A leg's output or input came to its end."""
        ...

    def crash(self, error: Exception) -> None:
        """Our own bug, while this leg was served."""
        ...


class Leg:
    """What both kinds of leg share. ``sock`` is non-blocking and belongs to the leg from here on.

    reader: called when the socket is readable
    feeder: the flow that writes to this leg
    input_over: nothing that is read from now on matters
    eof: nothing more can be read
    received: the Close that the peer has said
    closing: it is decided what the peer's last word from us is
    sealed: that word has been put behind all other output; nothing may follow
    code: the close code that crossed this leg first, in either direction
    """

    __slots__ = (
        "_shut",
        "broken",
        "closing",
        "code",
        "eof",
        "fd",
        "feeder",
        "input_over",
        "interest",
        "join",
        "pending",
        "pump",
        "reader",
        "reading",
        "received",
        "released",
        "sealed",
        "send",
        "side",
        "sock",
        "waiting",
    )

    join: Keeper
    feeder: Flow
    reader: Callable[[], None]

    def __init__(self, pump: Pump, sock: socket.socket, side: Side) -> None:
        self.pump = pump
        self.sock = sock
        self.side = side
        self.fd = sock.fileno()
        self.send = sock.send
        self.pending: bytearray | None = None
        self.waiting: dict[Opcode, bytes] | None = None
        self.interest = 0
        self.reading = False
        self.broken = False
        self.closing = False
        self.sealed = False
        self.input_over = False
        self.eof = False
        self.released = False
        self._shut = False
        self.received: Close | None = None
        self.code: int | None = None

    # -- reading -------------------------------------------------------------------------------------------------------

    def read(self, wanted: bool) -> None:
        """Whether the socket is to be read now."""
        self.reading = wanted and not self.eof
        self._update_interest()

    def handle(self, ready: int) -> None:
        """Any readiness that is not just "readable". Errors and hang-ups show in whichever call is wanted."""
        if self.interest & WRITABLE and ready & ~READABLE:
            self._send_on()
        if self.reading and ready & ~WRITABLE and not self.released:
            self.reader()

    def end_input(self) -> None:
        """Read on only to see the connection end: what comes is thrown away."""
        self.input_over = True
        self.reader = self._discard
        self.read(True)

    def end_of_file(self) -> None:
        self.eof = True
        self.read(False)

    def _discard(self) -> None:
        try:
            if self.sock.recv_into(self.pump.room):
                return
        except BLOCKED:
            return
        except OSError:
            self.broken = True
            self.pending = None
        self.end_of_file()
        self.join.progressed()

    # -- writing -------------------------------------------------------------------------------------------------------

    def write(self, data: memoryview | bytes) -> None:
        """Send ``data``, or keep what the socket does not take. Nothing goes out behind a Close, or to a dead peer."""
        if self.sealed or self.broken:
            return
        self._put(data)

    def _put(self, data: memoryview | bytes) -> None:
        if self.pending is not None:
            self.pending += data
            return
        try:
            sent = self.send(data)
        except BLOCKED:
            sent = 0
        except OSError:
            self._break()
            return
        if sent < len(data):
            self.pending = bytearray(data[sent:])
            self._update_interest()
            self.feeder.stalled()

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
            return
        self.pending = None
        self._update_interest()
        self.release_waiting()
        if self.pending is None:
            self.feeder.flowing()
            if self.sealed:
                self.join.progressed()

    def _break(self) -> None:
        """The peer takes nothing any more. How its input ends says the rest."""
        self.broken = True
        self.pending = None
        self.waiting = None
        self._update_interest()
        self.feeder.flowing()
        self.join.progressed()

    def release_waiting(self) -> None:
        """Send the frames of our own that waited, if a frame boundary has been reached."""

    @property
    def output_over(self) -> bool:
        """All that will ever be written is with the kernel."""
        return self.broken or (self.sealed and self.pending is None)

    # -- the end -------------------------------------------------------------------------------------------------------

    def close(self, close: Close) -> None:
        """Tell the peer that nothing more comes, behind all that has been accepted for it. Once."""
        raise NotImplementedError

    def warn(self, close: Close) -> None:
        """Tell the peer to end the session, where its protocol has a word for it."""
        raise NotImplementedError

    def finish(self) -> bool:
        """Take the last steps that are due; True when nothing is left to wait for."""
        raise NotImplementedError

    def release(self) -> None:
        """Give the socket back."""
        if not self.released:
            self.released = True
            self.eof = True
            self.pending = None
            self.waiting = None
            self.pump.forget(self)
            self.sock.close()

    def _shut_down(self) -> None:
        """Send FIN, once."""
        if self._shut or self.broken:
            return
        self._shut = True
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:  # reset before we came to it
            self.broken = True

    def _update_interest(self) -> None:
        if not self.released:
            self.pump.watch(self, (READABLE if self.reading else 0) | (WRITABLE if self.pending is not None else 0))


class WebSocketLeg(Leg):
    """A leg that speaks WebSocket.

    masks: we are the client of this connection, so our frames are masked (RFC 6455 §5.3) and TCP is the peer's to close
    first (§7.1.1); else the reverse
    """

    __slots__ = ("_truncated", "masks")

    def __init__(self, pump: Pump, sock: socket.socket, side: Side, *, masks: bool) -> None:
        super().__init__(pump, sock, side)
        self.masks = masks
        self._truncated = False

    def say(self, opcode: Opcode, payload: bytes) -> None:
        """Send a Ping or a Pong of our own at the next frame boundary; nothing after a Close."""
        if self.closing or self.broken:
            return
        if self.pending is None and self.feeder.at_boundary():
            self._put(self._frame(opcode, payload))
        else:
            self._wait(opcode, payload)

    def answer(self, pings: Sequence[bytes]) -> None:
        """Send a Pong for each Ping, with its data (§5.5.3), all at once; only for the last if it has to wait."""
        if self.closing or self.broken or self.pending is not None or not self.feeder.at_boundary():
            self.say(Opcode.PONG, pings[-1])
        else:
            self._put(b"".join(self._frame(Opcode.PONG, data) for data in pings))

    def close(self, close: Close) -> None:
        """Say Close at the next frame boundary."""
        if self.sealed or self.broken:
            return
        boundary = self.feeder.at_boundary()
        if self.feeder.ended and not boundary:
            # The source died inside a frame: no boundary will come, and a Close inside a frame would be data (§5.4).
            # The peer sees the connection end there and throws the unfinished message away.
            self.waiting = None
            self.closing = self.sealed = self._truncated = True
        elif not self.closing:
            self.closing = True
            self._wait(Opcode.CLOSE, close.payload())
            if boundary:
                self.release_waiting()

    def release_waiting(self) -> None:
        if not self.waiting or self.broken or not self.feeder.at_boundary():
            return
        waiting, self.waiting = self.waiting, None
        for opcode in sorted(waiting, reverse=True):  # Close, the lowest number, is the last
            self._put(self._frame(opcode, waiting[opcode]))
        if Opcode.CLOSE in waiting:
            self.sealed = True
            self._note(waiting[Opcode.CLOSE])
            self.join.progressed()

    def warn(self, close: Close) -> None:
        self.close(close)

    def receive_close(self, close: Close) -> None:
        """The peer has said Close."""
        self.received = close
        self._note(close.payload())

    def finish(self) -> bool:
        if not self.output_over:
            return False
        if self._truncated or (self.input_over and not self.masks):
            self._shut_down()
        return self.input_over and self.eof

    def _wait(self, opcode: Opcode, payload: bytes) -> None:
        if self.waiting is None:
            self.waiting = {}
        self.waiting[opcode] = payload

    def _frame(self, opcode: Opcode, payload: bytes) -> bytes:
        return encode_frame(opcode, payload, os.urandom(4) if self.masks else None)

    def _note(self, payload: bytes) -> None:
        if self.code is None:
            self.code = int.from_bytes(payload[:2], "big") or CloseCode.NO_STATUS


class TcpLeg(Leg):
    """A leg that is a byte stream: its Close is FIN."""

    __slots__ = ()

    def close(self, close: Close) -> None:
        self.closing = self.sealed = True

    def warn(self, close: Close) -> None:
        """TCP has no such word: FIN follows when the other side has answered."""

    def finish(self) -> bool:
        if self.output_over:
            self._shut_down()
        return self.output_over and self.eof
