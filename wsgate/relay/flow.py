"""One direction of a session: from a source leg, through the frame walk, to a sink leg.

The three kinds differ only in what they do with the bytes of one read (``move``):

  RelayFlow    WebSocket to WebSocket: frames go on as they stand, the client's masking key included
  UnwrapFlow   WebSocket to TCP: payloads, unmasked in place and moved together, in one send
  WrapFlow     TCP to WebSocket: each read becomes one binary message, its header written in front of it

A flow ends once, when its source has said its last word: a Close, the end of its connection, or a fault.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from wsgate.net.transport import BLOCKED
from wsgate.relay import fast_relay
from wsgate.relay.closing import Cause, End, end_by
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

FLOOD = 500  # control frames in one read that nobody sends in good faith
FLOODS_READ = 4096  # bytes of the reads after it: at most 2,048 empty frames

_BINARY = FIN | Opcode.BINARY
_OPEN = Output.OPEN  # for each message: before Python 3.12 an enum's attribute takes a call of Python's


class Owner(Protocol):
    """Whoever started this flow."""

    def input_ended(self, source: Leg, end: End) -> None: ...


class Flow:
    """What the three kinds share.

    room: what the source is read into; a part of the pump's, where its reads are costly
    octets: bytes that came from the source, headers included
    moved: when the last data came, be it a part of a frame (trio seconds)
    """

    __slots__ = ("_record", "ended", "moved", "octets", "owner", "pump", "recv_into", "room", "sink", "source")

    def __init__(self, owner: Owner, pump: Pump, source: Leg, sink: Leg) -> None:
        self.owner = owner
        self.pump = pump
        self.room = pump.room
        self.source = source
        self.sink = sink
        self.recv_into = source.transport.recv_into
        self._record = source.transport.record
        self.octets = 0
        self.moved = 0.0
        self.ended = False
        source.taker = self
        sink.feeder = self
        source.choose_reader()

    @property
    def messages(self) -> int:
        """Finished data messages."""
        raise NotImplementedError

    def reader(self) -> Callable[[], None]:
        """What reads the source, as things are now; ``source.choose_reader`` asks for it."""
        return self.pull

    def at_boundary(self) -> bool:
        """Whether what the sink was given so far ends between two frames; always, where it has none, or whole ones."""
        return True

    def move(self, start: int, end: int) -> None:
        """Bring ``pump.buffer[start:end]``, fresh from the source, to the sink."""
        raise NotImplementedError

    def pull(self) -> None:
        """Read once and move what came. Called when the source is readable."""
        pump = self.pump
        recv_into = self.recv_into  # through a local: a call through a slot costs more in CPython
        try:
            size = recv_into(self.room)
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
        self.source.heard = pump.now
        self.move(HEADROOM, HEADROOM + size)
        if self._record:
            self.source.look_inside()

    def feed(self, data: bytes) -> None:
        """Move what came behind the handshake, before anything is read."""
        for at in range(0, len(data), READ_SIZE):
            if self.ended:
                return
            piece = data[at : at + READ_SIZE]
            self.octets += len(piece)
            end = HEADROOM + len(piece)
            self.pump.buffer[HEADROOM:end] = piece
            self.move(HEADROOM, end)

    def stalled(self) -> None:
        """The sink takes no more: backpressure."""
        if not self.ended:
            self.source.read(False)

    def flowing(self) -> None:
        """The sink takes again."""
        if not self.ended:
            self.source.read(True)

    def stop(self) -> None:
        """Nothing that the source still says matters."""
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
    """A flow whose source speaks WebSocket."""

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
        """Put the unfinished beginning from the last read in front of this one; where the walk starts then."""
        start = HEADROOM - len(self._carry)
        self.pump.buffer[start:HEADROOM] = self._carry
        self._carry = b""
        return start

    def _slow_down(self, controls: int) -> None:
        """Read less at once from a source that floods us with control frames.

        Each is a step of Python's, so a whole buffer of them would keep everybody else waiting for long.
        """
        if controls > FLOOD:
            self.room = self.pump.room[:FLOODS_READ]
            self.source.choose_reader()

    def _fail(self) -> None:
        fault = self.walk.fault
        assert fault is not None
        self._finish(end_by(fault))

    def _receive_close(self) -> None:
        close = parse_close(self.walk.payload)
        if isinstance(close, Fault):
            self.walk.fault = close
            self._fail()
            return
        self.source.receive_close(close)
        self._finish(End(Cause.CLOSED, close))


class RelayFlow(_WalkingFlow):
    """WebSocket to WebSocket. ``answers_pings``: the gateway answers them itself and passes none on."""

    __slots__ = ("_answers_pings", "_carry_over", "_from", "_takes_many", "_to")

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
        self._takes_many = False  # records in one read, while they are full
        if fast_relay.carry is not None:
            self._carry_over = fast_relay.carry
            self._from = source.transport.read_end
            self._to = sink.transport.write_end
        super().__init__(owner, pump, source, sink, walk)

    def reader(self) -> Callable[[], None]:
        """``pull`` where there is no compiled call, or where a read is not to take just one record or a whole room."""
        if fast_relay.carry is None or self._takes_many or self.room is not self.pump.room:
            return self.pull
        return self._fast_relay

    def at_boundary(self) -> bool:
        return not self.walk.left

    def _fast_relay(self) -> None:
        """``pull`` and ``move`` in one call, for a read that has nothing in its way. In the place of ``pull``."""
        source = self.source
        sink = self.sink
        if self._carry or sink.waiting or sink.pending is not None or sink.output is not _OPEN:
            self.pull()
            return
        pump = self.pump
        try:
            came = self._carry_over(self.walk, self._from, self._to, pump.buffer, HEADROOM)
        except BLOCKED:
            return
        except OSError as error:
            if self._record:
                self.pull()  # it is told the same again, and knows the transport's words for it
            else:
                self._lose(error)
            return
        if not came:
            self._finish(self._end_of_file(), eof=True)
            return
        if isinstance(came, int):
            size = came
            self.moved = pump.now
        else:
            size, stop, sent = came
            self._settle(HEADROOM, stop, HEADROOM + size, sent)
        self.octets += size
        source.heard = pump.now
        if size == self._record:
            self._take_many(True)

    def move(self, start: int, end: int) -> None:
        if self._carry:
            start = self._restore_carry()
        sink = self.sink
        if sink.waiting:
            boundary = start + self.walk.left
            if boundary < end:
                self._move(start, boundary)
                sink.release_waiting()
                if self.ended:
                    return
                start = boundary
        self._move(start, end)
        if sink.waiting:
            sink.release_waiting()
        if self._takes_many and end - start < self._record:
            self._take_many(False)

    def _take_many(self, many: bool) -> None:
        self._takes_many = many
        self.source.choose_reader()

    def _move(self, start: int, end: int) -> None:
        self._settle(start, self.walk.walk(self.pump.buffer, start, end), end, 0)

    def _settle(self, start: int, stop: int, end: int, sent: int) -> None:
        """What a walk from ``start``, that was to go to ``end`` and stopped at ``stop``, asks for.

        ``sent`` bytes of it are with the sink; none where it stopped early.
        """
        walk = self.walk
        pump = self.pump
        halt = walk.halt
        if halt == CONTROL:
            start, stop = self._pass_controls(start, stop, end)
            halt = walk.halt
        elif stop > start:
            self.moved = pump.now
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
        """Walk on over Pings and Pongs; the run of bytes that is left to pass on, behind the last one that is not.

        They are frames like any other and go on where they stand, but for Pongs that answer our own Pings, and for the
        Pings that we answer.
        """
        walk = self.walk
        pump = self.pump
        answered: list[bytes] = []
        after = start  # behind the last control frame
        controls = 0
        while walk.halt == CONTROL and walk.opcode != Opcode.CLOSE:
            controls += 1
            if stop > after:
                self.moved = pump.now
            after = walk.resume
            if walk.opcode == Opcode.PONG:
                ours = self.source.keeps_pong(walk.payload)
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
            self.moved = pump.now
        if answered:
            self.source.answer(answered)
        self._slow_down(controls)
        return start, stop


class UnwrapFlow(_WalkingFlow):
    """WebSocket to TCP. Its walk unwraps."""

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
                self.source.keeps_pong(walk.payload)
            stop = walk.walk(pump.buffer, walk.resume, end)
        if controls:
            self._slow_down(controls)
        if pings:
            self.source.answer(pings)
        if walk.out > start:
            self.moved = pump.now
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
        """The header goes into the headroom in front of the payload (RFC 6455 §5.2); our frames here are unmasked."""
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
        self.moved = self.pump.now
        self.sink.write(self.pump.view[start:end])

    def _end_of_file(self) -> End:
        if self.source.output is Output.BROKEN:  # a write has met the reset, and the kernel tells of it but once
            return End(Cause.GONE, detail="connection lost: it was reset")
        return End(Cause.FINISHED)
