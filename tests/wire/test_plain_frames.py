"""The frames of a flow that inflates, as those who look on are told them."""

from __future__ import annotations

from wsgate.wire.frame_reader import ReadFrame
from wsgate.wire.frames import FIN, RSV1, Opcode
from wsgate.wire.plain_frames import PlainFrames

_NOTHING = memoryview(b"")


def test_frames_come_in_pieces() -> None:
    frames = PlainFrames(5)
    frames.begin(RSV1 | Opcode.TEXT, 4, is_compressed=True)
    frames.add(b"one")
    assert frames.take(_NOTHING) == []
    frames.add(bytearray(b"two"))
    frames.end()
    frames.control(FIN | Opcode.PING, b"longer than what is kept")
    frames.begin(FIN, 3, is_compressed=False)
    frames.add(b"end")
    frames.end()
    assert frames.take(_NOTHING) == [
        ReadFrame(RSV1 | Opcode.TEXT, 6, b"onetw", 4),
        ReadFrame(FIN | Opcode.PING, 24, b"longer than what is kept"),
        ReadFrame(FIN, 3, b"end"),
    ]
    assert frames.take(_NOTHING) == []


def test_a_frame_that_began_before_anybody_looked_is_not_told() -> None:
    frames = PlainFrames(5)
    frames.add(b"rest")
    frames.end()
    assert frames.take(_NOTHING) == []
