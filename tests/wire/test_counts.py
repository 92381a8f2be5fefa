"""What a walk counts: each frame once, however it comes, and each whole message by its size."""

from __future__ import annotations

import pytest

from tests.peers.frames import BINARY, CLOSE, CONTINUATION, MASK, PING, PONG, TEXT, Frame, header
from wsgate.wire.counts import OPCODES, SIZES, FrameCounts
from wsgate.wire.walk import FrameWalk

from .drive import cuttings, drive
from .test_kernel import words

pytestmark = pytest.mark.usefixtures("twin")


@pytest.mark.parametrize("key", [MASK, None], ids=["client", "server"])
@pytest.mark.parametrize("unwrap", [False, True])
def test_each_frame_counts_once(key: bytes | None, unwrap: bool) -> None:
    frames = [
        Frame(TEXT, b"hello"),
        Frame(BINARY, b"one", fin=False),
        Frame(PING, b"?"),
        Frame(CONTINUATION, b"two", fin=False),
        Frame(PONG, b"?"),
        Frame(PONG),
        Frame(CONTINUATION, b"three"),
        Frame(TEXT),
        Frame(CLOSE),
    ]
    for pieces in cuttings([frame.encode(key) for frame in frames]):
        opcodes, sizes = words()
        walk = FrameWalk(masked=key is not None, unwrap=unwrap, counts=FrameCounts(opcodes, sizes))
        drive(walk, pieces, unwrap=unwrap)
        assert dict(zip(OPCODES, opcodes, strict=True)) == {
            **{"continuation": 2, "text": 2, "binary": 1},
            **{"close": 1, "ping": 1, "pong": 2},
        }
        assert (sizes[0], sum(sizes[:-1]), sizes[-1]) == (3, 3, 5 + 11)


@pytest.mark.parametrize("bound", SIZES)
def test_a_bound_belongs_to_its_sizes(bound: int) -> None:
    opcodes, sizes = words()
    walk = FrameWalk(masked=False, counts=FrameCounts(opcodes, sizes))
    for size in (bound, bound + 1):
        announced = header(BINARY, size)
        walk.walk(bytearray(announced), 0, len(announced))
        while walk.left:  # the payload of a binary message is not looked at
            piece = min(walk.left, 1 << 16)
            walk.walk(bytearray(piece), 0, piece)
    place = SIZES.index(bound)
    assert [*sizes] == [0] * place + [1, 1] + [0] * (len(SIZES) - place - 1) + [2 * bound + 1]


@pytest.mark.parametrize(
    "wrong",
    [
        Frame(TEXT, b"\xff"),  # is one, and no message
        Frame(BINARY, bytes(101)),
        Frame(BINARY, bytes(51)),
        Frame(3),
        Frame(PING, bytes(126)),
    ],
)
def test_what_is_refused_is_no_message(wrong: Frame) -> None:
    opcodes, sizes = words()
    walk = FrameWalk(masked=False, limit=100, frame_limit=50, counts=FrameCounts(opcodes, sizes))
    assert drive(walk, [wrong.encode(None)]).fault is not None
    assert not any(sizes)
    assert sum(opcodes) == (wrong.opcode == TEXT)


@pytest.mark.parametrize("lengths", [(5, 12), (6, 11), (12, 6)])
def test_too_few_words(lengths: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="needs 6 and 12 words"):
        FrameCounts(*(memoryview(bytearray(8 * length)).cast("Q") for length in lengths))
