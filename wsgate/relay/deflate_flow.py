"""The flows of a relay that look into compressed messages (permessage-deflate, RFC 7692).

Theory of operation
-------------------
Both kinds go through what they read frame by frame, and inflate the payload of compressed messages in steps of at most
``STEP`` plain bytes. Each step counts the message's plain bytes against its limit and checks its text.

  inspect_flow.InspectFlow   passes on the frames as they came, each piece of a payload behind its check
  recode_flow.RecodeFlow     makes new frames from the plain bytes, compressed for the sink or not

Nothing is assembled: a message that comes in pieces goes on in pieces. A small payload may inflate to a thousand times
its size, and compressing takes longer than reading. So a flow stops when it has worked for a turn (``TURN`` plain
bytes), and when the sink accepts no more. It keeps the rest of its read (``_rest``) and reads again when it is done. So
a session whose sink is stuck holds one read, and what one turn has made of it. Frames of the gateway's own wait for the
end of that work: a Close in front of it would lose what was read.

An idle session holds little more than one that looks into nothing. What belongs to a message is one object
(``current_message``) from its first byte to its end; what belongs to a turn is gone after it. Without a window that is
kept between messages (context takeover) the inflater goes with its message.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING

from wsgate.relay.codec_work import CodecWork
from wsgate.relay.current_message import CurrentMessage
from wsgate.relay.flow import WalkingFlow
from wsgate.relay.pump import HEADROOM, STEP_SIZE
from wsgate.wire.frames import FIN, Opcode, measure
from wsgate.wire.plain_frames import PlainFrames
from wsgate.wire.rules import Rule, fault
from wsgate.wire.walk import CONTROL, FAULT, INCOMPLETE

if TYPE_CHECKING:
    from collections.abc import Callable

    from wsgate.relay.flow import Owner, ReadFrames
    from wsgate.relay.pump import Pump
    from wsgate.relay.websocket_leg import WebSocketLeg
    from wsgate.wire.counts import MessageSizes
    from wsgate.wire.deflate import Deflater, Inflater
    from wsgate.wire.kernel import Walk

STEP = STEP_SIZE  # bytes: the most plain bytes of a step
TURN = 64 << 10  # plain bytes after which other sessions have their turn

_FRAME_COST = 64  # a frame takes as long as about so many bytes of its payload

# What stands where there is none yet; nobody changes them
_NO_WORK = CodecWork()
_NO_MESSAGE = CurrentMessage()
_NO_OUTPUT: list[bytes | bytearray | memoryview] = []


@dataclass(frozen=True, slots=True)
class Checks:
    """What both directions of a session are checked for, and who answers Pings.

    limit: plain bytes that a message may have
    validate_text: the text of compressed messages must be UTF-8 (RFC 6455 §8.1); the walk validates other text
    answers_pings: the gateway answers Pings itself and passes none on
    """

    limit: int
    validate_text: bool
    answers_pings: bool


@dataclass(frozen=True, slots=True)
class Direction:
    """What one direction of a session is walked, inflated, compressed and counted by.

    walk: without a limit for messages, because the flow counts their plain bytes
    make_inflater: of the source's messages; ``None`` if the source compresses none
    deflater: of the sink's messages, where the gateway compresses; ``None`` if the sink gets none compressed
    sizes: where the plain sizes of messages are counted; the walk counts only frames
    """

    walk: Walk
    make_inflater: Callable[[], Inflater] | None = None
    deflater: Deflater | None = None
    sizes: MessageSizes | None = None


class DeflateFlow(WalkingFlow):
    """The common part of both kinds. ``work``: what was inflated and compressed so far."""

    __slots__ = (
        "_checks",
        "_inflater",
        "_is_busy",
        "_largest",
        "_look",
        "_make_inflater",
        "_message",
        "_out",
        "_plain_frames",
        "_rest",
        "_shown",
        "_sizes",
        "_turn",
        "_work_told",
        "work",
    )

    sink: WebSocketLeg

    def __init__(
        self,
        owner: Owner,
        pump: Pump,
        source: WebSocketLeg,
        sink: WebSocketLeg,
        direction: Direction,
        checks: Checks,
    ) -> None:
        self._make_inflater = direction.make_inflater
        self._inflater: Inflater | None = None
        self._sizes = direction.sizes
        self._checks = checks
        self.work = _NO_WORK
        self._work_told = _NO_WORK
        self._out = _NO_OUTPUT  # for the sink, before the next read
        self._rest: bytes | None = None  # of the last read; not ``None`` while there is work without a read
        self._turn = TURN
        self._message = _NO_MESSAGE
        self._largest = 0
        self._is_busy = False  # whether what was read is not all written yet
        self._plain_frames: PlainFrames | None = None  # of a tap that is about to look
        self._shown: PlainFrames | None = None  # while it looks
        self._look: Callable[[memoryview], None] | None = None
        super().__init__(owner, pump, source, sink, direction.walk)
        self.read_area = pump.step_area

    @property
    def largest(self) -> int:
        """Plain bytes of the largest finished message."""
        return self._largest

    @property
    def codec_work(self) -> CodecWork:
        return self.work

    def take_codec_work(self) -> CodecWork | None:
        if self.work == self._work_told:
            return None
        since, self._work_told = self.work.since(self._work_told), self.work.copy()
        return since

    def at_boundary(self) -> bool:
        return self.ended or not self._is_busy

    def frame_reader(self, keep: int) -> ReadFrames:
        """The frames are told with their plain bytes, when those are known."""
        self._plain_frames = PlainFrames(keep)
        return self._plain_frames.take

    def show(self, look: Callable[[memoryview], None] | None) -> None:
        self._look = look
        self._shown = None if look is None else self._plain_frames

    def pull(self) -> None:
        if self._rest is None:
            super().pull()
            return
        # There is more than a step only behind a handshake
        piece, self._rest = self._rest[:STEP], self._rest[STEP:] or None
        self.source.last_read = self.pump.now
        end = HEADROOM + len(piece)
        self.pump.buffer[HEADROOM:end] = piece
        self.move(HEADROOM, end)
        if self._tls_record and self._rest is None:
            self.source.after_read()  # TLS may hold more bytes, which raise no event

    def feed(self, data: bytes) -> None:
        self.octets += len(data)
        if data:
            self._rest = data  # ``resume`` follows

    def resume(self) -> None:
        super().resume()
        if self._rest is not None and not self.ended:
            self.pump.serve_again(self.source)

    def move(self, start: int, end: int) -> None:
        if self._carry:
            start = self._restore_carry()
        self._out = []
        self._is_busy = True
        start = self._work(start, end)
        self._turn = TURN
        if self._look is not None:
            self._look(memoryview(b""))
        if self.ended:
            return
        if start < end or self._is_inflating():
            self._rest = bytes(self.pump.view[start:end]) + (self._rest or b"")
        self._is_busy = self._rest is not None
        self._write()
        self._out = _NO_OUTPUT
        if self._is_busy and self.sink.pending is None:
            self.pump.serve_again(self.source)

    def _work(self, at: int, end: int) -> int:
        """Works through ``buffer[at:end]`` until its end or that of the turn. Returns where the rest starts."""
        controls = 0
        while not self.ended and self._turn > 0:
            if self._is_inflating():
                self._step()
            elif at == end:
                break
            else:
                at, is_control = self._next(at, end)
                controls += is_control
        self._slow_down(controls)
        return at

    def _is_inflating(self) -> bool:
        return self._inflater is not None and self._inflater.more

    def _next(self, at: int, end: int) -> tuple[int, bool]:
        """Handles the next frame or piece of one. Returns where it ends, and whether it is a control frame."""
        walk = self.walk
        buffer = self.pump.buffer
        begins = not walk.left
        self._turn -= _FRAME_COST
        payload, size = (measure(buffer, at, end) or (end, 0)) if begins else (at, walk.left)
        stop = min(payload + size, end)
        after = walk.walk(buffer, at, stop)
        if walk.halt == CONTROL:
            self._handle_control(at, stop)
            return stop, True
        if walk.halt == INCOMPLETE:
            self._carry = bytes(buffer[after:end])
            return end, False
        if walk.halt == FAULT:
            self._end_with_fault()
            return end, False
        self.last_moved = self.pump.now
        self._turn -= stop - payload
        if begins:
            self._begin_frame(at, payload, size)
            if not self._message.is_compressed and not self._grow(size):
                return end, False
        message = self._message
        is_last = message.is_last_frame and not walk.left
        if message.is_compressed:
            assert self._inflater is not None
            message.is_last_piece = is_last
            self._inflater.put(bytes(self._unmask(payload, stop)), last=is_last)
            self.work.received += stop - payload
            self._hold(at, stop)
        else:
            if self._shown is not None:
                self._show_piece(payload, stop)
            self._pass(at, payload, stop, is_last=is_last)
            if is_last:
                self._end_message()
        message.end_piece(stop - payload)
        return stop, False

    def _begin_frame(self, at: int, payload: int, size: int) -> None:
        buffer = self.pump.buffer
        message = self._message
        if message is _NO_MESSAGE:
            message = self._message = CurrentMessage(buffer[at])
            if self.work is _NO_WORK:
                self.work = CodecWork()
            if message.is_compressed and self._inflater is None:
                assert self._make_inflater is not None  # the walk lets RSV1 pass only where it was agreed on
                self._inflater = self._make_inflater()
        message.begin_frame(buffer, at, payload)
        if self._shown is not None:
            self._shown.begin(buffer[at], size, is_compressed=message.is_compressed)

    def _show_piece(self, start: int, stop: int) -> None:
        """Tells a tap the next part of a frame that is not compressed."""
        assert self._shown is not None
        self._shown.add(self._unmask(start, stop))
        if not self.walk.left:
            self._shown.end()

    def _unmask(self, start: int, stop: int) -> bytes | bytearray:
        return self._message.unmask(self.pump.buffer[start:stop])

    def _step(self) -> None:
        """Inflates a little more of the current message."""
        inflater = self._inflater
        assert inflater is not None
        began = monotonic()
        plain = inflater.take(STEP)
        self.work.inflating += monotonic() - began
        if plain is None:
            self._break(Rule.BAD_DEFLATE)
            return
        is_over = not inflater.more
        is_last = is_over and self._message.is_last_piece
        self._turn -= len(plain) + _FRAME_COST
        self.work.inflated += len(plain)
        self.last_moved = self.pump.now
        if not self._grow(len(plain)) or not self._check_text(plain, is_last=is_last):
            return
        if self._shown is not None:
            self._shown.add(plain)
            if is_over and not self.walk.left:
                self._shown.end()
        self._handle_plain(plain, is_last=is_last)
        if is_last:
            self._end_message()
        if is_over:
            self._release()

    def _grow(self, size: int) -> bool:
        """Counts plain bytes of the current message. Returns whether they are within the limit."""
        message = self._message
        message.size += size
        if message.size > self._checks.limit:
            self._break(Rule.LARGE_MESSAGE, self._checks.limit)
            return False
        return True

    def _check_text(self, plain: bytes, *, is_last: bool) -> bool:
        rule = self._message.check_text(plain, is_last=is_last) if self._checks.validate_text else None
        if rule is not None:
            self._break(rule)
        return rule is None

    def _end_message(self) -> None:
        size = self._message.size
        self._largest = max(self._largest, size)
        if self._sizes is not None:
            self._sizes.message(size)
        self._message = _NO_MESSAGE
        if self._inflater is not None and not self._inflater.takeover:
            self._inflater = None

    def _break(self, rule: Rule, number: int = 0) -> None:
        """The current message breaks a rule that the walk cannot see."""
        self.walk.fault = fault(rule, number)
        self._end_with_fault()

    def _end_with_fault(self) -> None:
        self._write()
        self._fail()

    def _handle_control(self, at: int, stop: int) -> None:
        walk = self.walk
        if self._shown is not None:
            self._shown.control(FIN | walk.opcode, walk.payload)
        if walk.opcode == Opcode.CLOSE:
            self._write()
            self._receive_close()
        elif walk.opcode == Opcode.PONG:
            if not self.source.take_own_pong(walk.payload):
                self._out.append(self.pump.view[at:stop])
        elif self._checks.answers_pings:
            self.source.answer_pings([walk.payload])
        else:
            self._out.append(self.pump.view[at:stop])

    def _write(self) -> None:
        """Writes what there is for the sink, in one call."""
        if self._out:
            data = self._out[0] if len(self._out) == 1 else b"".join(self._out)
            self._out = []
            self.sink.write(data)
        if self.sink.waiting_frames:
            self.sink.send_waiting()

    # -- what the two kinds do -----------------------------------------------------------------------------------------

    def _pass(self, at: int, payload: int, stop: int, *, is_last: bool) -> None:
        """``buffer[payload:stop]`` is the next part of a message that is not compressed; ``buffer[at:payload]`` is its
        header, if a frame begins here."""
        raise NotImplementedError

    def _hold(self, at: int, stop: int) -> None:
        """``buffer[at:stop]`` is a piece of a compressed message, whose payload the inflater has got."""

    def _handle_plain(self, plain: bytes, *, is_last: bool) -> None:
        """``plain`` is the next part of a compressed message, inflated and checked."""

    def _release(self) -> None:
        """The piece that was held is inflated and checked."""
