"""Every fault of RFC 6455 §5 to §7 from either side, in every cutting, and all other irregular ends of a session.

On socket pairs with the real pump, in virtual time. ``tests/relay`` has the tests with peers that follow the protocol.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable

import pytest
import trio
from trio.testing import MockClock

from tests.peers.frames import BINARY, CLOSE, CONTINUATION, MASK, PING, PONG, TEXT, Frame, close_frame
from wsgate.relay.closing import Cause, Side
from wsgate.relay.pump import Pump

from ..relay.joined import CLOSE_TIMEOUT, Peer, Session, session
from .faults import BAD_TEXT, COMPRESSED, FAULTS, IN_FRONT, LIMIT, Encode
from .peers import LEAVE, flood, settle, split_close

GOOD = Frame(BINARY, b"before")
JUNK = b"\x81\x00\x82\x7fbehind" * 3


async def misbehave(running: Session, side: Side, data: bytes, cut: int) -> tuple[bytes, bytes]:
    """Send ``data`` in two parts, then more; all that this side and the other side get until the end."""
    faulty, other = running.sides(side)
    with contextlib.suppress(OSError):  # found in the first part, and perhaps the connection is over
        await faulty.write(data[:cut])
        await settle()
        await faulty.write(data[cut:] + JUNK)
        await settle()
        faulty.finish()
    other.finish()
    return await faulty.read_all(), await other.read_all()


def cuts(start: int, end: int) -> list[int]:
    """Every place, but for the middle of long payloads."""
    return [cut for cut in range(start, end + 1) if cut < start + 40 or cut > end - 40 or not cut % 37]


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("name", FAULTS)
async def test_a_fault_in_a_relay(pump: Pump, side: Side, name: str) -> None:
    """Its sender gets the code, the other side 1001 or 1011, and no byte of the invalid frame."""
    wrong, expected = FAULTS[name]
    await check_fault_in_relay(pump, side, wrong, expected)


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("name", COMPRESSED)
async def test_a_fault_in_a_relay_that_compresses(pump: Pump, side: Side, name: str) -> None:
    await check_fault_in_relay(pump, side, COMPRESSED[name], 1002, compression=True)


async def check_fault_in_relay(
    pump: Pump, side: Side, wrong: Encode, expected: int, *, compression: bool = False
) -> None:
    key = MASK if side is Side.CLIENT else None
    data = GOOD.encode(key) + wrong(key)
    for cut in cuts(len(GOOD.encode(key)), len(data)):
        async with session(pump, limit=LIMIT, compression=compression) as running:
            to_faulty, to_other = await misbehave(running, side, data, cut)
            assert split_close(to_faulty) == (b"", expected), cut
            passed, code = split_close(to_other)
            assert code == (1001 if side is Side.CLIENT else 1011)
            assert data.startswith(passed)
            assert len(GOOD.encode(key)) <= len(passed) < len(data)
            outcome = await running.outcome()
        assert (outcome.cause, outcome.side) == (Cause.TOO_BIG if expected == 1009 else Cause.FAULT, side)
        assert 0 < len(outcome.detail) < 124


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("name", BAD_TEXT)
async def test_bad_text_in_a_relay(pump: Pump, side: Side, name: str) -> None:
    """As above, but part of its frame may be there already: then the connection ends inside it (no Close is data)."""
    key = MASK if side is Side.CLIENT else None
    data = GOOD.encode(key) + BAD_TEXT[name](key)
    for cut in range(len(GOOD.encode(key)), len(data) + 1):
        async with session(pump, limit=LIMIT) as running:
            to_faulty, to_other = await misbehave(running, side, data, cut)
            assert split_close(to_faulty) == (b"", 1007), cut
            passed, code = split_close(to_other)
            assert data.startswith(passed)
            assert len(passed) < len(data)
            assert code == (1001 if side is Side.CLIENT else 1011) or (
                code is None and len(passed) > len(GOOD.encode(key))
            )
            outcome = await running.outcome()
        assert (outcome.cause, outcome.side) == (Cause.FAULT, side)


@pytest.mark.parametrize("name", FAULTS.keys() - {"over the limit in fragments"})  # a tunnel has no messages
async def test_a_fault_in_a_tunnel(pump: Pump, name: str) -> None:
    wrong, expected = FAULTS[name]
    data = GOOD.encode(MASK) + wrong(MASK)
    for cut in cuts(len(GOOD.encode(MASK)), len(data)):
        async with session(pump, mode="tunnel", limit=LIMIT) as running:
            to_client, to_service = await misbehave(running, Side.CLIENT, data, cut)
            answers, code = split_close(to_client)
            assert code == expected, cut
            assert answers == (Frame(PONG).encode(None) if name == "binary in a message" else b"")
            assert to_service == b"before" + IN_FRONT.get(name, b"")
            outcome = await running.outcome()
        assert (outcome.cause, outcome.side) == (Cause.TOO_BIG if expected == 1009 else Cause.FAULT, Side.CLIENT)


@pytest.mark.parametrize("opcode", [TEXT, CONTINUATION])
async def test_text_where_a_tunnel_rejects_it(pump: Pump, opcode: int) -> None:
    """Also at the beginning of a fragmented message; at the header, before the payload has come."""
    async with session(pump, mode="tunnel", accept_text=False) as running:
        await running.client.write(Frame(TEXT, b"te", fin=opcode == TEXT).encode(MASK)[:6])
        await settle()
        running.backend.finish()
        running.client.finish()
        assert await running.backend.read_all() == b""
        assert split_close(await running.client.read_all()) == (b"", 1003)


# -- the end, and after it ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", Side)
async def test_a_close_in_mid_message_and_data_behind_it(pump: Pump, side: Side) -> None:
    """Valid (§5.4 lets control frames stand between fragments), the last that counts (§5.5.1), cut anywhere."""
    key = MASK if side is Side.CLIENT else None
    first, last = Frame(TEXT, b"unfin", fin=False).encode(key), Frame(CLOSE, b"\x03\xe8").encode(key)
    behind = Frame(CONTINUATION, b"ished").encode(key) + Frame(PING, b"?").encode(key)
    data = first + last + behind
    for cut in range(len(data)):
        async with session(pump) as running:
            to_sender, to_other = await misbehave(running, side, data, cut)
            assert split_close(to_other) == (first, 1000)
            assert split_close(to_sender) == (b"", 1000)
            outcome = await running.outcome()
        assert (outcome.cause, outcome.side) == (Cause.CLOSED, side)


@pytest.mark.parametrize("side", Side)
async def test_a_peer_that_never_answers_close(pump: Pump, autojump_clock: MockClock, side: Side) -> None:
    """It reads and keeps sending. It is cut after the close timeout, and the other side has its answer then."""
    async with session(pump) as running:
        talking, closing = running.sides(side)
        began = trio.current_time()
        await closing.send(close_frame(1000))
        assert await talking.receive() == close_frame(1000)
        with contextlib.suppress(OSError):
            for _ in range(3 * int(CLOSE_TIMEOUT)):
                await talking.send(Frame(BINARY, b"and another thing"))
                await trio.sleep(1)
        closing.finish()
        outcome = await running.outcome()
        assert CLOSE_TIMEOUT <= trio.current_time() - began <= 2 * CLOSE_TIMEOUT + 0.001
        told = await closing.read_all()
    assert split_close(told)[1] is not None
    assert (outcome.cause, outcome.side) == (Cause.CLOSED, Side.BACKEND if side is Side.CLIENT else Side.CLIENT)


@LEAVE
@pytest.mark.parametrize("side", Side)
async def test_a_peer_that_leaves_instead_of_answering_close(
    pump: Pump, autojump_clock: MockClock, side: Side, leave: Callable[[Peer], Awaitable[None]]
) -> None:
    """The side that sent the Close gets it back at once."""
    async with session(pump) as running:
        leaving, closing = running.sides(side)
        await closing.send(close_frame(3000, "enough"))
        assert await leaving.receive() == close_frame(3000, "enough")
        await leave(leaving)
        assert await closing.receive() == close_frame(3000, "enough")
        closing.finish()
        outcome = await running.outcome()
        assert trio.current_time() < CLOSE_TIMEOUT
    assert (outcome.cause, outcome.side) == (Cause.CLOSED, Side.BACKEND if side is Side.CLIENT else Side.CLIENT)


@pytest.mark.parametrize("side", Side)
async def test_a_peer_that_neither_answers_nor_reads(pump: Pump, autojump_clock: MockClock, side: Side) -> None:
    """Its buffers are full, so not even the Close goes out. It costs the close timeout twice, and no more."""
    async with session(pump, buffer=4096) as running:
        deaf, other = running.sides(side)
        await flood(other, Frame(BINARY, bytes(1000)).encode(other.mask))
        began = trio.current_time()
        await deaf.write(Frame(0xF).encode(deaf.mask))
        with trio.fail_after(3 * CLOSE_TIMEOUT):
            outcome = await running.outcome()
        assert CLOSE_TIMEOUT <= trio.current_time() - began <= 2 * CLOSE_TIMEOUT + 0.001
    assert (outcome.cause, outcome.side) == (Cause.FAULT, side)
