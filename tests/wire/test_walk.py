from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.peers.frames import BINARY, CLOSE, CONTINUATION, MASK, PING, PONG, TEXT, Frame, header
from wsgate.wire.fault import Fault
from wsgate.wire.walk import INCOMPLETE, NO_LIMIT, FrameWalk

from .drive import Seen, drive, drive_every_way

pytestmark = pytest.mark.usefixtures("twin")

both_roles = pytest.mark.parametrize("key", [MASK, None], ids=["client", "server"])

Options = dict[str, Any]


def make(key: bytes | None, **options: Any) -> FrameWalk:
    return FrameWalk(masked=key is not None, **options)


# -- what is valid -----------------------------------------------------------------------------------------------------

FRAGMENTED = [
    Frame(TEXT, b"one ", fin=False),
    Frame(CONTINUATION, b"", fin=False),
    Frame(PING, b"between"),
    Frame(CONTINUATION, b"two ", fin=False),
    Frame(PONG),
    Frame(CONTINUATION, b"three"),
]

VALID: dict[str, tuple[list[Frame], Options]] = {
    "nothing": ([], {}),
    "text": ([Frame(TEXT, b"Hello")], {}),
    "binary": ([Frame(BINARY, bytes(range(100)))], {}),
    "empty": ([Frame(TEXT), Frame(BINARY), Frame(TEXT, fin=False), Frame(CONTINUATION)], {}),
    "125, the last of one byte's length": ([Frame(BINARY, b"x" * 125)], {}),
    "126, the first of two": ([Frame(BINARY, b"x" * 126)], {}),
    "65535, the last of two": ([Frame(BINARY, b"x" * 65535)], {}),
    "65536, the first of eight": ([Frame(BINARY, b"x" * 65536)], {}),
    "long text": ([Frame(TEXT, ("aé€𝄞" * 300).encode())], {}),
    "fragments": ([*FRAGMENTED, Frame(BINARY, b"next")], {}),
    "control frames alone": ([Frame(PING), Frame(PONG, b"\x00"), Frame(PING, b"p" * 125)], {}),
    "Close": ([Frame(BINARY, b"last"), Frame(CLOSE, b"\x03\xe8bye")], {}),
    "Close without a code": ([Frame(CLOSE)], {}),
    "Close inside a message": ([Frame(TEXT, b"half", fin=False), Frame(CLOSE, b"\x03\xe9")], {}),
    "text, not looked at": ([Frame(TEXT, b"\xff\xc3")], {"validate_text": False}),
    "text that must end, not looked at": ([Frame(TEXT, b"\xc3"), Frame(TEXT, b"\xa9")], {"validate_text": False}),
    "compressed": ([Frame(TEXT, b"\xff\x00", rsv=4), Frame(BINARY, b"\xff", rsv=4)], {"compression": True}),
    "compressed in fragments": (
        [Frame(TEXT, b"\xff", fin=False, rsv=4), Frame(PING), Frame(CONTINUATION, b"\xfe")],
        {"compression": True},
    ),
    "not compressed where it may be": (
        [Frame(TEXT, b"\xff", rsv=4), Frame(TEXT, "é".encode()), Frame(BINARY, b"\xff")],
        {"compression": True},
    ),
    "binary where text is refused": (
        [Frame(BINARY, b"a", fin=False), Frame(CONTINUATION, b"b"), Frame(PING)],
        {"accept_text": False},
    ),
    "at the limit": ([Frame(BINARY, b"x" * 10)] * 3, {"limit": 10}),
    "fragments at the limit": (
        [Frame(TEXT, b"x" * 4, fin=False), Frame(PING, b"p" * 20), Frame(CONTINUATION, b"x" * 6), Frame(TEXT, b"x")],
        {"limit": 10},
    ),
    "nothing at a limit of nothing": ([Frame(BINARY), Frame(PING, b"p")], {"limit": 0}),
}


def expected(frames: list[Frame], key: bytes | None, *, unwrap: bool = False) -> Seen:
    """What a walk must make of valid frames: all goes on but the Close, which ends the stream."""
    seen = Seen()
    for frame in frames:
        if frame.opcode in (PING, PONG, CLOSE):
            seen.controls.append((frame.opcode, frame.payload))
        else:
            seen.messages += frame.fin
        if frame.opcode != CLOSE and not unwrap:
            seen.passed += frame.encode(key)
        elif frame.opcode <= BINARY:
            seen.passed += frame.payload
    return seen


@both_roles
@pytest.mark.parametrize("unwrap", [False, True], ids=["pass", "unwrap"])
@pytest.mark.parametrize(("frames", "options"), VALID.values(), ids=VALID)
def test_valid_frames(frames: list[Frame], options: Options, unwrap: bool, key: bytes | None) -> None:
    stream = [frame.encode(key) for frame in frames]
    wanted = expected(frames, key, unwrap=unwrap)
    for seen in drive_every_way(partial(make, key, unwrap=unwrap, **options), stream, unwrap=unwrap):
        assert (seen.passed, seen.controls) == (wanted.passed, wanted.controls)
        assert (seen.fault, seen.messages) == (None, wanted.messages)


@both_roles
@pytest.mark.parametrize(("frames", "options"), VALID.values(), ids=VALID)
def test_with_bytes_behind(frames: list[Frame], options: Options, key: bytes | None) -> None:
    """What follows is walked as if it had come alone; behind a Close it is not walked at all."""
    message = any(frame.opcode == CLOSE for frame in frames) or not frames or frames[-1].fin
    behind = Frame(BINARY) if message else Frame(CONTINUATION)
    stream = [frame.encode(key) for frame in [*frames, behind]]
    beginning = header(BINARY, 0, key=key)[:1]  # of one more frame
    wanted = expected([*frames, behind], key)
    if (closes := [frame.opcode for frame in frames].count(CLOSE)) > 0:
        wanted = expected(frames, key)
    for seen in drive_every_way(partial(make, key, **options), [*stream, beginning]):
        assert (seen.passed, seen.controls) == (wanted.passed, wanted.controls)
        assert (seen.fault, seen.messages) == (None, wanted.messages)
        assert not closes or seen.controls[-1][0] == CLOSE


# RFC 6455 §5.7, to the byte: what it means is (messages, control frames, payloads)
EXAMPLES: dict[str, tuple[str, bool, tuple[int, list[tuple[int, bytes]], bytes]]] = {
    "unmasked text": ("81 05 48 65 6c 6c 6f", False, (1, [], b"Hello")),
    "masked text": ("81 85 37 fa 21 3d 7f 9f 4d 51 58", True, (1, [], b"Hello")),
    "fragmented text": ("01 03 48 65 6c 80 02 6c 6f", False, (1, [], b"Hello")),
    "unmasked ping": ("89 05 48 65 6c 6c 6f", False, (0, [(PING, b"Hello")], b"")),
    "masked pong": ("8a 85 37 fa 21 3d 7f 9f 4d 51 58", True, (0, [(PONG, b"Hello")], b"")),
    "256 bytes": ("82 7e 01 00" + "00" * 256, False, (1, [], bytes(256))),
    "64 KiB": ("82 7f 00 00 00 00 00 01 00 00" + "00" * 65536, False, (1, [], bytes(65536))),
}


@pytest.mark.parametrize(("text", "masked", "meaning"), EXAMPLES.values(), ids=EXAMPLES)
def test_the_examples_of_the_rfc(text: str, masked: bool, meaning: tuple[int, list[tuple[int, bytes]], bytes]) -> None:
    data = bytes.fromhex(text)
    seen = drive(FrameWalk(masked=masked), [data])
    assert (seen.messages, seen.controls, seen.fault, seen.passed) == (*meaning[:2], None, data)
    assert drive(FrameWalk(masked=masked, unwrap=True), [data], unwrap=True).passed == meaning[2]


@both_roles
def test_an_unfinished_frame_is_passed_as_far_as_it_came(key: bytes | None) -> None:
    data = Frame(BINARY, b"x" * 1000).encode(key)
    walk = make(key)
    seen = drive(walk, [data[:100], data[100:300]])
    assert (seen.passed, seen.messages, walk.left) == (data[:300], 0, len(data) - 300)


@both_roles
@pytest.mark.parametrize("size", [1 << 32, NO_LIMIT - 1])
def test_the_largest_frame_that_a_header_can_announce(size: int, key: bytes | None) -> None:
    """§5.2 allows 2^63 - 1 bytes; nothing is kept of them, so nothing forbids them either."""
    data = header(BINARY, size, form=64, key=key) + b"x" * 50
    walk = make(key)
    assert drive(walk, [data]).passed == data
    assert walk.left == size - 50


@both_roles
@pytest.mark.parametrize("frame", [Frame(PING, b"p" * 125), Frame(BINARY, b"x", form=7), Frame(BINARY, b"x" * 126)])
def test_no_part_of_a_header_or_control_frame_goes_on(frame: Frame, key: bytes | None) -> None:
    data = frame.encode(key)
    whole = len(data) if frame.opcode == PING else len(data) - len(frame.payload)
    for size in range(1, whole):
        walk = make(key)
        assert (drive(walk, [data[:size]]).passed, walk.halt) == (b"", INCOMPLETE)


# -- what is not -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Wrong:
    """``bad`` follows ``good`` and breaks ``rule``; that can be known when ``needs`` bytes of it are there."""

    rule: str
    needs: int | tuple[int, int]  # from a client, from a server
    bad: Frame | bytes
    good: tuple[Frame, ...] = ()
    code: int = 1002
    options: tuple[tuple[str, Any], ...] = ()

    def stream(self, key: bytes | None) -> list[bytes]:
        bad = self.bad if isinstance(self.bad, bytes) else self.bad.encode(key)
        return [*(frame.encode(key) for frame in self.good), bad]

    def needed(self, key: bytes | None) -> int:
        return self.needs if isinstance(self.needs, int) else self.needs[key is None]


HELLO = Frame(TEXT, b"Hello")
OPEN_TEXT = Frame(TEXT, b"open", fin=False)
OPEN_BINARY = Frame(BINARY, b"open", fin=False)
RESERVED = "reserved bits that no extension was agreed on for"
SHORTEST = "frame length not in its shortest form"
DEFLATE = (("compression", True),)

WRONG: list[Wrong] = [
    *[Wrong(f"reserved opcode {opcode:#x}", 1, Frame(opcode, b"x")) for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)],
    Wrong("reserved opcode 0x3", 1, Frame(3), good=(HELLO, OPEN_TEXT, Frame(PING))),
    Wrong("data frame inside a fragmented message", 1, HELLO, good=(OPEN_TEXT,)),
    Wrong(
        "data frame inside a fragmented message", 1, Frame(BINARY, fin=False), good=(HELLO, OPEN_BINARY, Frame(PONG))
    ),
    Wrong("continuation frame outside a message", 1, Frame(CONTINUATION, b"x")),
    Wrong("continuation frame outside a message", 1, Frame(CONTINUATION, fin=False), good=(HELLO, Frame(PING))),
    Wrong("continuation frame outside a message", 1, Frame(CONTINUATION), good=(OPEN_TEXT, Frame(CONTINUATION))),
    *[Wrong(RESERVED, 1, Frame(opcode, b"x", rsv=rsv)) for opcode in (TEXT, BINARY) for rsv in range(1, 8)],
    *[Wrong(RESERVED, 1, Frame(TEXT, b"x", rsv=rsv), options=DEFLATE) for rsv in (1, 2, 3, 5, 6, 7)],
    Wrong(RESERVED, 1, Frame(CONTINUATION, b"x", rsv=4), good=(OPEN_TEXT,)),
    Wrong(RESERVED, 1, Frame(CONTINUATION, rsv=4), good=(Frame(TEXT, b"x", fin=False, rsv=4),), options=DEFLATE),
    *[
        Wrong(f"reserved bits on a frame with opcode {opcode:#x}", 1, Frame(opcode, rsv=rsv), options=options)
        for opcode in (CLOSE, PING, PONG, 3)
        for rsv in (4, 2, 1)
        for options in ((), DEFLATE)
    ],
    *[Wrong("fragmented control frame", 1, Frame(opcode, fin=False)) for opcode in (CLOSE, PING, PONG)],
    *[
        Wrong("control frame of more than 125 bytes", 2, Frame(opcode, b"x" * size, form=form))
        for opcode in (CLOSE, PING, PONG)
        for size, form in ((126, 16), (5, 16), (65536, 64))
    ],
    *[Wrong(SHORTEST, (8, 4), Frame(BINARY, b"x" * size, form=16)) for size in (0, 1, 125)],
    *[Wrong(SHORTEST, (14, 10), Frame(BINARY, b"x" * size, form=64)) for size in (0, 125, 126, 65535)],
    Wrong(SHORTEST, (8, 4), Frame(CONTINUATION, b"x", form=16), good=(OPEN_TEXT,)),
    Wrong("text frames are not supported here", (6, 2), HELLO, code=1003, options=(("accept_text", False),)),
    Wrong(
        "text frames are not supported here",
        (6, 2),
        OPEN_TEXT,
        (OPEN_BINARY, Frame(0)),
        1003,
        (("accept_text", False),),
    ),
    Wrong("message over the limit of 10 bytes", (6, 2), Frame(BINARY, b"x" * 11), code=1009, options=(("limit", 10),)),
    Wrong("message over the limit of 0 bytes", (6, 2), Frame(BINARY, b"x"), code=1009, options=(("limit", 0),)),
    Wrong(
        "frame over the limit of 10 bytes", (6, 2), Frame(BINARY, b"x" * 11), code=1009, options=(("frame_limit", 10),)
    ),
    Wrong(
        "message of more than 3 fragments",
        (6, 2),
        Frame(CONTINUATION, fin=False),
        good=(HELLO, OPEN_BINARY, Frame(CONTINUATION, fin=False), Frame(PING), Frame(CONTINUATION, b"x", fin=False)),
        code=1009,
        options=(("fragment_limit", 3),),
    ),
    Wrong(
        "message of more than 1 fragments",
        (6, 2),
        Frame(CONTINUATION),
        good=(HELLO, OPEN_BINARY),
        code=1009,
        options=(("fragment_limit", 1),),
    ),
    Wrong(
        "message over the limit of 10 bytes",
        (6, 2),
        Frame(CONTINUATION, b"x" * 7, fin=False),
        good=(HELLO, OPEN_BINARY, Frame(PING, b"p" * 100)),
        code=1009,
        options=(("limit", 10),),
    ),
    Wrong(
        "message over the limit of 70000 bytes",
        (14, 10),
        Frame(TEXT, b"x" * 70001, rsv=4),
        code=1009,
        options=(("limit", 70000), *DEFLATE),
    ),
]


@both_roles
@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.rule)
@pytest.mark.parametrize(
    "behind", [b"", b"\x88\x00", b"\x82\x81\x00\x00\x00\x00x"], ids=["alone", "behind", "masked behind"]
)
def test_what_breaks_a_rule(wrong: Wrong, behind: bytes, key: bytes | None) -> None:
    """In every cutting the same fault, at the byte that makes it one; every frame before it goes on, nothing of it."""
    *good, bad = wrong.stream(key)
    for seen in drive_every_way(partial(make, key, **dict(wrong.options)), [*good, bad, *filter(None, [behind])]):
        assert seen.fault == Fault(wrong.code, wrong.rule)
        assert seen.passed == b"".join(good)
    needs = wrong.needed(key)
    soon = b"".join(good) + bad[:needs]
    assert drive(make(key, **dict(wrong.options)), [soon]).fault is not None
    assert drive(make(key, **dict(wrong.options)), [soon[:-1]]).fault is None


@pytest.mark.parametrize("frame", [HELLO, Frame(BINARY, b"x" * 200), Frame(PING), Frame(CLOSE, b"\x03\xe8")])
@pytest.mark.parametrize(
    ("masked", "rule"),
    [(True, "client frame is not masked"), (False, "server frame is masked")],
    ids=["client", "server"],
)
def test_the_mask_is_the_clients(masked: bool, rule: str, frame: Frame) -> None:
    """§5.1; a mask of zeros is a mask too."""
    other = frame.encode(None if masked else bytes(4))
    own = Frame(BINARY, b"ok").encode(MASK if masked else None)
    for seen in drive_every_way(lambda: FrameWalk(masked=masked), [own, other]):
        assert (seen.fault, seen.passed) == (Fault(1002, rule), own)
    assert drive(FrameWalk(masked=masked), [own, other[:2]]).fault is not None


@both_roles
def test_a_length_of_2_to_the_63(key: bytes | None) -> None:
    for size in (NO_LIMIT, (1 << 64) - 1):
        for seen in drive_every_way(partial(make, key), [header(BINARY, size, form=64, key=key)]):
            assert seen.fault == Fault(1002, "frame length of 2^63 or more")


@both_roles
def test_a_limit_is_met_at_the_header(key: bytes | None) -> None:
    """Not after a gigabyte has been passed on."""
    seen = drive(make(key, limit=1 << 20), [header(BINARY, 1 << 40, form=64, key=key)])
    assert seen.fault == Fault(1009, "message over the limit of 1048576 bytes")
    assert seen.passed == b""


@both_roles
def test_fragments_cannot_add_up_past_every_limit(key: bytes | None) -> None:
    walk = make(key)
    huge = Frame(BINARY, fin=False).encode(key)
    seen = drive(walk, [huge, header(CONTINUATION, NO_LIMIT - 1, fin=False, form=64, key=key)])
    assert seen.fault is None
    seen = drive(
        make(key, limit=5), [Frame(BINARY, b"x", fin=False).encode(key)] + [header(0, 1, fin=False, key=key) + b"x"] * 9
    )
    assert seen.fault == Fault(1009, "message over the limit of 5 bytes")


@both_roles
def test_each_message_has_its_own_fragments(key: bytes | None) -> None:
    message = [OPEN_BINARY, Frame(CONTINUATION, fin=False), Frame(CONTINUATION)]
    stream = [frame.encode(key) for frame in message * 3]
    for seen in drive_every_way(partial(make, key, fragment_limit=3), stream):
        assert (seen.fault, seen.messages) == (None, 3)


def test_every_rule_fits_into_a_close_frame() -> None:
    """The rule is the reason that the peer reads: ASCII, and at most 123 bytes beside the code (§5.5)."""
    limits = [f"message over the limit of {NO_LIMIT} bytes", f"message of more than {NO_LIMIT} fragments"]
    for rule in [wrong.rule for wrong in WRONG] + limits:
        assert rule.isascii()
        assert len(rule) <= 123


# -- random input ------------------------------------------------------------------------------------------------------

keys = st.binary(min_size=4, max_size=4)
control_frames = st.lists(
    st.builds(Frame, st.sampled_from([PING, PONG]), st.binary(max_size=125) | st.just(b"p" * 125)), max_size=2
)


@st.composite
def messages(draw: st.DrawFn) -> list[Frame]:
    """One message in fragments cut anywhere, control frames between them."""
    opcode = draw(st.sampled_from([TEXT, BINARY]))
    payload = draw(st.text(max_size=60)).encode() if opcode == TEXT else draw(st.binary(max_size=400))
    cuts = sorted(draw(st.lists(st.integers(0, len(payload)), max_size=3)))
    frames: list[Frame] = []
    for start, end in zip([0, *cuts], [*cuts, len(payload)], strict=True):
        frames += draw(control_frames)
        frames.append(Frame(opcode, payload[start:end], fin=False))
        opcode = CONTINUATION
    frames[-1] = Frame(frames[-1].opcode, frames[-1].payload)
    return frames


def pieces_of(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({cut % len(data) for cut in cuts}) if data else []
    return [data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True)]


cuts = st.lists(st.integers(min_value=0), max_size=12)


@given(st.lists(messages(), max_size=4), cuts, st.data())
def test_whatever_is_valid_goes_on(sent: list[list[Frame]], cuts: list[int], data: st.DataObject) -> None:
    masked = data.draw(st.booleans())
    frames = [frame for message in sent for frame in message]
    encoded = [frame.encode(data.draw(keys) if masked else None) for frame in frames]
    stream = b"".join(encoded)
    boundaries = set(accumulate(map(len, encoded), initial=0))
    for unwrap in (False, True):
        walk = FrameWalk(masked=masked, unwrap=unwrap)
        seen = drive(walk, pieces_of(stream, cuts), unwrap=unwrap, boundaries=boundaries)
        assert seen.fault is None
        assert seen.messages == len(sent)
        assert seen.controls == [(frame.opcode, frame.payload) for frame in frames if frame.opcode > BINARY]
        payloads = b"".join(frame.payload for frame in frames if frame.opcode <= BINARY)
        assert seen.passed == (payloads if unwrap else stream)


first_bytes = st.sampled_from([0x00, 0x01, 0x02, 0x80, 0x81, 0x82, 0x88, 0x89, 0x8A, 0xC1, 0xC2, 0x41])
second_bytes = st.sampled_from([0x00, 0x01, 0x05, 0x7D, 0x7E, 0x7F, 0x80, 0x81, 0x85, 0xFE])
likely = st.lists(
    st.tuples(first_bytes, second_bytes, st.binary(max_size=12)).map(lambda parts: bytes(parts[:2]) + parts[2])
    | st.builds(
        Frame.encode, st.builds(Frame, st.sampled_from([0, 1, 2, 9]), st.binary(max_size=9), st.booleans()), keys
    )
    | st.binary(max_size=6),
    max_size=8,
).map(b"".join)


@given(likely, cuts, st.booleans(), st.booleans(), st.booleans(), st.sampled_from([NO_LIMIT, 3, 10]))
def test_how_a_stream_is_cut_makes_no_difference(
    stream: bytes, cuts: list[int], masked: bool, unwrap: bool, compression: bool, limit: int
) -> None:
    """Garbage gives the same fault however it comes; only how much went on before it depends on the reads."""

    def run(pieces: list[bytes]) -> Seen:
        walk = FrameWalk(masked=masked, unwrap=unwrap, compression=compression, limit=limit)
        return drive(walk, pieces, unwrap=unwrap)

    whole, cut = run([stream]), run(pieces_of(stream, cuts))
    assert (whole.fault, whole.controls, whole.messages) == (cut.fault, cut.controls, cut.messages)
    assert cut.passed.startswith(whole.passed)
    assert whole.fault or whole.passed == cut.passed
    assert unwrap or stream.startswith(cut.passed)
