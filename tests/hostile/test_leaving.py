"""Peers that leave, with or without a reset, at every possible point."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable

import pytest
import trio
from trio.testing import MockClock

from tests.peers.frames import BINARY, CLOSE, CONTINUATION, MASK, PING, TEXT, Frame
from wsgate.relay.closing import Cause, Side
from wsgate.relay.pump import Pump

from ..relay.joined import CLOSE_TIMEOUT, Peer, session
from .peers import LEAVE, flood, held, settle, split_close

Leave = Callable[[Peer], Awaitable[None]]

STORY = [
    Frame(TEXT, "häl".encode(), fin=False),
    Frame(PING, b"?"),
    Frame(CONTINUATION, b"lo"),
    Frame(BINARY, bytes(200)),
    Frame(CLOSE, b"\x03\xe8bye"),
]


@LEAVE
@pytest.mark.parametrize("side", Side)
async def test_a_peer_of_a_relay_that_leaves_at_every_possible_point(
    pump: Pump, autojump_clock: MockClock, side: Side, leave: Leave
) -> None:
    """The other side gets a Close, or its connection ends inside the incomplete frame. No timeout has to pass."""
    encoded = [frame.encode(MASK if side is Side.CLIENT else None) for frame in STORY]
    boundaries = set(itertools.accumulate(map(len, encoded), initial=0))
    story = b"".join(encoded)
    for size in [*range(60), *range(60, len(story), 23), len(story)]:
        async with session(pump) as running:
            leaving, other = running.sides(side)
            await leaving.write(story[:size])
            await settle()
            await leave(leaving)
            await settle()
            other.finish()
            passed, code = split_close(await other.read_all())
            outcome = await running.outcome()
        whole = size == len(story)
        assert story[:size].startswith(passed)
        assert code in ((1000,) if whole else (None, 1001) if side is Side.CLIENT else (None, 1011)), size
        assert (code is None) == (len(passed) not in boundaries)
        assert (outcome.cause, outcome.side) == (Cause.CLOSED if whole else Cause.GONE, side), size
    assert trio.current_time() < CLOSE_TIMEOUT


@LEAVE
async def test_a_tunnels_client_that_leaves_at_every_possible_point(
    pump: Pump, autojump_clock: MockClock, leave: Leave
) -> None:
    story = b"".join(frame.encode(MASK) for frame in STORY)
    payloads = b"".join(frame.payload for frame in STORY if frame.opcode <= BINARY)
    for size in [*range(60), *range(60, len(story), 23), len(story)]:
        async with session(pump, mode="tunnel") as running:
            await running.client.write(story[:size])
            await settle()
            await leave(running.client)
            await settle()
            running.backend.finish()
            assert payloads.startswith(await running.backend.read_all())
            outcome = await running.outcome()
        assert (outcome.cause, outcome.side) == (Cause.CLOSED if size == len(story) else Cause.GONE, Side.CLIENT), size
    assert trio.current_time() < CLOSE_TIMEOUT


@pytest.mark.parametrize(
    ("leave", "code", "cause"), [(Peer.reset, 1011, Cause.GONE), (Peer.vanish, 1000, Cause.FINISHED)]
)
async def test_a_tunnels_service_that_leaves(
    pump: Pump,
    autojump_clock: MockClock,
    leave: Leave,
    code: int,
    cause: Cause,
) -> None:
    for said in (b"", b"some bytes"):
        async with session(pump, mode="tunnel") as running:
            await running.backend.write(said)
            await settle()
            await leave(running.backend)
            await settle()
            running.client.finish()
            passed, told = split_close(await running.client.read_all())
            outcome = await running.outcome()
        assert (passed, told) == (Frame(BINARY, said).encode(None) if said else b"", code)
        assert (outcome.cause, outcome.side) == (cause, Side.BACKEND)
    assert trio.current_time() < CLOSE_TIMEOUT


@pytest.mark.parametrize("mode", ["relay", "tunnel"])
async def test_both_peers_leave_at_once(pump: Pump, autojump_clock: MockClock, mode: str) -> None:
    async with session(pump, mode=mode) as running:
        await running.client.reset()
        await running.backend.reset()
        outcome = await running.outcome()
        assert trio.current_time() < CLOSE_TIMEOUT
    assert outcome.cause is Cause.GONE


@pytest.mark.parametrize("side", Side)
async def test_a_peer_that_is_flooded_and_leaves(pump: Pump, autojump_clock: MockClock, side: Side) -> None:
    """Bytes that it had not read are discarded, and the flooding side gets a Close."""
    async with session(pump, buffer=4096) as running:
        leaving, flooding = running.sides(side)
        frame = Frame(BINARY, bytes(1000)).encode(flooding.mask)
        await flood(flooding, frame)
        await leaving.reset()
        await settle()
        flooding.finish()
        code = split_close(await flooding.read_all())[1]
        outcome = await running.outcome()
    assert code == (1001 if side is Side.CLIENT else 1011)
    assert (outcome.cause, outcome.side) == (Cause.GONE, side)
    assert held(running) == 0
