"""What passes a tunnel, copied for whoever writes it to a file.

The flows of a recorded session are of classes of their own: the others pay nothing. A ``Tap`` takes what they copy into
a buffer, in the format of the file. It waits for nobody: where the buffer is full because the disk is slow, or the file
is as large as it may be, the recording stops there.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import trio

from wsgate.relay.flow import UnwrapFlow, WrapFlow
from wsgate.relay.pump import HEADROOM
from wsgate.wire.recording import RECORD_HEADER, RecordKind

if TYPE_CHECKING:
    from wsgate.relay.flow import Owner
    from wsgate.relay.leg import TcpLeg, WebSocketLeg
    from wsgate.relay.pump import Pump
    from wsgate.relay.session import Wire
    from wsgate.wire.kernel import Walk

# Bytes that one session's recording holds at most, and those of the process together, what is being written included
BUFFER = 4 << 20
BUFFERS = 64 << 20

WORTH_WRITING = 256 << 10  # bytes: one job for the disk's thread, which costs more than copying as many

TOO_SLOW = "the disk is too slow"
TOO_LARGE = "max_size is reached"


class Held:
    """Bytes that several recordings hold together. For any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # held for an addition
        self.bytes = 0

    def add(self, size: int) -> bool:
        """Whether there is room for them; then they are counted."""
        with self._lock:
            fits = self.bytes + size <= BUFFERS
            if fits:
                self.bytes += size
        return fits

    def give_back(self, size: int) -> None:
        with self._lock:
            self.bytes -= size


class Tap:
    """What has passed and is not written yet: whole records, in order. ``take`` and ``written`` are for any thread.

    room: bytes of records that the file may still take
    all_held: what the taps of the process hold
    stopped: called once, with the reason, where the recording ends before the session does; it must not block
    over: nothing more is taken
    """

    __slots__ = (
        "_all_held",
        "_began",
        "_held",
        "_lock",
        "_news",
        "_room",
        "_stopped",
        "_waiting",
        "_worth",
        "over",
        "reason",
    )

    def __init__(self, room: int, stopped: Callable[[str], None], all_held: Held | None = None) -> None:
        self._all_held = Held() if all_held is None else all_held
        self._began = trio.current_time()
        self._room = room
        self._stopped = stopped
        self._waiting = bytearray()
        self._held = 0
        self._lock = threading.Lock()  # held for a copy at most
        self._news = trio.Event()
        self._worth = trio.Event()
        self.over = False
        self.reason: str | None = None

    def time(self) -> int:
        """Microseconds since the session began."""
        return int((trio.current_time() - self._began) * 1e6)

    def put(self, kind: RecordKind, data: memoryview) -> None:
        """Copy what has passed."""
        if self.over:
            return
        size = RECORD_HEADER.size + len(data)
        if size > self._room:
            self.stop(TOO_LARGE)
            return
        if self._held + size > BUFFER or not self._all_held.add(size):
            self.stop(TOO_SLOW)
            return
        self._room -= size
        begin = RECORD_HEADER.pack(kind, self.time(), len(data))
        with self._lock:
            self._held += size
            self._waiting += begin
            self._waiting += data
            worth = len(self._waiting) >= WORTH_WRITING
        self._news.set()
        if worth:
            self._worth.set()

    def stop(self, reason: str) -> None:
        """Take no more, or give up what is not written yet. The first reason is the one that is told."""
        if self.reason is None:
            self.reason = reason
            self.finish()
            self._stopped(reason)

    def finish(self) -> None:
        """The session is over: no more comes."""
        self.over = True
        self._news.set()
        self._worth.set()

    async def wait(self, patience: float) -> None:
        """Wait until something is to be written, then for more of it: at most ``patience`` seconds."""
        await self._news.wait()
        with trio.move_on_after(patience):
            await self._worth.wait()
        if not self.over:
            self._news = trio.Event()
            self._worth = trio.Event()

    def take(self) -> bytearray:
        """All that waits; ``written`` says when it need not be held any longer."""
        with self._lock:
            taken, self._waiting = self._waiting, bytearray()
        return taken

    def written(self, size: int) -> None:
        """``size`` bytes that were taken are gone."""
        with self._lock:
            self._held -= size
        self._all_held.give_back(size)


class RecordedUnwrapFlow(UnwrapFlow):
    """WebSocket to TCP, with a copy of what the service gets."""

    __slots__ = ("_tap",)

    def __init__(self, owner: Owner, pump: Pump, source: WebSocketLeg, sink: TcpLeg, walk: Walk, tap: Tap) -> None:
        super().__init__(owner, pump, source, sink, walk)
        self._tap = tap

    def move(self, start: int, end: int) -> None:
        begin = HEADROOM - len(self._carry) if self._carry else start  # the walk's output replaces its input in place
        super().move(start, end)
        if self.walk.out > begin:
            self._tap.put(RecordKind.UP, self.pump.view[begin : self.walk.out])


class RecordedWrapFlow(WrapFlow):
    """TCP to WebSocket, with a copy of what the client gets."""

    __slots__ = ("_tap",)

    def __init__(self, owner: Owner, pump: Pump, source: TcpLeg, sink: WebSocketLeg, tap: Tap) -> None:
        super().__init__(owner, pump, source, sink)
        self._tap = tap

    def move(self, start: int, end: int) -> None:
        self._tap.put(RecordKind.DOWN, self.pump.view[start:end])
        super().move(start, end)


def recorded_tunnel(client: WebSocketLeg, backend: TcpLeg, up: Walk, tap: Tap) -> Wire:
    """``session.tunnel`` with a copy of all that passes."""
    return lambda owner: (
        RecordedUnwrapFlow(owner, client.pump, client, backend, up, tap),
        RecordedWrapFlow(owner, client.pump, backend, client, tap),
    )
