"""The fast path in C: what a turn and a round do, and what they leave to the flow and the leg."""

from __future__ import annotations

import contextlib
import gc
import os
import select
import shutil
import socket
import ssl
import subprocess
import sys
import tracemalloc
import weakref
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import wsgate
from tests.peers.frames import MASK
from tests.peers.sockets import reset, tcp_pair
from tests.relay.joined import data
from wsgate.net.tls.transport import TLS_RECORD
from wsgate.relay import fast_path
from wsgate.relay.flow import NEVER
from wsgate.relay.poller import EDGE, READABLE
from wsgate.relay.states import Output
from wsgate.wire import kernel
from wsgate.wire.frames import Opcode
from wsgate.wire.walk import CONTROL, DONE, FAULT, INCOMPLETE

START = 16
PIECE = 65472  # bytes, as in _fast_path.c
FRAME = data(b"ping").encode(MASK)


@pytest.fixture(scope="module")
def compiled() -> ModuleType:
    try:
        from wsgate.relay import _fast_path
    except ImportError as error:
        pytest.skip(f"{error}: install wsgate anew where there is a C compiler, and the headers of this Python")
    module: ModuleType = _fast_path
    return module


def flow_class(compiled: ModuleType) -> Any:
    class Flow(compiled.FlowFields):  # type: ignore[name-defined,misc]
        """Notes what is left to it."""

        left: Any = None
        many = False
        reached: tuple[int, ...] = ()  # the bytes at which it was due

        def pull(self) -> None:
            self.left = "pull"

        def _reach_end(self) -> None:
            self.left = "end"

        def _lose(self, error: OSError) -> None:
            raise error

        def _go_on(self, begin: int, stop: int, end: int, sent: int) -> None:
            self.left = (begin, stop, end, sent)

        def _reach_due(self) -> None:
            self.reached += (self.octets,)

        def _read_many(self, many: bool) -> None:
            self.many = many

    return Flow()


class Ends:
    """A source that the test writes to, a sink that it reads from, and a flow with a walk between them."""

    def __init__(self, compiled: ModuleType, kind: int = socket.SOCK_STREAM, *, unwrap: bool = False) -> None:
        from wsgate.wire import _kernel

        self.into, self.source = socket.socketpair(socket.AF_UNIX, kind)
        self.sink, self.out = socket.socketpair(socket.AF_UNIX, kind)
        for sock in (self.into, self.source, self.sink, self.out):
            sock.setblocking(False)
        self.walk = _kernel.FrameWalk(masked=True, unwrap=unwrap)
        self.pump = compiled.PumpFields()
        self.pump.headroom = START
        self.pump.now = 7.5
        self.flow = flow_class(compiled)
        self.make_room(4096)
        self.flow.octets_due = self.flow.messages_due = NEVER
        self.flow.pump = self.pump
        self.flow.source, self.flow.sink = (compiled.LegFields() for _ in range(2))
        self.flow.sink.pending = self.flow.sink.waiting_frames = None
        self.flow.sink.output = Output.OPEN
        self.flow.walk = self.walk
        self.flow._carry = b""
        self.flow._read_end = self.source.fileno()
        self.flow._write_end = self.sink.fileno()

    def make_room(self, size: int) -> None:
        self.pump.buffer = bytearray(START + size)
        self.flow.read_area = memoryview(self.pump.buffer)[START:]

    @property
    def buffer(self) -> bytearray:
        buffer: bytearray = self.pump.buffer
        return buffer

    def turn(self, kind: str = "relay") -> Any:
        """Returns how many bytes were read and sent, or what was left to the flow: None if nothing came."""
        flow = self.flow
        flow.left, before = None, flow.octets
        getattr(flow, f"{kind}_turn")()
        return flow.left or (flow.octets - before) or None

    def turn_between(self, read: Any, write: Any) -> Any:
        self.flow._read_end, self.flow._write_end = read, write
        return self.turn()

    def close(self) -> None:
        for sock in (self.into, self.source, self.sink, self.out):
            sock.close()


@pytest.fixture
def ends(compiled: ModuleType) -> Iterator[Ends]:
    made = Ends(compiled)
    yield made
    made.close()


def test_frames_are_passed_on_as_they_are(ends: Ends) -> None:
    raw = FRAME * 3 + FRAME[:8]  # the last is inside its payload
    ends.into.send(raw)
    assert ends.turn() == len(raw)
    assert ends.out.recv(4096) == raw
    assert ends.buffer[:START] == bytes(START)
    assert (ends.walk.halt, ends.walk.messages, ends.walk.left) == (DONE, 3, 2)
    ends.into.send(FRAME[8:])
    assert ends.turn() == 2
    assert ends.out.recv(4096) == FRAME[8:]
    assert (ends.walk.messages, ends.walk.left) == (4, 0)
    assert ends.flow.octets == len(raw) + 2
    assert ends.flow.source.last_read == ends.flow.last_moved == ends.pump.now


def test_one_call_is_one_read_and_one_write(compiled: ModuleType) -> None:
    """Between packets: a second read would take the second packet, a second write would make another."""
    ends = Ends(compiled, socket.SOCK_SEQPACKET)
    for _ in range(2):
        ends.into.send(FRAME * 5)
    assert ends.turn() == len(FRAME) * 5
    assert ends.out.recv(4096) == FRAME * 5
    with pytest.raises(BlockingIOError):
        ends.out.recv(4096)
    assert ends.turn() == len(FRAME) * 5
    ends.close()


@pytest.mark.parametrize(
    ("raw", "halt", "stop"),
    [
        (FRAME + FRAME[:5], INCOMPLETE, len(FRAME)),
        (FRAME + data(b"?", Opcode.PING).encode(MASK) + FRAME, CONTROL, len(FRAME)),
        (data(b"", Opcode.CLOSE).encode(MASK), CONTROL, 0),
        (FRAME + data(b"x").encode(None), FAULT, len(FRAME)),
    ],
    ids=["unfinished", "ping", "close", "fault"],
)
def test_what_is_more_than_data_is_left_to_the_flow(ends: Ends, raw: bytes, halt: int, stop: int) -> None:
    ends.into.send(raw)
    assert ends.turn() == (START, START + stop, START + len(raw), 0)
    assert ends.walk.halt == halt
    assert (ends.flow.octets, ends.flow.last_moved) == (len(raw), 0.0)
    assert ends.buffer[START : START + len(raw)] == raw
    with pytest.raises(BlockingIOError):
        ends.out.recv(4096)  # not even the frames before it: the flow knows their order


def test_what_the_sink_does_not_take_is_left_to_the_flow(ends: Ends) -> None:
    ends.sink.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    ends.make_room(64 << 10)
    raw = data(os.urandom(40_000)).encode(MASK)
    ends.into.send(raw)
    begin, stop, end, sent = ends.turn()
    assert (begin, stop, end) == (START, START + len(raw), START + len(raw))
    assert 0 < sent < len(raw)
    assert ends.out.recv(1 << 20) == raw[:sent]
    assert ends.buffer[START:end] == raw
    assert ends.walk.halt == DONE


def test_a_sink_that_takes_nothing(ends: Ends) -> None:
    with contextlib.suppress(BlockingIOError):
        while True:
            ends.sink.send(bytes(4096))
    ends.into.send(FRAME)
    assert ends.turn() == (START, START + len(FRAME), START + len(FRAME), 0)
    assert ends.walk.halt == DONE


def test_a_read_that_finds_nothing(ends: Ends) -> None:
    assert ends.turn() is None


def test_the_end_of_the_stream(ends: Ends) -> None:
    ends.into.close()
    assert ends.turn() == "end"


def test_a_source_that_was_reset(compiled: ModuleType) -> None:
    ends = Ends(compiled)
    far, near = tcp_pair()
    reset(near)
    ends.source.close()
    ends.source = far
    ends.flow._read_end = far.fileno()
    with pytest.raises(ConnectionResetError):
        ends.turn()
    ends.close()


def test_a_sink_that_is_gone_is_no_exception_and_no_signal(ends: Ends) -> None:
    ends.out.close()
    ends.into.send(FRAME)
    assert ends.turn() == (START, START + len(FRAME), START + len(FRAME), 0)


def test_calls_in_the_place_of_descriptors(ends: Ends) -> None:
    """TLS: what reads is given room inside the buffer, what writes the very bytes."""
    written: list[bytes] = []

    def read(size: int, room: memoryview) -> int:
        assert size == len(room) == len(ends.buffer) - START
        room[: len(FRAME)] = FRAME
        return len(FRAME)

    def write(data: memoryview) -> int:
        assert data.readonly
        written.append(bytes(data))
        return len(data)

    assert ends.turn_between(read, write) == len(FRAME)
    assert written == [FRAME]
    assert ends.buffer[START : START + len(FRAME)] == FRAME
    assert ends.walk.messages == 1


def test_a_read_of_tls_that_fails_is_done_again_by_the_flow(ends: Ends) -> None:
    """Its transport knows what the error means."""

    def wants_more(size: int, room: memoryview) -> int:
        raise ssl.SSLWantReadError

    assert ends.turn_between(wants_more, ends.sink.fileno()) == "pull"
    assert ends.turn_between(lambda size, room: 0, ends.sink.fileno()) == "end"

    def bug(size: int, room: memoryview) -> int:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        ends.turn_between(bug, ends.sink.fileno())
    for lie in (1 << 20, -2, None):
        with pytest.raises((ValueError, TypeError)):
            ends.turn_between(lambda size, room, lie=lie: lie, ends.sink.fileno())
    assert ends.flow.octets == 0


def test_a_write_of_tls_that_fails_is_left_to_the_flow(ends: Ends) -> None:
    def wants_room(data: memoryview) -> int:
        raise ssl.SSLWantWriteError

    ends.into.send(FRAME)
    assert ends.turn_between(ends.source.fileno(), wants_room) == (START, START + len(FRAME), START + len(FRAME), 0)

    def bug(data: memoryview) -> int:
        raise ZeroDivisionError

    ends.into.send(FRAME)
    with pytest.raises(ZeroDivisionError):
        ends.turn_between(ends.source.fileno(), bug)
    for lie in (1 << 20, -2, None):
        ends.into.send(FRAME)
        with pytest.raises((ValueError, TypeError)):
            ends.turn_between(ends.source.fileno(), lambda data, lie=lie: lie)


def test_more_than_a_record_is_left_to_the_flow(ends: Ends) -> None:
    """It is written record by record."""
    ends.make_room(64 << 10)
    raw = data(bytes(TLS_RECORD)).encode(MASK)
    ends.into.send(raw)
    end = START + len(raw)
    assert ends.turn_between(ends.source.fileno(), lambda data: 1 / 0) == (START, end, end, 0)


def test_a_full_record_may_have_others_behind_it(ends: Ends) -> None:
    ends.make_room(64 << 10)
    assert ends.turn_between(lambda size, room: TLS_RECORD - 1, ends.sink.fileno())
    assert not ends.flow.many
    ends.walk = ends.flow.walk = type(ends.walk)(masked=True)
    raw = data(bytes(TLS_RECORD - 8)).encode(MASK)

    def read(size: int, room: memoryview) -> int:
        room[: len(raw)] = raw
        return len(raw)

    assert len(raw) == TLS_RECORD
    ends.turn_between(read, ends.sink.fileno())
    assert ends.flow.many


@pytest.mark.parametrize(("came", "many"), [(99, False), (100, True)])
def test_a_record_may_be_longer_than_the_area(ends: Ends, came: int, many: bool) -> None:
    ends.flow.read_area = ends.flow.read_area[:100]
    raw = data(bytes(1000)).encode(MASK)[:came]

    def read(size: int, room: memoryview) -> int:
        assert size == 100
        room[:came] = raw
        return came

    ends.turn_between(read, ends.sink.fileno())
    assert ends.flow.many is many


@pytest.mark.parametrize(
    ("leg", "name", "value"),
    [
        ("sink", "pending", bytearray(b"before")),
        ("sink", "waiting_frames", {Opcode.PING: b""}),
        ("sink", "output", Output.CLOSING),
        (None, "_carry", b"\x82"),
    ],
)
def test_what_is_not_clear_is_done_by_the_flow(ends: Ends, leg: str | None, name: str, value: object) -> None:
    setattr(ends.flow if leg is None else getattr(ends.flow, leg), name, value)
    ends.into.send(FRAME)
    assert ends.turn() == "pull"
    assert ends.source.recv(100) == FRAME


@pytest.mark.parametrize("unwrap", [False, True])
def test_inside_of_a_large_frame_reads_are_small(compiled: ModuleType, unwrap: bool) -> None:
    """So that they stay in the processor's cache. Around smaller ones they are not: 64 KiB need one."""
    ends = Ends(compiled, unwrap=unwrap)
    ends.make_room(256 << 10)
    frame = data(bytes(4 * PIECE)).encode(MASK)
    header = len(frame) - 4 * PIECE
    rooms: list[int] = []
    taken: list[int] = []

    def read(size: int, room: memoryview) -> int:
        done = sum(taken)
        came = min(size, len(frame) - done) if done else header + 100
        room[:came] = frame[done : done + came]
        rooms.append(size)
        taken.append(came)
        return came

    ends.flow._read_end, ends.flow._write_end = read, len
    while sum(taken) < len(frame):
        ends.turn("unwrap" if unwrap else "relay")
    assert rooms == [256 << 10, PIECE, PIECE, PIECE, 256 << 10]
    assert taken == [header + 100, PIECE, PIECE, PIECE, PIECE - 100]
    assert ends.walk.messages == 1
    ends.close()


def test_payloads_are_unwrapped_and_leave_together(compiled: ModuleType) -> None:
    ends = Ends(compiled, unwrap=True)
    ends.into.send(FRAME * 3 + FRAME[:8])
    assert ends.turn("unwrap") == 3 * len(FRAME) + 8
    assert ends.out.recv(100) == b"pingpingpingpi"
    ends.into.send(FRAME[8:] + data(b"").encode(MASK))
    assert ends.turn("unwrap") == 2 + 6
    assert ends.out.recv(100) == b"ng"
    ends.into.send(data(b"").encode(MASK))
    ends.pump.now = 9.0
    assert ends.turn("unwrap") == 6
    assert (ends.flow.source.last_read, ends.flow.last_moved) == (9.0, 7.5)  # nothing was moved
    ends.into.send(FRAME + data(b"?", Opcode.PING).encode(MASK))
    assert ends.turn("unwrap") == (START, START + len(FRAME), START + len(FRAME) + 7, 0)
    assert ends.buffer[START : ends.walk.out] == b"ping"
    ends.close()


@pytest.mark.parametrize("size", [1, 125, 126, 65535, 65536])
def test_what_comes_is_wrapped(ends: Ends, size: int) -> None:
    del ends.flow.walk, ends.flow._carry
    ends.make_room(64 << 10)
    payload = os.urandom(size)
    ends.flow.sink.waiting_frames = None
    for option in (ends.into, ends.sink):
        option.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    ends.into.send(payload)
    assert ends.turn("wrap") == size
    assert ends.out.recv(1 << 20) == data(payload).encode(None)
    assert (ends.flow._wrapped, ends.flow.octets, ends.flow.last_moved) == (1, size, 7.5)


def test_what_is_wrapped_and_not_taken_is_left_to_the_flow(ends: Ends) -> None:
    with contextlib.suppress(BlockingIOError):
        while True:
            ends.sink.send(bytes(4096))
    ends.into.send(b"pong")
    assert ends.turn("wrap") == (START - 2, START + 4, START + 4, 0)
    assert ends.buffer[START - 2 : START + 4] == b"\x82\x04pong"


def test_a_read_stays_inside_its_area(ends: Ends) -> None:
    ends.flow.read_area = ends.flow.read_area[:8]
    ends.into.send(FRAME * 2)
    assert ends.turn() == 8
    assert ends.out.recv(4096) == FRAME[:8]
    assert ends.turn() == 8


@pytest.mark.parametrize("kind", ["relay", "unwrap", "wrap"])
def test_bytes_that_are_due_are_told_after_their_turn(compiled: ModuleType, kind: str) -> None:
    ends = Ends(compiled, unwrap=kind == "unwrap")
    ends.flow.octets_due = 2 * len(FRAME)
    ends.into.send(FRAME)
    assert ends.turn(kind) == len(FRAME)
    assert ends.flow.reached == ()
    ends.into.send(FRAME)
    assert ends.turn(kind) == len(FRAME)
    assert ends.flow.reached == (2 * len(FRAME),)
    assert ends.out.recv(100)
    ends.close()


@pytest.mark.parametrize("unwrap", [False, True])
def test_messages_that_are_due_are_told_after_their_turn(compiled: ModuleType, unwrap: bool) -> None:
    ends = Ends(compiled, unwrap=unwrap)
    ends.flow.messages_due = 3
    for number, sent in enumerate([FRAME * 2, FRAME[:7], FRAME[7:]]):
        assert ends.flow.reached == ()
        ends.into.send(sent)
        assert ends.turn("unwrap" if unwrap else "relay") == len(sent), number
    assert ends.flow.reached == (3 * len(FRAME),)
    ends.close()


def test_what_is_wrapped_has_no_messages_that_are_due(ends: Ends) -> None:
    ends.flow.messages_due = 0
    for walk in (None, object()):
        ends.flow.walk = walk
        ends.into.send(b"pong")
        assert ends.turn("wrap") == 4
    assert ends.flow.reached == ()


def test_bytes_that_are_due_are_told_whoever_moves_them(ends: Ends) -> None:
    """Also after what was left to the flow, but not after a bug."""
    ends.flow.octets_due = 0
    ends.into.send(FRAME + FRAME[:5])
    assert ends.turn() == (START, START + len(FRAME), START + len(FRAME) + 5, 0)
    assert ends.flow.reached == (len(FRAME) + 5,)
    ends.flow.sink.pending = bytearray(b"x")
    assert ends.turn() == "pull"
    assert ends.flow.reached == (len(FRAME) + 5,) * 2
    ends.flow.walk = None
    with pytest.raises(TypeError):
        ends.turn()
    assert len(ends.flow.reached) == 2


def test_a_read_stays_inside_the_buffer(ends: Ends) -> None:
    ends.pump.buffer = bytearray(START + 8)
    ends.into.send(FRAME)
    assert ends.turn() == 8
    assert len(ends.buffer) == START + 8
    assert ends.out.recv(4096) == FRAME[:8]


@pytest.mark.parametrize("kind", ["relay", "unwrap", "wrap"])
def test_a_message_allocates_nothing(compiled: ModuleType, kind: str) -> None:
    """Neither its round does. What is allocated and freed at once would be the most that was in use."""
    ends = Ends(compiled, unwrap=kind == "unwrap")
    leg = ends.flow.source
    leg.reader = getattr(ends.flow, f"{kind}_turn")
    descriptor = ends.source.fileno()
    legs = [None] * descriptor + [leg]
    with contextlib.closing(select.epoll()) as epoll:
        epoll.register(descriptor, select.EPOLLIN)
        arguments = epoll.fileno(), legs
        serve_round = compiled.serve_round
        ends.into.send(FRAME)
        tracemalloc.start()
        try:
            before, _ = tracemalloc.get_traced_memory()
            tracemalloc.reset_peak()
            ready = serve_round(*arguments)
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert ready == 1
    assert ends.out.recv(100)
    assert most - before < 64  # the numbers of this test itself
    ends.close()


@pytest.mark.parametrize(
    ("place", "name", "value", "error"),
    [
        ("flow", "walk", object(), TypeError),
        ("flow", "walk", None, TypeError),
        ("flow", "pump", object(), TypeError),
        ("flow", "source", None, TypeError),
        ("flow", "sink", object(), TypeError),
        ("flow", "_read_end", "x", TypeError),
        ("flow", "_read_end", -1, ValueError),
        ("flow", "_write_end", None, TypeError),
        ("flow", "_write_end", -1, ValueError),
        ("flow", "read_area", bytearray(100), TypeError),
        ("pump", "buffer", bytes(100), TypeError),
        ("pump", "headroom", 9, TypeError),
        ("pump", "headroom", START + 4096, TypeError),
    ],
)
def test_a_turn_of_something_that_is_no_flow(
    ends: Ends, place: str, name: str, value: object, error: type[Exception]
) -> None:
    setattr(getattr(ends, place), name, value)
    ends.into.send(FRAME)
    with pytest.raises(error):
        ends.turn()


@pytest.mark.parametrize("name", ["walk", "pump", "source", "sink", "_read_end", "_write_end", "read_area"])
def test_a_turn_of_a_flow_without_a_part(ends: Ends, name: str) -> None:
    delattr(ends.flow, name)
    with pytest.raises(TypeError):
        ends.turn()


def test_a_closed_descriptor(ends: Ends) -> None:
    ends.flow._read_end = os.dup(ends.source.fileno())
    os.close(ends.flow._read_end)
    with pytest.raises(OSError, match="Bad file descriptor"):
        ends.turn()


def test_fields_that_go_round_are_collected(ends: Ends, compiled: ModuleType) -> None:
    """A session deletes its references itself; what a bug leaves is the collector's."""
    leg = compiled.LegFields()
    flow = flow_class(compiled)
    gone = weakref.ref(flow)
    flow.source = flow.sink = leg
    leg.reader = flow.relay_turn
    leg.pending = [leg]
    flow.pump = compiled.PumpFields()
    flow.pump.buffer = flow
    del flow, leg
    gc.collect()
    assert gone() is None


class Round:
    """Legs with a socket each, in an epoll set."""

    def __init__(self, compiled: ModuleType, number: int) -> None:
        class Leg(compiled.LegFields):  # type: ignore[name-defined,misc]
            crashed: Exception | None = None

            @property
            def owner(self) -> Any:
                return self

            def crash(self, error: Exception) -> None:
                self.crashed = error

            def handle(self, ready: int) -> None:
                self.handled = ready

        self.serve_round = compiled.serve_round
        self.set = select.epoll()
        self.pairs = [socket.socketpair() for _ in range(number)]
        self.legs: list[Any] = []
        self.served: list[int] = []
        for _, near in self.pairs:
            fd = near.fileno()
            leg = Leg()
            leg.reader = lambda fd=fd: self.served.append(fd)
            self.legs += [None] * (fd + 1 - len(self.legs))
            self.legs[fd] = leg
            self.set.register(fd, select.EPOLLIN)

    def leg(self, number: int) -> Any:
        return self.legs[self.pairs[number][1].fileno()]

    def __call__(self) -> int:
        self.served.clear()
        ready: int = self.serve_round(self.set.fileno(), self.legs)
        return ready

    def close(self) -> None:
        self.set.close()
        for pair in self.pairs:
            for sock in pair:
                sock.close()


@pytest.fixture
def legs(compiled: ModuleType) -> Iterator[Round]:
    made = Round(compiled, 3)
    yield made
    made.close()


def test_a_round_serves_each_leg_that_is_ready_once(legs: Round) -> None:
    assert legs() == 0
    for far, _ in legs.pairs[:2]:
        far.send(b"x")
    assert legs() == 2
    assert sorted(legs.served) == sorted(near.fileno() for _, near in legs.pairs[:2])


def test_other_events_are_handled(legs: Round) -> None:
    legs.set.modify(legs.pairs[0][1].fileno(), select.EPOLLIN | select.EPOLLOUT)
    legs.pairs[1][0].close()
    assert legs() == 2
    assert legs.leg(0).handled == select.EPOLLOUT
    assert legs.leg(1).handled == select.EPOLLIN | select.EPOLLHUP
    assert not legs.served


def test_descriptors_that_are_no_legs(legs: Round) -> None:
    for far, _ in legs.pairs:
        far.send(b"x")
    legs.legs[legs.pairs[0][1].fileno()] = None
    assert legs() == 3
    assert len(legs.served) == 2
    legs.legs.clear()
    assert legs() == 3
    assert not legs.served


def test_an_exception_is_its_owners(legs: Round) -> None:
    """And the other legs are served."""
    for far, _ in legs.pairs:
        far.send(b"x")
    legs.leg(1).reader = lambda: 1 / 0
    assert legs() == 3
    assert len(legs.served) == 2
    error = legs.leg(1).crashed
    assert isinstance(error, ZeroDivisionError)
    assert error.__traceback__ is not None


def test_what_is_no_bug_of_a_session_ends_the_round(legs: Round) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    legs.pairs[0][0].send(b"x")
    legs.leg(0).reader = interrupted
    with pytest.raises(KeyboardInterrupt):
        legs()
    legs.leg(0).reader = lambda: 1 / 0
    legs.leg(0).crash = lambda error: {}[error]
    with pytest.raises(KeyError):
        legs()
    assert legs.leg(0).crashed is None


class Edge:
    """A leg whose flow moves frames from one socket to another, edge-triggered in a set."""

    def __init__(self, compiled: ModuleType, legs: Round) -> None:
        self.ends = Ends(compiled)
        self.legs = legs
        self.leg = legs.leg(0)
        self.fd = self.ends.source.fileno()
        legs.legs += [None] * (self.fd + 1 - len(legs.legs))
        legs.legs[self.fd] = self.leg
        self.leg.reader = self.ends.flow.relay_turn
        self.leg.interest = READABLE | EDGE
        legs.set.register(self.fd, self.leg.interest)

    def events(self) -> list[tuple[int, int]]:
        return self.legs.set.poll(0)

    def close(self) -> None:
        self.ends.close()


@pytest.fixture
def edge(compiled: ModuleType, legs: Round) -> Iterator[Edge]:
    made = Edge(compiled, legs)
    yield made
    made.close()


def test_a_turn_that_has_taken_all_asks_for_no_event(edge: Edge) -> None:
    """The set would refuse it, for the socket has left it meanwhile."""

    def write(data: memoryview) -> int:
        edge.legs.set.unregister(edge.fd)
        return len(data)

    edge.ends.flow._write_end = write
    edge.ends.into.send(FRAME)
    assert edge.legs() == 1
    assert edge.events() == []
    assert edge.leg.crashed is None


def test_a_full_read_is_followed_by_another(edge: Edge) -> None:
    edge.ends.make_room(2 * len(FRAME))
    edge.ends.into.send(FRAME * 5)
    assert [edge.legs() for _ in range(4)] == [1, 1, 1, 0]
    assert edge.ends.out.recv(100) == FRAME * 5
    assert edge.leg.interest == READABLE | EDGE


def test_a_round_moves_as_much_of_a_large_frame_as_one_large_read_takes(edge: Edge) -> None:
    """Piece by piece, and then the others have their turn."""
    ends = edge.ends
    ends.make_room(256 << 10)
    for sock in ends.into, ends.sink:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    frame = data(bytes(6 * PIECE)).encode(MASK)
    header = len(frame) - 6 * PIECE
    ends.into.send(frame[: header + 100])
    assert edge.legs() == 1
    assert len(ends.out.recv(1 << 20)) == header + 100
    ends.into.send(frame[header + 100 :][: 5 * PIECE])
    moved = []
    while edge.legs():
        moved.append(len(ends.out.recv(1 << 20)))
    assert moved == [4 * PIECE, PIECE]


def test_a_turn_in_python_is_followed_by_another_event_while_bytes_are_there(edge: Edge) -> None:
    taken: list[bytes] = []
    edge.leg.reader = lambda: taken.append(edge.ends.source.recv(len(FRAME)))
    edge.ends.into.send(FRAME * 2)
    assert [edge.legs() for _ in range(3)] == [1, 1, 0]
    assert taken == [FRAME, FRAME]
    edge.leg.reader = lambda: 1 / 0
    edge.ends.into.send(FRAME)
    assert [edge.legs(), edge.legs()] == [1, 1]  # nor is it forgotten after a bug, if it is still read


@pytest.mark.parametrize("last", [b"", FRAME])
def test_the_end_of_the_peer_is_found_behind_its_last_bytes(edge: Edge, last: bytes) -> None:
    edge.ends.into.send(last)
    edge.ends.into.shutdown(socket.SHUT_WR)
    edge.ends.flow.left = None
    assert edge.legs() == 1
    assert edge.ends.flow.left == (None if last else "end")
    assert edge.leg.interest == READABLE  # its end stays, and would be told for ever
    assert edge.legs() == 1
    assert edge.ends.flow.left == "end"


def test_a_leg_that_is_not_waited_for_any_more_is_left_alone(edge: Edge) -> None:
    def stop() -> None:
        edge.legs.set.unregister(edge.fd)
        edge.leg.interest = 0

    edge.leg.reader = stop
    edge.ends.into.send(FRAME)
    assert edge.legs() == 1
    assert edge.events() == []


def test_a_set_that_has_lost_an_edge_triggered_leg_is_a_bug(edge: Edge) -> None:
    edge.leg.reader = lambda: edge.legs.set.unregister(edge.fd)
    edge.ends.into.send(FRAME)
    with pytest.raises(FileNotFoundError):
        edge.legs()


def test_a_round_of_something_that_is_none(legs: Round) -> None:
    calls: list[tuple[Any, ...]] = [(), (1,), (legs.set.fileno(), ()), ("x", [])]
    for arguments in calls:
        with pytest.raises(TypeError):
            legs.serve_round(*arguments)
    with pytest.raises(OSError, match="Invalid argument"):
        legs.serve_round(legs.pairs[0][0].fileno(), [])
    legs.pairs[0][0].send(b"x")
    legs.legs[legs.pairs[0][1].fileno()] = object()
    with pytest.raises(AttributeError):
        legs()


def test_it_goes_with_the_compiled_kernel() -> None:
    """Both or neither; relay/ is tested whole on either (.ci/run)."""
    assert (fast_path.serve_round is not None) is fast_path.COMPILED is kernel.COMPILED
    assert "compiled" in fast_path.STATUS if kernel.COMPILED else fast_path.STATUS == "messages are passed on in Python"


def test_without_it_the_log_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "COMPILED", True)
    monkeypatch.delattr("wsgate.relay._fast_path", raising=False)
    monkeypatch.setitem(sys.modules, "wsgate.relay._fast_path", None)
    namespace: dict[str, Any] = {"__name__": "wsgate.relay.fast_path"}
    with open(fast_path.__file__) as file:
        exec(compile(file.read(), fast_path.__file__, "exec"), namespace)
    assert namespace["serve_round"] is None
    assert namespace["STATUS"].startswith("messages are passed on in Python: ")


def test_without_the_end_of_its_file_it_is_left_alone(compiled: ModuleType, tmp_path: Path) -> None:
    """In a process of its own: what loads such a file gets SIGBUS. The kernel is whole, and used."""
    package = tmp_path / "wsgate"
    shutil.copytree(Path(wsgate.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    file = package / "relay" / Path(str(compiled.__file__)).name  # beside it are those of other Pythons
    file.write_bytes(file.read_bytes()[:20_000])
    code = "from wsgate.relay import fast_path; print(fast_path.kernel.COMPILED, fast_path.COMPILED, fast_path.STATUS)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path), "WSGATE_PURE": "0"},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"True False messages are passed on in Python: {file} is cut, it has ")
