"""The frame walk: checks the frames in a buffer and says up to where its bytes may be passed on (RFC 6455 §5).

Theory of operation
-------------------
A gateway seldom needs a frame as an object. It needs to know how many of the bytes that it has just read it may pass
on unchanged. ``FrameWalk.walk(buffer, start, end)`` returns that position, ``stop``: the bytes ``start:stop`` are valid
frames, the last of them perhaps unfinished. Data frames are never copied. ``halt`` says why the walk stopped:

  DONE        ``stop == end``; nothing is left over
  INCOMPLETE  the bytes ``stop:end`` are the beginning of a header (at most 13 bytes) or of a control frame (at most
              130 bytes). The caller puts them in front of its next read. So a control frame is never split, and only a
              header that was split between two reads is parsed twice
  CONTROL     ``stop:resume`` is a whole control frame, described by ``opcode`` and the unmasked ``payload``. The caller
              continues with ``walk(buffer, resume, end)``
  FAULT       the frame at ``stop`` breaks the rule in ``fault``. The bytes from ``stop`` on must not be passed on, and
              the walk must not be used again

The walk reads a payload only if something depends on it (``_inspect``): text that is validated, and every payload of
an *unwrapping* walk. The tunnel uses an unwrapping walk: it unmasks each payload and moves it down over the headers,
in place. ``buffer[start:out]`` is then the byte stream in one piece, ready for one send.

One walk belongs to one direction of one connection. It keeps the state that is needed across reads: how much of the
current frame is still to come, its message, its masking key and phase, the state of a UTF-8 sequence.

``_kernel.c`` is the same in C, and ``kernel.py`` chooses. Change both together.
"""

from __future__ import annotations

from wsgate.wire.counts import FrameCounts
from wsgate.wire.fault import Fault
from wsgate.wire.frames import FIN, MAX_CONTROL, RSV1
from wsgate.wire.masking import apply_mask
from wsgate.wire.rules import Rule, fault
from wsgate.wire.utf8 import Utf8Validator

DONE, INCOMPLETE, CONTROL, FAULT = range(4)

NO_LIMIT = 1 << 63  # more than a length field can announce (RFC 6455 §5.2: the top bit must be 0)

_TEXT = 1
_RESERVED = 0x70


class FrameWalk:
    """Validates the frames of one direction.

    masked: the frames come from a client and must be masked; frames from a server must not be (§5.1)
    limit: bytes that a message may have in all its fragments, as sent (a compressed message counts compressed)
    frame_limit: bytes that the payload of a data frame may have
    fragment_limit: frames that a message may consist of, at least 1
    validate_text: text must be UTF-8 (§8.1); compressed messages are not checked, because their text is not visible
    compression: permessage-deflate was agreed on, so RSV1 may be set (RFC 7692 §6)
    unwrap: replace the frames in the buffer by their payloads
    accept_text: accept text messages; otherwise one is a fault with code 1003
    counts: where frames are counted when they begin (control frames when they are whole), and messages when they end
    """

    __slots__ = (
        "_compressed",
        "_compression",
        "_counts",
        "_fin",
        "_fragment_limit",
        "_fragments",
        "_frame_limit",
        "_inspects",
        "_key",
        "_limit",
        "_mask_bit",
        "_message",
        "_min_header",
        "_phase",
        "_size",
        "_text_refused",
        "_unwrap",
        "_utf8",
        "_validate_text",
        "fault",
        "halt",
        "largest",
        "left",
        "messages",
        "opcode",
        "out",
        "payload",
        "resume",
    )

    def __init__(
        self,
        *,
        masked: bool,
        limit: int = NO_LIMIT,
        frame_limit: int = NO_LIMIT,
        fragment_limit: int = NO_LIMIT,
        validate_text: bool = True,
        compression: bool = False,
        unwrap: bool = False,
        accept_text: bool = True,
        counts: FrameCounts | None = None,
    ) -> None:
        self._mask_bit = 0x80 if masked else 0  # of the second byte
        self._min_header = 6 if masked else 2  # bytes of the shortest header
        self._limit = limit
        self._frame_limit = frame_limit
        self._fragment_limit = fragment_limit
        self._validate_text = validate_text
        self._compression = compression
        self._unwrap = unwrap
        self._text_refused = not accept_text
        self._counts = counts

        self.halt = DONE
        self.fault: Fault | None = None
        self.opcode = 0
        self.payload = b""
        self.resume = 0
        self.out = 0  # end of the unwrapped bytes; the caller sets it to ``start`` before each read's first walk
        self.messages = 0  # finished data messages
        self.largest = 0  # bytes of the largest of them, as ``limit`` counts them

        self.left = 0  # payload bytes of the current data frame that are still to come; 0 at a frame boundary
        self._fin = True
        self._message = 0  # opcode of the current message, 0 between messages
        self._compressed = False
        self._size = 0  # of the current message: the sum of the lengths in its headers so far
        self._fragments = 0  # of the current message: its frames so far
        self._inspects = False  # the payload of the current frame has to be read
        self._key = b""
        self._phase = 0
        self._utf8: Utf8Validator | None = None

    def walk(self, buffer: bytearray, start: int, end: int) -> int:
        """Walks over ``buffer[start:end]``. Returns ``stop``; the module's docstring explains it and ``halt``."""
        self.halt = DONE
        position = start
        if self.left:
            position = start + self.left
            if position > end:
                if self._inspects and not self._inspect(buffer, start, end):
                    return start
                self.left = position - end
                return end
            if self._inspects and not self._inspect(buffer, start, position):
                return start
            if self._fin and not self._finish():
                return start  # ``left`` stays: the other side has got only a part of this frame
            self.left = 0
        mask_bit = self._mask_bit
        while position < end:
            at = position + self._min_header
            first = buffer[position]
            opcode = first & 0x0F
            if opcode > 2:
                return self._control(buffer, position, end, first)
            if first & _RESERVED and not self._reserved_bits_are_agreed(first):
                return position
            if opcode:
                if self._message:
                    return self._fail(position, Rule.INSIDE_MESSAGE)
            elif not self._message:
                return self._fail(position, Rule.OUTSIDE_MESSAGE)
            if end - position < 2:
                self.halt = INCOMPLETE
                return position
            length = buffer[position + 1] ^ mask_bit
            if length > 125:
                if length > 127:
                    return self._fail(position, self._mask_rule())
                at += 2 if length == 126 else 8
                if at > end:
                    self.halt = INCOMPLETE
                    return position
                length = self._long_length(buffer, position, length)
                if length < 0:
                    return position
            elif at > end:
                self.halt = INCOMPLETE
                return position
            if opcode:
                if opcode == _TEXT and self._text_refused:
                    return self._fail(position, Rule.TEXT_REFUSED)
                self._size = length
                self._fragments = 1
                self._compressed = bool(first & RSV1)
                self._inspects = self._unwrap or (opcode == _TEXT and self._validate_text and not self._compressed)
            else:
                opcode = self._message
                self._size += length
                self._fragments += 1
                if self._fragments > self._fragment_limit:
                    return self._fail(position, Rule.MANY_FRAGMENTS, self._fragment_limit)
            if length > self._frame_limit:
                return self._fail(position, Rule.LARGE_FRAME, self._frame_limit)
            if self._size > self._limit:
                return self._fail(position, Rule.LARGE_MESSAGE, self._limit)
            if self._counts is not None:
                self._counts.frame(first & 0x0F)
            self._message = opcode
            self._fin = first >= FIN
            stop = at + length
            if self._inspects:
                self._phase = 0
                self._key = bytes(buffer[at - 4 : at]) if mask_bit else b""
                if not self._inspect(buffer, at, stop if stop < end else end):
                    return position
            if stop > end:
                self.left = stop - end
                return end
            if self._fin and not self._finish():
                return position
            position = stop
        return end

    def _inspect(self, buffer: bytearray, start: int, end: int) -> bool:
        """Unmasks a piece of payload, validates it if it is text, and moves it down if this walk unwraps.

        Returns False if there is a fault.
        """
        data: bytes | bytearray = buffer[start:end]
        if self._mask_bit:
            key = self._key
            phase = self._phase
            if phase:
                key = key[phase:] + key[:phase]
            data = apply_mask(data, key)
            self._phase = (phase + end - start) & 3
        if self._message == _TEXT and self._validate_text and not self._compressed:
            if self._utf8 is None:
                self._utf8 = Utf8Validator()
            if not self._utf8.feed(data):
                self._fail(0, Rule.NOT_UTF8)
                return False
        if self._unwrap:
            out = self.out
            self.out = out + len(data)
            buffer[out : self.out] = data
        return True

    def _finish(self) -> bool:
        """Ends the current message. Returns False if its text stops inside a character."""
        if self._utf8 is not None and self._message == _TEXT and not self._utf8.finish():
            self._fail(0, Rule.ENDS_INSIDE)
            return False
        self._message = 0
        self.messages += 1
        if self._size > self.largest:
            self.largest = self._size
        if self._counts is not None:
            self._counts.message(self._size)
        return True

    def _control(self, buffer: bytearray, position: int, end: int, first: int) -> int:
        """Handles a frame whose opcode is over 2: control (§5.5) or reserved (§5.2). Always sets ``halt``."""
        opcode = first & 0x0F
        if first & _RESERVED:
            return self._fail(position, Rule.RESERVED_BITS_OF_CONTROL, opcode)
        if opcode < 8 or opcode > 10:
            return self._fail(position, Rule.RESERVED_OPCODE, opcode)
        if first < FIN:
            return self._fail(position, Rule.FRAGMENTED_CONTROL)
        if end - position < 2:
            self.halt = INCOMPLETE
            return position
        length = buffer[position + 1] ^ self._mask_bit
        if length > 127:
            return self._fail(position, self._mask_rule())
        if length > MAX_CONTROL:
            return self._fail(position, Rule.LONG_CONTROL)
        at = position + self._min_header
        resume = at + length
        if resume > end:
            self.halt = INCOMPLETE
            return position
        payload = bytes(buffer[at:resume])
        if self._mask_bit:
            payload = bytes(apply_mask(payload, bytes(buffer[at - 4 : at])))
        if self._counts is not None:
            self._counts.frame(opcode)
        self.halt = CONTROL
        self.opcode = opcode
        self.payload = payload
        self.resume = resume
        return position

    def _reserved_bits_are_agreed(self, first: int) -> bool:
        """Whether only RSV1 is set, on a message's first frame, after compression was agreed on (RFC 7692 §6.1)."""
        if first & _RESERVED == RSV1 and self._compression and first & 0x0F:
            return True
        self._fail(0, Rule.RESERVED_BITS)
        return False

    def _long_length(self, buffer: bytearray, position: int, form: int) -> int:
        """Returns the 16- or 64-bit length at ``position``.

        Returns -1 and sets a fault if it is not in its shortest form or over 2**63-1 (§5.2).
        """
        if form == 126:
            length = buffer[position + 2] << 8 | buffer[position + 3]
            minimal = length > 125
        else:
            length = int.from_bytes(buffer[position + 2 : position + 10], "big")
            minimal = length >= 1 << 16
            if length >= NO_LIMIT:
                return self._fail(-1, Rule.HUGE_LENGTH)
        if not minimal:
            return self._fail(-1, Rule.LENGTH_FORM)
        return length

    def _mask_rule(self) -> Rule:
        return Rule.NOT_MASKED if self._mask_bit else Rule.MASKED

    def _fail(self, stop: int, rule: Rule, number: int = 0) -> int:
        self.halt = FAULT
        self.fault = fault(rule, number)
        return stop
