"""Reads the frames of a byte stream one by one, for those who look on (RFC 6455 §5.2). It judges none of them.

The frames of sessions are checked by ``walk``, which makes no object of a frame. This makes one of each.
"""

from __future__ import annotations

from typing import NamedTuple

from wsgate.wire.frames import MASK, Opcode, measure
from wsgate.wire.kernel import apply_mask

_CODE_SIZE = 2  # bytes of a close code


class ReadFrame(NamedTuple):
    """A frame.

    first: the first byte: FIN, RSV and opcode
    size: bytes of the payload, as the header says
    payload: its first bytes, unmasked
    compressed_size: bytes that were sent for it, if ``size`` and ``payload`` are those of the inflated payload
    """

    first: int
    size: int
    payload: bytes
    compressed_size: int | None = None


class FrameReader:
    """Reads frames. A frame is told once its header has come, and as much of its payload as is kept.

    keep: bytes of each payload that are kept; of a Close always its code
    skip: bytes of payload with which the stream begins
    begun: the beginning of a frame, in front of the stream
    """

    __slots__ = ("_begun", "_first", "_keep", "_kept", "_key", "_left", "_size", "_wanted")

    def __init__(self, keep: int, skip: int = 0, begun: bytes = b"") -> None:
        self._keep = keep
        self._begun = begun
        self._left = skip  # bytes of the current payload that are still to come
        self._wanted = 0  # of them, those to keep
        self._kept = bytearray()
        self._first = self._size = 0  # of the current frame
        self._key = b""

    def read(self, data: memoryview | bytes) -> list[ReadFrame]:
        """Returns the frames that are told with these next bytes of the stream."""
        if self._begun:
            data = self._begun + bytes(data)
            self._begun = b""
        frames: list[ReadFrame] = []
        at, end = 0, len(data)
        while at < end:
            if self._left:
                at = self._read_payload(data, at, end, frames)
                continue
            measured = measure(data, at, end)
            if measured is None:
                self._begun = bytes(data[at:])
                break
            first, masked = data[at], data[at + 1] & MASK
            at, size = measured
            self._left = size
            keep = self._keep or (_CODE_SIZE if first & 0x0F == Opcode.CLOSE else 0)
            wanted = min(keep, size)
            if wanted:
                self._first, self._size, self._wanted = first, size, wanted
                self._key = bytes(data[at - 4 : at]) if masked else b""
            else:
                frames.append(ReadFrame(first, size, b""))
        return frames

    def _read_payload(self, data: memoryview | bytes, at: int, end: int, frames: list[ReadFrame]) -> int:
        """Reads a piece of a payload. Returns where it ends."""
        stop = min(end, at + self._left)
        self._left -= stop - at
        if self._wanted:
            kept = data[at : min(stop, at + self._wanted)]
            self._kept += kept
            self._wanted -= len(kept)
            if not self._wanted:
                payload, self._kept = self._kept, bytearray()
                plain = apply_mask(payload, self._key) if self._key else payload
                frames.append(ReadFrame(self._first, self._size, bytes(plain)))
        return stop
