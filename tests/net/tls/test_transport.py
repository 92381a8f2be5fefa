"""TLS on the data plane: the same promises, and the traps that only TLS has."""

from __future__ import annotations

import contextlib
import random
import socket
import ssl
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from tests.descriptors import descriptors
from tests.peers.frames import MASK, Frame, close_frame
from tests.peers.sockets import reset
from tests.relay.joined import Peer, Session, TlsEnd, data, session, tls_pair
from wsgate.net.tls.transport import TLS_RECORD, TlsTransport
from wsgate.relay.closing import Cause
from wsgate.relay.leg import Leg
from wsgate.relay.poller import READABLE, WRITABLE
from wsgate.relay.pump import READ_SIZE, Pump
from wsgate.wire.frames import Opcode

TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
BUFFER = 4096  # bytes asked of the kernel for each socket buffer

versions = pytest.mark.parametrize("version", [TLS12, TLS13], ids=["1.2", "1.3"])


# -- the socket alone --------------------------------------------------------------------------------------------------


@versions
def test_a_read_takes_full_records_until_the_room_is_full(version: ssl.TLSVersion) -> None:
    ours, theirs = tls_pair(None, version, server_side=True)
    sent = random.Random(1).randbytes(3 * TLS_RECORD + 100)
    for at in range(0, len(sent), TLS_RECORD):
        theirs.ssl.send(sent[at : at + TLS_RECORD])
    room = memoryview(bytearray(READ_SIZE))
    assert ours.recv_into(room) == len(sent)
    assert bytes(room[: len(sent)]) == sent
    assert not ours.more
    with pytest.raises(BlockingIOError):
        ours.recv_into(room)
    ours.close()
    theirs.close()


@versions
def test_what_the_rooms_end_has_cut_is_known_to_be_there(version: ssl.TLSVersion) -> None:
    ours, theirs = tls_pair(None, version, server_side=True)
    theirs.ssl.send(b"x" * 1000)
    assert ours.recv(600) == b"x" * 600
    assert ours.more
    assert ours.recv(600) == b"x" * 400
    assert not ours.more
    ours.close()
    theirs.close()


@versions
def test_what_the_fast_paths_room_has_cut_is_looked_for(version: ssl.TLSVersion) -> None:
    ours, theirs = tls_pair(None, version, server_side=True)
    theirs.ssl.send(b"x" * 1000)
    room = memoryview(bytearray(500))
    for more in (True, False):
        assert ours.read_end(len(room), room) == 500
        ours.look_for_more()
        assert ours.more is more
    ours.close()
    theirs.close()


def test_an_error_behind_good_bytes_is_raised_by_the_next_read() -> None:
    ours, theirs = tls_pair(None, TLS13, server_side=True)
    theirs.ssl.send(b"x" * TLS_RECORD)
    socket.socket.send(theirs.ssl, b"\x17\x03\x03\x00\x20" + bytes(32))  # a record that cannot be decrypted
    room = memoryview(bytearray(READ_SIZE))
    assert ours.recv_into(room) == TLS_RECORD
    assert ours.more
    for _ in range(2):
        with pytest.raises(ssl.SSLError, match="DECRYPTION_FAILED_OR_BAD_RECORD_MAC"):
            ours.recv_into(room)
    ours.close()
    theirs.close()


@versions
@pytest.mark.parametrize("server_side", [True, False])
def test_close_notify_and_fin_leave_the_other_direction_open(version: ssl.TLSVersion, server_side: bool) -> None:
    """What the peer had sent by then, and what it sends after it, arrives."""
    ours, theirs = tls_pair(None, version, server_side=server_side)
    before = descriptors()
    theirs.ssl.send(b"before")
    ours.shutdown(socket.SHUT_WR)
    assert descriptors() == before
    assert theirs.ssl.recv(100) == b""  # a clean end: one without close_notify would raise
    theirs.ssl.send(b"after")
    received = b""
    while len(received) < 11:
        with contextlib.suppress(BlockingIOError):
            received += ours.recv(100)
    assert received == b"beforeafter"
    theirs.shutdown(socket.SHUT_WR)
    assert ours.recv(100) == b""
    assert ours.recv(100) == b""
    ours.close()
    theirs.close()


@versions
def test_an_end_without_close_notify_is_an_error(version: ssl.TLSVersion) -> None:
    ours, theirs = tls_pair(None, version, server_side=True)
    socket.socket.shutdown(theirs.ssl, socket.SHUT_WR)
    with pytest.raises(ConnectionAbortedError, match="TLS ended without close_notify"):
        ours.recv(100)
    ours.close()
    theirs.close()


def cut_as_reason() -> ssl.SSLError:
    error = ssl.SSLError(ssl.SSL_ERROR_SSL, "[SSL: UNEXPECTED_EOF_WHILE_READING] unexpected eof while reading")
    error.reason = "UNEXPECTED_EOF_WHILE_READING"
    return error


def cut_as_class() -> ssl.SSLError:
    error = ssl.SSLEOFError(ssl.SSL_ERROR_EOF, "EOF occurred in violation of protocol")
    error.reason = None  # type: ignore[assignment]
    return error


@pytest.mark.parametrize("make", [cut_as_reason, cut_as_class])
def test_an_end_without_close_notify_is_known_as_each_python_tells_it(make: Callable[[], ssl.SSLError]) -> None:
    """By its reason alone by Python 3.11.2; by its class alone with OpenSSL 1.1.1."""
    ours, theirs = tls_pair(None, TLS13, server_side=True)

    def read(*size_and_room: Any) -> Any:
        raise make()

    ours.read = read
    with pytest.raises(ConnectionAbortedError, match="TLS ended without close_notify"):
        ours.recv(100)
    ours.close()
    theirs.close()


@versions
def test_what_the_kernel_does_not_take_is_offered_again(version: ssl.TLSVersion) -> None:
    ours, theirs = tls_pair(BUFFER, version, server_side=True)
    rest = memoryview(sent := random.Random(2).randbytes(1 << 20))
    received = b""
    blocked = 0
    while len(received) < len(sent):
        try:
            while rest:
                rest = rest[ours.send(rest) :]
        except BlockingIOError:
            blocked += 1
        with contextlib.suppress(ssl.SSLWantReadError):
            received += theirs.ssl.recv(1 << 16)
    assert blocked > 10
    assert received == sent
    ours.close()
    theirs.close()


def test_shutting_down_a_connection_that_is_reset_says_so() -> None:
    ours, theirs = tls_pair(None, TLS13, server_side=True)
    reset(theirs.ssl)
    with pytest.raises(OSError, match=r"not connected|reset"):
        ours.shutdown(socket.SHUT_WR)
    ours.close()


# -- sessions ----------------------------------------------------------------------------------------------------------


@versions
@pytest.mark.parametrize("mode", ["relay", "tunnel"])
async def test_16_mib_each_way_at_once_through_tiny_buffers(pump: Pump, version: ssl.TLSVersion, mode: str) -> None:
    """In real time: TCP with tiny buffers pauses for longer than a virtual clock waits."""
    up, down = random.Random(3).randbytes(16 << 20), random.Random(4).randbytes(16 << 20)
    async with session(pump, mode=mode, buffer=BUFFER, tls=version) as running, trio.open_nursery() as nursery:

        @nursery.start_soon
        async def client() -> None:
            received = bytearray()
            while len(received) < len(down):
                received += (await running.client.receive()).payload
            assert received == down

        @nursery.start_soon
        async def backend() -> None:
            if mode == "relay":
                assert (await running.backend.receive()).payload == up
            else:
                assert await running.backend.read(len(up)) == up

        nursery.start_soon(running.client.send, data(up))
        nursery.start_soon(running.backend.write, data(down).encode(None) if mode == "relay" else down)


@versions
async def test_bytes_inside_openssl_need_no_event(
    pump: Pump, autojump_clock: MockClock, version: ssl.TLSVersion
) -> None:
    """Records that do not fit the buffer's end: the last part is read although the kernel has nothing more."""
    async with session(pump, tls=version) as running:
        raw = data(b"x" * (10 * READ_SIZE + 5)).encode(MASK)
        assert isinstance(running.client.sock, TlsEnd)
        async with trio.open_nursery() as nursery:

            @nursery.start_soon
            async def send() -> None:
                await running.client.write(raw[:100])  # so that no later record ends where the buffer does
                await running.client.write(raw[100:])

            assert await running.backend.read(len(raw)) == raw


async def test_bytes_left_inside_by_the_handshakes_last_read_are_served(
    pump: Pump, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control plane may have read half of a record."""

    def half_read(
        buffer: int | None, version: ssl.TLSVersion, *, server_side: bool, unix: bool
    ) -> tuple[TlsTransport, TlsEnd]:
        ours, theirs = tls_pair(buffer, version, server_side=server_side, unix=unix)
        if server_side:
            theirs.ssl.send(b"head" + data(b"in the same record").encode(MASK))
            assert ours.recv(4) == b"head"
        return ours, theirs

    monkeypatch.setattr("tests.relay.joined.tls_pair", half_read)
    async with session(pump, tls=TLS13) as running:
        assert await running.backend.receive() == data(b"in the same record")


async def test_what_breaks_behind_good_bytes_is_seen_without_another_event(
    pump: Pump, autojump_clock: MockClock
) -> None:
    async with session(pump, tls=TLS13) as running:
        assert isinstance(running.client.sock, TlsEnd)
        raw = data(b"x" * (2 * TLS_RECORD)).encode(MASK)
        running.client.sock.ssl.send(raw[:TLS_RECORD])
        socket.socket.send(running.client.sock.ssl, b"\x17\x03\x03\x00\x20" + bytes(32))
        assert await running.backend.read(TLS_RECORD) == raw[:TLS_RECORD]
        assert await running.backend.read_all() == b""
        assert "bad record mac" in running.session.outcome().detail.lower().replace("_", " ")


@versions
async def test_a_read_that_has_to_write_first_is_tried_when_it_can(
    pump: Pump, autojump_clock: MockClock, version: ssl.TLSVersion
) -> None:
    async with session(pump, tls=version) as running:
        leg = running.client_leg
        tls = leg.transport
        assert isinstance(tls, TlsTransport)
        real, wants_write = tls.read, True

        def read_into(size: int, room: memoryview) -> Any:
            """As OpenSSL does where the answer to a key update finds the kernel full."""
            if wants_write:
                raise ssl.SSLWantWriteError
            return real(size, room)

        change(running, leg, read=read_into)
        await running.client.send(data(b"hello"))
        while not tls.wants_write:
            await trio.lowlevel.checkpoint()
        assert leg.interest == READABLE | WRITABLE
        wants_write = False
        assert await running.backend.receive() == data(b"hello")
        assert leg.interest == READABLE


@versions
@pytest.mark.parametrize("mode", ["relay", "tunnel"])
async def test_a_close_ends_both_connections_cleanly(
    pump: Pump, autojump_clock: MockClock, version: ssl.TLSVersion, mode: str
) -> None:
    async with session(pump, mode=mode, tls=version) as running:
        await running.client.send(data(b"question"), close_frame(1000, "done"))
        if mode == "relay":
            assert await running.backend.receive() == data(b"question")
            assert await running.backend.receive() == close_frame(1000, "done")
            await running.backend.send(data(b"answer"), close_frame(1000, "done"))
        else:
            assert await running.backend.read_all() == b"question"  # close_notify: else it would raise
            await running.backend.write(b"answer")
        running.backend.finish()
        assert await running.client.receive() == data(b"answer")
        assert await running.client.receive() == close_frame(1000, "done")
        assert await running.client.read_all() == b""
        running.client.finish()
        outcome = await running.outcome()
    assert outcome.cause is Cause.CLOSED


@versions
async def test_a_service_that_is_cut_off_is_told_from_one_that_ends(
    pump: Pump, autojump_clock: MockClock, version: ssl.TLSVersion
) -> None:
    async with session(pump, mode="tunnel", tls=version) as running:
        await running.backend.write(b"half of an ans")
        assert isinstance(running.backend.sock, TlsEnd)
        socket.socket.shutdown(running.backend.sock.ssl, socket.SHUT_WR)
        assert await running.client.receive() == data(b"half of an ans")
        assert await running.client.receive() == close_frame(1011, "backend connection lost")
        outcome = running.session.outcome()
    assert (outcome.cause, outcome.detail) == (Cause.GONE, "connection lost: TLS ended without close_notify")


async def test_a_service_that_ends_cleanly_is_1000(pump: Pump, autojump_clock: MockClock) -> None:
    async with session(pump, mode="tunnel", tls=TLS13) as running:
        running.backend.finish()
        assert await running.client.receive() == close_frame(1000, "Target closed")


async def test_a_message_costs_one_read_and_one_write_of_openssl(pump: Pump, autojump_clock: MockClock) -> None:
    calls: Counter[str] = Counter()
    async with session(pump, tls=TLS13) as running:

        def counted(name: str, call: Any) -> Any:
            def counting(*arguments: object) -> object:
                calls[name] += 1
                return call(*arguments)

            return counting

        # the first read of each leg also takes the tickets of TLS 1.3
        await exchange(running.client, running.backend)
        for leg in (running.client_leg, running.backend_leg):
            tls = leg.transport
            assert isinstance(tls, TlsTransport)
            change(running, leg, read=counted("recv", tls.read), write=counted("send", tls.write))
        for _ in range(10):
            await exchange(running.client, running.backend)
        assert calls == {"recv": 20, "send": 20}


def change(running: Session, leg: Leg, *, read: Any = None, write: Any = None) -> None:
    """Have a leg's TLS read and write otherwise, also where the compiled fast path has both in its hands."""
    tls = leg.transport
    assert isinstance(tls, TlsTransport)
    for flow in running.session._flows:
        parts: Any = flow
        if read is not None and flow.source is leg:
            tls.read = parts._read_end = read
        if write is not None and flow.sink is leg:
            tls.write = parts._write_end = write


async def exchange(client: Peer, backend: Peer) -> None:
    await client.send(data(b"ping"))
    assert await backend.receive() == data(b"ping")
    await backend.send(Frame(Opcode.TEXT, b"pong"))
    assert await client.receive() == Frame(Opcode.TEXT, b"pong")
