"""Drives a ``FrameWalk`` as the flows do, a stream cut into pieces in every way that could matter."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from wsgate.wire.fault import Fault
from wsgate.wire.frames import Opcode
from wsgate.wire.walk import CONTROL, DONE, FAULT, INCOMPLETE, FrameWalk

HEADROOM = 256
STALE = b"\x88\xff\x00\xc3" * 8  # the buffer is full of earlier reads; nothing there may matter, or change

MAX_CARRY = 130  # bytes: a masked control frame but for its last byte
MANY = 300  # bytes of a stream from which not every cut is tried


@dataclass
class Seen:
    """What came of a stream. ``used`` are the bytes that had been given when the walk ended it."""

    passed: bytes = b""
    controls: list[tuple[int, bytes]] = field(default_factory=list)
    fault: Fault | None = None
    messages: int = 0
    used: int = 0


def drive(
    walk: FrameWalk, pieces: Sequence[bytes], *, unwrap: bool = False, boundaries: Collection[int] | None = None
) -> Seen:
    """Walks over the pieces, one read after the other. A Close or a fault ends the stream.

    boundaries: offsets at which one frame ends and the next begins; ``left`` must be 0 exactly there
    """
    seen = Seen()
    carry = b""
    for piece in pieces:
        seen.used += len(piece)
        buffer = bytearray(STALE * (HEADROOM // len(STALE)) + piece + STALE)
        start, end = HEADROOM - len(carry), HEADROOM + len(piece)
        buffer[start:HEADROOM] = carry
        before = bytes(buffer)
        walk.out = start
        stop = walk.walk(buffer, start, end)
        while walk.halt == CONTROL:
            seen.controls.append((walk.opcode, walk.payload))
            assert stop < walk.resume <= end
            if walk.opcode == Opcode.CLOSE:
                break
            stop = walk.walk(buffer, walk.resume, end)
        assert start <= stop <= end
        if unwrap:
            seen.passed += buffer[start : walk.out]
            assert walk.out <= end
        else:
            seen.passed += buffer[start:stop]
            assert buffer == before, "a walk that does not unwrap changes nothing"
            if boundaries is not None:
                assert (walk.left == 0) == (len(seen.passed) in boundaries), "left tells a frame boundary"
        assert buffer[:start] == before[:start]
        assert buffer[end:] == before[end:]
        carry = bytes(buffer[stop:end]) if walk.halt == INCOMPLETE else b""
        assert len(carry) <= MAX_CARRY
        assert walk.left == 0 or not carry, "only a header or a control frame is carried"
        assert (walk.halt == FAULT) == (walk.fault is not None)
        if walk.halt in (CONTROL, FAULT):
            break
        assert walk.halt == INCOMPLETE or stop == end
        assert walk.halt in (DONE, INCOMPLETE)
    seen.fault = walk.fault
    seen.messages = walk.messages
    return seen


def cuttings(frames: Sequence[bytes]) -> Iterator[list[bytes]]:
    """The stream of these frames whole, byte by byte, and cut in two at every place (a long one: around its seams)."""
    data = b"".join(frames)
    yield [data]
    seams = list(accumulate(map(len, frames), initial=0))
    if len(data) <= MANY:
        yield [data[at : at + 1] for at in range(len(data))]
        places = set(range(1, len(data)))
    else:
        yield [data[at : at + 100] for at in range(0, len(data), 100)]
        places = {seam + shift for seam in seams for shift in range(-6, 20)} & set(range(1, len(data)))
    for at in sorted(places):
        yield [data[:at], data[at:]]


def drive_every_way(make: Callable[[], FrameWalk], frames: Sequence[bytes], *, unwrap: bool = False) -> Iterator[Seen]:
    """What each cutting of these frames gives, the whole stream first."""
    boundaries = set(accumulate(map(len, frames), initial=0))
    for pieces in cuttings(frames):
        yield drive(make(), pieces, unwrap=unwrap, boundaries=boundaries)
