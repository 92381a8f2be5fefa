"""Compares the codec with two independent ones: the same events and faults from every stream in every cutting.

Streams consist of whole frames, valid and invalid ones, or of random bytes. A stream of frames ends with a frame that
is invalid for every parser, so that no parser waits for more bytes after another has found a fault.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.peers.frames import BINARY, CLOSE, MASK, PING, PONG, TEXT, Frame
from wsgate.wire.walk import FrameWalk

from ..wire.drive import drive
from .oracles import (
    Reader,
    Reading,
    read_with_walk,
    read_with_websockets,
    read_with_wsproto,
)

ORACLES = {"wsproto": read_with_wsproto, "websockets": read_with_websockets}
WRONG_TO_ALL = Frame(0xF)

codes = st.one_of(
    st.integers(0, 0xFFFF), st.sampled_from([999, 1000, 1004, 1005, 1006, 1011, 1015, 2999, 3000, 4999, 5000])
)
sizes = st.sampled_from([0, 1, 2, 125, 126, 127, 200] * 4 + [65535, 65536])
payloads = st.one_of(
    st.binary(max_size=20),
    st.text(max_size=20).map(str.encode),
    st.sampled_from([b"\xce\xba\xe1", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\xaf", b"\xf0\x9f\x98\x80", b"\xed"]),
    st.builds(lambda size, byte: byte * size, sizes, st.sampled_from([b"a", b"\xbf"])),
)
reasons = payloads.filter(lambda data: len(data) < 124)
# What is wrong twice, code and reason, is called by either name: so wrong once at the most
closes = st.one_of(
    st.just(b""),
    st.binary(max_size=1),
    st.builds(lambda code, reason: code.to_bytes(2, "big") + reason.encode(), codes, st.text(max_size=30)),
    reasons.map(lambda reason: b"\x03\xe8" + reason),
)


@st.composite
def messages(draw: st.DrawFn) -> list[Frame]:
    """A valid message in fragments, with control frames between them."""
    if draw(st.booleans()):
        opcode, payload = TEXT, draw(st.text(max_size=40)).encode()
    else:
        opcode, payload = BINARY, draw(payloads)
    marks = sorted(draw(st.lists(st.integers(0, len(payload)), max_size=4)))
    frames = []
    for start, stop in zip([0, *marks], [*marks, len(payload)], strict=True):
        frames += [Frame(draw(st.sampled_from([PING, PONG])), draw(st.binary(max_size=125)))] * draw(st.integers(0, 1))
        frames.append(Frame(opcode if start == 0 and not frames_of_data(frames) else 0, payload[start:stop], fin=False))
    return [*frames[:-1], Frame(frames[-1].opcode, frames[-1].payload)]


def frames_of_data(frames: Sequence[Frame]) -> bool:
    return any(frame.opcode <= BINARY for frame in frames)


@st.composite
def valid_streams(draw: st.DrawFn) -> list[Frame]:
    frames = [frame for message in draw(st.lists(messages(), max_size=4)) for frame in message]
    if draw(st.booleans()):
        code = draw(st.sampled_from([1000, 1001, 1007, 1011, 1013, 3000, 4999]))
        reason = draw(st.text(max_size=30)).encode()
        frames.append(Frame(CLOSE, draw(st.sampled_from([b"", code.to_bytes(2, "big") + reason]))))
    return frames


@st.composite
def frames(draw: st.DrawFn) -> Frame:
    """Any frame, mostly a right one."""
    opcode = draw(st.sampled_from([0, 0, 0, TEXT, TEXT, TEXT, BINARY, BINARY, CLOSE, PING, PONG, 3, 7, 0xB]))
    payload = draw(closes if opcode == CLOSE else payloads)
    fin = draw(st.sampled_from([True, True, False]))
    rsv = draw(st.sampled_from([0] * 20 + [1, 2, 4, 7]))
    size = len(payload)
    forms = [form for form, most in ((7, 126), (16, 1 << 16), (64, 1 << 63)) if size < most]
    return Frame(opcode, payload, fin, rsv, draw(st.sampled_from(forms[:1] * 9 + forms)))


def cut(data: bytes, places: Sequence[int]) -> list[bytes]:
    marks = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:stop] for start, stop in itertools.pairwise(marks)]


cuts = st.lists(st.integers(0, 1 << 20), max_size=8)


def encode(frames: Sequence[Frame], masked: bool) -> bytes:
    return b"".join(frame.encode(MASK if masked else None) for frame in frames)


def agree(ours: Reading, theirs: Reading, *, complete: bool, lenient: bool = False) -> None:
    """Checks that the walk finds a fault where they do, or earlier: it rejects invalid UTF-8 at its first wrong byte.

    complete: no parser can be waiting for more; lenient: lengths in a longer form than needed are accepted, against
    §5.2
    """
    if ours.fault is None:
        assert (theirs.events, theirs.fault) == (ours.events, None)
        return
    assert theirs.events[: len(ours.events)] == ours.events
    if lenient and ("shortest form" in ours.rule or "125 bytes" in ours.rule):
        return
    if len(theirs.events) > len(ours.events):
        assert ours.fault == 1007
    elif complete:
        # invalid text and then an invalid frame: a reader that waits for the end of the message sees only the frame
        assert theirs.fault == ours.fault or (ours.fault, theirs.fault) == (1007, 1002)


@pytest.mark.parametrize("oracle", ORACLES)
@pytest.mark.parametrize("masked", [True, False])
@given(stream=valid_streams(), places=cuts)
def test_valid_streams_mean_the_same(oracle: str, masked: bool, stream: list[Frame], places: list[int]) -> None:
    data = encode(stream, masked)
    ours = read_with_walk(cut(data, places), masked)
    assert ours.fault is None
    assert ours == ORACLES[oracle]([data], masked)
    assert ours == read_with_walk([data], masked)
    assert ours == read_with_walk([data[at : at + 1] for at in range(len(data))], masked) or len(data) > 1000


@pytest.mark.parametrize("masked", [True, False])
@given(stream=valid_streams(), places=cuts)
def test_a_tunnel_passes_the_payloads(masked: bool, stream: list[Frame], places: list[int]) -> None:
    data = encode(stream, masked)
    seen = drive(FrameWalk(masked=masked, unwrap=True), cut(data, places), unwrap=True)
    expected = read_with_wsproto([data], masked)
    assert seen.passed == b"".join(payload for opcode, payload in expected.events if opcode <= BINARY)
    assert seen.controls == [event for event in expected.events if event[0] > BINARY]


def no_1014(stream: Sequence[Frame]) -> bool:
    """wsproto does not know the code 1014 yet, which came to the registry after it."""
    return not any(frame.opcode == CLOSE and frame.payload[:2] == b"\x03\xf6" for frame in stream)


@pytest.mark.parametrize("oracle", ORACLES)
@pytest.mark.parametrize("masked", [True, False])
@given(stream=st.lists(frames(), max_size=6).filter(no_1014), places=cuts)
@example(stream=[Frame(TEXT, b"\xed\xa0", fin=False), Frame(PING), Frame(0, b"\x80")], places=[])
@example(stream=[Frame(TEXT, b"a", fin=False), Frame(CLOSE, b"\x03\xe8")], places=[])
@example(stream=[Frame(CLOSE, b"\x03\xe8\xff")], places=[])
@example(stream=[Frame(BINARY, b"x" * 126, form=64)], places=[3])
@example(stream=[Frame(TEXT, b"", fin=False), Frame(0, b"\xc3", fin=False), Frame(0, b"\xa9")], places=[])
def test_any_frames_mean_the_same(oracle: str, masked: bool, stream: list[Frame], places: list[int]) -> None:
    if oracle == "websockets":  # it takes lengths in more bytes than they need
        stream = [dataclasses.replace(frame, form=None) for frame in stream]
    data = encode([*stream, WRONG_TO_ALL], masked)
    ours = read_with_walk(cut(data, places), masked)
    agree(ours, ORACLES[oracle]([data], masked), complete=True)


@pytest.mark.parametrize("oracle", ORACLES)
@pytest.mark.parametrize("masked", [True, False])
@given(stream=valid_streams(), places=cuts)
def test_the_other_sides_frames_are_refused(oracle: str, masked: bool, stream: list[Frame], places: list[int]) -> None:
    """A server's frames from a client, and the reverse (§5.1)."""
    data = encode([*stream, WRONG_TO_ALL], masked)
    ours = read_with_walk(cut(data, places), not masked)
    assert ours == Reading([], 1002) == ORACLES[oracle]([data], not masked)


@pytest.mark.parametrize("oracle", ORACLES)
@pytest.mark.parametrize("masked", [True, False])
@given(data=st.binary(max_size=80), places=cuts)
@example(data=b"\x81\x80\0\0\0\0\x88\x81\0\0\0\0\x01", places=[])
@example(data=b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0abc", places=[4])
@example(data=b"\x82\xff\x80\0\0\0\0\0\0\0\0\0\0\0", places=[])
def test_any_bytes_are_parsed_or_a_fault(oracle: str, masked: bool, data: bytes, places: list[int]) -> None:
    ours = read_with_walk(cut(data, places), masked)
    if b"\x03\xf6" not in data:
        agree(ours, ORACLES[oracle]([data], masked), complete=False, lenient=oracle == "websockets")


@given(
    data=st.binary(max_size=200),
    places=cuts,
    masked=st.booleans(),
    unwrap=st.booleans(),
    text=st.booleans(),
    validate=st.booleans(),
    compression=st.booleans(),
    limit=st.integers(0, 100),
)
def test_any_bytes_with_any_options(
    data: bytes,
    places: list[int],
    masked: bool,
    unwrap: bool,
    text: bool,
    validate: bool,
    compression: bool,
    limit: int,
) -> None:
    """``drive`` holds the walk to its contract; an exception would be a bug."""
    walk = FrameWalk(
        masked=masked, limit=limit, validate_text=validate, compression=compression, unwrap=unwrap, accept_text=text
    )
    seen = drive(walk, cut(data, places), unwrap=unwrap)
    assert seen.fault is None or (seen.fault.code in (1002, 1003, 1007, 1009) and len(seen.fault.rule) < 123)


def test_the_oracles_see_what_they_should() -> None:
    """The counterproof: the readers are not all blind in the same way."""
    stream = [Frame(TEXT, b"hel", fin=False), Frame(PING, b"!"), Frame(0, b"lo"), Frame(CLOSE, b"\x03\xe8bye")]
    events = [(PING, b"!"), (TEXT, b"hello"), (CLOSE, b"\x03\xe8bye")]
    readers: list[Reader] = [read_with_walk, *ORACLES.values()]
    for read in readers:
        assert read([encode(stream, True)], True) == Reading(events)
        assert read([encode([*stream[:1], Frame(BINARY), WRONG_TO_ALL], True)], True) == Reading([], 1002)
        assert read([encode([Frame(TEXT, b"\xff"), WRONG_TO_ALL], True)], True) == Reading([], 1007)
