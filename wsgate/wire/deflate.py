"""The codec of permessage-deflate (RFC 7692 §7.2), in steps of a bounded size.

Theory of operation
-------------------
A message is compressed as a raw DEFLATE stream that ends with an empty stored block, whose last four bytes (``TAIL``)
are not sent (§7.2.1). Whoever inflates adds them again.

``Inflater`` takes the payload of a message piece by piece (``put``) and gives its plain bytes step by step (``take``),
at most as many as the caller has room for. So a message that is a thousand times larger than its payload costs a step
and no memory. ``Deflater`` compresses a message whole or piece by piece.

With context takeover (§7.1.1) each holds a window: up to 40 KiB for inflating, 260 KiB for compressing. Without it an
``Inflater`` holds one within a message, and a ``Deflater`` nothing: each part of a message refers only to itself.

zlib does not tell whether it stands between two blocks. So ``Inflater`` adds a last, empty block (``_FINAL``) behind
each message: only between two blocks it ends the stream there. With context takeover a copy of zlib's state gets it.

Inflating is zlib's in any case. isal's takes two thirds of the time for 64 KiB, but more than zlib's for messages below
4 KiB, its state has 85 KiB instead of 39, and cannot be copied.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

TAIL = b"\x00\x00\xff\xff"
MAX_BITS = 15  # a window of 32 KiB
# zlib cannot compress with a window of 256 bytes: it would use 512 (its manual, deflateInit2)
MIN_DEFLATE_BITS = 9

_FINAL = b"\x03\x00"
_MANY = 16  # pieces of output, before they are joined
_FAST_LEVELS = 3  # isal's levels 1 to 3 are all about as good as zlib's 1 to 3
# What stands above it makes messages two or three percent smaller, but takes up to 0.1 s for 64 KiB of some data, such
# as letters of a small alphabet in any order. Other sessions would wait so long
_MOST_LEVEL = 6
_SMALL = 2048  # bytes: a message up to this size fits into a window of 2 KiB
_SMALL_BITS, _SMALL_MEMORY = 11, 5  # zlib's state is then 16 KiB instead of 260, which have to be cleared

_make_fast: Callable[..., _Compressor] | None = None
try:
    from isal.isal_zlib import compressobj as _make_fast
except ImportError:
    STATUS = "messages are compressed by zlib"  # for the log
else:
    STATUS = "messages are compressed by isal on the levels 1 to 3, by zlib on the others"


def inflating_memory(bits: int) -> int:
    """Returns the bytes that an ``Inflater`` with context takeover holds (zlib's manual, zconf.h)."""
    return (1 << bits) + (7 << 10)


def deflating_memory(bits: int) -> int:
    """Returns the bytes that a ``Deflater`` with context takeover holds (the same)."""
    return (1 << bits + 2) + (1 << zlib.DEF_MEM_LEVEL + 9)


class _Compressor(Protocol):
    def compress(self, data: bytes | bytearray, /) -> bytes: ...

    def flush(self, mode: int, /) -> bytes: ...


class Inflater:
    """Inflates the messages of one direction.

    bits: the size of the window that was agreed on, as a power of two, from 8 to 15
    takeover: a message may refer to earlier ones
    more: ``take`` has something to do
    """

    __slots__ = ("_bits", "_has_final", "_input", "_is_last", "_recent", "_state", "more", "takeover")

    def __init__(self, bits: int = MAX_BITS, *, takeover: bool) -> None:
        self._bits = max(bits, MIN_DEFLATE_BITS)  # a peer that uses zlib compresses with at least as many
        self.takeover = takeover
        self._state: Any = None  # zlib's
        self._input = b""
        self._is_last = False
        self._has_final = False  # whether the peer uses final blocks
        self._recent: list[bytes] | None = []  # the last output, for the window of a state behind a final block
        self.more = False

    def put(self, data: bytes, *, last: bool) -> None:
        """Adds a piece of a message's payload, ``last``: its end. All that was put before must have been taken."""
        self._is_last = last
        if last:
            data += TAIL if self.takeover else TAIL + _FINAL
        self._input = data
        self.more = True

    def take(self, size: int) -> bytes | None:
        """Returns the next plain bytes, at most ``size``; ``None`` if the payload is no valid DEFLATE stream.

        The result may be empty while there is ``more``.
        """
        state = self._state
        if state is None:
            state = self._state = self._new_state()
        try:
            output: bytes = state.decompress(self._input, size)
        except zlib.error:
            return None
        if self._recent is not None and output:
            self._remember(output)
        if not state.eof:
            self._input = state.unconsumed_tail
            self.more = len(output) == size or bool(self._input)
        else:
            # A block with BFINAL (§7.2.3.4): what follows is another stream with the same window
            self._has_final = True
            self._input = state.unused_data
            self._state = None
            self.more = bool(self._input) and not self._is_rest_of_final()
        if not self.more and self._is_last and not self._finish():
            return None
        return output

    def _is_rest_of_final(self) -> bool:
        """Whether only our own end follows: the message ended with a final block, without the byte behind it that
        §7.2.3.4 asks for. Nothing is missing, so this is accepted."""
        return self._is_last and self._input in (TAIL, TAIL + _FINAL)

    def _finish(self) -> bool:
        """The end of a message. Returns whether it was between two blocks."""
        state = self._state
        if not self.takeover:
            # Between two blocks our last block has ended the stream
            self._state = None
            self._recent = []
            return state is None
        if state is None:
            return True
        if not self._has_final:
            self._recent = None  # who begins without final blocks is not expected to use them later
        end = state.copy()
        try:
            end.decompress(_FINAL)
        except zlib.error:
            return False
        return bool(end.eof)

    def _new_state(self) -> Any:
        if not self._recent:
            return zlib.decompressobj(-self._bits)
        return zlib.decompressobj(-self._bits, b"".join(self._recent)[-(1 << self._bits) :])

    def _remember(self, output: bytes) -> None:
        recent = self._recent
        assert recent is not None
        if len(output) >= 1 << MAX_BITS:
            recent.clear()
        elif len(recent) > _MANY:
            recent[:] = [b"".join(recent)[-(1 << MAX_BITS) :]]
        recent.append(output)


class Deflater:
    """Compresses the messages of one direction.

    level: zlib's, from 1 (fast) to 9 (small); 7 to 9 are as 6
    bits: the size of the window, as a power of two, from 9 to 15
    takeover: a message may refer to earlier ones
    """

    __slots__ = ("_bits", "_level", "_state", "_takeover")

    def __init__(self, level: int, bits: int = MAX_BITS, *, takeover: bool) -> None:
        self._level = min(level, _MOST_LEVEL)
        self._bits = bits
        self._takeover = takeover
        self._state: _Compressor | None = None

    @property
    def takeover(self) -> bool:
        return self._takeover

    def compress(self, data: bytes | bytearray, *, last: bool) -> bytes:
        """Returns the next part of a message's payload, ``last``: its end. Nothing of ``data`` is held back."""
        state = self._state
        if state is None:
            state = _new_compressor(self._level, self._bits, None if self._takeover else len(data))
            if self._takeover:
                self._state = state
        payload = state.compress(data) + state.flush(zlib.Z_SYNC_FLUSH)
        return payload[:-4] if last else payload


def _new_compressor(level: int, bits: int, size: int | None) -> _Compressor:
    """``size``: bytes that will be compressed; ``None``: any number."""
    memory = zlib.DEF_MEM_LEVEL
    if size is not None and size <= _SMALL:
        bits, memory = min(bits, _SMALL_BITS), _SMALL_MEMORY
    make = zlib.compressobj if _make_fast is None or level > _FAST_LEVELS else _make_fast
    return make(level, zlib.DEFLATED, -bits, memory)
