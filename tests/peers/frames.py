"""Frames as RFC 6455 §5.2 draws them, right and wrong ones: written for the tests alone, from the figure."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import NamedTuple

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA

MASK = bytes.fromhex("37fa213d")  # the masking key of the examples in RFC 6455 §5.7


@dataclass(frozen=True)
class Frame:
    """rsv: the three reserved bits as a number, RSV1 is 4; form: the bits of the length field, if not the fewest"""

    opcode: int
    payload: bytes = b""
    fin: bool = True
    rsv: int = 0
    form: int | None = None

    def encode(self, key: bytes | None) -> bytes:
        """Returns its bytes: of a client with its masking ``key``, of a server with ``None``."""
        size = len(self.payload)
        start = header(self.opcode, size, fin=self.fin, rsv=self.rsv, form=self.form, key=key)
        return start + (self.payload if key is None else xor(self.payload, key))


class Parsed(NamedTuple):
    """A frame, the key that it was masked with if it was, and how many bytes it took."""

    frame: Frame
    key: bytes | None
    size: int


def header(
    opcode: int, size: int, *, fin: bool = True, rsv: int = 0, form: int | None = None, key: bytes | None = None
) -> bytes:
    """A header that announces ``size`` bytes, true or not."""
    first = fin << 7 | rsv << 4 | opcode
    mask = 0 if key is None else 0x80
    fields = {
        7: struct.pack("!BB", first, mask | (size & 0x7F)),
        16: struct.pack("!BBH", first, mask | 126, size & 0xFFFF),
        64: struct.pack("!BBQ", first, mask | 127, size),
    }
    return fields[form or _fewest(size)] + (key or b"")


def parse(data: bytes | bytearray, start: int = 0) -> Parsed | None:
    """Returns the frame that begins at ``start``, also an invalid one; ``None`` while it is incomplete."""
    if len(data) < start + 2:
        return None
    first, second = data[start : start + 2]
    form = {126: 16, 127: 64}.get(second & 0x7F, 7)
    at = start + {7: 2, 16: 4, 64: 10}[form]
    size = second & 0x7F if form == 7 else int.from_bytes(data[start + 2 : at], "big")
    key = None
    if second & 0x80:
        key = bytes(data[at : at + 4])
        at += 4
    if len(data) < at + size:
        return None
    payload = bytes(data[at : at + size])
    if key is not None:
        payload = xor(payload, key)
    odd = None if form == _fewest(size) else form
    return Parsed(Frame(first & 0x0F, payload, first >= 0x80, first >> 4 & 7, odd), key, at + size - start)


def parse_all(data: bytes | bytearray) -> list[Parsed]:
    """The whole frames that ``data`` begins with."""
    found, at = [], 0
    while parsed := parse(data, at):
        found.append(parsed)
        at += parsed.size
    return found


def close_frame(code: int | None = None, reason: str | bytes = b"") -> Frame:
    text = reason.encode() if isinstance(reason, str) else reason
    return Frame(CLOSE, b"" if code is None else struct.pack("!H", code) + text)


def close_code(frame: Frame) -> int | None:
    """Returns the code of a Close; ``None`` if it has none."""
    assert frame.opcode == CLOSE, frame
    return int.from_bytes(frame.payload[:2], "big") if frame.payload else None


def xor(payload: bytes | bytearray, key: bytes) -> bytes:
    """§5.3, all octets in one step: messages of megabytes come by here."""
    size = len(payload)
    stream = (key * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(stream, "big")).to_bytes(size, "big")


def _fewest(size: int) -> int:
    return 7 if size < 126 else 16 if size < 1 << 16 else 64
