"""Counts frames and the sizes of messages while a walk goes over them.

The numbers are the caller's: words of 8 bytes, and many walks may share the same ones. A walk only adds to them. So a
count costs one addition, and nothing has to be gathered. ``_kernel.c`` has the same in C, and ``kernel.py`` chooses.
"""

from __future__ import annotations

from bisect import bisect_left

OPCODES = ("continuation", "text", "binary", "close", "ping", "pong")  # RFC 6455 §5.2, in the order of their words
SIZES = tuple(64 * 4**step for step in range(10))  # bytes: upper bounds, from 64 to 16 MiB

SIZE_WORDS = len(SIZES) + 2  # a word for each bound, one for what is larger, and the sum


class MessageSizes:
    """Where the sizes of messages are counted.

    words: how many messages of each size came, by ``SIZES``, then larger ones, then the bytes of all
    """

    __slots__ = ("_words",)

    def __init__(self, words: memoryview) -> None:
        self._words = words

    def message(self, size: int) -> None:
        """A message of ``size`` bytes is over."""
        self._words[bisect_left(SIZES, size)] += 1
        self._words[-1] += size


class FrameCounts:
    """Where walks count.

    frames: how many frames came, by ``OPCODES``
    sizes: how many messages of each size came, by ``SIZES``, then larger ones, then the bytes of all

    Raises ValueError if there are too few words, or too many.
    """

    __slots__ = ("_frames", "message")

    def __init__(self, frames: memoryview, sizes: memoryview) -> None:
        if len(frames) != len(OPCODES) or len(sizes) != SIZE_WORDS:
            raise ValueError(f"FrameCounts() needs {len(OPCODES)} and {SIZE_WORDS} words")
        self._frames = frames
        self.message = MessageSizes(sizes).message  # a message of so many bytes is over

    def frame(self, opcode: int) -> None:
        """A frame has come. ``opcode``: one that RFC 6455 defines."""
        self._frames[opcode if opcode < 8 else opcode - 5] += 1
