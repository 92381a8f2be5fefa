"""One direction of a session: from a source leg, through the frame walk, to a sink leg.

The three kinds differ only in what they do with the bytes of one read (``move``):

  RelayFlow    WebSocket to WebSocket: frames are passed on unchanged, with the client's masking key
  UnwrapFlow   WebSocket to TCP: payloads are unmasked in place, moved together and sent in one call
  WrapFlow     TCP to WebSocket: each read becomes one binary message, its header written in front of it

A flow ends once, with its source's input: at a Close, at the end of the connection, or at a fault.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from wsgate.net.transport import BLOCKED
from wsgate.relay import fast_relay
from wsgate.relay.closing import Cause, End, end_for_fault
from wsgate.relay.pump import HEADROOM, READ_SIZE
from wsgate.relay.states import Output
from wsgate.wire.close import parse_close
from wsgate.wire.fault import Fault
from wsgate.wire.frames import FIN, Opcode
from wsgate.wire.walk import CONTROL, DONE, FAULT, INCOMPLETE

if TYPE_CHECKING:
    from collections.abc import Callable

    from wsgate.relay.leg import Leg, WebSocketLeg
    from wsgate.relay.pump import Pump
    from wsgate.wire.kernel import Walk

FLOOD = 500  # control frames in one read; more of them are taken for an attack
FLOOD_READ_SIZE = 4096  # bytes of each read after that: at most 2,048 empty frames

_BINARY = FIN | Opcode.BINARY
_OPEN = Output.OPEN  # used for each message; before Python 3.12 looking up an enum's member calls a Python function


class Owner(Protocol):
    """The session of a flow."""

    def input_ended(self, source: Leg, end: End) -> None: ...


class Flow:
    """The common part of the three kinds. ``source`` and ``sink`` learn of it here.

    read_area: the part of the pump's buffer that the source is read into; smaller after a flood of control frames
    octets: bytes that came from the source, headers included
    last_moved: when the last data was moved, also a part of a frame (trio seconds)
    """

    __slots__ = (
        "_tls_record",
        "ended",
        "last_moved",
        "octets",
        "owner",
        "pump",
        "read_area",
        "recv_into",
        "sink",
        "source",
    )

    def __init__(self, owner: Owner, pump: Pump, source: Leg, sink: Leg) -> None:
        self.owner = owner
        self.pump = pump
        self.read_area = pump.read_area
        self.source = source
        self.sink = sink
        self.recv_into = source.transport.recv_into
        self._tls_record = source.transport.tls_record
        self.octets = 0
        self.last_moved = 0.0
        self.ended = False
        source.input_flow = self
        sink.output_flow = self
        source.choose_reader()

    @property
    def messages(self) -> int:
        """Finished data messages."""
        raise NotImplementedError

    def reader(self) -> Callable[[], None]:
        """Returns the method that reads the source in the present state; called by ``source.choose_reader``."""
        return self.pull

    def at_boundary(self) -> bool:
        """Whether the bytes that the sink has got so far end between two frames."""
        return True

    def move(self, start: int, end: int) -> None:
        """Moves ``pump.buffer[start:end]``, just read from the source, to the sink."""
        raise NotImplementedError

    def pull(self) -> None:
        """Reads once and moves the bytes. The pump calls it when the source is readable."""
        pump = self.pump
        recv_into = self.recv_into  # a local name, because a call through a slot costs more in CPython
        try:
            size = recv_into(self.read_area)
        except BLOCKED:
            self.source.blocked()
            return
        except OSError as error:
            self._lose(error)
            return
        if not size:
            self._finish(self._end_of_file(), eof=True)
            return
        self.octets += size
        self.source.last_read = pump.now
        self.move(HEADROOM, HEADROOM + size)
        if self._tls_record:
            self.source.after_read()

    def feed(self, data: bytes) -> None:
        """Moves the bytes that came together with the handshake. Called before the first read."""
        for at in range(0, len(data), READ_SIZE):
            if self.ended:
                return
            piece = data[at : at + READ_SIZE]
            self.octets += len(piece)
            end = HEADROOM + len(piece)
            self.pump.buffer[HEADROOM:end] = piece
            self.move(HEADROOM, end)

    def pause(self) -> None:
        """The sink accepts no more: backpressure."""
        if not self.ended:
            self.source.set_reading(False)

    def resume(self) -> None:
        """The sink accepts bytes again."""
        if not self.ended:
            self.source.set_reading(True)

    def stop(self) -> None:
        """Discards everything that the source sends from now on."""
        self.ended = True
        self.source.end_input()

    def _lose(self, error: OSError) -> None:
        self._finish(End(Cause.GONE, detail=f"connection lost: {error.strerror}"), eof=True)

    def _end_of_file(self) -> End:
        return End(Cause.GONE, detail="connection ended without a Close")

    def _finish(self, end: End, *, eof: bool = False) -> None:
        if eof:
            self.source.end_of_file()
        self.stop()
        self.owner.input_ended(self.source, end)


class _WalkingFlow(Flow):
    """A flow from a WebSocket leg."""

    __slots__ = ("_carry", "walk")

    source: WebSocketLeg

    def __init__(self, owner: Owner, pump: Pump, source: WebSocketLeg, sink: Leg, walk: Walk) -> None:
        super().__init__(owner, pump, source, sink)
        self.walk = walk
        self._carry = b""

    @property
    def messages(self) -> int:
        return self.walk.messages

    def _restore_carry(self) -> int:
        """Puts the unfinished beginning from the last read in front of this one. Returns where the walk starts."""
        start = HEADROOM - len(self._carry)
        self.pump.buffer[start:HEADROOM] = self._carry
        self._carry = b""
        return start

    def _slow_down(self, controls: int) -> None:
        """Makes the reads smaller after a flood of control frames.

        Each control frame is handled in Python, so a whole buffer of them would delay all other sessions.
        """
        if controls > FLOOD:
            self.read_area = self.pump.read_area[:FLOOD_READ_SIZE]
            self.source.choose_reader()

    def _fail(self) -> None:
        fault = self.walk.fault
        assert fault is not None
        self._finish(end_for_fault(fault))

    def _receive_close(self) -> None:
        close = parse_close(self.walk.payload)
        if isinstance(close, Fault):
            self.walk.fault = close
            self._fail()
            return
        self.source.receive_close(close)
        self._finish(End(Cause.CLOSED, close))


class RelayFlow(_WalkingFlow):
    """WebSocket to WebSocket. ``answers_pings``: the gateway answers Pings itself and passes none on."""

    __slots__ = ("_answers_pings", "_read_end", "_reads_many", "_relay_once", "_write_end")

    sink: WebSocketLeg

    def __init__(
        self,
        owner: Owner,
        pump: Pump,
        source: WebSocketLeg,
        sink: WebSocketLeg,
        walk: Walk,
        *,
        answers_pings: bool = False,
    ) -> None:
        self._answers_pings = answers_pings
        self._reads_many = False  # whether one read takes several TLS records, while they are full
        if fast_relay.relay_once is not None:
            self._relay_once = fast_relay.relay_once
            self._read_end = source.transport.read_end
            self._write_end = sink.transport.write_end
        super().__init__(owner, pump, source, sink, walk)

    def reader(self) -> Callable[[], None]:
        """``pull`` if the compiled call was not built, and for reads of another size: several records, or fewer
        bytes."""
        if fast_relay.relay_once is None or self._reads_many or self.read_area is not self.pump.read_area:
            return self.pull
        return self._fast_relay

    def at_boundary(self) -> bool:
        return not self.walk.left

    def _fast_relay(self) -> None:
        """Does ``pull`` and ``move`` in one compiled call, if nothing is pending or waiting. Replaces ``pull``."""
        source = self.source
        sink = self.sink
        if self._carry or sink.waiting_frames or sink.pending is not None or sink.output is not _OPEN:
            self.pull()
            return
        pump = self.pump
        try:
            came = self._relay_once(self.walk, self._read_end, self._write_end, pump.buffer, HEADROOM)
        except BLOCKED:
            return
        except OSError as error:
            if self._tls_record:
                self.pull()  # the transport raises the same error again, with its own text
            else:
                self._lose(error)
            return
        if not came:
            self._finish(self._end_of_file(), eof=True)
            return
        if isinstance(came, int):
            size = came
            self.last_moved = pump.now
        else:
            size, stop, sent = came
            self._handle_walk(HEADROOM, stop, HEADROOM + size, sent)
        self.octets += size
        source.last_read = pump.now
        if size == self._tls_record:
            self._read_many(True)

    def move(self, start: int, end: int) -> None:
        if self._carry:
            start = self._restore_carry()
        sink = self.sink
        if sink.waiting_frames:
            boundary = start + self.walk.left
            if boundary < end:
                self._move(start, boundary)
                sink.send_waiting()
                if self.ended:
                    return
                start = boundary
        self._move(start, end)
        if sink.waiting_frames:
            sink.send_waiting()
        if self._reads_many and end - start < self._tls_record:
            self._read_many(False)

    def _read_many(self, many: bool) -> None:
        self._reads_many = many
        self.source.choose_reader()

    def _move(self, start: int, end: int) -> None:
        self._handle_walk(start, self.walk.walk(self.pump.buffer, start, end), end, 0)

    def _handle_walk(self, start: int, stop: int, end: int, sent: int) -> None:
        """Handles the result of a walk over ``start:end`` that stopped at ``stop``.

        sent: how many of its bytes the sink has accepted already; 0 if the walk stopped early
        """
        walk = self.walk
        pump = self.pump
        halt = walk.halt
        if halt == CONTROL:
            start, stop = self._pass_controls(start, stop, end)
            halt = walk.halt
        elif stop > start:
            self.last_moved = pump.now
        if stop > start:
            self.sink.write(pump.view[start + sent : stop])
        if halt == DONE:
            return
        if halt == INCOMPLETE:
            self._carry = bytes(pump.view[stop:end])
        elif halt == FAULT:
            self._fail()
        else:
            self._receive_close()

    def _pass_controls(self, start: int, stop: int, end: int) -> tuple[int, int]:
        """Continues the walk over Pings and Pongs. Returns start and stop of the bytes that are still to be passed on.

        Pings and Pongs are passed on in their place like other frames. Exceptions are the Pongs for our own Pings, and
        the Pings that the gateway answers.
        """
        walk = self.walk
        pump = self.pump
        answered: list[bytes] = []
        after = start  # behind the last control frame
        controls = 0
        while walk.halt == CONTROL and walk.opcode != Opcode.CLOSE:
            controls += 1
            if stop > after:
                self.last_moved = pump.now
            after = walk.resume
            if walk.opcode == Opcode.PONG:
                ours = self.source.take_own_pong(walk.payload)
            else:
                ours = self._answers_pings
                if ours:
                    answered.append(walk.payload)
            if ours:
                if stop > start:
                    self.sink.write(pump.view[start:stop])
                start = after
            stop = walk.walk(pump.buffer, after, end)
        if stop > after:
            self.last_moved = pump.now
        if answered:
            self.source.answer_pings(answered)
        self._slow_down(controls)
        return start, stop


class UnwrapFlow(_WalkingFlow):
    """WebSocket to TCP, with an unwrapping walk."""

    __slots__ = ()

    def move(self, start: int, end: int) -> None:
        if self._carry:
            start = self._restore_carry()
        walk = self.walk
        pump = self.pump
        walk.out = start
        pings: list[bytes] = []
        controls = 0
        stop = walk.walk(pump.buffer, start, end)
        while walk.halt == CONTROL and walk.opcode != Opcode.CLOSE:
            controls += 1
            if walk.opcode == Opcode.PING:
                pings.append(walk.payload)
            else:
                self.source.take_own_pong(walk.payload)
            stop = walk.walk(pump.buffer, walk.resume, end)
        if controls:
            self._slow_down(controls)
        if pings:
            self.source.answer_pings(pings)
        if walk.out > start:
            self.last_moved = pump.now
            self.sink.write(pump.view[start : walk.out])
        if walk.halt == INCOMPLETE:
            self._carry = bytes(pump.view[stop:end])
        elif walk.halt == FAULT:
            self._fail()
        elif walk.halt == CONTROL:
            self._receive_close()


class WrapFlow(Flow):
    """TCP to WebSocket."""

    __slots__ = ("_messages",)

    sink: WebSocketLeg

    def __init__(self, owner: Owner, pump: Pump, source: Leg, sink: WebSocketLeg) -> None:
        super().__init__(owner, pump, source, sink)
        self._messages = 0

    @property
    def messages(self) -> int:
        return self._messages

    def move(self, start: int, end: int) -> None:
        """Writes the header into the headroom in front of the payload (RFC 6455 §5.2). Frames to a client are
        unmasked."""
        buffer = self.pump.buffer
        size = end - start
        if size < 126:
            start -= 2
            buffer[start + 1] = size
        elif size < 1 << 16:
            start -= 4
            buffer[start + 1] = 126
            buffer[start + 2] = size >> 8
            buffer[start + 3] = size & 0xFF
        else:
            start -= 10
            buffer[start + 1] = 127
            buffer[start + 2 : start + 10] = size.to_bytes(8, "big")
        buffer[start] = _BINARY
        self._messages += 1
        self.last_moved = self.pump.now
        self.sink.write(self.pump.view[start:end])

    def _end_of_file(self) -> End:
        if self.source.output is Output.BROKEN:  # the kernel reports a reset once, and a write has got it
            return End(Cause.GONE, detail="connection lost: it was reset")
        return End(Cause.FINISHED)
