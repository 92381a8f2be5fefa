"""One direction of a session: from a source leg, through the frame walk, to a sink leg.

The three kinds differ only in what they do with the bytes of one read (``move``):

  relay_flow.RelayFlow      WebSocket to WebSocket: frames are passed on unchanged, with the client's masking key
  tunnel_flows.UnwrapFlow   WebSocket to TCP: payloads are unmasked in place, moved together and sent in one call
  tunnel_flows.WrapFlow     TCP to WebSocket: each read becomes one binary message, its header written in front of it

A flow ends once, with its source's input: at a Close, at the end of the connection, or at a fault.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeAlias

from wsgate.net.transport import BLOCKED
from wsgate.relay import fast_path
from wsgate.relay.closing import Cause, End, end_for_fault
from wsgate.relay.fast_path import FlowFields
from wsgate.relay.pump import HEADROOM, READ_SIZE
from wsgate.relay.states import Output
from wsgate.wire.close import parse_close
from wsgate.wire.fault import Fault
from wsgate.wire.frame_reader import FrameReader, ReadFrame
from wsgate.wire.frames import FIN, Opcode

if TYPE_CHECKING:
    from wsgate.relay.codec_work import CodecWork
    from wsgate.relay.leg import Leg
    from wsgate.relay.pump import Pump
    from wsgate.relay.websocket_leg import WebSocketLeg
    from wsgate.wire.kernel import Walk

FLOOD = 500  # control frames in one read; more of them are taken for an attack
# Bytes of each read after that, and of one whose frames are shown to a tap: at most 2,048 empty frames
SMALL_READ_SIZE = 4096
NEVER = (1 << 64) - 1  # more than any flow counts

_CLOSED = Cause.CLOSED
_BINARY = FIN | Opcode.BINARY
_OPEN = Output.OPEN  # used for each message; before Python 3.12 looking up an enum's member calls a Python function


# Tells the frames of the next bytes
ReadFrames = Callable[[memoryview], list[ReadFrame]]


class Owner(Protocol):
    """The session of a flow."""

    def input_ended(self, source: Leg, end: End) -> None: ...


class Flow(FlowFields):
    """The common part of the three kinds. ``source`` and ``sink`` learn of it here.

    read_area: the part of the pump's buffer that the source is read into; smaller after a flood of control frames
    octets: bytes that came from the source, headers included
    octets_due, messages_due: when so many bytes or messages have passed, a rate limiter in the flow's place looks
    last_moved: when the last data was moved, also a part of a frame (trio seconds)
    """

    __slots__ = (
        "_reads_many",
        "_tls_record",
        "ended",
        "owner",
        "recv_into",
    )

    source: Leg
    sink: Leg
    pump: Pump

    def __init__(self, owner: Owner, pump: Pump, source: Leg, sink: Leg) -> None:
        self.owner = owner
        self.pump = pump
        self.read_area = pump.read_area
        self.source = source
        self.sink = sink
        self.recv_into = source.transport.recv_into
        self._read_end = source.transport.read_end
        self._write_end = sink.transport.write_end
        self._tls_record = source.transport.tls_record
        self._reads_many = False  # whether Python reads all that TLS holds, while reads are full
        self.octets = 0
        self.octets_due = self.messages_due = NEVER
        self.last_moved = 0.0
        self.ended = False
        source.input_flow = self
        sink.output_flow = self
        source.choose_reader()

    @property
    def messages(self) -> int:
        """Finished data messages."""
        raise NotImplementedError

    @property
    def largest(self) -> int | None:
        """Bytes of the largest finished message, as it was sent; ``None`` if the peer sends none."""
        return None

    @property
    def codec_work(self) -> CodecWork | None:
        """What was inflated and compressed so far; ``None`` if this flow looks into no message."""
        return None

    def take_codec_work(self) -> CodecWork | None:
        """Returns what was inflated and compressed since the last call; ``None`` for nothing."""
        return None

    def reader(self) -> Callable[[], None]:
        """Returns the method that reads the source in the present state; called by ``source.choose_reader``."""
        return self.pull

    def _is_plain(self) -> bool:
        """Whether the fast path can read the source: not if it was not built, while a tap looks, and while TLS may
        hold more than the fast path reads at once."""
        return fast_path.COMPILED and not self._reads_many and self.recv_into == self.source.transport.recv_into

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
            self._reach_end()
            return
        self.octets += size
        self.source.last_read = pump.now
        self.move(HEADROOM, HEADROOM + size)
        if self._tls_record:
            if self._reads_many and size < min(self._tls_record, len(self.read_area)):
                self._read_many(False)
            self.source.after_read()

    def _read_many(self, many: bool) -> None:
        """A read of TLS has taken a whole record, or all that it had room for: more may be there; or it has not."""
        self._reads_many = many
        self.source.choose_reader()
        if many and len(self.read_area) < self._tls_record:
            self.source.transport.look_for_more()
            self.source.after_read()

    def count(self) -> None:
        """Counts nothing: without a rate limiter in the flow's place nothing is ever due."""

    def _reach_due(self) -> None:
        """So much has passed as was due. The fast path calls it after such a turn."""
        self.source.input_flow.count()

    def frame_reader(self, keep: int) -> ReadFrames | None:
        """Returns a function that tells the frames of what is read from now on; ``None`` if those bytes are no frames.

        keep: bytes of each payload that it tells, too
        """
        return None

    def show(self, look: Callable[[memoryview], None] | None) -> None:
        """Calls ``look`` with the bytes of each read from now on, before they are moved; ``None``: with none."""
        recv_into = self.source.transport.recv_into
        self.recv_into = recv_into if look is None else partial(_read_and_show, recv_into, look)
        self.source.choose_reader()

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

    def _reach_end(self) -> None:
        """The source's connection has ended."""
        self._finish(self._end_of_file(), eof=True)

    def _lose(self, error: OSError) -> None:
        self._finish(End(Cause.GONE, detail=f"connection lost: {error.strerror}"), eof=True)

    def _end_of_file(self) -> End:
        return End(Cause.GONE, detail="connection ended without a Close")

    def _finish(self, end: End, *, eof: bool = False) -> None:
        if eof:
            self.source.end_of_file()
        self.stop()
        self.owner.input_ended(self.source, end)


# Makes the flows up and down of a session
MakeFlows: TypeAlias = "Callable[[Owner], tuple[Flow, Flow]]"


class WalkingFlow(Flow):
    """The common part of the flows from a WebSocket leg: the walk over its frames."""

    __slots__ = ()

    source: WebSocketLeg

    def __init__(self, owner: Owner, pump: Pump, source: WebSocketLeg, sink: Leg, walk: Walk) -> None:
        super().__init__(owner, pump, source, sink)
        self.walk = walk
        self._carry = b""

    @property
    def messages(self) -> int:
        return self.walk.messages

    @property
    def largest(self) -> int:
        return self.walk.largest

    def frame_reader(self, keep: int) -> ReadFrames:
        return FrameReader(keep, self.walk.left, self._carry).read

    def show(self, look: Callable[[memoryview], None] | None) -> None:
        """Reads are small meanwhile, because frames are looked at in Python."""
        area = self.pump.read_area
        self.read_area = area if look is None else area[:SMALL_READ_SIZE]
        super().show(look)

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
            self.read_area = self.pump.read_area[:SMALL_READ_SIZE]
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
        self._finish(End(_CLOSED, close))


def _read_and_show(recv_into: Callable[[memoryview], int], look: Callable[[memoryview], None], area: memoryview) -> int:
    size = recv_into(area)
    look(area[:size])
    return size
