"""One side of a session: its socket, what waits to be written to it, and how it is told the end.

A leg never sees the other leg. Reading is the work of the flow that takes its input (``taker``), until that is over.
Writing is done here, in four steps that every byte takes: send at once what the socket takes, keep the rest in
``pending`` (at most what one read gave, because the flow that feeds this leg stops reading until it is gone), send on
when the socket is writable, let the flow read again.

Frames of the gateway's own (Close, Ping, Pong) may stand only between frames. While the feeding flow is inside one they
wait in ``waiting``, at most one of each kind: a newer Pong takes the place of an older one (RFC 6455 §5.5.3 allows it),
so a flood of pings at a leg that does not read costs nothing.
"""

from __future__ import annotations

import os
import select
import socket
from typing import TYPE_CHECKING, Protocol

import trio

from wsgate.net.tcp_info import is_acknowledging
from wsgate.net.transport import BLOCKED, Transport
from wsgate.relay.poller import INSIDE, READABLE, WRITABLE
from wsgate.relay.states import Input, Output, advance
from wsgate.wire.close import Close, CloseCode
from wsgate.wire.frames import Opcode, encode_frame

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wsgate.relay.closing import Side
    from wsgate.relay.pump import Pump

_OPEN = Output.OPEN  # for each message: before Python 3.12 an enum's attribute takes a call of Python's
_BEAT = 8  # bytes of random data in a Ping of our own, which nobody else's will have


class Owner(Protocol):
    """Whoever joined this leg to another."""

    def progressed(self) -> None:
        """A leg's output or input came to its end."""
        ...

    def crash(self, error: Exception) -> None:
        """Our own bug, while this leg was served."""
        ...


class Taker(Protocol):
    """The flow that takes what this leg's peer sends."""

    def reader(self) -> Callable[[], None]:
        """What is to be called when the socket is readable, from now on."""
        ...


class Feeder(Protocol):
    """The flow that writes to this leg."""

    ended: bool

    def at_boundary(self) -> bool:
        """Whether what this leg was given so far ends between two frames."""
        ...

    def stalled(self) -> None:
        """This leg takes no more."""
        ...

    def flowing(self) -> None:
        """This leg takes again."""
        ...


class Leg:
    """What both kinds of leg share. ``transport`` belongs to the leg from here on.

    input, output: how far each direction is; only by the steps of ``states``
    reader: called when the socket is readable; ``choose_reader`` is the only one that changes it
    heard: when the last bytes came (trio seconds), or when reading began again
    stalled: since when the peer takes nothing, while something is pending
    received: the Close that the peer has said
    released: the socket is closed
    code: the close code that crossed this leg first, in either direction
    """

    __slots__ = (
        "code",
        "fd",
        "feeder",
        "heard",
        "input",
        "interest",
        "output",
        "owner",
        "pending",
        "pump",
        "reader",
        "reading",
        "received",
        "released",
        "send",
        "side",
        "stalled",
        "taker",
        "transport",
        "waiting",
    )

    owner: Owner
    taker: Taker
    feeder: Feeder
    reader: Callable[[], None]

    def __init__(self, pump: Pump, transport: Transport, side: Side) -> None:
        self.pump = pump
        self.transport = transport
        self.side = side
        self.fd = transport.fileno()
        self.send = transport.send
        self.pending: bytearray | None = None
        self.waiting: dict[Opcode, bytes] | None = None
        self.heard = trio.current_time()
        self.stalled = 0.0
        self.interest = 0
        self.reading = False
        self.input = Input.OPEN
        self.output = Output.OPEN
        self.released = False
        self.received: Close | None = None
        self.code: int | None = None

    # -- reading -------------------------------------------------------------------------------------------------------

    def read(self, wanted: bool) -> None:
        """Whether the socket is to be read now."""
        wanted = wanted and self.input is not Input.EOF
        if wanted and not self.reading:
            self.heard = trio.current_time()  # what it could not say meanwhile does not count as silence
        self.reading = wanted
        self._update_interest()
        if wanted:
            self.look_inside()

    def look_inside(self) -> None:
        """Behind a read: be served again if the transport holds more, which raises no event. It has written what it
        had to."""
        if self.transport.more:
            self.pump.revisit(self)
        if self.interest & WRITABLE:
            self._update_interest()

    def blocked(self) -> None:
        """A read found nothing; the transport may have to write first."""
        self._update_interest()

    def handle(self, ready: int) -> None:
        """Any readiness that is not just "readable". Errors and hang-ups show in whichever call is wanted."""
        if self.pending is not None and ready & ~(READABLE | INSIDE):
            self._send_on()
        if self.reading and not self.released and (ready & ~WRITABLE or self.transport.wants_write):
            self.reader()

    def choose_reader(self) -> None:
        """Where the input's state, or what the flow wants, has changed."""
        self.reader = self.taker.reader() if self.input is Input.OPEN else self._discard

    def end_input(self) -> None:
        """Read on only to see the connection end: what comes is thrown away."""
        if self.input is Input.OPEN:
            self.input = advance(self.input, Input.OVER)
            self.choose_reader()
        self.read(True)

    def end_of_file(self) -> None:
        """Nothing more can be read."""
        if self.input is not Input.EOF:
            self.input = advance(self.input, Input.EOF)
        self.read(False)

    def _discard(self) -> None:
        try:
            if self.transport.recv_into(self.pump.room):
                self.look_inside()
                return
        except BLOCKED:
            self.blocked()
            return
        except OSError:
            self.abandon()
        self.end_of_file()
        self.owner.progressed()

    # -- writing -------------------------------------------------------------------------------------------------------

    def write(self, data: memoryview | bytes) -> None:
        """Send ``data``, or keep what the socket does not take. Nothing goes out behind a Close, or to a dead peer."""
        if self.output is not _OPEN and self.output is not Output.CLOSING:
            return
        if self.pending is not None:
            self.pending += data
            return
        send = self.send  # through a local: a call through a slot costs more in CPython
        try:
            sent = send(data)
        except BLOCKED:
            sent = 0
        except OSError:
            self._break()
            return
        if sent < len(data):
            self.pending = bytearray(data[sent:])
            self.stalled = trio.current_time()
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
            self.stalled = trio.current_time()
            return
        self.pending = None
        self._update_interest()
        self.release_waiting()
        if self.pending is None:
            self.feeder.flowing()
            if self.output is Output.SEALED:
                self.owner.progressed()

    def takes_again(self) -> bool:
        """Offer what is pending once more; whether the peer took something.

        The kernel calls a socket writable when a third of its buffer is free (tcp(7)). A slow peer may need long for
        that, and takes all the while.
        """
        before = self.stalled
        self._send_on()
        return self.pending is None or self.stalled != before

    def _break(self) -> None:
        """The peer takes nothing any more. How its input ends says the rest."""
        self.abandon()
        self.owner.progressed()

    def abandon(self) -> None:
        """Write nothing more, whatever waits; who feeds this leg must not wait for it."""
        if self.output is Output.BROKEN:
            return
        self.output = advance(self.output, Output.BROKEN)
        self.pending = None
        self.waiting = None
        self._update_interest()
        self.feeder.flowing()

    def release_waiting(self) -> None:
        """Send the frames of our own that waited, if a frame boundary has been reached."""

    def is_delivering(self, now: float, within: float) -> bool:
        """Whether the peer is still taking what was written before, something of it in the last ``within`` seconds."""
        if self.pending is not None and now < self.stalled + within:
            return True
        return not self.released and is_acknowledging(self.transport, within)

    def has_unread(self) -> bool:
        """Whether the peer has sent something that the pump has not come to yet."""
        look = select.poll()
        look.register(self.fd, select.POLLIN)
        return self.transport.more or bool(look.poll(0))

    @property
    def output_over(self) -> bool:
        """All that will ever be written is with the kernel."""
        return self.pending is None and self.output not in (Output.OPEN, Output.CLOSING)

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
            self.abandon()
            self.released = True
            self.end_of_file()
            self.pump.forget(self)
            self.transport.close()

    def part(self) -> None:
        """Forget those who served this leg: legs, flows and joins refer to each other, and a cycle is the collector's.

        Thousands of sessions that end leave it nothing to do: a full collection would stop everybody for long.
        """
        del self.owner, self.reader, self.taker, self.feeder

    def _shut_down(self) -> None:
        """Send FIN behind all that has been written, once."""
        if self.output is not Output.SEALED:
            return
        try:
            self.transport.shutdown(socket.SHUT_WR)
        except OSError:  # reset before we came to it
            self.output = advance(self.output, Output.BROKEN)
        else:
            self.output = advance(self.output, Output.SHUT)

    def _update_interest(self) -> None:
        if self.released:
            return
        interest = READABLE if self.reading else 0
        if self.pending is not None or (self.reading and self.transport.wants_write):
            interest |= WRITABLE
        self.pump.watch(self, interest)


class WebSocketLeg(Leg):
    """A leg that speaks WebSocket.

    masks: we are the client of this connection, so our frames are masked (RFC 6455 §5.3) and TCP is the peer's to close
    first (§7.1.1); else the reverse
    rtt: seconds that the last Ping of ours and its Pong took; ``None`` before the first
    """

    __slots__ = ("_beat", "_pinged", "_truncated", "masks", "rtt")

    def __init__(self, pump: Pump, transport: Transport, side: Side, *, masks: bool) -> None:
        super().__init__(pump, transport, side)
        self.masks = masks
        self.rtt: float | None = None
        self._beat = b""
        self._pinged: float | None = None
        self._truncated = False

    def say(self, opcode: Opcode, payload: bytes) -> None:
        """Send a Ping or a Pong of our own at the next frame boundary; nothing after a Close."""
        if self.output is not Output.OPEN:
            return
        if self.pending is None and self.feeder.at_boundary():
            self.write(self._frame(opcode, payload))
        else:
            self._wait(opcode, payload)

    def ping(self) -> None:
        """Ask for life. The data is the same each time, so that a late Pong is known as ours too."""
        self._beat = self._beat or os.urandom(_BEAT)
        self._pinged = trio.current_time()
        self.say(Opcode.PING, self._beat)

    def keeps_pong(self, payload: bytes) -> bool:
        """Whether a Pong answers a Ping of ours, and is nobody else's business."""
        if not self._beat or payload != self._beat:
            return False
        if self._pinged is not None:
            self.rtt = trio.current_time() - self._pinged
            self._pinged = None
        return True

    def has_asked(self) -> bool:
        """Whether our Ping is out; it may have to wait for the end of a frame."""
        return not self.waiting or Opcode.PING not in self.waiting

    def answer(self, pings: Sequence[bytes]) -> None:
        """Send a Pong for each Ping, with its data (§5.5.3), all at once; only for the last if it has to wait."""
        if self.output is not Output.OPEN or self.pending is not None or not self.feeder.at_boundary():
            self.say(Opcode.PONG, pings[-1])
        else:
            self.write(b"".join(self._frame(Opcode.PONG, data) for data in pings))

    def close(self, close: Close) -> None:
        """Say Close at the next frame boundary."""
        if self.output is not Output.OPEN and self.output is not Output.CLOSING:
            return
        boundary = self.feeder.at_boundary()
        if self.feeder.ended and not boundary:
            # The source died inside a frame: no boundary will come, and a Close inside a frame would be data (§5.4).
            # The peer sees the connection end there and throws the unfinished message away.
            self.waiting = None
            self._truncated = True
            self.output = advance(self.output, Output.SEALED)
        elif self.output is Output.OPEN:
            self.output = advance(self.output, Output.CLOSING)
            self._wait(Opcode.CLOSE, close.payload())
            if boundary:
                self.release_waiting()

    def release_waiting(self) -> None:
        if not self.waiting or not self.feeder.at_boundary():
            return
        waiting, self.waiting = self.waiting, None
        for opcode in sorted(waiting, reverse=True):  # Close, the lowest number, is the last
            self.write(self._frame(opcode, waiting[opcode]))
        if Opcode.CLOSE in waiting:
            if self.output is Output.CLOSING:  # and has not broken under these very frames
                self.output = advance(self.output, Output.SEALED)
            self._note(waiting[Opcode.CLOSE])
            self.owner.progressed()

    def warn(self, close: Close) -> None:
        self.close(close)

    def receive_close(self, close: Close) -> None:
        """The peer has said Close."""
        self.received = close
        self._note(close.payload())

    def finish(self) -> bool:
        if not self.output_over:
            return False
        if self._truncated or (self.input is not Input.OPEN and not self.masks):
            self._shut_down()
        return self.input is Input.EOF

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
        if self.output is Output.OPEN:
            self.output = advance(self.output, Output.SEALED)

    def warn(self, close: Close) -> None:
        """TCP has no such word: FIN follows when the other side has answered."""

    def finish(self) -> bool:
        if self.output_over:
            self._shut_down()
        return self.output_over and self.input is Input.EOF
