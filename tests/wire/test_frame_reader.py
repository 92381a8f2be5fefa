"""Frames told one by one, however they are cut."""

from __future__ import annotations

import random

import pytest

from tests.peers.frames import MASK, Frame, close_frame, header
from wsgate.wire.frame_reader import FrameReader, ReadFrame
from wsgate.wire.frames import Opcode

FRAMES = [
    Frame(Opcode.TEXT, "größe".encode(), fin=False),
    Frame(Opcode.PING, b""),
    Frame(Opcode.CONTINUATION, b"x" * 126),
    Frame(Opcode.BINARY, b"y" * 70_000, rsv=4),
    Frame(Opcode.BINARY, b"short", form=64),
    Frame(0xB, b"reserved", rsv=7),
    close_frame(1000, "bye"),
]


def told(frame: Frame, keep: int) -> ReadFrame:
    keep = keep or (2 if frame.opcode == Opcode.CLOSE else 0)
    return ReadFrame(frame.fin << 7 | frame.rsv << 4 | frame.opcode, len(frame.payload), frame.payload[:keep])


@pytest.mark.parametrize("key", [None, MASK])
@pytest.mark.parametrize("keep", [0, 3, 1 << 20])
@pytest.mark.parametrize("most", [1, 5, 1000, 1 << 20])
def test_in_pieces_of_every_size(key: bytes | None, keep: int, most: int) -> None:
    raw = b"".join(frame.encode(key) for frame in FRAMES)
    reader, rng, found, at = FrameReader(keep), random.Random(most), [], 0
    while at < len(raw):
        size = rng.randint(1, most)
        found += reader.read(memoryview(raw)[at : at + size])
        at += size
    assert found == [told(frame, keep) for frame in FRAMES]


def test_a_header_tells_of_its_frame_before_the_payload() -> None:
    assert FrameReader(0).read(header(Opcode.BINARY, 1 << 40)) == [ReadFrame(0x82, 1 << 40, b"")]
    assert FrameReader(2).read(header(Opcode.BINARY, 1 << 40) + b"a") == []
    assert FrameReader(2).read(header(Opcode.BINARY, 1 << 40) + b"abc") == [ReadFrame(0x82, 1 << 40, b"ab")]


def test_a_stream_that_begins_inside_a_frame() -> None:
    ping = Frame(Opcode.PING, b"data").encode(MASK)
    assert FrameReader(9, skip=3).read(b"xyz" + ping) == [ReadFrame(0x89, 4, b"data")]
    assert FrameReader(9, begun=ping[:1]).read(ping[1:]) == [ReadFrame(0x89, 4, b"data")]
    assert FrameReader(9, begun=ping[:8]).read(ping[8:]) == [ReadFrame(0x89, 4, b"data")]


def test_a_close_without_a_code() -> None:
    assert FrameReader(0).read(close_frame().encode(None) + b"\x88\x01\x03") == [
        ReadFrame(0x88, 0, b""),
        ReadFrame(0x88, 1, b"\x03"),
    ]
