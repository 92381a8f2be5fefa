"""Collects the frames of a flow that inflates, for those who look on."""

from __future__ import annotations

from wsgate.wire.frame_reader import ReadFrame


class PlainFrames:
    """Collects frames that are told piece by piece.

    keep: bytes of each payload that are kept; of a control frame all are
    """

    __slots__ = ("_compressed_size", "_first", "_frames", "_is_begun", "_keep", "_kept", "_size")

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._frames: list[ReadFrame] = []
        self._first = 0  # of the current frame
        self._compressed_size: int | None = None
        self._size = 0
        self._kept = b""
        self._is_begun = False  # not in a frame that began before anybody looked

    def begin(self, first: int, size: int, *, is_compressed: bool) -> None:
        """A data frame begins. ``first``: its first byte; ``size``: of its payload, as the header says."""
        self._first = first
        self._compressed_size = size if is_compressed else None
        self._size = 0
        self._kept = b""
        self._is_begun = True

    def add(self, plain: bytes | bytearray) -> None:
        """The next plain bytes of the current frame."""
        self._size += len(plain)
        self._kept += plain[: self._keep - len(self._kept)]

    def end(self) -> None:
        """The current frame is over."""
        if self._is_begun:
            self._frames.append(ReadFrame(self._first, self._size, self._kept, self._compressed_size))

    def control(self, first: int, payload: bytes) -> None:
        """A control frame has come."""
        self._frames.append(ReadFrame(first, len(payload), payload))

    def take(self, _: memoryview) -> list[ReadFrame]:
        """Returns the frames since the last call."""
        frames, self._frames = self._frames, []
        return frames
