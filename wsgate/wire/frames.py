"""Frames that the gateway makes: opcodes, and the encoding of headers and control frames (RFC 6455 §5.2)."""

from __future__ import annotations

import enum

from wsgate.wire.masking import apply_mask


class Opcode(enum.IntEnum):
    CONTINUATION = 0x0
    TEXT = 0x1
    BINARY = 0x2
    CLOSE = 0x8
    PING = 0x9
    PONG = 0xA


FIN = 0x80
RSV1 = 0x40
MASK = 0x80

MAX_CONTROL = 125  # bytes of a control frame's payload (RFC 6455 §5.5)
MAX_HEADER = 14  # bytes: two, eight of length, four of masking key


_LENGTH_SIZES = {126: 2, 127: 8}  # bytes of a longer length, by the seven bits in the second byte


def measure(data: bytes | bytearray | memoryview, at: int, end: int) -> tuple[int, int] | None:
    """Returns where the payload of the frame at ``at`` starts, and its size, as the header says (§5.2); ``None`` if the
    header has not come whole before ``end``. Nothing is checked: ``walk`` does that."""
    if end - at < 2:
        return None
    second = data[at + 1]
    size = second & ~MASK
    extra = _LENGTH_SIZES.get(size, 0)
    payload = at + 2 + extra + (4 if second & MASK else 0)
    if payload > end:
        return None
    if extra:
        size = int.from_bytes(data[at + 2 : at + 2 + extra], "big")
    return payload, size


def encode_header(first: int, length: int, mask_bit: int = 0) -> bytes:
    """Returns a header without its masking key, in the shortest length form (§5.2).

    first: the first byte: FIN, RSV and opcode
    length: bytes of the payload
    mask_bit: ``MASK`` if a masking key follows
    """
    if length < 126:
        return bytes((first, mask_bit | length))
    if length < 1 << 16:
        return bytes((first, mask_bit | 126)) + length.to_bytes(2, "big")
    return bytes((first, mask_bit | 127)) + length.to_bytes(8, "big")


def encode_frame(opcode: Opcode, payload: bytes, key: bytes | None) -> bytes:
    """Returns a whole unfragmented frame.

    key: the masking key, four bytes, for a frame to a backend (§5.3); ``None`` for one to a client
    """
    first = FIN | opcode
    if key is None:
        return encode_header(first, len(payload)) + payload
    return encode_header(first, len(payload), MASK) + key + apply_mask(payload, key)
