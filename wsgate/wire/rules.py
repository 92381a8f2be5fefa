"""The rules for frames, one row each: the close code and the text for a peer that breaks it (RFC 6455 §7.4.1).

Both implementations of the walk, in Python and in C, name a rule by its member here. ``fault`` makes the ``Fault``
that the rest of the code uses.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from wsgate.wire.fault import CloseCode, Fault


@dataclass(frozen=True, slots=True)
class _Row:
    """``text`` may have a place for a number: an opcode, a close code, or a limit."""

    text: str
    code: CloseCode = CloseCode.PROTOCOL_ERROR


class Rule(enum.Enum):
    """The rules. ``_kernel.c`` repeats the names of those that a walk checks, and looks the members up by name."""

    RESERVED_BITS = _Row("reserved bits that no extension was agreed on for")  # §5.2
    RESERVED_BITS_OF_CONTROL = _Row("reserved bits on a frame with opcode {:#x}")  # §5.2
    RESERVED_OPCODE = _Row("reserved opcode {:#x}")  # §5.2
    FRAGMENTED_CONTROL = _Row("fragmented control frame")  # §5.5
    LONG_CONTROL = _Row("control frame of more than 125 bytes")  # §5.5
    INSIDE_MESSAGE = _Row("data frame inside a fragmented message")  # §5.4
    OUTSIDE_MESSAGE = _Row("continuation frame outside a message")  # §5.4
    NOT_MASKED = _Row("client frame is not masked")  # §5.1
    MASKED = _Row("server frame is masked")  # §5.1
    HUGE_LENGTH = _Row("frame length of 2^63 or more")  # §5.2
    LENGTH_FORM = _Row("frame length not in its shortest form")  # §5.2
    TEXT_REFUSED = _Row("text frames are not supported here", CloseCode.UNSUPPORTED_DATA)
    LARGE_MESSAGE = _Row("message over the limit of {} bytes", CloseCode.TOO_BIG)
    LARGE_FRAME = _Row("frame over the limit of {} bytes", CloseCode.TOO_BIG)
    MANY_FRAGMENTS = _Row("message of more than {} fragments", CloseCode.TOO_BIG)
    NOT_UTF8 = _Row("text is not UTF-8", CloseCode.INVALID_DATA)  # §8.1
    ENDS_INSIDE = _Row("text ends inside a UTF-8 sequence", CloseCode.INVALID_DATA)  # §8.1
    BAD_DEFLATE = _Row("compressed message is no valid DEFLATE stream", CloseCode.INVALID_DATA)  # RFC 7692 §7.2.2
    SHORT_CLOSE = _Row("close payload of one byte")  # §5.5.1
    CLOSE_CODE = _Row("close code {} may not be sent")  # §7.4
    CLOSE_REASON = _Row("close reason is not UTF-8", CloseCode.INVALID_DATA)  # §5.5.1; §8.1's code for bad text


def fault(rule: Rule, number: int = 0) -> Fault:
    """Returns the fault of a peer that broke ``rule``. ``number`` is put into the rule's text."""
    row = rule.value
    return Fault(row.code, row.text.format(number))
