"""Compressed messages: the codec against zlib, and both flows, for payloads and frames that are nearly right."""

from __future__ import annotations

import itertools
import zlib
from random import Random

import trio
import trio.testing
from trio.testing import MockClock

from tests.peers.frames import BINARY, CLOSE, CONTINUATION, MASK, PING, TEXT, Frame, parse_all
from tests.relay.deflating import TAIL, inflated, inspecting, recoding
from tests.relay.joined import session
from wsgate.relay.closing import Cause
from wsgate.relay.deflate_flow import Checks
from wsgate.relay.pump import Pump
from wsgate.wire.deflate import Deflater, Inflater

from .inputs import chance, cut, mutated

_LIMIT = 50_000  # plain bytes of a message
_LAST = b"\x03\x00"  # a last, empty block
_TEXTS = ("", "a", "größer ", "{}", "\x00", "𝄞")


def codecs(random: Random) -> None:
    """Any pieces and steps give what zlib gives for the whole; and what is compressed comes back."""
    takeover = chance(random, 2)
    inflater = Inflater(takeover=takeover)
    oracle = zlib.decompressobj(-15)
    for _ in range(random.randrange(1, 4)):
        payload = mutated(random, _deflated(random, _plain(random)))
        if not takeover:
            oracle = zlib.decompressobj(-15)
        expected = _whole(oracle, payload)
        found = _stepwise(random, inflater, payload)
        if oracle.eof:  # a final block, which zlib does not go on behind
            break
        assert found == expected, (payload, found, expected, takeover)
        if found is None:
            break
    deflater = Deflater(random.randrange(1, 10), random.randrange(9, 16), takeover=takeover)
    oracle = zlib.decompressobj(-15)
    for _ in range(3):
        plain = _plain(random)
        pieces = cut(random, plain) or [b""]
        payload = b"".join(deflater.compress(each, last=at == len(pieces)) for at, each in enumerate(pieces, 1))
        oracle = oracle if takeover else zlib.decompressobj(-15)
        assert oracle.decompress(payload + TAIL) == plain


def flows(random: Random) -> None:
    """No input is a bug of ours; what the sink gets are valid frames, their messages inflate, and text is UTF-8."""
    checks = Checks(_LIMIT, True, False)
    inspects = chance(random, 2)
    make = inspecting(checks) if inspects else recoding(checks, backend=chance(random, 2))
    raw = b"".join(frame.encode(MASK) for _ in range(random.randrange(1, 5)) for frame in _message(random))
    raw = mutated(random, raw)
    received = b""

    async def main() -> None:
        nonlocal received
        async with trio.open_nursery() as nursery:
            pump = Pump()
            nursery.start_soon(pump.run)
            async with session(pump, flows=make) as running:
                for piece in cut(random, raw)[:20]:
                    await running.client.write(piece)
                    await trio.testing.wait_all_tasks_blocked()
                running.client.finish()
                running.backend.finish()
                received = await running.backend.read_all()
                assert (await running.outcome()).cause is not Cause.BUG
            nursery.cancel_scope.cancel()

    trio.run(main, clock=MockClock(autojump_threshold=0))
    _check(received)


def _check(received: bytes) -> None:
    message: list[Frame] = []
    for frame, _, _ in parse_all(received):
        if frame.opcode == CLOSE:
            return
        if frame.opcode == PING:
            continue
        assert (frame.opcode == CONTINUATION) == bool(message)
        message.append(frame)
        if frame.fin:
            plain = b"".join(each.payload for each in message)
            plain = inflated(plain) if message[0].rsv else plain
            assert len(plain) <= _LIMIT
            if message[0].opcode == TEXT:
                plain.decode()
            message = []


def _stepwise(random: Random, inflater: Inflater, payload: bytes) -> bytes | None:
    plain = b""
    pieces = cut(random, payload) or [b""]
    size = random.choice((1, 10, 1000, 65536))
    for at, piece in enumerate(pieces, 1):
        inflater.put(piece, last=at == len(pieces))
        while inflater.more:
            some = inflater.take(size)
            if some is None:
                return None
            assert len(some) <= size
            plain += some
    return plain


def _whole(oracle: zlib._Decompress, payload: bytes) -> bytes | None:
    """``None``: the payload is no DEFLATE stream, or ends inside a block."""
    try:
        plain = oracle.decompress(payload + TAIL)
        if not oracle.eof:
            end = oracle.copy()
            end.decompress(_LAST)
            return plain if end.eof else None
    except zlib.error:
        return None
    return plain


def _plain(random: Random) -> bytes:
    if chance(random, 3):
        return random.randbytes(random.randrange(300))
    text = "".join(random.choices(_TEXTS, k=random.randrange(200))).encode()
    return text * random.choice((1, 1, 50))


def _deflated(random: Random, plain: bytes) -> bytes:
    state = zlib.compressobj(random.randrange(10), zlib.DEFLATED, -15)
    if chance(random, 8):
        return state.compress(plain) + state.flush(zlib.Z_FINISH) + b"\x00"
    return (state.compress(plain) + state.flush(zlib.Z_SYNC_FLUSH))[:-4]


def _message(random: Random) -> list[Frame]:
    """A message in fragments, compressed or not, and Pings between them."""
    plain, compresses = _plain(random), chance(random, 2)
    payload = mutated(random, _deflated(random, plain), 4) if compresses else plain
    places = sorted(random.randrange(len(payload) + 1) for _ in range(random.randrange(3)))
    frames: list[Frame] = []
    for start, end in itertools.pairwise([0, *places, len(payload)]):
        opcode = CONTINUATION if frames else random.choice((TEXT, BINARY))
        frames.append(Frame(opcode, payload[start:end], False, 4 if compresses and not frames else 0))
    frames[-1] = Frame(frames[-1].opcode, frames[-1].payload, True, frames[-1].rsv)
    if chance(random, 3):
        frames.insert(random.randrange(len(frames) + 1), Frame(PING, b"?"))
    return frames
