"""Copies what passes a tunnel, for a recording.

The flows of a recorded session have classes of their own, so other sessions pay nothing. They copy bytes to a
``RecordBuffer``, in the format of the file. It never makes them wait: when it is full because the disk is slow, or the
file has reached its maximum size, the recording stops.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import trio

from wsgate.relay.pump import HEADROOM
from wsgate.relay.tunnel_flows import UnwrapFlow, WrapFlow
from wsgate.wire.recording import RECORD_HEADER, RecordKind

if TYPE_CHECKING:
    from wsgate.relay.flow import MakeFlows, Owner
    from wsgate.relay.pump import Pump
    from wsgate.relay.tcp_leg import TcpLeg
    from wsgate.relay.websocket_leg import WebSocketLeg
    from wsgate.wire.kernel import Walk

# The most bytes that one recording holds, and all recordings of the process, with those that are being written
MAX_HELD = 4 << 20
MAX_TOTAL = 64 << 20

WRITE_SIZE = 256 << 10  # bytes from which writing starts at once: a job for the thread costs more than copying fewer

TOO_SLOW = "the disk is too slow"
TOO_LARGE = "max_size is reached"


class HeldBytes:
    """Counts the bytes that all recordings of the process hold. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # held for an addition
        self.bytes = 0

    def add(self, size: int) -> bool:
        """Adds ``size`` bytes if the bound allows it. Returns whether it did."""
        with self._lock:
            fits = self.bytes + size <= MAX_TOTAL
            if fits:
                self.bytes += size
        return fits

    def subtract(self, size: int) -> None:
        with self._lock:
            self.bytes -= size


class RecordBuffer:
    """A buffer of whole records that are not written yet, in order. ``take`` and ``written`` are thread-safe.

    room: bytes of records that the file may still hold
    total_held: the bytes that all buffers of the process hold
    stopped: called once with the reason if the recording ends before the session; it must not block
    over: whether no more records are accepted
    reason: why the recording stopped; ``None`` if it did not
    """

    __slots__ = (
        "_any",
        "_began",
        "_enough",
        "_held",
        "_lock",
        "_room",
        "_stopped",
        "_total_held",
        "_waiting",
        "over",
        "reason",
    )

    def __init__(self, room: int, stopped: Callable[[str], None], total_held: HeldBytes | None = None) -> None:
        self._total_held = HeldBytes() if total_held is None else total_held
        self._began = trio.current_time()
        self._room = room
        self._stopped = stopped
        self._waiting = bytearray()
        self._held = 0
        self._lock = threading.Lock()  # held for a copy at most
        self._any = trio.Event()
        self._enough = trio.Event()
        self.over = False
        self.reason: str | None = None

    def time(self) -> int:
        """Microseconds since the session began."""
        return int((trio.current_time() - self._began) * 1e6)

    def put(self, kind: RecordKind, data: memoryview) -> None:
        """Adds a record with a copy of ``data``."""
        if self.over:
            return
        size = RECORD_HEADER.size + len(data)
        if size > self._room:
            self.stop(TOO_LARGE)
            return
        if self._held + size > MAX_HELD or not self._total_held.add(size):
            self.stop(TOO_SLOW)
            return
        self._room -= size
        begin = RECORD_HEADER.pack(kind, self.time(), len(data))
        with self._lock:
            self._held += size
            self._waiting += begin
            self._waiting += data
            enough = len(self._waiting) >= WRITE_SIZE
        self._any.set()
        if enough:
            self._enough.set()

    def stop(self, reason: str) -> None:
        """Stops the recording. Only the first reason counts."""
        if self.reason is None:
            self.reason = reason
            self.finish()
            self._stopped(reason)

    def finish(self) -> None:
        """The session is over: no more records follow."""
        self.over = True
        self._any.set()
        self._enough.set()

    async def wait(self, patience: float) -> None:
        """Waits for a record, then at most ``patience`` seconds for more of them."""
        await self._any.wait()
        with trio.move_on_after(patience):
            await self._enough.wait()
        if not self.over:
            self._any = trio.Event()
            self._enough = trio.Event()

    def take(self) -> bytearray:
        """Takes all records out of the buffer. They count as held until ``written``."""
        with self._lock:
            taken, self._waiting = self._waiting, bytearray()
        return taken

    def written(self, size: int) -> None:
        """``size`` bytes that were taken have been written or dropped."""
        with self._lock:
            self._held -= size
        self._total_held.subtract(size)


class RecordedUnwrapFlow(UnwrapFlow):
    """WebSocket to TCP, with a copy of the bytes for the service."""

    __slots__ = ("_buffer",)

    def __init__(
        self, owner: Owner, pump: Pump, source: WebSocketLeg, sink: TcpLeg, walk: Walk, buffer: RecordBuffer
    ) -> None:
        super().__init__(owner, pump, source, sink, walk)
        self._buffer = buffer

    def reader(self) -> Callable[[], None]:
        return self.pull

    def move(self, start: int, end: int) -> None:
        begin = HEADROOM - len(self._carry) if self._carry else start  # the walk's output replaces its input in place
        super().move(start, end)
        if self.walk.out > begin:
            self._buffer.put(RecordKind.UP, self.pump.view[begin : self.walk.out])


class RecordedWrapFlow(WrapFlow):
    """TCP to WebSocket, with a copy of the bytes for the client."""

    __slots__ = ("_buffer",)

    def __init__(self, owner: Owner, pump: Pump, source: TcpLeg, sink: WebSocketLeg, buffer: RecordBuffer) -> None:
        super().__init__(owner, pump, source, sink)
        self._buffer = buffer

    def reader(self) -> Callable[[], None]:
        return self.pull

    def move(self, start: int, end: int) -> None:
        self._buffer.put(RecordKind.DOWN, self.pump.view[start:end])
        super().move(start, end)


def recorded_tunnel(client: WebSocketLeg, backend: TcpLeg, up: Walk, buffer: RecordBuffer) -> MakeFlows:
    """Like ``session.tunnel``, with a copy of all bytes to ``buffer``."""
    return lambda owner: (
        RecordedUnwrapFlow(owner, client.pump, client, backend, up, buffer),
        RecordedWrapFlow(owner, client.pump, backend, client, buffer),
    )
