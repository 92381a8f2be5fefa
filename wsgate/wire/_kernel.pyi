"""The compiled part of ``wsgate.wire``. ``kernel`` chooses between it and the same code in Python."""

from wsgate.wire.fault import Fault

API: int  # as kernel.API, or it is of another version
VECTORS: int  # 1 if this processor has AVX2, which text is validated with; else 0
DONE: int
INCOMPLETE: int
CONTROL: int
FAULT: int

class FrameCounts:
    def __new__(cls, frames: memoryview, sizes: memoryview) -> FrameCounts: ...

class FrameWalk:
    fault: Fault | None
    out: int
    @property
    def halt(self) -> int: ...
    @property
    def opcode(self) -> int: ...
    @property
    def payload(self) -> bytes: ...
    @property
    def resume(self) -> int: ...
    @property
    def messages(self) -> int: ...
    @property
    def largest(self) -> int: ...
    @property
    def left(self) -> int: ...
    def __new__(
        cls,
        *,
        masked: bool,
        limit: int = ...,
        frame_limit: int = ...,
        fragment_limit: int = ...,
        validate_text: bool = ...,
        compression: bool = ...,
        unwrap: bool = ...,
        accept_text: bool = ...,
        counts: FrameCounts | None = ...,
    ) -> FrameWalk: ...
    def walk(self, buffer: bytearray, start: int, end: int, /) -> int: ...

def apply_mask(data: bytes | bytearray, key: bytes, /) -> bytes: ...
def split_fields(
    lines: bytes, /
) -> tuple[list[tuple[bytes, bytes]], list[tuple[bytes, bytes]], dict[bytes, list[bytes]]]: ...
