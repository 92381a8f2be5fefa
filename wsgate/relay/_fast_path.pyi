"""The compiled part of ``wsgate.relay``. ``fast_path`` says whether it was built."""

from collections.abc import Callable
from typing import Any

from wsgate.net.transport import ReadEnd, WriteEnd
from wsgate.relay.states import Output
from wsgate.wire.frames import Opcode
from wsgate.wire.kernel import Walk

API: int  # see wsgate.wire.kernel

class PumpFields:
    buffer: bytearray
    headroom: int
    now: float

class LegFields:
    reader: Callable[[], object]
    last_read: float
    output: Output
    pending: bytearray | None
    waiting_frames: dict[Opcode, bytes] | None

class FlowFields:
    pump: Any
    source: Any
    sink: Any
    walk: Walk
    read_area: memoryview
    octets: int
    octets_due: int
    messages_due: int
    last_moved: float
    _carry: bytes
    _read_end: ReadEnd
    _write_end: WriteEnd
    _wrapped: int

    def relay_turn(self) -> None: ...
    def unwrap_turn(self) -> None: ...
    def wrap_turn(self) -> None: ...

def serve_round(epoll: int, legs: list[Any], /) -> int: ...
