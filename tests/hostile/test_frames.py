"""Every fault of RFC 6455 §5 to §7 from either side, at every cut; floods; peers that leave at every possible point.

On socket pairs with the real pump, in virtual time. ``tests/relay`` has the same machine under peers that behave.
"""

from __future__ import annotations

import contextlib
import itertools
import socket
import struct
from collections.abc import Callable

import pytest
import trio
import trio.testing

from wsgate.relay.closing import Cause, Side
from wsgate.relay.pump import HEADROOM, READ_SIZE, Pump

from ..relay.joined import CLOSE_TIMEOUT, KEY, Peer, Session, close_frame, session
from ..relay.joined import Frame as PeerFrame
from ..wire.reference import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Frame, head
from .oracles import decode

LIMIT = 1000  # bytes

Encode = Callable[[bytes | None], bytes]


def frames(*frames: Frame) -> Encode:
    return lambda key: b"".join(frame.encode(key) for frame in frames)


def announced(opcode: int, size: int, form: int) -> Encode:
    """A header alone."""
    return lambda key: head(opcode, size, form=form, key=key)


def close(payload: bytes) -> Encode:
    return frames(Frame(CLOSE, payload))


def code(number: int) -> Encode:
    return close(number.to_bytes(2, "big"))


# What is wrong, and the code that its sender is told. ``key`` is what a client's frames are masked with.
FAULTS: dict[str, tuple[Encode, int]] = {
    # §5.2
    **{f"RSV{4 - bit} on data": (frames(Frame(BINARY, b"x", rsv=1 << bit - 1)), 1002) for bit in (1, 2, 3)},
    "RSV1 on a ping": (frames(Frame(PING, b"x", rsv=4)), 1002),
    "RSV1 on a continuation": (frames(Frame(TEXT, b"x", fin=False), Frame(CONTINUATION, b"x", rsv=4)), 1002),
    **{f"opcode {opcode:#x}": (frames(Frame(opcode, b"x")), 1002) for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
    "16 bits for 125": (frames(Frame(BINARY, bytes(125), form=16)), 1002),
    "64 bits for 125": (frames(Frame(BINARY, bytes(125), form=64)), 1002),
    "64 bits for 65535": (announced(BINARY, 65535, 64), 1002),
    "2^63": (announced(BINARY, 1 << 63, 64), 1002),
    "2^64 - 1": (announced(BINARY, (1 << 64) - 1, 64), 1002),
    "2^63 - 1, over the limit": (announced(BINARY, (1 << 63) - 1, 64), 1009),
    # §5.1
    "the other side's mask": (lambda key: Frame(BINARY, b"x").encode(KEY if key is None else None), 1002),
    "the other side's mask, on a ping": (lambda key: Frame(PING, b"x").encode(KEY if key is None else None), 1002),
    # §5.4
    "a continuation of nothing": (frames(Frame(CONTINUATION, b"x")), 1002),
    "an empty continuation of nothing": (frames(Frame(CONTINUATION, fin=False)), 1002),
    "text in a message": (frames(Frame(BINARY, b"x", fin=False), Frame(TEXT, b"y")), 1002),
    "binary in a message": (frames(Frame(TEXT, b"x", fin=False), Frame(PING), Frame(BINARY, b"y", fin=False)), 1002),
    # §5.5
    "a ping in fragments": (frames(Frame(PING, b"x", fin=False)), 1002),
    "a close in fragments": (frames(Frame(CLOSE, b"\x03\xe8", fin=False)), 1002),
    "a ping of 126": (frames(Frame(PING, bytes(126))), 1002),
    "a pong of 65536": (announced(PONG, 65536, 64), 1002),
    "a close of 126": (announced(CLOSE, 126, 16), 1002),
    "a small ping in 16 bits": (frames(Frame(PING, b"x", form=16)), 1002),
    # §5.5.1, §7.4
    "a close of one byte": (close(b"\x03"), 1002),
    **{
        f"close code {number}": (code(number), 1002)
        for number in (0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535)
    },
    "a close whose reason is not UTF-8": (close(b"\x03\xe8\xc3"), 1007),
    # the limit, by what is announced and over fragments
    "one byte over the limit": (announced(BINARY, LIMIT + 1, 16), 1009),
    "over the limit in fragments": (frames(Frame(BINARY, bytes(999), fin=False), Frame(CONTINUATION, b"ab")), 1009),
}
# The payload of the valid frames in front of the wrong one, where there are any
IN_FRONT = {
    "RSV1 on a continuation": b"x",
    "text in a message": b"x",
    "binary in a message": b"x",
    "over the limit in fragments": bytes(999),
}
# §8.1; found where the payload is looked at, so perhaps inside a frame that is already on its way
BAD_TEXT: dict[str, Encode] = {
    "a byte that never is": frames(Frame(TEXT, b"ab\xffcd")),
    "overlong": frames(Frame(TEXT, b"\xc0\xaf")),
    "a surrogate": frames(Frame(TEXT, b"\xed\xa0\x80")),
    "over U+10FFFF": frames(Frame(TEXT, b"\xf4\x90\x80\x80")),
    "half a character": frames(Frame(TEXT, b"\xe2\x82")),
    "half a character, then the end in a fragment": frames(Frame(TEXT, b"\xe2", fin=False), Frame(CONTINUATION)),
    "half a character, a ping, the wrong half": frames(
        Frame(TEXT, b"\xe2\x82", fin=False), Frame(PING), Frame(CONTINUATION, b"x")
    ),
}

GOOD = Frame(BINARY, b"before")
JUNK = b"\x81\x00\x82\x7fbehind" * 3


def sides(running: Session, side: Side) -> tuple[Peer, Peer]:
    """The peer on this side, and the other."""
    pair = (running.client, running.backend)
    return pair if side is Side.CLIENT else pair[::-1]


def split_close(data: bytes) -> tuple[bytes, int | None]:
    """What stands in front of the Close that ends ``data``, and its code; ``None`` if no Close does."""
    events = decode(data)
    if not events or events[-1][0] != CLOSE:
        return data, None
    payload = events[-1][1]
    for header in (2, 6):  # without a mask and with one
        at = len(data) - header - len(payload)
        if data[at] == 0x88 and data[at + 1] & 0x7F == len(payload):
            return data[:at], int.from_bytes(payload[:2], "big")
    raise AssertionError(data)


async def settle() -> None:
    """Let the gateway read what has been sent."""
    await trio.testing.wait_all_tasks_blocked()


async def misbehave(running: Session, side: Side, data: bytes, cut: int) -> tuple[bytes, bytes]:
    """Send ``data`` in two parts, then more; all that this side and the other side get until the end."""
    faulty, other = sides(running, side)
    with contextlib.suppress(OSError):  # found in the first part, and perhaps the connection is over
        await faulty.send_bytes(data[:cut])
        await settle()
        await faulty.send_bytes(data[cut:] + JUNK)
        await settle()
        faulty.finish()
    other.finish()
    return await faulty.ended(), await other.ended()


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("name", FAULTS)
async def test_a_fault_in_a_relay(pump: Pump, side: Side, name: str) -> None:
    """Its sender is told the code, the other side 1001 or 1011, and not one byte of the wrong frame gets there."""
    wrong, expected = FAULTS[name]
    key = KEY if side is Side.CLIENT else None
    data = GOOD.encode(key) + wrong(key)
    for cut in range(len(GOOD.encode(key)), len(data) + 1, 1 if len(data) < 100 else 37):
        async with session(pump, limit=LIMIT) as running:
            to_faulty, to_other = await misbehave(running, side, data, cut)
            assert split_close(to_faulty) == (b"", expected), cut
            passed, code = split_close(to_other)
            assert code == (1001 if side is Side.CLIENT else 1011)
            assert data.startswith(passed)
            assert len(GOOD.encode(key)) <= len(passed) < len(data)
            outcome = await running.outcome()
        assert (outcome.cause, outcome.side) == (Cause.FAULT, side)
        assert 0 < len(outcome.detail) < 124


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("name", BAD_TEXT)
async def test_bad_text_in_a_relay(pump: Pump, side: Side, name: str) -> None:
    """As above, but part of its frame may be there already: then the connection ends inside it (no Close is data)."""
    key = KEY if side is Side.CLIENT else None
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


@pytest.mark.parametrize("name", FAULTS)
async def test_a_fault_in_a_tunnel(pump: Pump, name: str) -> None:
    wrong, expected = FAULTS[name]
    data = GOOD.encode(KEY) + wrong(KEY)
    for cut in range(len(GOOD.encode(KEY)), len(data) + 1, 1 if len(data) < 100 else 37):
        async with session(pump, mode="tunnel", limit=LIMIT) as running:
            to_client, to_service = await misbehave(running, Side.CLIENT, data, cut)
            answers, code = split_close(to_client)
            assert code == expected, cut
            assert answers == (Frame(PONG).encode(None) if name == "binary in a message" else b"")
            assert to_service == b"before" + IN_FRONT.get(name, b"")
            outcome = await running.outcome()
        assert (outcome.cause, outcome.side) == (Cause.FAULT, Side.CLIENT)


@pytest.mark.parametrize("opcode", [TEXT, CONTINUATION])
async def test_text_where_a_tunnel_rejects_it(pump: Pump, opcode: int) -> None:
    """Also as the beginning of a message whose rest would be binary; at the header, before any of it is there."""
    async with session(pump, mode="tunnel", accept_text=False) as running:
        await running.client.send_bytes(Frame(TEXT, b"te", fin=opcode == TEXT).encode(KEY)[:6])
        await settle()
        running.backend.finish()
        running.client.finish()
        assert await running.backend.ended() == b""
        assert split_close(await running.client.ended()) == (b"", 1003)


# -- the end, and after it ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", Side)
async def test_a_close_in_mid_message_and_data_behind_it(pump: Pump, side: Side) -> None:
    """Valid (§5.4 lets control frames stand between fragments), the last that counts (§5.5.1), cut anywhere."""
    key = KEY if side is Side.CLIENT else None
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
async def test_a_peer_that_neither_answers_nor_reads(
    pump: Pump, autojump_clock: trio.testing.MockClock, side: Side
) -> None:
    """Its buffers are full, so not even the Close goes out. It costs the close timeout twice, and no more."""
    async with session(pump, buffer=4096) as running:
        deaf, other = sides(running, side)
        await flood(other, Frame(BINARY, bytes(1000)).encode(other.key))
        began = trio.current_time()
        await deaf.send_bytes(Frame(0xF).encode(deaf.key))
        with trio.fail_after(3 * CLOSE_TIMEOUT):
            outcome = await running.outcome()
        assert CLOSE_TIMEOUT <= trio.current_time() - began <= 2 * CLOSE_TIMEOUT + 0.001
    assert (outcome.cause, outcome.side) == (Cause.FAULT, side)


async def flood(peer: Peer, data: bytes) -> int:
    """Send the same again and again until the gateway takes no more; how many bytes it took."""
    sent = 0
    with trio.move_on_after(0.5):
        while True:
            rest = memoryview(data)
            while rest:
                size = await peer.sock.send(rest)
                sent += size
                rest = rest[size:]
    return sent


# -- floods ------------------------------------------------------------------------------------------------------------

FLOODS: dict[str, Frame] = {
    "pings": Frame(PING, b"p" * 125),
    "pongs": Frame(PONG),
    "empty messages": Frame(BINARY),
    "one-byte messages": Frame(BINARY, b"x"),
    "one-byte texts": Frame(TEXT, b"x"),
}


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("name", FLOODS)
async def test_a_flood_at_a_peer_that_does_not_read(
    pump: Pump, autojump_clock: trio.testing.MockClock, name: str, side: Side
) -> None:
    """It is stopped at its source, after one read; and every frame of it arrives when the peer reads again."""
    async with session(pump, buffer=4096) as running:
        flooding, other = sides(running, side)
        frame = FLOODS[name].encode(flooding.key)
        sent = await flood(flooding, frame)
        assert held(running) <= HEADROOM + READ_SIZE
        received = await other.take(sent // len(frame) * len(frame))
        assert received == frame * (len(received) // len(frame))
        assert held(running) <= HEADROOM + READ_SIZE


async def test_a_flood_of_pings_at_a_tunnel_costs_one_pong(pump: Pump, autojump_clock: trio.testing.MockClock) -> None:
    """The client does not read the answers: the newest waits for all (§5.5.3), and what the client sends is read."""
    async with session(pump, mode="tunnel", buffer=4096) as running:
        for number in range(20_000):
            await running.client.send(PeerFrame(PING, number.to_bytes(4, "big") * 25))
        await settle()
        assert held(running) <= HEADROOM + READ_SIZE
        await running.client.send(PeerFrame(BINARY, b"still here"))
        assert await running.backend.take(10) == b"still here"


@pytest.mark.parametrize("mode", ["relay", "tunnel"])
async def test_a_message_of_a_hundred_thousand_empty_fragments(pump: Pump, mode: str) -> None:
    """Nothing is kept of a message under way but its size so far."""
    async with session(pump, mode=mode, limit=LIMIT) as running:
        data = Frame(TEXT, b"a", fin=False).encode(KEY) + Frame(CONTINUATION, fin=False).encode(KEY) * 100_000
        data += Frame(CONTINUATION, b"z").encode(KEY)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(running.client.send_bytes, data)
            if mode == "relay":
                assert await running.backend.take(len(data)) == data
            else:
                assert await running.backend.take(2) == b"az"
        assert held(running) == 0


async def test_frames_announced_at_their_largest(pump: Pump, autojump_clock: trio.testing.MockClock) -> None:
    """Without a limit a frame of 2^63 - 1 bytes is a valid one, and its end a long way off: only time can end it."""
    async with session(pump) as running:
        start = head(BINARY, (1 << 63) - 1, form=64, key=KEY)
        await running.client.send_bytes(start + bytes(1000))
        assert await running.backend.take(len(start) + 1000) == start + bytes(1000)
        await running.backend.send(close_frame(1000))
        assert split_close(await running.client.take(4)) == (b"", 1000)
        running.backend.finish()
        outcome = await running.outcome()
    assert (outcome.cause, outcome.side) == (Cause.CLOSED, Side.BACKEND)


@pytest.mark.parametrize("form", [16, 64])
async def test_a_flood_of_announcements_ends_at_the_first(pump: Pump, form: int) -> None:
    async with session(pump, limit=LIMIT) as running:
        size = 0xFFFF if form == 16 else (1 << 63) - 1
        await running.client.send_bytes(head(BINARY, size, form=form, key=KEY) * 1000)
        await settle()
        running.client.finish()
        running.backend.finish()
        assert split_close(await running.backend.ended()) == (b"", 1001)
        assert split_close(await running.client.ended()) == (b"", 1009)


def held(running: Session) -> int:
    """Bytes that the session keeps of what it has read."""
    legs = (running.client_leg, running.backend_leg)
    return sum(len(leg.pending or b"") + sum(map(len, (leg.waiting or {}).values())) for leg in legs)


# -- peers that leave --------------------------------------------------------------------------------------------------

STORY = [
    Frame(TEXT, "häl".encode(), fin=False),
    Frame(PING, b"?"),
    Frame(CONTINUATION, b"lo"),
    Frame(BINARY, bytes(200)),
    Frame(CLOSE, b"\x03\xe8bye"),
]


def reset(peer: Peer) -> None:
    """Break the connection: the gateway sees RST."""
    peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.sock.close()


LEAVE = pytest.mark.parametrize("leave", [reset, Peer.vanish], ids=["reset", "end"])


@LEAVE
@pytest.mark.parametrize("side", Side)
async def test_a_peer_of_a_relay_that_leaves_at_every_possible_point(
    pump: Pump, autojump_clock: trio.testing.MockClock, side: Side, leave: Callable[[Peer], None]
) -> None:
    """The other side is told, or its connection ends inside the frame that will never be whole. No time is lost."""
    encoded = [frame.encode(KEY if side is Side.CLIENT else None) for frame in STORY]
    boundaries = set(itertools.accumulate(map(len, encoded), initial=0))
    story = b"".join(encoded)
    for size in [*range(60), *range(60, len(story), 23), len(story)]:
        async with session(pump) as running:
            leaving, other = sides(running, side)
            await leaving.send_bytes(story[:size])
            await settle()
            leave(leaving)
            await settle()
            other.finish()
            passed, code = split_close(await other.ended())
            outcome = await running.outcome()
        whole = size == len(story)
        assert story[:size].startswith(passed)
        assert code in ((1000,) if whole else (None, 1001) if side is Side.CLIENT else (None, 1011)), size
        assert (code is None) == (len(passed) not in boundaries)
        assert (outcome.cause, outcome.side) == (Cause.CLOSED if whole else Cause.GONE, side), size
    assert trio.current_time() < CLOSE_TIMEOUT


@LEAVE
async def test_a_tunnels_client_that_leaves_at_every_possible_point(
    pump: Pump, autojump_clock: trio.testing.MockClock, leave: Callable[[Peer], None]
) -> None:
    story = b"".join(frame.encode(KEY) for frame in STORY)
    payloads = b"".join(frame.payload for frame in STORY if frame.opcode <= BINARY)
    for size in [*range(60), *range(60, len(story), 23), len(story)]:
        async with session(pump, mode="tunnel") as running:
            await running.client.send_bytes(story[:size])
            await settle()
            leave(running.client)
            await settle()
            running.backend.finish()
            assert payloads.startswith(await running.backend.ended())
            outcome = await running.outcome()
        assert (outcome.cause, outcome.side) == (Cause.CLOSED if size == len(story) else Cause.GONE, Side.CLIENT), size
    assert trio.current_time() < CLOSE_TIMEOUT


@pytest.mark.parametrize(("leave", "code", "cause"), [(reset, 1011, Cause.GONE), (Peer.vanish, 1000, Cause.FINISHED)])
async def test_a_tunnels_service_that_leaves(
    pump: Pump, autojump_clock: trio.testing.MockClock, leave: Callable[[Peer], None], code: int, cause: Cause
) -> None:
    for said in (b"", b"some bytes"):
        async with session(pump, mode="tunnel") as running:
            await running.backend.send_bytes(said)
            await settle()
            leave(running.backend)
            await settle()
            running.client.finish()
            passed, told = split_close(await running.client.ended())
            outcome = await running.outcome()
        assert (passed, told) == (Frame(BINARY, said).encode(None) if said else b"", code)
        assert (outcome.cause, outcome.side) == (cause, Side.BACKEND)
    assert trio.current_time() < CLOSE_TIMEOUT


@pytest.mark.parametrize("mode", ["relay", "tunnel"])
async def test_both_peers_leave_at_once(pump: Pump, autojump_clock: trio.testing.MockClock, mode: str) -> None:
    async with session(pump, mode=mode) as running:
        reset(running.client)
        reset(running.backend)
        outcome = await running.outcome()
        assert trio.current_time() < CLOSE_TIMEOUT
    assert outcome.cause is Cause.GONE


@pytest.mark.parametrize("side", Side)
async def test_a_peer_that_is_flooded_and_leaves(
    pump: Pump, autojump_clock: trio.testing.MockClock, side: Side
) -> None:
    """What it had not read is thrown away, and who flooded it is told."""
    async with session(pump, buffer=4096) as running:
        leaving, flooding = sides(running, side)
        frame = Frame(BINARY, bytes(1000)).encode(flooding.key)
        await flood(flooding, frame)
        reset(leaving)
        await settle()
        flooding.finish()
        code = split_close(await flooding.ended())[1]
        outcome = await running.outcome()
    assert code == (1001 if side is Side.CLIENT else 1011)
    assert (outcome.cause, outcome.side) == (Cause.GONE, side)
    assert held(running) == 0
