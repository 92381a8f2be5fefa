"""Text under the walk: UTF-8 over frames, fragments and reads (RFC 6455 §8.1)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest

from tests.peers.frames import BINARY, CONTINUATION, MASK, PING, TEXT, Frame
from wsgate.wire.fault import Fault
from wsgate.wire.walk import FrameWalk

from .drive import drive, drive_every_way
from .utf8_cases import INVALID, TRUNCATED, VALID

pytestmark = pytest.mark.usefixtures("twin")

NOT_UTF8 = Fault(1007, "text is not UTF-8")
ENDS_INSIDE = Fault(1007, "text ends inside a UTF-8 sequence")

both_roles = pytest.mark.parametrize("key", [MASK, None], ids=["client", "server"])
both_ways = pytest.mark.parametrize("unwrap", [False, True], ids=["pass", "unwrap"])


def fragmentings(text: bytes) -> Iterator[list[Frame]]:
    """The message in one frame, in two cut at every place with a Ping between them, and a frame for every byte."""
    yield [Frame(TEXT, text)]
    for at in range(len(text) + 1):
        yield [Frame(TEXT, text[:at], fin=False), Frame(PING, b"\xff"), Frame(CONTINUATION, text[at:])]
    pieces = [Frame(CONTINUATION, text[at : at + 1], fin=False) for at in range(len(text))]
    yield [Frame(TEXT, fin=False), *pieces, Frame(CONTINUATION)]


def make(key: bytes | None, unwrap: bool) -> FrameWalk:
    return FrameWalk(masked=key is not None, unwrap=unwrap)


@both_roles
@both_ways
@pytest.mark.parametrize("text", VALID)
def test_valid_text(text: bytes, unwrap: bool, key: bytes | None) -> None:
    behind = [Frame(BINARY, b"\xff"), Frame(TEXT, "é".encode())]
    for frames in fragmentings(text):
        stream = [frame.encode(key) for frame in [*frames, *behind]]
        for seen in drive_every_way(partial(make, key, unwrap), stream, unwrap=unwrap):
            assert (seen.fault, seen.messages) == (None, 3)
            assert seen.passed == (text + b"\xff\xc3\xa9" if unwrap else b"".join(stream))


@both_roles
@both_ways
@pytest.mark.parametrize(("text", "at"), INVALID)
def test_invalid_text(text: bytes, at: int, unwrap: bool, key: bytes | None) -> None:
    """The same fault in every cutting, and neither the wrong byte nor anything behind it goes on."""
    for frames in fragmentings(text):
        stream = [frame.encode(key) for frame in frames]
        for seen in drive_every_way(partial(make, key, unwrap), [*stream, Frame(BINARY).encode(key)], unwrap=unwrap):
            assert (seen.fault, seen.messages) == (NOT_UTF8, 0)
            if unwrap:
                assert text[:at].startswith(seen.passed)
            else:
                assert b"".join(stream).startswith(seen.passed)
                payload = drive(
                    FrameWalk(masked=key is not None, validate_text=False, unwrap=True), [seen.passed], unwrap=True
                )
                assert text[:at].startswith(payload.passed)


@both_roles
@both_ways
@pytest.mark.parametrize("text", TRUNCATED)
def test_text_that_ends_inside_a_character(text: bytes, unwrap: bool, key: bytes | None) -> None:
    """The message's last byte is the fault: it does not go on, so what follows cannot be put behind a whole frame."""
    for frames in fragmentings(text):
        stream = [frame.encode(key) for frame in frames]
        for seen in drive_every_way(partial(make, key, unwrap), stream, unwrap=unwrap):
            assert (seen.fault, seen.messages) == (ENDS_INSIDE, 0)
            assert seen.used == len(b"".join(stream))
            assert unwrap or len(seen.passed) < seen.used


@both_roles
@pytest.mark.parametrize(("text", "at"), INVALID)
def test_a_fault_does_not_wait_for_the_frames_end(text: bytes, at: int, key: bytes | None) -> None:
    """Autobahn's 6.4 calls it failing fast: a gigabyte need not come first."""
    data = Frame(TEXT, text + b"x" * 1000).encode(key)
    needed = len(data) - 1000 - len(text) + at + 1
    assert drive(FrameWalk(masked=key is not None), [data[:needed]]).fault == NOT_UTF8
    assert drive(FrameWalk(masked=key is not None), [data[: needed - 1]]).fault is None


@both_roles
def test_a_long_text_keeps_its_phase(key: bytes | None) -> None:
    """The masking key continues where the last read of the frame stopped, for reads of every length."""
    text = ("€" * 5000).encode()
    data = Frame(TEXT, text).encode(key)
    for size in (1, 2, 3, 5, 1023, 1024, 1025, 4099):
        pieces = [data[at : at + size] for at in range(0, len(data), size)]
        for unwrap in (False, True):
            seen = drive(make(key, unwrap), pieces, unwrap=unwrap)
            assert (seen.fault, seen.passed) == (None, text if unwrap else data)


@both_roles
def test_text_is_judged_by_message_not_by_frame(key: bytes | None) -> None:
    """A binary message's bytes never reach the validator, and the state of one text does not touch the next."""
    frames = [
        Frame(BINARY, b"\xc3", fin=False),
        Frame(CONTINUATION, b"\xff"),
        Frame(TEXT, b"\xc3", fin=False),
        Frame(PING, b"\xa9"),
        Frame(CONTINUATION, b"\xa9"),
        Frame(TEXT, b"\xa9"),
    ]
    *good, _ = stream = [frame.encode(key) for frame in frames]
    for seen in drive_every_way(partial(make, key, False), stream):
        assert (seen.fault, seen.messages) == (NOT_UTF8, 2)
        assert seen.passed.startswith(b"".join(good))
