"""What is compiled of ``wsgate.relay``: see ``fast_relay``, which knows whether it is there."""

from collections.abc import Callable

from wsgate.wire import _kernel

def carry(
    walk: _kernel.FrameWalk,
    source: int | Callable[[int, memoryview], int],
    sink: int | Callable[[memoryview], int],
    buffer: bytearray,
    start: int,
    /,
) -> int | tuple[int, int, int]: ...
