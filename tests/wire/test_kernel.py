"""The compiled kernel is compared with Python's: the same result at every step, for every input and every cutting."""

from __future__ import annotations

import gc
import importlib.machinery
import importlib.util
import os
import shutil
import subprocess
import sys
import weakref
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import wsgate
from tests.peers.frames import BINARY, CLOSE, CONTINUATION, MASK, PING, PONG, TEXT, Frame, header
from wsgate.wire import counts, headers, kernel, masking, walk
from wsgate.wire.fault import Fault
from wsgate.wire.kernel import Walk
from wsgate.wire.utf8 import Utf8Validator
from wsgate.wire.walk import CONTROL, FAULT, INCOMPLETE, NO_LIMIT

from .utf8_cases import INVALID, TRUNCATED, VALID

Options = dict[str, Any]

SEEN = ("halt", "fault", "opcode", "payload", "resume", "out", "messages", "largest", "left")


def steps(frame_walk: Walk, pieces: Sequence[bytes]) -> list[tuple[object, ...]]:
    """Returns all attributes of a walk after each call, with calls like those of a flow.

    The buffer ends with the piece, so an address sanitizer finds reads behind it.
    """
    seen: list[tuple[object, ...]] = []
    carry = b""
    for number, piece in enumerate(pieces):
        start = number % 5 + 3  # at every alignment, and with something in front that must stay
        buffer = bytearray(b"\x81\x85\xff"[:start].ljust(start, b"\xc3") + carry + piece)
        end = len(buffer)
        frame_walk.out = start
        stop = frame_walk.walk(buffer, start, end)
        seen.append((stop, repr(frame_walk.fault), bytes(buffer), *[getattr(frame_walk, name) for name in SEEN]))
        while frame_walk.halt == CONTROL:
            stop = frame_walk.walk(buffer, frame_walk.resume, end)
            seen.append((stop, repr(frame_walk.fault), bytes(buffer), *[getattr(frame_walk, name) for name in SEEN]))
        if frame_walk.halt == FAULT:
            break
        carry = bytes(buffer[stop:]) if frame_walk.halt == INCOMPLETE else b""
    return seen


def assert_the_same(compiled: ModuleType, pieces: Sequence[bytes], **options: Any) -> None:
    our_words, their_words = words(), words()
    ours = steps(compiled.FrameWalk(**options, counts=compiled.FrameCounts(*our_words)), pieces)
    assert ours == steps(walk.FrameWalk(**options, counts=counts.FrameCounts(*their_words)), pieces)
    assert our_words == their_words


def words() -> list[memoryview]:
    """What counts need."""
    return [memoryview(bytearray(8 * size)).cast("Q") for size in (len(counts.OPCODES), counts.SIZE_WORDS)]


# -- random input ------------------------------------------------------------------------------------------------------

some_text = (
    st.text(max_size=40).map(str.encode)
    | st.text("aé€𝄞", max_size=80).map(str.encode)
    | st.lists(st.sampled_from(VALID * 4 + TRUNCATED + [text for text, _ in INVALID]), max_size=6).map(b"".join)
    # long enough for every step of the fast path, with a byte that may be wrong anywhere in it
    | st.builds(
        lambda size, at, odd, repeated: (repeated * size)[: at % (size + 1)] + odd + (repeated * size)[:size],
        st.integers(0, 300),
        st.integers(0, 300),
        st.sampled_from([b"", b"\x80", b"\xff", b"\xc3", "é".encode(), "€".encode(), b"\xed\xa0", b"\xf4\x90"]),
        st.sampled_from([b"a", "é".encode(), "€".encode(), "𝄞".encode(), "aé€𝄞".encode()]),
    )
)
some_bytes = st.binary(max_size=40) | st.builds(bytes.__mul__, st.binary(min_size=1, max_size=5), st.integers(0, 90))
keys = st.binary(min_size=4, max_size=4)
options_of_walks = st.fixed_dictionaries(
    {"masked": st.booleans(), "unwrap": st.booleans()},
    optional={
        "validate_text": st.booleans(),
        "compression": st.booleans(),
        "accept_text": st.booleans(),
        "limit": st.sampled_from([NO_LIMIT, NO_LIMIT - 1, 300, 125, 10, 0]),
        "frame_limit": st.sampled_from([NO_LIMIT, 125, 10, 0]),
        "fragment_limit": st.sampled_from([NO_LIMIT, 3, 2, 1]),
    },
)
control_frames = st.builds(Frame, st.sampled_from([PING, PONG, PING, PONG, CLOSE]), st.binary(max_size=125))


@st.composite
def messages(draw: st.DrawFn) -> list[Frame]:
    """One message in fragments cut anywhere, control frames between them; most are valid."""
    opcode = draw(st.sampled_from([TEXT, TEXT, BINARY]))
    payload = draw(some_text if opcode == TEXT else some_bytes)
    rsv = draw(st.sampled_from([0, 0, 0, 4]))
    cuts = sorted(draw(st.lists(st.integers(0, len(payload)), max_size=3)))
    frames: list[Frame] = []
    for start, end in zip([0, *cuts], [*cuts, len(payload)], strict=True):
        frames += draw(st.lists(control_frames, max_size=1))
        frames.append(Frame(opcode, payload[start:end], end == len(payload), rsv))
        opcode, rsv = CONTINUATION, 0
    return frames


any_frame = st.builds(
    Frame,
    st.integers(0, 15) | st.sampled_from([CONTINUATION, TEXT, BINARY]),
    some_bytes | some_text,
    st.booleans(),
    st.sampled_from([0, 0, 0, 1, 2, 4, 6]),
    st.sampled_from([None, None, None, 16, 64]),
)


@st.composite
def streams(draw: st.DrawFn) -> tuple[Options, list[bytes]]:
    """Options, and a stream in pieces: messages, and sometimes invalid bytes."""
    options = draw(options_of_walks)
    data = bytearray()
    for part in draw(st.lists(st.one_of(messages(), messages(), any_frame.map(lambda frame: [frame])), max_size=5)):
        for frame in part:
            data += frame.encode(draw(keys) if options["masked"] else None)
    if data and draw(st.integers(0, 4)) == 0:
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    if draw(st.integers(0, 4)) == 0:
        data += draw(st.binary(max_size=20))
    places = sorted({cut % (len(data) + 1) for cut in draw(st.lists(st.integers(min_value=0), max_size=8))})
    return options, [bytes(data[start:end]) for start, end in zip([0, *places], [*places, len(data)], strict=True)]


@given(stream=streams())
def test_whatever_comes(compiled: ModuleType, stream: tuple[Options, list[bytes]]) -> None:
    options, pieces = stream
    assert_the_same(compiled, pieces, **options)
    assert_the_same(compiled, [bytes([byte]) for byte in b"".join(pieces)], **options)


@given(options=options_of_walks, pieces=st.lists(st.binary(max_size=30), max_size=5))
def test_garbage(compiled: ModuleType, options: Options, pieces: list[bytes]) -> None:
    assert_the_same(compiled, pieces, **options)


@given(text=some_text, key=st.none() | keys, sizes=st.lists(st.integers(0, 70), max_size=20), unwrap=st.booleans())
def test_text(compiled: ModuleType, text: bytes, key: bytes | None, sizes: list[int], unwrap: bool) -> None:
    """In one frame, its bytes coming in pieces of these sizes, then all the rest."""
    data = Frame(TEXT, text).encode(key)
    places = [0]
    for size in sizes:
        places.append(min(places[-1] + size, len(data)))
    pieces = [data[start:end] for start, end in zip(places, [*places[1:], len(data)], strict=True)]
    assert_the_same(compiled, pieces, masked=key is not None, unwrap=unwrap)


# -- each of few -------------------------------------------------------------------------------------------------------

FORMS = [0, 1, 5, 125, 126, 127]
BEHIND = bytes.fromhex("00 00 00 00 00 01 00 80 37 fa 21 3d") + b"\xc3\xa9ok" * 40


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("open_message", [b"", b"\x01", b"\x02", b"\x41"])
def test_every_first_byte(compiled: ModuleType, masked: bool, open_message: bytes) -> None:
    """With lengths of every form, with the mask and without, inside a message and outside."""
    opening = [open_message + (b"\x80key." if masked else b"\x00")] if open_message else []
    for first, form, mask, compression in product(range(256), FORMS, (0, 0x80), (False, True)):
        pieces = [*opening, bytes((first, form | mask)) + BEHIND]
        assert_the_same(compiled, pieces, masked=masked, compression=compression)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(
    "size", [0, 1, 125, 126, 127, 65535, 65536, 1 << 31, 1 << 32, (1 << 63) - 1, 1 << 63, (1 << 64) - 1]
)
def test_lengths(compiled: ModuleType, size: int, masked: bool) -> None:
    key = MASK if masked else None
    for opcode, form, limit in product([TEXT, BINARY, PING], [7, 16, 64], [NO_LIMIT, NO_LIMIT - 1, 65535, 125]):
        announced = header(opcode, size, form=form, key=key)
        if form > 7 or size < 126:
            for unwrap in (False, True):
                options = {"masked": masked, "limit": limit, "unwrap": unwrap}
                assert_the_same(compiled, [announced, b"x" * 50, announced], **options)
                opened = Frame(opcode, b"12", fin=False).encode(key)
                continued = header(CONTINUATION, size, form=form, key=key)
                assert_the_same(compiled, [opened, continued + b"x" * 9], **options)


def test_every_byte_in_every_state_of_a_character(compiled: ModuleType) -> None:
    """What may follow, and what may follow that, in the steps of 32, 8 and 1 byte that a text is looked at in."""
    before = [
        b"",
        b"\xc3",
        b"\xe0",
        b"\xe1",
        b"\xe1\x80",
        b"\xed",
        b"\xf0",
        b"\xf1",
        b"\xf1\x80",
        b"\xf1\x80\x80",
        b"\xf4",
    ]
    after = [bytes([byte]) for byte in (0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xFF)]
    for start, byte, end in product(before, range(256), [b"", *after, b"\x80\x80", b"\x80\x80\x80"]):
        text = bytes([byte]) + end
        valid = {0: Utf8Validator().feed(start + text)}
        valid[7] = valid[31] = Utf8Validator().feed(start + text + b"a")
        for behind in (0, 7, 31):  # in a read of its own
            assert passes(compiled, start, text + b"a" * behind) == valid[behind], (start, text, behind)
        for front, behind in product((29, 30, 31), (0, 31)):  # over the end of a block
            assert passes(compiled, b"a" * front + start + text + b"a" * behind) == valid[behind], (start, text, front)


def passes(compiled: ModuleType, *pieces: bytes) -> bool:
    """Whether this may be the beginning of a text."""
    frame_walk = compiled.FrameWalk(masked=False)
    frame_walk.walk(bytearray((TEXT, 125)), 0, 2)
    for piece in pieces:
        frame_walk.walk(bytearray(piece), 0, len(piece))
        if frame_walk.halt == FAULT:
            return False
    return True


@pytest.mark.parametrize("key", [MASK, None], ids=["client", "server"])
@pytest.mark.parametrize("size", [*range(70), 1023, 4096, 65536])
def test_every_size_and_phase(compiled: ModuleType, size: int, key: bytes | None) -> None:
    payload = bytes(i * 7 & 0x7F for i in range(size))
    frames = Frame(BINARY, payload).encode(key) + Frame(TEXT, payload).encode(key)
    for cut in (0, 7, 8, 9, 10, 11, size // 2 + 3, size + 1):
        for unwrap in (False, True):
            pieces = [frames[:cut], frames[cut:]]
            assert_the_same(compiled, pieces, masked=key is not None, unwrap=unwrap)


# -- the interface -----------------------------------------------------------------------------------------------------


def test_the_halts_have_the_same_names(compiled: ModuleType) -> None:
    names = ("DONE", "INCOMPLETE", "CONTROL", "FAULT")
    assert [getattr(compiled, name) for name in names] == [getattr(walk, name) for name in names]


def test_a_new_walk(compiled: ModuleType) -> None:
    for options in ({}, {"limit": 7}, {"unwrap": True}):
        ours, theirs = (twin(masked=True, **options) for twin in (compiled.FrameWalk, walk.FrameWalk))
        assert [getattr(ours, name) for name in SEEN] == [getattr(theirs, name) for name in SEEN]


def test_a_fault_can_be_set(compiled: ModuleType) -> None:
    """As a flow does with what is wrong inside a Close."""
    frame_walk = compiled.FrameWalk(masked=True)
    fault = Fault(1002, "close payload of one byte")
    frame_walk.fault = fault
    assert frame_walk.fault is fault
    del frame_walk.fault
    frame_walk.walk(bytearray(b"\x83"), 0, 1)
    assert frame_walk.fault == Fault(1002, "reserved opcode 0x3")


@pytest.mark.parametrize("name", ["halt", "opcode", "payload", "resume", "messages", "largest", "left"])
def test_the_rest_is_for_reading(compiled: ModuleType, name: str) -> None:
    frame_walk = compiled.FrameWalk(masked=True)
    with pytest.raises((AttributeError, TypeError)):
        setattr(frame_walk, name, 1)
    with pytest.raises((AttributeError, TypeError)):
        delattr(frame_walk, name)


@pytest.mark.parametrize(
    ("args", "options", "error"),
    [
        ((), {}, TypeError),
        ((True,), {}, TypeError),
        ((), {"masked": True, "mask": True}, TypeError),
        ((), {"masked": True, "limit": "7"}, TypeError),
        ((), {"masked": True, "limit": None}, TypeError),
        ((), {"masked": True, "limit": -1}, OverflowError),
        ((), {"masked": True, "limit": NO_LIMIT + 1}, OverflowError),
        ((), {"masked": True, "frame_limit": -1}, OverflowError),
        ((), {"masked": True, "fragment_limit": NO_LIMIT + 1}, OverflowError),
        ((), {"masked": True, "limit": 1 << 64}, OverflowError),
        ((), {"masked": True, "counts": 1}, TypeError),
        ((), {"masked": True, "counts": counts.FrameCounts(*words())}, TypeError),
    ],
)
def test_wrong_options(
    compiled: ModuleType, args: tuple[object, ...], options: Options, error: type[Exception]
) -> None:
    with pytest.raises(error):
        compiled.FrameWalk(*args, **options)


@pytest.mark.parametrize(
    ("args", "error"),
    [
        ((bytearray(9), -1, 9), ValueError),
        ((bytearray(9), 0, 10), ValueError),
        ((bytearray(9), 5, 4), ValueError),
        ((bytearray(9), 0, -1), ValueError),
        ((bytearray(9), 0, sys.maxsize), ValueError),
        ((bytearray(9), 0, sys.maxsize + 1), OverflowError),
        ((bytearray(9), -sys.maxsize - 2, 9), OverflowError),
        ((bytearray(9), 0.0, 9), TypeError),
        ((bytearray(9), None, 9), TypeError),
        ((bytearray(9), 0), TypeError),
        ((bytearray(9), 0, 9, 9), TypeError),
        ((bytes(9), 0, 9), TypeError),
        ((memoryview(bytearray(9)), 0, 9), TypeError),
    ],
)
def test_a_wrong_call(compiled: ModuleType, args: tuple[Any, ...], error: type[Exception]) -> None:
    """A bug of ours raises, and nothing outside the buffer is touched."""
    with pytest.raises(error):
        compiled.FrameWalk(masked=False).walk(*args)


@pytest.mark.parametrize("out", [4, -1, sys.maxsize, -sys.maxsize - 1])
def test_unwrapping_to_a_wrong_place(compiled: ModuleType, out: int) -> None:
    frame_walk = compiled.FrameWalk(masked=False, unwrap=True)
    frame_walk.out = out
    with pytest.raises(ValueError, match=f"walk\\(\\) from 3 would unwrap up to it from {out}"):
        frame_walk.walk(bytearray(9), 3, 9)
    for wrong in ("1", None, sys.maxsize + 1):
        with pytest.raises((TypeError, OverflowError)):
            frame_walk.out = wrong


@given(options=options_of_walks, pieces=st.lists(st.binary(max_size=20), max_size=6))
def test_going_on_behind_a_fault_touches_nothing_else(
    compiled: ModuleType, options: Options, pieces: list[bytes]
) -> None:
    """It means nothing, but it is safe: a gateway's bug must not become a peer's way in."""
    frame_walk = compiled.FrameWalk(**options)
    for piece in pieces:
        buffer = bytearray(b"in front" + piece)
        frame_walk.out = 8
        stop = frame_walk.walk(buffer, 8, len(buffer))
        assert 8 <= stop <= len(buffer)
        assert 8 <= frame_walk.out <= len(buffer)
        assert buffer[:8] == b"in front"


def test_a_buffer_under_a_view(compiled: ModuleType) -> None:
    """The pump's buffer has views, so it cannot be resized; nor does the walk try to."""
    buffer = bytearray(Frame(BINARY, b"payload").encode(MASK))
    frame_walk = compiled.FrameWalk(masked=True, unwrap=True)
    with memoryview(buffer) as view:
        frame_walk.walk(buffer, 0, len(buffer))
        assert bytes(view[: frame_walk.out]) == b"payload"


# -- memory ------------------------------------------------------------------------------------------------------------


class Canary:
    """Can be watched."""


def test_a_walk_in_a_cycle_is_collected(compiled: ModuleType) -> None:
    canary = Canary()
    frame_walk = compiled.FrameWalk(masked=True)
    frame_walk.fault = [frame_walk, canary]
    watch = weakref.ref(canary)
    del frame_walk, canary
    gc.collect()
    assert watch() is None


def test_nothing_is_kept(compiled: ModuleType) -> None:
    """A thousand walks that meet every kind of halt leave no object behind."""
    ping = bytearray(Frame(PING, b"ping").encode(MASK) + b"\x83")

    def work() -> None:
        for _ in range(1000):
            frame_walk = compiled.FrameWalk(masked=True)
            frame_walk.walk(ping, 0, len(ping) - 1)
            frame_walk.walk(ping, frame_walk.resume, len(ping))
            assert frame_walk.halt == FAULT
            compiled.apply_mask(frame_walk.payload, MASK)
            for wrong in ({}, {"masked": True, "limit": -1}):
                with pytest.raises((TypeError, OverflowError)):
                    compiled.FrameWalk(**wrong)

    work()
    gc.collect()
    before = sys.getallocatedblocks(), sys.getrefcount(compiled.FrameWalk)
    work()
    gc.collect()
    after = sys.getallocatedblocks(), sys.getrefcount(compiled.FrameWalk)
    assert after[0] - before[0] < 500
    assert after[1] - before[1] < 500


def test_counts_keep_their_memory(compiled: ModuleType) -> None:
    frames, sizes = words()
    frame_walk = compiled.FrameWalk(masked=False, counts=compiled.FrameCounts(frames, sizes))
    with pytest.raises(BufferError):
        frames.release()
    frame_walk.walk(bytearray(b"\x82\x00"), 0, 2)
    assert list(frames) == [0, 0, 1, 0, 0, 0]
    del frame_walk
    frames.release()
    sizes.release()


@pytest.mark.parametrize("args", [(), (1, 2), (bytes(48), bytearray(96)), (bytearray(48), None)])
def test_memory_that_counts_cannot_have(compiled: ModuleType, args: tuple[Any, ...]) -> None:
    with pytest.raises((TypeError, BufferError)):
        compiled.FrameCounts(*args)


def test_words_that_are_not_aligned(compiled: ModuleType) -> None:
    sizes = bytearray(8 * counts.SIZE_WORDS)
    with pytest.raises(ValueError, match="needs 6 and 12 words"):
        compiled.FrameCounts(memoryview(bytearray(49))[1:], sizes)


def test_a_second_instance_of_the_module(compiled: ModuleType) -> None:
    """It has a state of its own, which goes with it."""
    assert compiled.__file__ is not None
    loader = importlib.machinery.ExtensionFileLoader(compiled.__name__, compiled.__file__)
    spec = importlib.util.spec_from_file_location(compiled.__name__, compiled.__file__, loader=loader)
    assert spec is not None
    second = importlib.util.module_from_spec(spec)
    loader.exec_module(second)
    assert second.FrameWalk is not compiled.FrameWalk
    frame_walk = second.FrameWalk(masked=True)
    del second
    gc.collect()
    frame_walk.walk(bytearray(b"\x83"), 0, 1)
    assert frame_walk.fault == Fault(1002, "reserved opcode 0x3")


# -- masking -----------------------------------------------------------------------------------------------------------


@given(data=some_bytes | some_text, key=keys)
def test_masking(compiled: ModuleType, data: bytes, key: bytes) -> None:
    assert compiled.apply_mask(data, key) == masking.apply_mask(data, key)
    assert compiled.apply_mask(bytearray(data), key) == masking.apply_mask(data, key)


@pytest.mark.parametrize("key", [b"", b"key", b"key.."])
def test_a_key_that_is_none(compiled: ModuleType, key: bytes) -> None:
    with pytest.raises(ValueError, match=f"a masking key of {len(key)} bytes"):
        compiled.apply_mask(b"data", key)


# -- the choice --------------------------------------------------------------------------------------------------------


def choose() -> ModuleType:
    """What ``kernel`` would be in a process that began now."""
    assert kernel.__spec__ is not None
    assert kernel.__spec__.loader is not None
    fresh = importlib.util.module_from_spec(kernel.__spec__)
    kernel.__spec__.loader.exec_module(fresh)
    return fresh


@pytest.mark.parametrize("value", [None, "", "0"])
def test_the_compiled_kernel_is_taken(compiled: ModuleType, monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    monkeypatch.delenv("WSGATE_PURE", raising=False)
    if value is not None:
        monkeypatch.setenv("WSGATE_PURE", value)
    chosen = choose()
    assert chosen.COMPILED
    assert chosen.STATUS.startswith("frames are walked by the compiled kernel")
    assert (chosen.FrameWalk, chosen.apply_mask) == (compiled.FrameWalk, compiled.apply_mask)
    assert chosen.FrameCounts is compiled.FrameCounts
    assert chosen.split_fields is compiled.split_fields


def test_python_can_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WSGATE_PURE", "1")
    chosen = choose()
    assert (chosen.COMPILED, chosen.STATUS) == (False, "frames are walked in Python: WSGATE_PURE=1")
    assert (chosen.FrameWalk, chosen.apply_mask) == (walk.FrameWalk, masking.apply_mask)
    assert chosen.FrameCounts is counts.FrameCounts
    assert chosen.split_fields is headers.split_fields


def test_python_stands_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing could be built at install."""
    monkeypatch.delenv("WSGATE_PURE", raising=False)
    monkeypatch.delattr("wsgate.wire._kernel", raising=False)
    monkeypatch.setitem(sys.modules, "wsgate.wire._kernel", None)
    chosen = choose()
    assert not chosen.COMPILED
    assert chosen.STATUS.startswith("frames are walked in Python, the compiled kernel cannot be used: ")
    assert (chosen.FrameWalk, chosen.apply_mask) == (walk.FrameWalk, masking.apply_mask)
    assert chosen.FrameCounts is counts.FrameCounts
    assert chosen.split_fields is headers.split_fields


def test_a_kernel_of_another_version_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """As an install over an older one leaves it, if it cannot compile."""
    older = ModuleType("wsgate.wire._kernel")
    for version in (None, kernel.API - 1, kernel.API + 1):
        if version is not None:
            older.API = version  # type: ignore[attr-defined]
        monkeypatch.delenv("WSGATE_PURE", raising=False)
        monkeypatch.delattr("wsgate.wire._kernel", raising=False)
        monkeypatch.setitem(sys.modules, "wsgate.wire._kernel", older)
        chosen = choose()
        assert (chosen.COMPILED, chosen.FrameWalk) == (False, walk.FrameWalk)
        assert f"of another version of wsgate ({version or 0}, not {kernel.API}): install wsgate anew" in chosen.STATUS


@pytest.mark.parametrize("vectors", [0, 1])
def test_a_processor_without_vectors_is_named(
    compiled: ModuleType, monkeypatch: pytest.MonkeyPatch, vectors: int
) -> None:
    monkeypatch.delenv("WSGATE_PURE", raising=False)
    monkeypatch.setattr(compiled, "VECTORS", vectors)
    chosen = choose()
    assert chosen.COMPILED
    assert chosen.VECTORS is (vectors == 1)
    assert ("without AVX2" in chosen.STATUS) is (vectors == 0)


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("_kernel.cpython-37m-x86_64-linux-gnu.so", None),  # for another Python: not even looked at
        ("_kernel.so", 0),
        ("_kernel.so", 60),  # not even a whole header of a file to load
        ("_kernel.so", 500),
        ("_kernel.so", 20_000),  # its loader would get SIGBUS
        ("_kernel.so", -1),
    ],
)
def test_a_file_that_is_no_kernel_of_this_python(
    compiled: ModuleType, tmp_path: Path, name: str, size: int | None
) -> None:
    """In a process of its own, with a copy of the package: a file that cannot be loaded is not the end of it."""
    assert compiled.__file__ is not None
    package = Path(wsgate.__file__).parent
    shutil.copytree(package, tmp_path / "wsgate", ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    data = Path(compiled.__file__).read_bytes()
    (tmp_path / "wsgate" / "wire" / name).write_bytes(data[:size])
    code = (
        "import wsgate.wire.walk as walk, wsgate.wire.kernel as kernel, wsgate.relay.fast_path as fast_path; "
        "assert kernel.FrameWalk is walk.FrameWalk and fast_path.serve_round is None; print(kernel.STATUS)"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    environment.pop("WSGATE_PURE", None)
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("frames are walked in Python, the compiled kernel cannot be used: ")
