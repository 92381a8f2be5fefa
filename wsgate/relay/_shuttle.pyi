"""What is compiled of ``wsgate.relay``: see ``shuttle``, which knows whether it is there."""

from wsgate.wire import _kernel

def carry(
    walk: _kernel.FrameWalk, source: int, sink: int, buffer: bytearray, start: int, /
) -> int | tuple[int, int, int]: ...
