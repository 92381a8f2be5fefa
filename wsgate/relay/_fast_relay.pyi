"""The compiled part of ``wsgate.relay``. ``fast_relay`` says whether it was built."""

from collections.abc import Callable

from wsgate.wire import _kernel

def relay_once(
    walk: _kernel.FrameWalk,
    source: int | Callable[[int, memoryview], int],
    sink: int | Callable[[memoryview], int],
    buffer: bytearray,
    start: int,
    /,
) -> int | tuple[int, int, int]: ...
