"""Shows operators the frames of an open session as they pass.

Nothing is done for this while nobody looks: a tap gives the flows of one session another function that reads, and takes
it away with its last viewer. Its session leaves the fast path meanwhile, and its frames are read a second time, in
Python. What is shown is what the peers send, in their order; frames of the gateway's own are not among it.

A viewer never makes a session wait: frames that do not fit into its queue are dropped and counted.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

import trio

if TYPE_CHECKING:
    from collections.abc import Callable

    from wsgate.relay.flow import ReadFrames
    from wsgate.relay.outcome import Outcome
    from wsgate.relay.session import Session
    from wsgate.wire.frame_reader import ReadFrame

MOST_VIEWERS = 16  # of a process
MOST_FRAMES = 4096  # that wait for a viewer; two reads have no more
MOST_BYTES = 1 << 20  # of payloads that wait for a viewer
MOST_KEPT = 16 << 10  # bytes of one payload

NO_FRAMES = "this session has no frames: behind its upgrade it speaks another protocol than WebSocket"
TOO_MANY = f"{MOST_VIEWERS} taps are open in its process, which is as many as there may be: end one of them"


class TappedFrame(NamedTuple):
    """A frame of a session.

    time: when it was read, in seconds since 1970
    up: whether the client has sent it
    """

    time: float
    up: bool
    frame: ReadFrame


class Viewer:
    """A queue of frames for one who looks at a session.

    outcome: of the session, once it has ended
    """

    __slots__ = ("_any", "_bytes", "_dropped", "_frames", "id", "outcome")

    def __init__(self, id: str) -> None:
        self.id = id  # of the session
        self.outcome: Outcome | None = None
        self._frames: list[TappedFrame] = []
        self._bytes = 0  # of their payloads
        self._dropped = 0  # frames that came after these
        self._any = trio.Event()

    def put(self, frames: list[TappedFrame], size: int) -> None:
        """Adds the frames of one read, if there is room for all. After some that have none, all are dropped until
        ``take``, so that there is one gap.

        size: bytes of their payloads
        """
        if self._dropped or len(self._frames) + len(frames) > MOST_FRAMES or self._bytes + size > MOST_BYTES:
            self._dropped += len(frames)
        else:
            self._frames += frames
            self._bytes += size
        self._any.set()

    def end(self, outcome: Outcome) -> None:
        """The session is over."""
        self.outcome = outcome
        self._any.set()

    def take(self) -> tuple[list[TappedFrame], int]:
        """Returns what has come since the last call, and how many frames behind that were dropped."""
        taken = self._frames, self._dropped
        self._frames, self._dropped, self._bytes = [], 0, 0
        if self.outcome is None:
            self._any = trio.Event()
        return taken

    async def wait(self) -> None:
        """Waits until there is something to take, or the session has ended."""
        await self._any.wait()


class Tap:
    """Reads the frames of a session for its viewers."""

    def __init__(self, session: Session, keep: int) -> None:
        self.session = session
        self.viewers: list[Viewer] = []
        for up, flow in zip((True, False), session.flows, strict=True):
            read = flow.frame_reader(keep)
            assert read is not None
            flow.show(self._looker(read, up=up))

    def _looker(self, read: ReadFrames, *, up: bool) -> Callable[[memoryview], None]:
        viewers = self.viewers

        def look(data: memoryview) -> None:
            now = time.time()
            if frames := [TappedFrame(now, up, each) for each in read(data)]:
                size = sum(len(each.frame.payload) for each in frames)
                for viewer in viewers:
                    viewer.put(frames, size)

        return look

    def remove(self) -> None:
        """Lets the session read as before."""
        for flow in self.session.flows:
            flow.show(None)


class Taps:
    """The taps of a process, and their viewers."""

    def __init__(self) -> None:
        self._taps: dict[str, Tap] = {}  # by the session's id

    def open(self, session: Session, keep: int) -> Viewer | str:
        """Returns a viewer of an open session, or why there is none. The caller closes it.

        keep: bytes of each payload that are shown; the first viewer of a session decides
        """
        if sum(len(tap.viewers) for tap in self._taps.values()) >= MOST_VIEWERS:
            return TOO_MANY
        if session.flows[0].frame_reader(0) is None:
            return NO_FRAMES
        tap = self._taps.get(session.id)
        if tap is None:
            tap = self._taps[session.id] = Tap(session, keep)
        viewer = Viewer(session.id)
        tap.viewers.append(viewer)
        return viewer

    def close(self, viewer: Viewer) -> None:
        """Ends a viewer; nothing more is put into its queue."""
        tap = self._taps.get(viewer.id)
        if tap is None or viewer not in tap.viewers:  # its session has ended
            return
        tap.viewers.remove(viewer)
        if not tap.viewers:
            tap.remove()
            del self._taps[viewer.id]

    def session_ended(self, session: Session, outcome: Outcome) -> None:
        """Tells the viewers of a session that it is over."""
        tap = self._taps.pop(session.id, None)
        if tap is not None:
            for viewer in tap.viewers:
                viewer.end(outcome)
