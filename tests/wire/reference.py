"""Frames as RFC 6455 §5.2 draws them, right and wrong ones: written for these tests alone, from the figure."""

from __future__ import annotations

import struct
from dataclasses import dataclass

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA

KEY = bytes.fromhex("37fa213d")  # the masking key of the examples in RFC 6455 §5.7


def xor(data: bytes | bytearray, key: bytes) -> bytes:
    """§5.3, one octet at a time."""
    return bytes(octet ^ key[i % 4] for i, octet in enumerate(data))


@dataclass(frozen=True)
class Frame:
    """rsv: the three reserved bits as a number, RSV1 is 4; form: the bits of the length field, if not the fewest"""

    opcode: int
    payload: bytes = b""
    fin: bool = True
    rsv: int = 0
    form: int | None = None

    def encode(self, key: bytes | None) -> bytes:
        size = len(self.payload)
        form = self.form or (7 if size < 126 else 16 if size < 65536 else 64)
        return head(self.opcode, size, fin=self.fin, rsv=self.rsv, form=form, key=key) + (
            self.payload if key is None else xor(self.payload, key)
        )


def head(opcode: int, size: int, *, fin: bool = True, rsv: int = 0, form: int = 7, key: bytes | None = None) -> bytes:
    """A header that announces ``size``, true or not."""
    first = fin << 7 | rsv << 4 | opcode
    mask = 0 if key is None else 0x80
    fields = {
        7: struct.pack("!BB", first, mask | (size & 0x7F)),
        16: struct.pack("!BBH", first, mask | 126, size & 0xFFFF),
        64: struct.pack("!BBQ", first, mask | 127, size),
    }
    return fields[form] + (key or b"")
