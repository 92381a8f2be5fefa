"""Frames: the compiled walk, masking and turns are compared with Python's, for random input."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Sequence
from random import Random
from typing import Any

from tests.peers.frames import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Frame, header, parse_all
from wsgate.relay import _fast_path
from wsgate.relay.flow import NEVER
from wsgate.relay.states import Output
from wsgate.wire import _kernel, counts, masking, walk
from wsgate.wire.frame_reader import FrameReader, ReadFrame
from wsgate.wire.walk import DONE, NO_LIMIT

from ..wire.test_kernel import steps, words
from .inputs import chance, cut, mutated

_START = 16  # where the fast path reads to
_ROOM = 20_000  # bytes
_TLS_RECORD = 16384  # bytes, the most that is written to TLS at once

_SIZES = (0, 1, 2, 7, 8, 31, 32, 33, 100, 124, 125, 126, 127, 128, 300, 65535, 65536)
_LENGTHS = (126, 65535, 65536, 1 << 31, 1 << 32, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)
_LETTERS = ("a", "é", "€", "𝄞", "\x00", "\x7f", "\ud7ff", "\ue000", "\U0010ffff")


def walks(random: Random) -> None:
    """One walk of each kind over the same reads: the same halts, faults, bytes and counts after each call."""
    options = _options(random)
    pieces = cut(random, _stream(random, masked=options["masked"]))
    our_words, their_words = words(), words()
    compiled = steps(_kernel.FrameWalk(**options, counts=_kernel.FrameCounts(*our_words)), pieces)
    python = steps(walk.FrameWalk(**options, counts=counts.FrameCounts(*their_words)), pieces)
    assert compiled == python, (options, pieces)
    assert our_words == their_words, (options, pieces)


def masks(random: Random) -> None:
    data, key = random.randbytes(_size(random)), random.randbytes(4)
    masked = _kernel.apply_mask(data, key)
    assert masked == masking.apply_mask(data, key)
    assert _kernel.apply_mask(masked, key) == data


class _Turns(_fast_path.FlowFields):
    """A flow that notes what is left to it. Its ends are set before each turn."""

    def __init__(self, walk: _kernel.FrameWalk, room: int) -> None:
        self.left: tuple[int, ...] = ()
        self.reached = False
        self.pump = _fast_path.PumpFields()
        self.pump.headroom, self.pump.buffer = _START, bytearray(_START + room)
        self.read_area = memoryview(self.pump.buffer)[_START:]
        self.source, self.sink = _fast_path.LegFields(), _fast_path.LegFields()
        self.sink.pending, self.sink.waiting_frames, self.sink.output = None, None, Output.OPEN
        self.walk = walk

    def _go_on(self, *left: int) -> None:
        self.left = left

    def _reach_due(self) -> None:
        self.reached = True

    def _read_many(self, many: bool) -> None:
        """A full record: more of them may be there."""


def fast_turns(random: Random) -> None:
    """Compares turns in C with the walk in Python: what is sent, and what is left to the flow.

    Each end is a descriptor, or, as with TLS, a function; then the sink may accept only a part.
    """
    options = _options(random)
    unwrap = options["unwrap"]
    data = _stream(random, masked=options["masked"])
    room = random.choice((512, _ROOM))
    python = walk.FrameWalk(**options)
    flow = _Turns(_kernel.FrameWalk(**options), room)
    turn = flow.unwrap_turn if unwrap else flow.relay_turn
    with contextlib.ExitStack() as stack:
        ends = [*socket.socketpair(), *socket.socketpair()]
        into, source, sink, out = (stack.enter_context(sock) for sock in ends)
        out.setblocking(False)
        for piece in cut(random, data[: 20 * _ROOM]):
            for at in range(0, len(piece), room):
                came = piece[at : at + room]
                if at % (4 * room) == 0:  # more than one read takes, and less than a socket
                    into.sendall(piece[at : at + 4 * room])
                copy = bytearray(bytes(_START) + came)
                python.out = _START
                stop = python.walk(copy, _START, len(copy))
                moved = bytes(copy[_START : python.out]) if unwrap else came
                most = len(moved) if chance(random, 2) else random.randrange(len(moved) + 1)

                def read(_: int, view: memoryview) -> int:
                    return source.recv_into(view)

                def write(view: memoryview, most: int = most) -> int:
                    return sink.send(view[:most]) if most else 0

                flow._read_end = read if chance(random, 2) else source.fileno()
                flow._write_end = write if chance(random, 2) else sink.fileno()
                flow.left, flow.reached = (), False
                flow.octets_due = flow.octets + len(came) + random.choice((0, 1))
                flow.messages_due = random.choice((NEVER, flow.walk.messages + 1))
                turn()
                due = flow.octets >= flow.octets_due or flow.walk.messages >= flow.messages_due
                assert flow.reached is due, (options, came)
                sent = most if flow._write_end is write else len(moved)
                if python.halt != DONE or (flow._write_end is write and len(moved) > _TLS_RECORD):
                    sent = 0
                whole = python.halt == DONE and sent == len(moved)
                assert flow.left == (() if whole else (_START, stop, len(copy), sent)), (options, came)
                assert flow.pump.buffer[_START : _START + len(came)] == copy[_START:]
                assert (out.recv(room) if sent else b"") == moved[:sent]
                state = [(each.halt, repr(each.fault), each.messages, each.left) for each in (flow.walk, python)]
                assert state[0] == state[1], (options, came)
                if python.halt != DONE:  # the flow's, which test_kernel's steps follow
                    return


def frame_readers(random: Random) -> None:
    """What a tap tells, however the stream is cut: the whole frames of it, and perhaps one that is not whole."""
    data = _stream(random, masked=chance(random, 2))
    whole = [
        ReadFrame(frame.fin << 7 | frame.rsv << 4 | frame.opcode, len(frame.payload), frame.payload)
        for frame, _, _ in parse_all(data)
    ]
    keep = random.choice((0, 1, 5, 300))
    everything, some = FrameReader(1 << 64), FrameReader(keep)
    found: list[ReadFrame] = []
    part: list[ReadFrame] = []
    for piece in cut(random, data):
        found += everything.read(memoryview(piece))
        part += some.read(piece)
    assert found == whole, data
    assert len(part) in (len(whole), len(whole) + 1), data
    for told, frame in zip(part, whole, strict=False):
        kept = keep or (2 if frame.first & 0x0F == CLOSE else 0)
        assert told == frame._replace(payload=frame.payload[:kept]), data


def _options(random: Random) -> dict[str, Any]:
    limit = random.choice((NO_LIMIT, NO_LIMIT, NO_LIMIT - 1, 70_000, 300, 125, 10, 0))
    flags = {name: chance(random, 2) for name in ("masked", "unwrap", "validate_text", "compression")}
    return {**flags, "accept_text": not chance(random, 8), "limit": limit}


def _stream(random: Random, *, masked: bool) -> bytes:
    data = b""
    for _ in range(random.randrange(1, 6)):
        frames = _message(random) if not chance(random, 6) else [_any_frame(random)]
        data += b"".join(frame.encode(random.randbytes(4) if masked else None) for frame in frames)
        if chance(random, 20):
            opcode, length = random.choice((CONTINUATION, TEXT, BINARY)), random.choice(_LENGTHS)
            data += header(opcode, length, form=64, key=b"key." if masked else None, fin=chance(random, 2))
    return mutated(random, data, 4)


def _message(random: Random) -> list[Frame]:
    """In fragments, with control frames between them."""
    opcode = random.choice((TEXT, BINARY))
    payload = _text(random) if opcode == TEXT else random.randbytes(_size(random))
    frames: list[Frame] = []
    pieces = _fragments(random, payload)
    for number, piece in enumerate(pieces):
        if chance(random, 5):
            frames.append(Frame(random.choice((PING, PONG, CLOSE)), random.randbytes(random.choice((0, 2, 9, 125)))))
        rsv = 4 if number == 0 and chance(random, 8) else 0
        frames.append(Frame(CONTINUATION if number else opcode, piece, number == len(pieces) - 1, rsv))
    return frames


def _fragments(random: Random, payload: bytes) -> Sequence[bytes]:
    return cut(random, payload) if payload and len(payload) < 400 and chance(random, 3) else [payload]


def _any_frame(random: Random) -> Frame:
    payload = random.randbytes(random.choice(_SIZES[:15]))
    form = random.choice((None, None, 16, 64))
    return Frame(random.randrange(16), payload, chance(random, 2), random.choice((0, 0, 0, 1, 2, 4, 7)), form)


def _text(random: Random) -> bytes:
    if chance(random, 3):
        return (random.choice(_LETTERS) * random.choice(_SIZES[:15])).encode()
    text = "".join(random.choices(_LETTERS, k=random.choice(_SIZES[:14]))).encode()
    return mutated(random, text, 4)


def _size(random: Random) -> int:
    return random.choice(_SIZES) if chance(random, 10) else random.choice(_SIZES[:15])
