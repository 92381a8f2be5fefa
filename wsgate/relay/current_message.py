"""The message that is coming in: what a flow that looks into messages knows of it until its end."""

from __future__ import annotations

from wsgate.wire.frames import FIN, MASK, RSV1, Opcode
from wsgate.wire.kernel import apply_mask
from wsgate.wire.rules import Rule
from wsgate.wire.utf8 import Utf8Validator

_OPCODE = 0x0F


class CurrentMessage:
    """Made at the first byte of a message and dropped at its end, so that an idle session holds none.

    opcode: of the message
    is_compressed: whether its payload is a DEFLATE stream
    is_last_frame: whether the current frame is its last
    is_last_piece: whether what the inflater has got last is the end of the message
    size: plain bytes so far
    """

    __slots__ = ("_key", "_phase", "_utf8", "is_compressed", "is_last_frame", "is_last_piece", "opcode", "size")

    def __init__(self, first: int = 0) -> None:
        self.opcode = first & _OPCODE
        self.is_compressed = bool(first & RSV1)
        self.is_last_frame = False
        self.is_last_piece = False
        self.size = 0
        self._key = b""
        self._phase = 0  # where in the masking key the next piece of the payload begins
        self._utf8: Utf8Validator | None = None

    def begin_frame(self, buffer: bytearray, at: int, payload: int) -> None:
        """A data frame of the message begins: ``buffer[at:payload]`` is its header."""
        self.is_last_frame = buffer[at] >= FIN
        self._key = bytes(buffer[payload - 4 : payload]) if buffer[at + 1] & MASK else b""
        self._phase = 0

    def unmask(self, data: bytearray) -> bytes | bytearray:
        """Returns the plain bytes of the next piece of the current frame. It may be asked for more than once."""
        if not self._key:
            return data
        phase = self._phase
        return apply_mask(data, self._key[phase:] + self._key[:phase])

    def end_piece(self, size: int) -> None:
        """The next piece begins ``size`` bytes later."""
        self._phase = (self._phase + size) & 3

    def check_text(self, plain: bytes, *, is_last: bool) -> Rule | None:
        """Returns the rule that the next plain bytes of a text message break (RFC 6455 §8.1)."""
        if self._utf8 is None:
            if self.opcode != Opcode.TEXT or plain.isascii():  # most text needs no more
                return None
            self._utf8 = Utf8Validator()
        if not self._utf8.feed(plain):
            return Rule.NOT_UTF8
        if is_last and not self._utf8.finish():
            return Rule.ENDS_INSIDE
        return None
