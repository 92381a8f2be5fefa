"""The compiled read, walk and write: what it does in one call, and what it leaves to the flow."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from tests.peers.frames import MASK
from tests.peers.sockets import reset, tcp_pair
from tests.relay.joined import data
from wsgate.net.tls.transport import TLS_RECORD
from wsgate.relay import fast_relay
from wsgate.wire import kernel
from wsgate.wire.frames import Opcode
from wsgate.wire.walk import CONTROL, DONE, FAULT, INCOMPLETE

START = 16
FRAME = data(b"ping").encode(MASK)


@pytest.fixture(scope="module")
def compiled() -> ModuleType:
    try:
        from wsgate.relay import _fast_relay
    except ImportError as error:
        pytest.skip(f"{error}: install wsgate anew where there is a C compiler, and the headers of this Python")
    return _fast_relay


class Ends:
    """A source that the test writes to, a sink that it reads from, and a walk between them."""

    def __init__(self, compiled: ModuleType, kind: int = socket.SOCK_STREAM) -> None:
        from wsgate.wire import _kernel

        self.into, self.source = socket.socketpair(socket.AF_UNIX, kind)
        self.sink, self.out = socket.socketpair(socket.AF_UNIX, kind)
        for sock in (self.into, self.source, self.sink, self.out):
            sock.setblocking(False)
        self.walk = _kernel.FrameWalk(masked=True)
        self.buffer = bytearray(START + 4096)
        self._compiled = compiled

    def relay_once(self) -> Any:
        return self._compiled.relay_once(self.walk, self.source.fileno(), self.sink.fileno(), self.buffer, START)

    def relay_between(self, source: Any, sink: Any) -> Any:
        return self._compiled.relay_once(self.walk, source, sink, self.buffer, START)

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
    assert ends.relay_once() == len(raw)
    assert ends.out.recv(4096) == raw
    assert ends.buffer[:START] == bytes(START)
    assert (ends.walk.halt, ends.walk.messages, ends.walk.left) == (DONE, 3, 2)
    ends.into.send(FRAME[8:])
    assert ends.relay_once() == 2
    assert ends.out.recv(4096) == FRAME[8:]
    assert (ends.walk.messages, ends.walk.left) == (4, 0)


def test_one_call_is_one_read_and_one_write(compiled: ModuleType) -> None:
    """Between packets: a second read would take the second packet, a second write would make another."""
    ends = Ends(compiled, socket.SOCK_SEQPACKET)
    for _ in range(2):
        ends.into.send(FRAME * 5)
    assert ends.relay_once() == len(FRAME) * 5
    assert ends.out.recv(4096) == FRAME * 5
    with pytest.raises(BlockingIOError):
        ends.out.recv(4096)
    assert ends.relay_once() == len(FRAME) * 5
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
    assert ends.relay_once() == (len(raw), START + stop, 0)
    assert ends.walk.halt == halt
    assert ends.buffer[START : START + len(raw)] == raw
    with pytest.raises(BlockingIOError):
        ends.out.recv(4096)  # not even the frames before it: the flow knows their order


def test_what_the_sink_does_not_take_is_left_to_the_flow(ends: Ends) -> None:
    ends.sink.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    ends.buffer = bytearray(START + (64 << 10))
    raw = data(os.urandom(40_000)).encode(MASK)
    ends.into.send(raw)
    size, stop, sent = ends.relay_once()
    assert (size, stop) == (len(raw), START + len(raw))
    assert 0 < sent < size
    assert ends.out.recv(1 << 20) == raw[:sent]
    assert ends.buffer[START : START + size] == raw
    assert ends.walk.halt == DONE


def test_a_sink_that_takes_nothing(ends: Ends) -> None:
    with contextlib.suppress(BlockingIOError):
        while True:
            ends.sink.send(bytes(4096))
    ends.into.send(FRAME)
    assert ends.relay_once() == (len(FRAME), START + len(FRAME), 0)
    assert ends.walk.halt == DONE


def test_a_read_that_finds_nothing(ends: Ends) -> None:
    with pytest.raises(BlockingIOError):
        ends.relay_once()


def test_the_end_of_the_stream(ends: Ends) -> None:
    ends.into.close()
    assert ends.relay_once() == 0


def test_a_source_that_was_reset(compiled: ModuleType) -> None:
    ends = Ends(compiled)
    far, near = tcp_pair()
    reset(near)
    ends.source.close()
    ends.source = far
    with pytest.raises(ConnectionResetError):
        ends.relay_once()
    ends.close()


def test_a_sink_that_is_gone_is_no_exception_and_no_signal(ends: Ends) -> None:
    ends.out.close()
    ends.into.send(FRAME)
    assert ends.relay_once() == (len(FRAME), START + len(FRAME), 0)


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

    assert ends.relay_between(read, write) == len(FRAME)
    assert written == [FRAME]
    assert ends.buffer[START : START + len(FRAME)] == FRAME
    assert ends.walk.messages == 1


def test_a_read_of_tls_that_fails_is_told(ends: Ends) -> None:
    def wants_more(size: int, room: memoryview) -> int:
        raise ssl.SSLWantReadError

    with pytest.raises(ssl.SSLWantReadError):
        ends.relay_between(wants_more, ends.sink.fileno())
    assert ends.relay_between(lambda size, room: 0, ends.sink.fileno()) == 0
    for lie in (1 << 20, -2, None):
        with pytest.raises((ValueError, TypeError, SystemError)):
            ends.relay_between(lambda size, room, lie=lie: lie, ends.sink.fileno())


def test_a_write_of_tls_that_fails_is_left_to_the_flow(ends: Ends) -> None:
    def wants_room(data: memoryview) -> int:
        raise ssl.SSLWantWriteError

    ends.into.send(FRAME)
    assert ends.relay_between(ends.source.fileno(), wants_room) == (len(FRAME), START + len(FRAME), 0)

    def bug(data: memoryview) -> int:
        raise ZeroDivisionError

    ends.into.send(FRAME)
    with pytest.raises(ZeroDivisionError):
        ends.relay_between(ends.source.fileno(), bug)


def test_more_than_a_record_is_left_to_the_flow(ends: Ends) -> None:
    """It is written record by record."""
    ends.buffer = bytearray(START + (64 << 10))
    raw = data(bytes(TLS_RECORD)).encode(MASK)
    ends.into.send(raw)
    assert ends.relay_between(ends.source.fileno(), lambda data: 1 / 0) == (len(raw), START + len(raw), 0)


def test_a_read_stays_inside_the_buffer(ends: Ends) -> None:
    ends.buffer = bytearray(START + 8)
    ends.into.send(FRAME)
    assert ends.relay_once() == 8
    assert len(ends.buffer) == START + 8
    assert ends.out.recv(4096) == FRAME[:8]


@pytest.mark.parametrize(
    ("place", "value", "error"),
    [
        (0, object(), TypeError),
        (0, None, TypeError),
        (1, "x", TypeError),
        (1, -1, ValueError),
        (2, None, TypeError),
        (3, bytes(100), TypeError),
        (4, "x", TypeError),
        (4, -1, ValueError),
        (4, START + 4096, ValueError),
        (4, 1 << 70, OverflowError),
    ],
)
def test_a_wrong_call(ends: Ends, compiled: ModuleType, place: int, value: object, error: type[Exception]) -> None:
    arguments = [ends.walk, ends.source.fileno(), ends.sink.fileno(), ends.buffer, START]
    arguments[place] = value
    with pytest.raises(error):
        compiled.relay_once(*arguments)
    with pytest.raises(TypeError, match="5 arguments"):
        compiled.relay_once(*arguments[:4])


def test_a_closed_descriptor(ends: Ends) -> None:
    fd = os.dup(ends.source.fileno())
    os.close(fd)
    with pytest.raises(OSError, match="Bad file descriptor"):
        ends._compiled.relay_once(ends.walk, fd, ends.sink.fileno(), ends.buffer, START)


def test_it_goes_with_the_compiled_kernel() -> None:
    """Both or neither; relay/ is tested whole on either (.ci/run)."""
    assert (fast_relay.relay_once is not None) is kernel.COMPILED
    assert (
        "compiled" in fast_relay.STATUS if kernel.COMPILED else fast_relay.STATUS == "messages are passed on in Python"
    )


def test_without_it_the_log_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "COMPILED", True)
    monkeypatch.delattr("wsgate.relay._fast_relay", raising=False)
    monkeypatch.setitem(sys.modules, "wsgate.relay._fast_relay", None)
    namespace: dict[str, Any] = {"__name__": "wsgate.relay.fast_relay"}
    with open(fast_relay.__file__) as file:
        exec(compile(file.read(), fast_relay.__file__, "exec"), namespace)
    assert namespace["relay_once"] is None
    assert namespace["STATUS"].startswith("messages are passed on in Python: ")
